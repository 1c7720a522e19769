// The diagram of a process with its execution overlay, and the same information as a list for keyboards and screen readers.
/* global BpmnJS */
import { duration } from "./show.js";

const STATES = ["done", "running", "waiting", "failed", "cancelled"];
const note = document.getElementById("diagram-note");
const list = document.getElementById("steps");

function showNote(text) {
  note.textContent = text;
  note.hidden = !text;
}

function happened(element) {
  const parts = [];
  if (element.attempts > 1) parts.push(`${element.attempts} attempts`);
  if (element.visits > 1) parts.push(`${element.visits}×`);
  if (element.took_ms !== null && element.steps.length) parts.push(duration(element.took_ms));
  return parts.join(" · ") || (element.steps.length ? element.state : "");
}

// Calls `choose` with the id and name of the element that the user selects; `mark` highlights the selected element.
export class Diagram {
  #viewer = null;
  // False for a BPMN file without a drawing of its process: then only the list is shown.
  #isDrawable = true;
  #isKnown = true;
  #elements = {};
  #choose;
  #chosen = null;

  constructor(choose) {
    this.#choose = choose;
  }

  // False if neither the engine nor the server has the diagram: then the page requests it no more.
  get isKnown() {
    return this.#isKnown;
  }

  get needsDrawing() {
    return !this.#viewer && this.#isDrawable;
  }

  // The execution overlay could not be loaded.
  fail(error) {
    if (this.#viewer) showNote(error.message);
    else {
      this.#isKnown = false;
      this.#withoutDrawing(error);
    }
  }

  #withoutDrawing(error) {
    this.#isDrawable = false;
    showNote(`The diagram cannot be shown: ${error.message}`);
    document.getElementById("diagram").hidden = true;
    document.getElementById("legend").hidden = true;
  }

  async draw(trail) {
    if (this.needsDrawing) {
      const drawing = new BpmnJS({ container: "#diagram" });
      try {
        await drawing.importXML(trail.xml);
        this.#viewer = drawing;
        drawing.get("canvas").zoom("fit-viewport", "auto");
        drawing.on("element.click", ({ element }) => this.#press(element.labelTarget?.id ?? element.id));
      } catch (error) {
        this.#withoutDrawing(error);
      }
    }
    document.getElementById("version").textContent = trail.version === null ? "" : `version ${trail.version}`;
    if (this.#isDrawable) showNote(trail.note);
    this.#elements = trail.elements;
    if (this.#viewer) {
      this.#elements = Object.fromEntries(Object.entries(trail.elements).filter(([id]) => this.#registry.get(id)));
      this.#mark(trail.flows);
    }
    this.#list();
  }

  mark(chosen) {
    const canvas = this.#viewer?.get("canvas");
    if (canvas && this.#registry.get(this.#chosen)) canvas.removeMarker(this.#chosen, "is-chosen");
    this.#chosen = chosen;
    if (canvas && this.#registry.get(chosen)) canvas.addMarker(chosen, "is-chosen");
    for (const button of list.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.element === chosen));
    }
  }

  get #registry() {
    return this.#viewer.get("elementRegistry");
  }

  #nameOf(id) {
    return this.#viewer ? this.#registry.get(id).businessObject?.name || id : id;
  }

  #press(id) {
    const element = this.#elements[id];
    if (!element || id === this.#chosen) this.#choose(null);
    else this.#choose({ id, name: this.#nameOf(id) });
  }

  // The names of the steps that have run at an element.
  stepsOf(id) {
    return this.#elements[id]?.steps ?? [];
  }

  #mark(flows) {
    const canvas = this.#viewer.get("canvas");
    const overlays = this.#viewer.get("overlays");
    overlays.remove({ type: "trail" });
    this.#registry.forEach(({ id }) => {
      for (const one of STATES) canvas.removeMarker(id, `is-${one}`);
      canvas.removeMarker(id, "is-taken");
    });
    for (const id of flows) if (this.#registry.get(id)) canvas.addMarker(id, "is-taken");
    for (const [id, element] of Object.entries(this.#elements)) {
      canvas.addMarker(id, `is-${element.state}`);
      // An element that contains others is drawn as a frame around them.
      const inner = this.#registry.get(id).children ?? [];
      if (inner.some((child) => !child.labelTarget && child.type !== "label")) canvas.addMarker(id, "is-scope");
      const text = happened(element);
      if (!text) continue;
      const badge = document.createElement("div");
      badge.className = `badge ${element.state}`;
      badge.textContent = text;
      if (element.message) badge.title = element.message;
      overlays.add(id, "trail", { position: { bottom: -4, left: 4 }, html: badge });
    }
  }

  #list() {
    const focused = document.activeElement?.dataset?.element;
    const items = Object.entries(this.#elements).map(([id, element]) => {
      const button = document.createElement("button");
      button.dataset.element = id;
      button.type = "button";
      button.className = `badge ${element.state}`;
      button.textContent = [...new Set([this.#nameOf(id), element.state, happened(element)])].filter(Boolean).join(", ");
      button.addEventListener("click", () => this.#press(id));
      const item = document.createElement("li");
      item.append(button);
      return item;
    });
    list.replaceChildren(...items);
    if (focused) list.querySelector(`[data-element="${CSS.escape(focused)}"]`)?.focus();
    this.mark(this.#chosen);
  }
}
