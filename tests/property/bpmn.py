"""Write the BPMN text of a drawn diagram, one file for each process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from tests.property.diagram import (
    Activity,
    Boundary,
    Call,
    Definition,
    Diagram,
    Element,
    End,
    Exclusive,
    Fork,
    Parallel,
    Scope,
    Step,
    Turns,
)

_DEFINITIONS: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"'
    ' xmlns:camunda="http://camunda.org/schema/1.0/bpmn" targetNamespace="property">\n'
)
#: (true while no attempt has failed, true once one has failed) -> expression of a camunda:errorEventDefinition
_EXPRESSIONS: Final = {
    (False, False): "${false}",
    (True, False): "${externalTask.errorMessage == null}",
    (False, True): "${externalTask.errorMessage != null}",
    (True, True): "${true}",
}


def files(diagram: Diagram, prefix: str = "") -> dict[str, str]:
    """The file of each process, by its key after `prefix`."""
    return {prefix + key: _file(prefix, key, scope) for key, scope in diagram.processes.items()}


def _file(prefix: str, name: str, scope: Scope) -> str:
    key = prefix + name
    writer = _Writer(prefix, key)
    writer.scope(name, scope)
    errors = "".join(f'<error id="error-{code}" errorCode="{code}"/>\n' for code in sorted(writer.codes))
    return (
        f'{_DEFINITIONS}{errors}<process id="{key}" isExecutable="true" camunda:historyTimeToLive="P1D">\n'
        + "\n".join(writer.lines)
        + "\n</process>\n</definitions>\n"
    )


class _Writer:
    def __init__(self, prefix: str, key: str) -> None:
        self.prefix = prefix
        self.key = key
        self.codes: set[str] = set()
        self.lines: list[str] = []
        self._flows = 0

    def scope(self, name: str, scope: Scope, start: str = "") -> None:
        """The parts of a scope; `start` is the content of its start event."""
        self.lines.append(f'<startEvent id="{name}-start">{start}</startEvent>')
        last = self._sequence(f"{name}-start", scope.items)
        if isinstance(scope.end, Fork):
            fork = self._gateway(scope.end.id, "parallel", last)
            for items, end in scope.end.branches:
                self._end(self._sequence(fork, items), end)
        else:
            self._end(last, scope.end)
        for handler in scope.handlers:
            self.lines.append(f'<subProcess id="{handler.id}" triggeredByEvent="true">')
            self.scope(handler.id, handler.scope, self._error(handler.code))
            self.lines.append("</subProcess>")

    def _sequence(self, before: str, items: Sequence[Element], condition: str = "") -> str:
        """The parts of a sequence behind the element `before`. Returns the last element, for the parts that follow."""
        for item in items:
            before, condition = self._element(before, item, condition), ""
        return before

    def _element(self, before: str, item: Element, condition: str) -> str:
        if isinstance(item, Parallel | Exclusive):
            kind = "parallel" if isinstance(item, Parallel) else "exclusive"
            split = self._gateway(item.id, kind, before, condition)
            join = f"{item.id}-join"
            for n, branch in enumerate(item.branches):
                only = "" if kind == "parallel" else "${true}" if n == item.taken else "${false}"  # type: ignore[union-attr]
                last = self._sequence(split, branch, only)
                self._flow(last, join, "" if branch else only)
            self.lines.append(f'<{kind}Gateway id="{join}"/>')
            return join
        self.lines += self._activity(item)
        self._flow(before, item.id, condition)
        return self._boundaries(item)

    def _activity(self, item: Activity) -> Iterator[str]:
        turns = _turns(item.turns)
        if isinstance(item, Step):
            inside = self._definition(item.definition) + turns
            yield (
                f'<serviceTask id="{item.id}" camunda:type="external" camunda:topic="{self.key}.{item.id}">{inside}</serviceTask>'
            )
        elif isinstance(item, Call):
            passed = '<camunda:in businessKey="#{execution.processBusinessKey}"/>' if item.business_key else ""
            if item.variables:
                passed += '<camunda:in variables="all"/><camunda:out variables="all"/>'
            key = self.prefix + item.called
            called = f"${{'{key}'}}" if item.expression else key
            yield (
                f'<callActivity id="{item.id}" calledElement="{called}">'
                f"<extensionElements>{passed}</extensionElements>{turns}</callActivity>"
            )
        else:
            yield f'<subProcess id="{item.id}">{turns}'
            inner = _Writer(self.prefix, self.key)
            inner._flows, inner.codes = self._flows, self.codes
            inner.scope(item.id, item.scope)
            self._flows = inner._flows
            yield from inner.lines
            yield "</subProcess>"

    def _boundaries(self, item: Activity) -> str:
        merging: list[tuple[Boundary, str]] = []
        for event in item.boundaries:
            self.lines.append(
                f'<boundaryEvent id="{event.id}" attachedToRef="{item.id}">{self._error(event.code)}</boundaryEvent>'
            )
            last = self._sequence(event.id, event.items)
            if event.end is not None:
                self._end(last, event.end)
            else:
                merging.append((event, last))
        if not merging:
            return item.id
        merge = self._gateway(f"{item.id}-merge", "exclusive", item.id)
        for _, last in merging:
            self._flow(last, merge)
        return merge

    def _gateway(self, name: str, kind: str, before: str, condition: str = "") -> str:
        self.lines.append(f'<{kind}Gateway id="{name}"/>')
        self._flow(before, name, condition)
        return name

    def _end(self, before: str, end: End) -> None:
        inside = {"plain": "", "terminate": "<terminateEventDefinition/>"}.get(end.kind) or (
            self._error(end.code) if end.kind == "error" else ""
        )
        self.lines.append(f'<endEvent id="{end.id}">{inside}</endEvent>')
        self._flow(before, end.id)

    def _error(self, code: str | None) -> str:
        if code is None:
            return "<errorEventDefinition/>"
        self.codes.add(code)
        return f'<errorEventDefinition errorRef="error-{code}"/>'

    def _definition(self, definition: Definition | None) -> str:
        if definition is None:
            return ""
        self.codes.add(definition.code)
        return (
            f'<extensionElements><camunda:errorEventDefinition errorRef="error-{definition.code}"'
            f' expression="{escape(_EXPRESSIONS[definition.never_failed, definition.failed])}"/></extensionElements>'
        )

    def _flow(self, source: str, target: str, condition: str = "") -> None:
        self._flows += 1
        inside = f"<conditionExpression>{condition}</conditionExpression>" if condition else ""
        self.lines.append(
            f'<sequenceFlow id="flow{self._flows}" sourceRef="{source}" targetRef="{target}">{inside}</sequenceFlow>'
        )


def _turns(turns: Turns | None) -> str:
    if turns is None:
        return ""
    return (
        f'<multiInstanceLoopCharacteristics isSequential="{str(not turns.parallel).lower()}">'
        f"<loopCardinality>{turns.count}</loopCardinality></multiInstanceLoopCharacteristics>"
    )
