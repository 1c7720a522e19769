// Pages that refresh themselves, and the button that pauses and resumes the updates (WCAG 2.2, 2.2.2).
const KEY = "monitor-paused";
const button = document.getElementById("pause");
let paused = sessionStorage.getItem(KEY) === "yes";

// Event "change": updates may have to pause or to resume.
export const updates = new EventTarget();
export const isPaused = () => paused;
const isStill = () => paused || document.hidden;
const notify = () => updates.dispatchEvent(new Event("change"));

export async function whileStill() {
  while (isStill()) await new Promise((done) => updates.addEventListener("change", done, { once: true }));
}

function name() {
  button.textContent = paused ? "Resume updates" : "Pause updates";
}

export function offerPause() {
  name();
  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    sessionStorage.setItem(KEY, paused ? "yes" : "no");
    name();
    notify();
  });
  document.addEventListener("visibilitychange", notify);
}
