"""Checks that an event catches each error code of steps and called processes, in their process or in a caller."""

from __future__ import annotations

from collections.abc import Iterator

from camunda_bridge.bpmn import Diagram, Node
from camunda_bridge.check.findings import ERROR_NOT_CAUGHT
from camunda_bridge.check.source import raised_codes
from camunda_bridge.check.subject import Subject, Subjects
from camunda_bridge.steps import StepDefinition


def codes_of(step: StepDefinition) -> dict[str, str]:
    """The error codes in which a step may end, and what raises each: its handler, a hook, or an invalid input."""
    found = dict.fromkeys(step.error_codes, "declared by the step")
    for hook in step.hooks:
        found |= dict.fromkeys(raised_codes(hook), "raised by one of its hooks")
    found |= dict.fromkeys(raised_codes(step.handler), "raised by its handler")
    # Invalid input of an error response step is a bug, which shall open an incident: nothing has to catch it.
    if step.input_schema is not None and step.outcome != "error":
        found.setdefault(step.invalid_input_code, "its input fails its schema")
    return found


def uncaught_errors(subject: Subject, others: Subjects) -> Iterator[tuple[Node, str, str, str]]:
    """A finding for each error code of a step that no event catches."""
    for node in subject.diagram.steps:
        step = subject.steps.get(node.topic or "")
        if step is None:
            continue
        thrown = dict.fromkeys(
            subject.diagram.error_definitions.get(node.id, ()), "thrown by its error event definition"
        )
        for code, origin in sorted({**codes_of(step), **thrown}.items()):
            if subject.diagram.catches(node.id, code):
                continue
            escaped = _escapes(subject.diagram, code, others, {subject.process.key})
            if escaped is None:
                continue
            yield (
                node,
                ERROR_NOT_CAUGHT,
                f"may end in the error {code!r} ({origin}), which no event {escaped}catches",
                "add an error boundary event with this code, or one without a code, here or around it",
            )


def uncaught_ends(subject: Subject, others: Subjects) -> Iterator[tuple[Node, str, str, str]]:
    """A finding for each call activity whose called process may end in an error that no event catches."""
    for node in subject.diagram.call_activities:
        for called in others.good:
            if called.process.key != node.called_element:
                continue
            for end, code in called.diagram.error_ends.items():
                if called.diagram.catches(end, code) or subject.diagram.catches(node.id, code):
                    continue
                escaped = _escapes(subject.diagram, code, others, {subject.process.key})
                if escaped is not None:
                    yield (
                        node,
                        ERROR_NOT_CAUGHT,
                        f"may end in the error {code!r} (thrown by the end event {end!r} of "
                        f"{called.process.key!r}), which no event {escaped}catches",
                        "add an error boundary event with this code, or one without a code, here or around it",
                    )


def _escapes(diagram: Diagram, code: str, others: Subjects, seen: set[str]) -> str | None:
    """None when the callers of a process catch an error that leaves it, else where no event catches it, in words."""
    named = [(other, node) for other in others.good for node in other.calls_to(diagram.key)]
    if not named:
        # A call activity whose process is an expression may call this process and catch the error.
        by_expression = [(other.diagram, node) for other in others.good for node in other.calls_to_any()]
        caught = any(caller.catches(node.id, code) for caller, node in by_expression)
        return None if caught else ""
    for caller, node in named:
        if caller.diagram.catches(node.id, code):
            continue
        key = caller.process.key
        if key in seen or _escapes(caller.diagram, code, others, seen | {key}) is not None:
            return f"here or at {node.id!r} of {key!r} "
    return None
