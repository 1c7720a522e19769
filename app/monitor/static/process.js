// One process: its diagram with what happened on it, kept fresh by the stream of its events.
/* global BpmnJS */
const root = document.getElementById("process");
const url = root.dataset.url;
const state = document.getElementById("state");
const timeline = document.getElementById("timeline");
const connection = document.getElementById("connection");
const note = document.getElementById("diagram-note");
const chosen = document.getElementById("chosen");
const STATES = ["done", "running", "waiting", "failed", "cancelled"];
// Events come in bursts: what they change is asked for once.
const GATHER_MS = 150;
const AGAIN_MS = 2000;
const LONGEST_MS = 60_000;
const ENDED_MS = 10_000;

let viewer = null;
// A BPMN file need not hold a drawing of its process: then nothing more is asked for.
let isDrawable = true;
let steps = new Map();

async function ask(path) {
  const answer = await fetch(`${url}${path}`, {
    headers: { "X-Requested-With": "monitor" },
    signal: AbortSignal.timeout(30_000),
  });
  if (answer.status === 401) location.reload();
  if (!answer.ok) throw Object.assign(new Error(`${answer.status} ${await answer.text()}`), { status: answer.status });
  return answer;
}

function say(text) {
  note.textContent = text;
  note.hidden = !text;
}

// -- state and timeline

async function refreshState() {
  const page = new DOMParser().parseFromString(await (await ask("/state")).text(), "text/html");
  const open = new Set([...timeline.querySelectorAll("details[open]")].map((item) => item.closest("li").dataset.id));
  const isOpen = state.querySelector("details")?.open;
  const focused = document.activeElement?.closest("li[data-id]")?.dataset.id;
  state.replaceChildren(...page.querySelector("#new-state").childNodes);
  timeline.replaceChildren(...page.querySelector("#new-timeline").childNodes);
  if (isOpen) state.querySelector("details").open = true;
  for (const item of timeline.querySelectorAll("li[data-id]")) {
    if (open.has(item.dataset.id)) item.querySelector("details").open = true;
    if (item.dataset.id === focused) item.querySelector("summary").focus();
  }
  choose(chosen.dataset.steps ? JSON.parse(chosen.dataset.steps) : null, chosen.dataset.name);
}

function choose(names, label) {
  if (names) chosen.dataset.steps = JSON.stringify(names);
  else delete chosen.dataset.steps;
  chosen.dataset.name = label ?? "";
  chosen.hidden = !names;
  chosen.querySelector("b").textContent = label ?? "";
  for (const item of timeline.querySelectorAll("li[data-step]")) {
    item.hidden = Boolean(names) && !names.includes(item.dataset.step);
  }
}
chosen.querySelector("button").addEventListener("click", () => choose(null));

// -- diagram

function duration(ms) {
  if (ms < 1000) return `${ms} ms`;
  const s = ms / 1000;
  if (s < 60) return `${s.toFixed(1)} s`;
  return s < 3600 ? `${Math.round(s / 60)} min` : `${(s / 3600).toFixed(1)} h`;
}

function label(element) {
  const parts = [];
  if (element.attempts > 1) parts.push(`${element.attempts} attempts`);
  if (element.visits > 1) parts.push(`${element.visits}×`);
  if (element.took_ms !== null && element.steps.length) parts.push(duration(element.took_ms));
  return parts.join(" · ") || (element.steps.length ? element.state : "");
}

function nameOf(element) {
  return element.businessObject?.name || element.id;
}

function chooseElement(element) {
  const names = steps.get(element.id);
  choose(names?.length ? names : null, nameOf(element));
  if (names?.length) chosen.scrollIntoView({ block: "nearest" });
}

// The same as the diagram, for keyboards and screen readers.
function listSteps(elements, registry) {
  const focused = document.activeElement?.dataset?.element;
  const items = Object.entries(elements)
    .filter(([id, { steps: names }]) => names.length && registry.get(id))
    .map(([id, element]) => {
      const button = document.createElement("button");
      button.dataset.element = id;
      button.className = `badge ${element.state}`;
      button.textContent = [nameOf(registry.get(id)), element.state, label(element)].filter((text, place, all) => all.indexOf(text) === place).join(", ");
      button.addEventListener("click", () => chooseElement(registry.get(id)));
      const item = document.createElement("li");
      item.append(button);
      return item;
    });
  const list = document.getElementById("steps");
  list.replaceChildren(...items);
  if (focused) list.querySelector(`[data-element="${CSS.escape(focused)}"]`)?.focus();
}

function giveUpDiagram(error) {
  isDrawable = false;
  document.getElementById("diagram").hidden = true;
  say(`The diagram cannot be shown: ${error.message}`);
}

async function refreshDiagram() {
  if (!isDrawable) return;
  let trail;
  try {
    trail = await (await ask(viewer ? "/trail" : "/trail?diagram")).json();
  } catch (error) {
    if (error.status !== 404) throw error;
    if (viewer) say(error.message);
    else giveUpDiagram(error);
    return;
  }
  if (!viewer) {
    const drawing = new BpmnJS({ container: "#diagram" });
    try {
      await drawing.importXML(trail.xml);
    } catch (error) {
      giveUpDiagram(error);
      return;
    }
    viewer = drawing;
    viewer.get("canvas").zoom("fit-viewport", "auto");
    viewer.on("element.click", ({ element }) => chooseElement(element));
  }
  document.getElementById("version").textContent = trail.version ? `version ${trail.version}` : "";
  say(trail.note);
  const canvas = viewer.get("canvas");
  const registry = viewer.get("elementRegistry");
  const overlays = viewer.get("overlays");
  overlays.remove({ type: "trail" });
  steps = new Map();
  registry.forEach(({ id }) => {
    for (const one of STATES) canvas.removeMarker(id, `is-${one}`);
    canvas.removeMarker(id, "is-taken");
  });
  for (const id of trail.flows) if (registry.get(id)) canvas.addMarker(id, "is-taken");
  for (const [id, element] of Object.entries(trail.elements)) {
    if (!registry.get(id)) continue;
    canvas.addMarker(id, `is-${element.state}`);
    // What holds other elements is drawn as a frame around them.
    if (registry.get(id).children?.some((child) => !child.labelTarget && child.type !== "label")) canvas.addMarker(id, "is-scope");
    steps.set(id, element.steps);
    const text = label(element);
    if (!text) continue;
    const badge = document.createElement("div");
    badge.className = `badge ${element.state}`;
    badge.textContent = text;
    if (element.message) badge.title = element.message;
    overlays.add(id, "trail", { position: { bottom: -4, left: 4 }, html: badge });
  }
  listSteps(trail.elements, registry);
}

// -- live

let source = null;
let refusals = 0;
let later = null;
let isWanted = false;
let isRefreshing = false;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
// Longer each time, and not at the same moment for every page that lost the same server.
const growing = (times) => Math.min(LONGEST_MS, AGAIN_MS * 2 ** Math.min(times - 1, 10)) * (0.75 + Math.random() / 2);

function lost(isLost) {
  connection.textContent = isLost ? connection.dataset.text : "";
  connection.hidden = !isLost;
}

async function whileHidden() {
  while (document.hidden) await new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));
}

// State and diagram, one refresh at a time: what comes in meanwhile is asked for after it.
async function refresh() {
  isWanted = true;
  if (isRefreshing) return;
  isRefreshing = true;
  clearTimeout(later);
  later = null;
  for (let failures = 0; isWanted; ) {
    await pause(failures ? growing(failures) : GATHER_MS);
    await whileHidden();
    isWanted = false;
    const fault = (await Promise.allSettled([refreshState(), refreshDiagram()])).find(({ status }) => status === "rejected");
    lost(Boolean(fault));
    failures = fault ? failures + 1 : 0;
    isWanted ||= Boolean(fault);
  }
  isRefreshing = false;
  if (source || later) return;
  // A retry opens a process that has ended again: look now and then.
  if (state.querySelector("[data-over]").dataset.over === "yes") later = setTimeout(refresh, ENDED_MS);
  else follow();
}

function follow() {
  source = new EventSource(`${url}/events`);
  for (const name of ["started", "completed", "failed", "ops"]) source.addEventListener(name, refresh);
  source.addEventListener("open", () => {
    refusals = 0;
  });
  source.addEventListener("end", () => {
    source.close();
    source = null;
    refresh();
  });
  source.addEventListener("error", () => {
    // Streams end now and then, and are opened again: whether the server is away, the refresh tells. It also leads to
    // the login when the session has ended, which a stream cannot tell from a server that has no room for it.
    if (source?.readyState !== EventSource.CLOSED) {
      refresh();
      return;
    }
    source = null;
    refusals += 1;
    clearTimeout(later);
    later = setTimeout(refresh, growing(refusals));
  });
}

// -- dialogs and copying

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.opens) document.getElementById(button.dataset.opens).showModal();
  if ("close" in button.dataset) button.closest("dialog").close();
  if (button.dataset.copy) {
    navigator.clipboard?.writeText(button.dataset.copy);
    button.textContent = "Copied";
  }
});
for (const form of document.querySelectorAll("dialog form")) {
  form.addEventListener("submit", () => form.querySelector("button:not([type])").setAttribute("disabled", ""));
}

refresh();
