// Refreshes the first page of the list while its tab is visible.
import { offerPause, whileStill } from "./live.js";
import { patch } from "./patch.js";

const PAUSE_MS = 2000;
const rows = document.getElementById("rows");
const connection = document.getElementById("connection");
const form = document.getElementById("filters");

async function refresh() {
  const answer = await fetch(`/monitor/list/rows${location.search}`, {
    headers: { "X-Requested-With": "monitor" },
    signal: AbortSignal.timeout(10_000),
  });
  if (answer.status === 401) {
    location.reload();
    return;
  }
  if (!answer.ok) throw new Error(String(answer.status));
  const html = await answer.text();
  // Updates may have been paused during the request: then do not change the page.
  await whileStill();
  patch(rows, html);
}

async function live() {
  offerPause();
  for (;;) {
    await new Promise((done) => setTimeout(done, PAUSE_MS));
    await whileStill();
    try {
      await refresh();
      connection.hidden = true;
    } catch {
      connection.hidden = false;
    }
  }
}

form.addEventListener("submit", () => {
  // Leave empty filters out of the URL.
  for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
});
window.addEventListener("pageshow", () => {
  for (const field of form.elements) field.disabled = false;
});
if (rows.dataset.live === "yes") live();
