// One process: its state, diagram and events, refreshed at each event of its stream.
import { Diagram } from "./diagram.js";
import { isPaused, offerPause, updates, whileStill } from "./live.js";
import { patch } from "./patch.js";

const root = document.getElementById("process");
const url = root.dataset.url;
const state = document.getElementById("state");
const timeline = document.getElementById("timeline");
const connection = document.getElementById("connection");
const chosenNote = document.getElementById("chosen");
// Milliseconds. Events come in bursts, so wait a moment and refresh once.
const GATHER_MS = 150;
const AGAIN_MS = 2000;
const LONGEST_MS = 60_000;
const NOW_AND_THEN_MS = 10_000;

// A page that was just opened loads once, also while updates are paused.
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

// The time of the last change of an event, by the node that shows its details.
const shownOf = new WeakMap();

// Loads the details of an event when the user opens it, and again when the event has changed.
async function showDetail(details) {
  const { key, changed } = details.closest("li").dataset;
  const place = details.querySelector("[data-own]");
  if (shownOf.get(place) === changed) return;
  shownOf.set(place, changed);
  try {
    patch(place, await (await ask(`/event/${key}`)).text());
  } catch (error) {
    shownOf.delete(place);
    place.textContent = `The details could not be loaded: ${error.message}. Close and open the event to try again.`;
  }
}
timeline.addEventListener(
  "toggle",
  ({ target }) => {
    if (target.open) showDetail(target);
  },
  true,
);

// -- the selected element of the diagram

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
  chosenNote.querySelector("span").textContent = number ? "" : "This element has no events.";
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

// -- what it waits for

const active = document.getElementById("active");

async function refreshActive() {
  const html = await (await ask("/active")).text();
  if (isShown) await whileStill();
  patch(active, html);
}

// -- live

let source = null;
let refusals = 0;
let later = null;
let isWanted = false;
let isRefreshing = false;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
// The pause grows each time. It is random, so that pages that lost the same server do not all retry at the same moment.
const growing = (times) => Math.min(LONGEST_MS, AGAIN_MS * 2 ** Math.min(times - 1, 10)) * (0.75 + Math.random() / 2);

function lost(isLost) {
  connection.textContent = isLost ? connection.dataset.text : "";
  connection.hidden = !isLost;
}

// Refreshes state and diagram, one refresh at a time. A request during a refresh causes another one after it.
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
    const fault = (await Promise.allSettled([refreshState(), refreshDiagram(), refreshActive()])).find(({ status }) => status === "rejected");
    lost(Boolean(fault));
    isShown ||= !fault;
    root.ariaBusy = String(!isShown);
    failures = fault ? failures + 1 : 0;
    isWanted ||= Boolean(fault);
  }
  isRefreshing = false;
  if (isPaused()) return;
  if (!source && !later && state.querySelector("[data-over]").dataset.over === "no") follow();
  // Refresh now and then too: a retry can reopen a process that has ended, and no event is sent when a process starts to
  // wait for a message or a timer.
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
    // Streams end now and then, and the browser opens them again. The refresh finds out whether the server is
    // unavailable. It also opens the login page when the session has ended: the error of a stream does not show
    // whether the session has ended or the server has too many streams.
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

const messageName = document.querySelector("#message [name=messageName]");
const messageVariables = document.querySelector("#message [name=variables]");
let offered = messageVariables?.value;

// Shows the fields that the chosen message needs, and offers them as variables unless the user has typed some.
function offerFields() {
  const option = [...document.querySelectorAll("#awaited option")].find(({ value }) => value === messageName.value);
  const { needs, variables } = option?.dataset ?? {};
  document.getElementById("needs").textContent = needs ? `The next steps need: ${needs}` : "";
  if (messageVariables.value !== offered) return;
  offered = variables ?? "{}";
  messageVariables.value = offered;
}
messageName?.addEventListener("input", offerFields);

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.opens) document.getElementById(button.dataset.opens).showModal();
  if (button.dataset.sends) {
    messageName.value = button.dataset.sends;
    offerFields();
    document.getElementById("message").showModal();
  }
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
