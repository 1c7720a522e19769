// One process: its state, diagram and events, kept fresh by the stream of its events.
import { Diagram } from "./diagram.js";
import { isPaused, offerPause, updates, whileStill } from "./live.js";
import { patch } from "./patch.js";

const root = document.getElementById("process");
const url = root.dataset.url;
const state = document.getElementById("state");
const timeline = document.getElementById("timeline");
const connection = document.getElementById("connection");
const chosenNote = document.getElementById("chosen");
// Events come in bursts: what they change is asked for once.
const GATHER_MS = 150;
const AGAIN_MS = 2000;
const LONGEST_MS = 60_000;
const NOW_AND_THEN_MS = 10_000;

// Whatever is paused, a page that has just been opened shows once what there is.
let isShown = false;
root.ariaBusy = "true";

async function ask(path) {
  const answer = await fetch(`${url}${path}`, {
    headers: { "X-Requested-With": "monitor" },
    signal: AbortSignal.timeout(30_000),
  });
  if (answer.status === 401) location.reload();
  if (!answer.ok) throw Object.assign(new Error(`${answer.status} ${await answer.text()}`), { status: answer.status });
  return answer;
}

// -- state and timeline

async function refreshState() {
  const html = await (await ask("/state")).text();
  if (isShown) await whileStill();
  const page = new DOMParser().parseFromString(html, "text/html");
  patch(state, page.querySelector("#new-state"));
  patch(timeline, page.querySelector("#new-timeline"));
  narrow();
  for (const details of timeline.querySelectorAll("details[open]")) showDetail(details);
}

// Of which moment the details of an event are that are shown.
const shownOf = new WeakMap();

// What an event took and gave is asked for when somebody opens it, and again when the event has moved.
async function showDetail(details) {
  const { key, changed } = details.closest("li").dataset;
  const place = details.querySelector("[data-own]");
  if (shownOf.get(place) === changed) return;
  shownOf.set(place, changed);
  try {
    patch(place, await (await ask(`/event/${key}`)).text());
  } catch (error) {
    shownOf.delete(place);
    place.textContent = `This cannot be shown now: ${error.message}. Close and open it to try again.`;
  }
}
timeline.addEventListener(
  "toggle",
  ({ target }) => {
    if (target.open) showDetail(target);
  },
  true,
);

// -- one element of the diagram, chosen

let chosen = null;

function choose(element) {
  chosen = element;
  diagram.mark(element?.id ?? null);
  narrow();
  if (element) chosenNote.scrollIntoView({ block: "nearest" });
}

function narrow() {
  chosenNote.hidden = !chosen;
  chosenNote.querySelector("b").textContent = chosen?.name ?? "";
  const steps = chosen ? diagram.stepsOf(chosen.id) : null;
  let number = 0;
  for (const item of timeline.querySelectorAll("li[data-step]")) {
    item.hidden = Boolean(steps) && !steps.includes(item.dataset.step);
    if (!item.hidden) number += 1;
  }
  chosenNote.querySelector("span").textContent = number ? "" : "It has no events of its own.";
}
chosenNote.querySelector("button").addEventListener("click", () => choose(null));

const diagram = new Diagram(choose);

async function refreshDiagram() {
  if (!diagram.isKnown) return;
  let trail;
  try {
    trail = await (await ask(diagram.needsDrawing ? "/trail?diagram" : "/trail")).json();
  } catch (error) {
    if (error.status !== 404) throw error;
    diagram.fail(error);
    return;
  }
  if (isShown) await whileStill();
  await diagram.draw(trail);
  narrow();
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

// State and diagram, one refresh at a time: what comes in meanwhile is asked for after it.
async function refresh() {
  isWanted = true;
  if (isRefreshing) return;
  isRefreshing = true;
  clearTimeout(later);
  later = null;
  for (let failures = 0; isWanted; ) {
    await pause(failures ? growing(failures) : GATHER_MS);
    if (isShown) await whileStill();
    isWanted = false;
    const fault = (await Promise.allSettled([refreshState(), refreshDiagram()])).find(({ status }) => status === "rejected");
    lost(Boolean(fault));
    isShown ||= !fault;
    root.ariaBusy = String(!isShown);
    failures = fault ? failures + 1 : 0;
    isWanted ||= Boolean(fault);
  }
  isRefreshing = false;
  if (isPaused()) return;
  if (!source && !later && state.querySelector("[data-over]").dataset.over === "no") follow();
  // A retry opens a process that has ended again, and what waits for a message or a timer tells nobody that it has come
  // there: look now and then.
  later ??= setTimeout(refresh, NOW_AND_THEN_MS);
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

offerPause();
updates.addEventListener("change", () => {
  if (isPaused()) {
    source?.close();
    source = null;
  } else if (!source) refresh();
});
refresh();
