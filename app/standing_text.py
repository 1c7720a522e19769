"""The words for where a process stands: for the command line, the monitor and the details of problems."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: what people read about a suspended process
SUSPENDED = "suspended: nothing in it goes on until it is resumed"

#: a part of an answer, in JSON
Document = dict[str, Any]


def lines(active: Document) -> list[str]:
    """One line for each active element and each thing that it waits for; the note comes last."""
    found = [SUSPENDED] if active.get("suspended") else []
    for element in active["elements"]:
        place = place_text(element)
        found += [f"{place} waits for {wait_text(wait)}" for wait in element["waitsFor"]] or [place]
    return [*found, *([active["note"]] if active["note"] else [])]


def place_text(element: Document) -> str:
    """An element: its name and id, its kind, how many instances, and since when."""
    name = f"{element['name']} ({element['id']})" if element["name"] else element["id"]
    text = f"{name}, {element['kind']}" if element["kind"] else name
    if element["count"] > 1:
        text += f", {element['count']} times"
    return f"{text}, since {element['since']}," if element["since"] else text


def wait_text(wait: Document) -> str:
    """What an element waits for, as the object of `waits for`."""
    words = _WORDS.get(wait["kind"])
    return wait["kind"] if words is None else words(wait)


def awaited_messages(active: Document) -> list[tuple[str, Document]]:
    """Each awaited message of the process itself: its name, and the wait."""
    key = active["elements"][0]["processKey"] if active["elements"] else None
    return [
        (wait["name"], wait)
        for element in active["elements"]
        if element["processKey"] == key
        for wait in element["waitsFor"]
        if wait["kind"] == "message"
    ]


def awaits_text(active: Document) -> str:
    """The messages that a process waits for, or where else it stands, as a sentence without its full stop."""
    names = [name for name, _ in awaited_messages(active)]
    if names:
        counted = [f'"{name}"' + (f" ({names.count(name)} places)" if names.count(name) > 1 else "") for name in names]
        return f"it waits for {', '.join(dict.fromkeys(counted))}"
    if active["note"]:
        return f"it is not known what it waits for: {active['note']}"
    return "it waits for no message; " + ("; ".join(lines(active)) or "it has no active element")


def _message(wait: Document) -> str:
    names = [f"{item['name']}" + ("" if item["required"] else " (optional)") for item in wait.get("fields") or ()]
    return f'the message "{wait["name"]}"' + (f" with {', '.join(names)}" if names else "")


def _person(wait: Document) -> str:
    task = f'a person, task "{wait["task"]}"' if wait["task"] else "a person"
    if wait["assignee"]:
        return f"{task}: {wait['assignee']}"
    who = [*wait["candidateUsers"], *(f"group {group}" for group in wait["candidateGroups"])]
    return f"{task}: {', '.join(who) or 'nobody is assigned'}"


def _worker(wait: Document) -> str:
    topic = wait["topic"]
    if wait["running"]:
        return f"the worker that runs topic {topic}"
    why = [
        text
        for is_so, text in (
            (not wait["handled"], "no handler here"),
            (wait["paused"], "the topic is paused"),
            (wait["limitReached"], "its limit is reached"),
        )
        if is_so
    ]
    return f"a worker, topic {topic}" + (f": {', '.join(why)}" if why else "")


def _retry(wait: Document) -> str:
    number = f"retry {wait['retry']} of {wait['of']}" if wait.get("retry") else f"a retry, {wait['left']} left"
    at = f" at {wait['at']}" if wait["at"] else ""
    return f"{number}{at}, after: {wait['message'] or 'no message'}"


_WORDS: dict[str, Callable[[Document], str]] = {
    "message": _message,
    "signal": lambda wait: f'the signal "{wait["name"]}"',
    "condition": lambda wait: f"the condition of {wait['event']}",
    "timer": lambda wait: f"the timer {wait['event']}, due {wait['due']}",
    "person": _person,
    "worker": _worker,
    "retry": _retry,
    "incident": lambda wait: f"ops, incident: {wait['message'] or 'no message'}",
    "job": lambda wait: "the engine's job executor" + (f", from {wait['at']}" if wait["at"] else ""),
    "process": lambda wait: f"the called process {wait['processInstanceId']}",
}
