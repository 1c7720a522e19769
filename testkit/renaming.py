"""Gives the names of a deployment a suffix: those that all deployments of an engine share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from lxml import etree

from camunda_bridge.bpmn import BPMN, ENGINES, parse_xml
from camunda_bridge.package import BPMN_SUFFIXES, DMN_SUFFIXES, FORM_SUFFIXES


def renamed(files: Mapping[str, bytes], suffix: str, called: set[str]) -> dict[str, bytes]:
    """The files of a deployment with a suffix at processes, decisions, forms and topics, and wherever they are named.

    Args:
        called: keys of processes in other deployments that get the same suffix.
    """
    bpmn = {name: parse_xml(content) for name, content in files.items() if name.endswith(BPMN_SUFFIXES)}
    dmn = {name: parse_xml(content) for name, content in files.items() if name.endswith(DMN_SUFFIXES)}
    forms = {name: json.loads(content) for name, content in files.items() if name.endswith(FORM_SUFFIXES)}
    names = _Names(
        suffix,
        {process.get("id", "") for root in bpmn.values() for process in root.iter(BPMN + "process")},
        {decision.get("id", "") for root in dmn.values() for decision in root.iter("{*}decision")},
        {form.get("id", "") for form in forms.values()},
        called,
    )
    for root in (*bpmn.values(), *dmn.values()):
        for element in root.iter():
            for attribute, value in element.attrib.items():
                if names.is_named(element, str(attribute), str(value)):
                    element.set(attribute, str(value) + suffix)
    texts = {name: etree.tostring(root, encoding="UTF-8", xml_declaration=True) for name, root in (bpmn | dmn).items()}
    texts |= {name: json.dumps({**form, "id": form.get("id", "") + suffix}).encode() for name, form in forms.items()}
    return {**files, **texts}


@dataclass(frozen=True)
class _Names:
    suffix: str
    processes: set[str]
    decisions: set[str]
    forms: set[str]
    called: set[str]

    def is_named(self, element: etree._Element, attribute: str, value: str) -> bool:
        """True for an attribute that names a process, decision, form or topic."""
        engine_name = next((attribute.removeprefix(it) for it in ENGINES if attribute.startswith(it)), "")
        # When a key is an expression, the engine appends the text after it in the attribute.
        is_expression = "{" in value
        if engine_name:
            return (
                engine_name == "topic"
                or (engine_name == "decisionRef" and (value in self.decisions or is_expression))
                or (engine_name == "formRef" and (value in self.forms or is_expression))
            )
        kind = etree.QName(element).localname
        match attribute:
            case "id":
                return kind in ("process", "decision") and value in self.processes | self.decisions
            case "bpmnElement" | "processRef":
                return value in self.processes
            case "calledElement":
                return value in self.called | self.processes or is_expression
            case "href":
                return value.removeprefix("#") in self.decisions
            case "dmnElementRef":
                return value in self.decisions
        return False
