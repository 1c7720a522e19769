"""The words for where a process stands."""

from __future__ import annotations

from typing import Any

import pytest

from app.client import shown
from app.standing_text import awaits_text, lines, wait_text


def element(*waits: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "id": "wait", "name": "Await it", "kind": "receiveTask", "since": "2026-01-01T00:00:00.000Z", "count": 1,
        "processKey": "order", "waitsFor": list(waits), **changes,
    }  # fmt: skip


WORKER = {"kind": "worker", "topic": "t", "running": False, "handled": True, "paused": False, "limitReached": False}
PERSON = {"kind": "person", "task": "Sign", "assignee": None, "candidateUsers": ["ada"], "candidateGroups": ["boss"]}
RETRY = {"kind": "retry", "retry": 2, "of": 3, "left": 2, "at": "2026-01-01T00:00:10.000Z", "message": "ValueError: no"}
PAY = {"kind": "message", "name": "pay", "event": "wait", "fields": [{"name": "amount", "required": True}]}


@pytest.mark.parametrize(
    ("wait", "text"),
    [
        (PAY, 'the message "pay" with amount'),
        ({"kind": "timer", "due": "2026-01-02T00:00:00.000Z", "event": "late"}, "the timer late, due 2026-01-02T00:00:00.000Z"),
        (PERSON, 'a person, task "Sign": ada, group boss'),
        ({**PERSON, "assignee": "eve"}, 'a person, task "Sign": eve'),
        ({**PERSON, "candidateUsers": [], "candidateGroups": []}, 'a person, task "Sign": nobody is assigned'),
        (WORKER, "a worker, topic t"),
        ({**WORKER, "running": True}, "the worker that runs topic t"),
        ({**WORKER, "handled": False, "paused": True}, "a worker, topic t: no handler here, the topic is paused"),
        ({**WORKER, "limitReached": True}, "a worker, topic t: its limit is reached"),
        (RETRY, "retry 2 of 3 at 2026-01-01T00:00:10.000Z, after: ValueError: no"),
        ({**RETRY, "retry": None}, "a retry, 2 left at 2026-01-01T00:00:10.000Z, after: ValueError: no"),
        ({"kind": "incident", "message": "broken"}, "ops, incident: broken"),
        ({"kind": "process", "processInstanceId": "pi"}, "the called process pi"),
        ({"kind": "news"}, "news"),
    ],
)  # fmt: skip
def test_each_wait_has_its_words(wait: dict[str, Any], text: str) -> None:
    assert wait_text(wait) == text


def test_line_names_element_kind_time_and_wait() -> None:
    active = {"elements": [element(PAY), element(count=3, name=None, since=None)], "note": "the engine is slow"}
    assert lines(active) == [
        'Await it (wait), receiveTask, since 2026-01-01T00:00:00.000Z, waits for the message "pay" with amount',
        "wait, receiveTask, 3 times",
        "the engine is slow",
    ]
    text = shown.process({"correlationId": "c", "status": "pending", "active": active})
    assert "  the engine is slow" in text.splitlines()


def test_awaited_messages_are_those_of_the_process_itself() -> None:
    inner = element({**PAY, "name": "inner"}, processKey="called")
    assert awaits_text({"elements": [element(PAY), inner], "note": None}) == 'it waits for "pay"'
    assert awaits_text({"elements": [element(PAY), element(PAY)], "note": None}) == 'it waits for "pay" (2 places)'


def test_process_that_waits_for_something_else_says_for_what() -> None:
    said = awaits_text({"elements": [element(WORKER)], "note": None})
    assert said.startswith("it waits for no message; Await it (wait)")
    assert "unknown" in awaits_text({"elements": [], "note": "unknown"})
