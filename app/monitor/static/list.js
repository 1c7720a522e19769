// Keeps the first page of the list fresh while somebody looks at it.
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
  // What has the focus, by its address: the same link gets it back.
  const focused = rows.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  if (html.trim() !== rows.dataset.shown) {
    rows.innerHTML = html;
    rows.dataset.shown = html.trim();
    if (focused) rows.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
  }
}

async function live() {
  for (;;) {
    await new Promise((done) => setTimeout(done, PAUSE_MS));
    if (document.hidden || rows.querySelector(":hover a:active")) continue;
    try {
      await refresh();
      connection.hidden = true;
    } catch {
      connection.hidden = false;
    }
  }
}

form.addEventListener("submit", () => {
  // Empty filters need not stand in the address.
  for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
});
window.addEventListener("pageshow", () => {
  for (const field of form.elements) field.disabled = false;
});
if (rows.dataset.live === "yes") live();
