"""The facts of an element of a diagram: everything that its XML says of it, as named texts that can be compared.

    <serviceTask id="charge" camunda:type="external" camunda:topic="charge-card">   ->   type: external
      <extensionElements><camunda:inputOutput>                                          topic: charge-card
        <camunda:inputParameter name="amount">${total}</camunda:inputParameter> ...     input amount: ${total}

Attributes and elements that are not known here are facts under their own names, so no change is overlooked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lxml import etree

from camunda_bridge.bpmn.xml import BPMN, ENGINES

#: id of a declared `<error>`, `<message>`, `<signal>` or `<escalation>` -> the element
Declared = Mapping[str, etree._Element]
#: name -> text
Facts = dict[str, str]

#: attributes that are no facts: the id and the name identify an element
_IDENTIFYING = frozenset({"id", "name"})
#: attributes with the value that a missing one stands for (BPMN 2.0, chapters 8 to 13; BpmnParse)
_DEFAULTS = {
    "asyncBefore": "false",
    "asyncAfter": "false",
    "exclusive": "true",
    "cancelActivity": "true",
    "isInterrupting": "true",
    "isForCompensation": "false",
    "triggeredByEvent": "false",
    "isSequential": "false",
    "isClosed": "false",
    "isExecutable": "false",
    "instantiate": "false",
    "parallelMultiple": "false",
    "waitForCompletion": "true",
    "startQuantity": "1",
    "completionQuantity": "1",
    "eventGatewayType": "Exclusive",
    "gatewayDirection": "Unspecified",
    "processType": "None",
    "associationDirection": "None",
    "calledElementBinding": "latest",
    "decisionRefBinding": "latest",
    "formRefBinding": "latest",
}
#: attribute that refers to a declared element -> name of the fact, and attribute of the declared element
_REFERENCES = {
    "messageRef": ("message", "name"),
    "signalRef": ("signal", "name"),
    "errorRef": ("error", "errorCode"),
    "escalationRef": ("escalation", "escalationCode"),
}
#: elements whose children are facts of the element around them
_CONTAINERS = frozenset({"extensionElements", "inputOutput", "properties", "formData"})
#: elements with a fact of another name
_LABELS = {"inputParameter": "input", "outputParameter": "output", "conditionExpression": "condition"}
#: elements of which there may be several -> the attribute that tells them apart
_TOLD_APART_BY = {
    "inputParameter": "name",
    "outputParameter": "name",
    "property": "name",
    "field": "name",
    "formField": "id",
    "formProperty": "id",
    "executionListener": "event",
    "taskListener": "event",
}
#: what an event definition without a reference refers to
_ANY = {"error": "any code", "escalation": "any code"}
_EVENT = "EventDefinition"
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"


def declared_elements(definitions: etree._Element) -> Declared:
    """What a file declares beside its processes, by id."""
    return {element.get("id", ""): element for element in definitions if element.tag != f"{BPMN}process"}


def facts_of(element: etree._Element, declared: Declared, *, without: frozenset[str]) -> Facts:
    """The facts of an element, without its id and name.

    Args:
        declared: the elements to which event definitions refer.
        without: local names of elements of BPMN whose facts are not those of this element: what it contains.
    """
    facts = _Facts(declared)
    facts.add_attributes(element)
    facts.add_children(element, without)
    return facts.found


class _Facts:
    """Collects the facts of one element."""

    def __init__(self, declared: Declared) -> None:
        self._declared = declared
        self.found: Facts = {}

    def add(self, name: str, text: str) -> None:
        """Add a fact; a second one of the same name gets a number."""
        number, unique = 1, name
        while unique in self.found:
            number += 1
            unique = f"{name} #{number}"
        self.found[unique] = text

    def add_attributes(self, element: etree._Element, prefix: str = "", *, skip: frozenset[str] = frozenset()) -> None:
        for name, value in _attributes(element, _IDENTIFYING | skip):
            if name in _REFERENCES and not prefix:
                self._add_reference(name, value)
            else:
                self.add(prefix + name, value)

    def add_children(self, element: etree._Element, without: frozenset[str] = frozenset(), prefix: str = "") -> None:
        for child in element:
            name = _local(child)
            if child.tag == BPMN + name and name in without:
                continue
            if name in _CONTAINERS:
                self.add_children(child, prefix=prefix)
            elif child.tag == BPMN + name and name.endswith(_EVENT):
                self._add_event(child, name.removesuffix(_EVENT))
            elif name == "multiInstanceLoopCharacteristics":
                self._add_multi_instance(child)
            else:
                self._add_child(child, name, prefix)

    def _add_event(self, element: etree._Element, kind: str) -> None:
        """An error, a message, a signal, an escalation, a link, a time, a condition, a compensation, an end."""
        if kind == "link":
            self.add(kind, element.get("name", ""))
        elif kind == "compensate":
            self.add(kind, element.get("activityRef", ""))
        elif f"{kind}Ref" in _REFERENCES:
            if element.get(f"{kind}Ref") is None:
                self.add(kind, _ANY.get(kind, ""))
        elif kind not in ("timer", "conditional"):
            self.add(kind, "")
        self.add_attributes(element, skip=frozenset({"activityRef"}))
        self.add_children(element)

    def _add_reference(self, attribute: str, reference: str) -> None:
        kind, what = _REFERENCES[attribute]
        target = self._declared.get(reference)
        if target is None:
            # The engine takes a reference to an undeclared error as the code itself.
            self.add(kind, reference)
            return
        self.add(kind, target.get(what) or _ANY.get(kind, ""))
        for name, value in _attributes(target, _IDENTIFYING | {what}):
            self.add(f"{kind} {name}", value)

    def _add_multi_instance(self, element: etree._Element) -> None:
        label = "multiInstance"
        self.add(label, "sequential" if element.get("isSequential") == "true" else "parallel")
        self.add_attributes(element, f"{label} ", skip=frozenset({"isSequential"}))
        self.add_children(element, prefix=f"{label} ")

    def _add_child(self, child: etree._Element, name: str, prefix: str) -> None:
        label = prefix + _LABELS.get(name, name)
        if name in ("in", "out"):
            attributes = dict(_attributes(child))
            by = "target" if "target" in attributes else next(iter(attributes), "")
            if by == "target":
                self.add(f"{label} {attributes['target']}", _text(child, skip=frozenset({by})))
            else:
                self.add(f"{label} {by}", " ".join(attributes.values()))
        elif name == "errorEventDefinition":
            code = self._code(child.get("errorRef", ""))
            self.add(f"{label} {code}", _text(child, skip=frozenset({"errorRef", "id"})))
        elif (by := _TOLD_APART_BY.get(name, "")) and child.get(by) is not None:
            # `value` is the whole content of a property.
            own = child.get("value") if name == "property" else None
            self.add(f"{label} {child.get(by)}", own if own is not None else _text(child, skip=frozenset({by})))
        else:
            self.add(label, _text(child))

    def _code(self, reference: str) -> str:
        target = self._declared.get(reference)
        return reference if target is None else target.get("errorCode", "")


def _text(element: etree._Element, *, skip: frozenset[str] = frozenset()) -> str:
    """An element on one line, or with its text as it is: attributes, text, and the elements inside it."""
    # The ids of what BPMN defines are generated by modelers; those of the engine's extensions are read by forms.
    is_extension = any(str(element.tag).startswith(namespace) for namespace in ENGINES)
    words = [
        f"{name}={value}" for name, value in _attributes(element, skip | (frozenset() if is_extension else {"id"}))
    ]
    text = (element.text or "").strip()
    inner = [f"{_local(child)} {_text(child)}".strip() for child in element]
    if inner:
        text = f"{text} ({', '.join(inner)})".strip() if words or len(inner) > 1 or text else inner[0]
    if "\n" in text:
        return f"{' '.join(words)}\n{text}".strip()
    return " ".join([*words, text]).strip()


def _attributes(element: etree._Element, skip: frozenset[str] = frozenset()) -> Iterator[tuple[str, str]]:
    """The attributes without prefix of their namespaces, and without those that state the default."""
    for qualified, value in element.attrib.items():
        name = etree.QName(str(qualified)).localname
        if str(qualified).startswith(_XSI) or name in skip:
            continue
        if name == "async":
            # the former name of `asyncBefore`
            name = "asyncBefore"
        if _DEFAULTS.get(name) != value:
            yield name, str(value)


def _local(element: etree._Element) -> str:
    return etree.QName(element).localname
