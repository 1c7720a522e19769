"""Finds the external tasks after which the engine may go on in another transaction."""

from __future__ import annotations

from collections.abc import Iterator

from camunda_bridge.bpmn.node import Node


def pauses_after(task: Node) -> bool:
    """True when an asynchronous continuation may come between this task and the next external task."""
    entering, leaving = list(_events_around(task)), [task]
    entered: set[Node] = set()
    left: set[Node] = set()
    while entering or leaving:
        if entering:
            node = entering.pop()
            if node in entered:
                continue
            entered.add(node)
            if node.is_async_before:
                return True
            if node.is_subprocess:
                entering += [inner for inner in node.children if inner.kind == "startEvent"]
            elif not node.is_external:
                leaving.append(node)
            continue
        node = leaving.pop()
        if node in left:
            continue
        left.add(node)
        if node.is_async_after:
            return True
        if node.outgoing:
            entering += node.outgoing
        elif node.scope is not None and node.scope.is_subprocess:
            leaving.append(node.scope)
    return False


def _events_around(task: Node) -> Iterator[Node]:
    """The events that the end of a task may trigger: on its own boundary and in the scopes around it."""
    inner = task
    while (scope := inner.scope) is not None:
        yield from (event for event in inner.boundary if not event.is_compensation)
        for handler in scope.event_subprocesses:
            if handler is not inner:
                yield from (event for event in handler.children if event.kind == "startEvent")
        inner = scope
