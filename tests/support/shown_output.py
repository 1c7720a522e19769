"""Compare the output on a page with the output of a command.

`…` stands for a part that differs from run to run: in a text, any characters up to the end of the line; alone on a
line, any lines; as a JSON value, any value; as a key (`"…": "…"`), any further keys; as the last element of a list, any
further elements.
"""

from __future__ import annotations

import json
import re
from typing import Any

ANY = "…"


def differences(label: str, shown: str, printed: str) -> list[str]:
    """The differences; empty if the output matches. `label`: the label of the page's block: http, json or text."""
    if label == "http":
        return _http(shown, printed)
    if label == "json":
        return _json(shown, printed)
    return [] if _fits(shown, printed) else [f"shown:\n{shown}\nprinted:\n{printed}"]


def shows_an_error(label: str, shown: str) -> bool:
    """True if the page shows an answer with a status of 400 or more."""
    status = re.match(r"HTTP/\S+ (\d{3})", shown)
    return label == "http" and status is not None and int(status[1]) >= 400


def _http(shown: str, printed: str) -> list[str]:
    answers = re.split(r"(?m)^(?=HTTP/\d)", printed.replace("\r\n", "\n"))
    head, _, body = answers[-1].partition("\n\n")
    shown_head, _, shown_body = shown.strip().partition("\n\n")
    status, *headers = head.splitlines() or [""]
    shown_status, *shown_headers = shown_head.splitlines()
    found = [] if _fits(shown_status, status) else [f"status: {status!r} is not {shown_status!r}"]
    values = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in headers)}
    for line in shown_headers:
        name, _, value = line.partition(":")
        if not _fits(value.strip(), values.get(name.lower(), "")):
            found.append(f"header {name}: {values.get(name.lower())!r} is not {value.strip()!r}")
    if not shown_body.strip():
        return found
    is_json = shown_body.lstrip().startswith(("{", "["))
    return found + differences("json" if is_json else "text", shown_body, body)


def _json(shown: str, printed: str) -> list[str]:
    try:
        expected = json.loads(shown)
    except ValueError as error:
        return [f"what the page shows is no JSON: {error}"]
    try:
        return list(_compare("$", expected, json.loads(printed)))
    except ValueError:
        return [f"no JSON was printed: {printed!r}"]


def _compare(path: str, shown: Any, found: Any) -> list[str]:
    if shown == ANY:
        return []
    if isinstance(shown, dict) and isinstance(found, dict):
        missing = [f"{path}.{name} is missing" for name in shown if name != ANY and name not in found]
        more = [] if ANY in shown else [f"{path}.{name} is not shown" for name in found if name not in shown]
        both = [name for name in shown if name in found]
        return missing + more + [text for name in both for text in _compare(f"{path}.{name}", shown[name], found[name])]
    if isinstance(shown, list) and isinstance(found, list):
        expected = [value for value in shown if value != ANY]
        if len(found) < len(expected) or (len(found) > len(expected) and ANY not in shown):
            return [f"{path} has {len(found)} elements, not {len(expected)}"]
        pairs = zip(expected, found, strict=False)
        return [text for place, pair in enumerate(pairs) for text in _compare(f"{path}[{place}]", *pair)]
    if isinstance(shown, str) and isinstance(found, str) and _fits(shown, found):
        return []
    return [] if shown == found and type(shown) is type(found) else [f"{path} is {found!r}, not {shown!r}"]


def _fits(shown: str, printed: str) -> bool:
    # The last line of the page may stand for no line at all.
    lines = [
        r"(?:.*\n)*" if line.strip() == ANY else ".*".join(map(re.escape, line.rstrip().split(ANY))) + r"[ \t]*\n"
        for line in shown.strip().splitlines()
    ]
    return re.fullmatch("".join(lines), printed.strip() + "\n") is not None
