"""Small BPMN files from parts, so that a test needs one or two lines for its process.

    process("order", external("pay"), boundary("pay", external("apologize"), code="NO_MONEY"))

Parts follow each other; start and end events are added. A boundary event or an event sub-process is beside the sequence
and begins a sequence of its own. The topic of an external task is `<process key>.<task id>`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import quoteattr

_DEFINITIONS: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"'
    ' xmlns:camunda="http://camunda.org/schema/1.0/bpmn"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" targetNamespace="contract">'
)


@dataclass(frozen=True)
class Part:
    """An element of a process; its XML contains `{key}` in the places of the process key.

    Args:
        id: the element's id; flows begin and end at it.
        xml: the element.
        roots: elements that BPMN requires beside the process (errors, messages).
        beside: True for elements without an incoming flow: boundary events and event sub-processes.
        then: the sequence that begins at this element, for a boundary event.
    """

    id: str
    xml: str
    roots: frozenset[str] = frozenset()
    beside: bool = False
    then: tuple[Part, ...] = ()


def process(key: str, *parts: Part) -> str:
    """A BPMN file with one process, which can be deployed."""
    roots = frozenset().union(*(_roots(part) for part in parts))
    body = _sequence("process", parts)
    return (
        f"{_DEFINITIONS}{''.join(sorted(roots))}"
        f'<process id="{key}" isExecutable="true" camunda:historyTimeToLive="P1D">{body}</process></definitions>'
    ).replace("{key}", key)


def external(name: str, inside: str = "", **attributes: str) -> Part:
    """An external task; `attributes` are Camunda's (`asyncAfter="true"`), `inside` is XML for its body."""
    camunda = {"type": "external", "topic": "{key}." + name, **attributes}
    return Part(name, f'<serviceTask id="{name}"{_camunda(camunda)}>{inside}</serviceTask>')


def expression(name: str, text: str, inside: str = "", **attributes: str) -> Part:
    """A service task that the engine runs itself; with `asyncBefore="true"` in a job of its own."""
    return Part(name, f'<serviceTask id="{name}"{_camunda({"expression": text, **attributes})}>{inside}</serviceTask>')


def boundary(attached_to: str, *then: Part, code: str | None = None, **attributes: str) -> Part:
    """An error boundary event; without `code` it catches every error."""
    name = f"{attached_to}-failed"
    definition, roots = _error(code, **attributes)
    return Part(
        name,
        f'<boundaryEvent id="{name}" attachedToRef="{attached_to}">{definition}</boundaryEvent>',
        roots,
        True,
        then,
    )


def on_error(*then: Part, code: str | None = None, **attributes: str) -> Part:
    """An event sub-process that an error starts."""
    definition, roots = _error(code, **attributes)
    body = _sequence("on-error", then, f'<startEvent id="on-error-start">{definition}</startEvent>')
    xml = f'<subProcess id="on-error" triggeredByEvent="true">{body}</subProcess>'
    return Part("on-error", xml, roots.union(*(_roots(part) for part in then)), True)


def subprocess(name: str, *parts: Part) -> Part:
    """An embedded sub-process."""
    roots = frozenset().union(*(_roots(part) for part in parts))
    return Part(name, f'<subProcess id="{name}">{_sequence(name, parts)}</subProcess>', roots)


def call(name: str, called: str, *, business_key: bool) -> Part:
    """A call activity that passes all variables and, if asked, the business key."""
    key = '<camunda:in businessKey="#{execution.processBusinessKey}"/>' if business_key else ""
    mapping = f'<extensionElements>{key}<camunda:in variables="all"/><camunda:out variables="all"/></extensionElements>'
    return Part(name, f'<callActivity id="{name}" calledElement="{called}">{mapping}</callActivity>')


def receive(name: str, message: str) -> Part:
    """A receive task, which waits for a message."""
    root = f'<message id="message-{message}" name="{message}"/>'
    return Part(name, f'<receiveTask id="{name}" messageRef="message-{message}"/>', frozenset({root}))


def timer(name: str, duration: str) -> Part:
    """A timer that the process waits for; `duration` in the form of ISO 8601 (`PT1H`)."""
    event = f"<timerEventDefinition><timeDuration>{duration}</timeDuration></timerEventDefinition>"
    return Part(name, f'<intermediateCatchEvent id="{name}">{event}</intermediateCatchEvent>')


def error_end(name: str, code: str) -> Part:
    """An end event that throws an error; it must be the last of its sequence."""
    definition, roots = _error(code)
    return Part(name, f'<endEvent id="{name}">{definition}</endEvent>', roots)


def _sequence(scope: str, parts: tuple[Part, ...], start: str | None = None) -> str:
    first = f"{scope}-start"
    xml = [start or f'<startEvent id="{first}"/>']
    xml += _chain(scope, first, [part for part in parts if not part.beside])
    for part in parts:
        if part.beside:
            xml.append(part.xml)
            if part.then:
                xml += _chain(part.id, part.id, list(part.then))
    return "".join(xml)


def _chain(scope: str, first: str, parts: list[Part]) -> list[str]:
    xml, previous = [], first
    if not parts or not parts[-1].xml.startswith("<endEvent"):
        parts = [*parts, Part(f"{scope}-end", f'<endEvent id="{scope}-end"/>')]
    for part in parts:
        xml.append(
            f'{part.xml}<sequenceFlow id="{previous}-to-{part.id}" sourceRef="{previous}" targetRef="{part.id}"/>'
        )
        previous = part.id
    return xml


def _error(code: str | None, **attributes: str) -> tuple[str, frozenset[str]]:
    reference = f' errorRef="error-{code}"' if code else ""
    roots = frozenset({f'<error id="error-{code}" errorCode="{code}"/>'}) if code else frozenset()
    return f"<errorEventDefinition{reference}{_camunda(attributes)}/>", roots


def _roots(part: Part) -> frozenset[str]:
    return part.roots.union(*(_roots(inner) for inner in part.then))


def _camunda(attributes: dict[str, str]) -> str:
    return "".join(f" camunda:{name}={quoteattr(value)}" for name, value in attributes.items())
