// What the tests do in the editor; each function ends when the editor has done it.

const PATIENCE_MS = 10_000;
let modeler;

const get = (name) => modeler.get(name);
const element = (id) => get("elementRegistry").get(id);

// Open a diagram with the templates of a folder. Returns what the editor finds wrong with the templates.
async function open(xml, templates) {
  modeler?.destroy();
  modeler = new BpmnModeler({ container: "#canvas", propertiesPanel: { parent: "#panel" } });
  await modeler.importXML(xml);
  const errors = [];
  modeler.on("elementTemplates.errors", (event) => errors.push(...event.errors.map((error) => error.message)));
  get("elementTemplatesLoader").setTemplates(templates);
  return errors;
}

async function save() {
  return (await modeler.saveXML({ format: true })).xml;
}

// Apply the newest version of a template, or update the element to it.
function apply(id, template) {
  get("elementTemplates").applyTemplate(element(id), get("elementTemplates").getLatest(template)[0]);
}

// What the panel shows: the value of each entry by its label, of the first one with that label, and the titles of its groups.
async function panel(id) {
  await select(id);
  const entries = {};
  for (const label of document.querySelectorAll("#panel .bio-properties-panel-entry label")) {
    const field = label.htmlFor && document.getElementById(label.htmlFor);
    if (field) entries[label.textContent] ??= field.type === "checkbox" ? field.checked : field.value;
  }
  const titles = (kind) => [...document.querySelectorAll(`#panel ${kind}`)].map((title) => title.textContent);
  return {
    entries,
    groups: titles(".bio-properties-panel-group-header-title"),
    items: titles(".bio-properties-panel-collapsible-entry-header-title"),
    text: document.querySelector("#panel").textContent,
  };
}

// Type or choose a value in the panel.
async function fill(id, label, value) {
  await select(id);
  const labels = [...document.querySelectorAll("#panel .bio-properties-panel-entry label")];
  const field = document.getElementById(labels.find((found) => found.textContent === label).htmlFor);
  await type(field, value);
}

async function type(field, value) {
  const before = await save();
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  await until(async () => (await save()) !== before, `${value} is in the diagram`);
}

// Type the name of the variable that an output is assigned to.
async function renameOutput(id, output, name) {
  const { extensionElements } = element(id).businessObject;
  const { outputParameters } = extensionElements.values.find((found) => found.$type === "camunda:InputOutput");
  const index = outputParameters.findIndex((found) => found.name === output);
  await select(id);
  const entry = `[data-entry-id="${id}-outputParameter-${index}-assign-to-process-variable"] input`;
  await type(document.querySelector(entry), name);
}

// Attach an error boundary event, choose an error of the diagram in the panel, and add an end event behind it.
async function onError(id, code, name) {
  const event = get("modeling").createShape(
    { type: "bpmn:BoundaryEvent", eventDefinitionType: "bpmn:ErrorEventDefinition" },
    { x: element(id).x + 50, y: element(id).y + 80 },
    element(id),
    { attach: true },
  );
  const end = get("modeling").appendShape(event, { type: "bpmn:EndEvent" });
  get("modeling").updateProperties(event, { id: `${name}-caught` });
  get("modeling").updateProperties(end, { id: name });
  const errors = get("canvas").getRootElement().businessObject.$parent.rootElements;
  const { id: error } = errors.find((found) => found.$type === "bpmn:Error" && found.errorCode === code);
  await fill(`${name}-caught`, "Global error reference", error);
}

async function select(id) {
  get("selection").select(element(id));
  const shown = () => document.querySelector("#panel .bio-properties-panel-entry [name=id]")?.value === id;
  await until(shown, `the panel shows ${id}`);
}

async function until(holds, what) {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not in time: ${what}`);
    await new Promise(requestAnimationFrame);
  }
}
