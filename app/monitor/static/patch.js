// Updates a part of the page to new HTML. Unchanged nodes stay, with focus, selection and scroll position.
// `data-key` identifies a node. The content of a node with `data-own` belongs to the page's script and stays.
const keyOf = (node) => node.dataset?.key;

export function patch(place, html) {
  const fresh = typeof html === "string" ? new DOMParser().parseFromString(html, "text/html").body : html;
  const { anchorNode, anchorOffset, focusNode, focusOffset, isCollapsed } = getSelection();
  children(place, fresh);
  // If a text at an end of the selection changes, the browser moves that end to the beginning of the text. Restore it.
  if (isCollapsed || !place.contains(anchorNode) || !place.contains(focusNode)) return;
  const within = (node, offset) => Math.min(offset, node.nodeType === Node.TEXT_NODE ? node.length : node.childNodes.length);
  getSelection().setBaseAndExtent(anchorNode, within(anchorNode, anchorOffset), focusNode, within(focusNode, focusOffset));
}

function children(old, fresh) {
  const wantedKeys = new Set([...fresh.children].map(keyOf));
  const known = new Map();
  for (const child of [...old.children]) {
    const key = keyOf(child);
    if (key && !wantedKeys.has(key)) child.remove();
    else if (key) known.set(key, child);
  }
  let here = old.firstChild;
  const drop = () => {
    const next = here.nextSibling;
    here.remove();
    here = next;
  };
  for (const wanted of [...fresh.childNodes]) {
    const key = keyOf(wanted);
    const same = key ? known.get(key) : ahead(here, wanted);
    if (!same) {
      old.insertBefore(wanted, here);
      continue;
    }
    // A node loses the focus when it is moved, so remove the nodes before it instead.
    while (here && here !== same && !keyOf(here)) drop();
    if (here === same) here = here.nextSibling;
    else old.insertBefore(same, here);
    one(same, wanted);
  }
  while (here) drop();
}

// The next node with the same name. A text node is only taken at this position, because there is one between any two elements.
function ahead(here, { nodeName, nodeType }) {
  for (let node = here; node && !keyOf(node); node = node.nextSibling) {
    if (node.nodeName === nodeName) return node;
    if (nodeType === Node.TEXT_NODE) return null;
  }
  return null;
}

function one(old, wanted) {
  if (old.isEqualNode(wanted)) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.data = wanted.data;
    return;
  }
  // The user opens and closes details, so keep the attribute.
  const isTheirs = (name) => name === "open" && old.nodeName === "DETAILS";
  for (const { name } of [...old.attributes]) if (!wanted.hasAttribute(name) && !isTheirs(name)) old.removeAttribute(name);
  for (const { name, value } of wanted.attributes) if (!isTheirs(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  if (!("own" in old.dataset)) children(old, wanted);
}
