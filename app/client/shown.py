"""The text that the commands print without `--json`."""

from __future__ import annotations

import json
from typing import Any

import click

from app import standing_text
from app.client.api import StreamedEvent
from app.client.reply import Reply
from store.process_rows import ENGINE

_COLOURS = {"ok": "green", "completed": "green", "error": "red", "failed": "red", "cancelled": "yellow"}
#: the columns of a list, with their widths in characters
_WIDTHS = {"startedAt": 24, "status": 9, "processKey": 24}


def as_json(document: Any) -> str:
    """One line of JSON."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def process(document: dict[str, Any]) -> str:
    """A process: its status, its error, where it stands and its result."""
    lines = [f"{document.get('correlationId')}: {_coloured(str(document.get('status')))}"]
    if document.get("startedBy") == ENGINE:
        lines.append("  started by: engine")
    if error := document.get("error"):
        lines.append(f"  {_error(error)}")
    if active := document.get("active"):
        lines += [f"  {line}" for line in standing_text.lines(active)]
    result = document.get("result", document.get("data"))
    if result is not None:
        lines.append(json.dumps(result, ensure_ascii=False, indent=2))
    return "\n".join(lines)


def event(found: StreamedEvent) -> str:
    """One event of a watched process, as one line."""
    data = found.data
    at = str(data.get("at") or data.get("finishedAt") or "")[11:23]
    if found.name == "end":
        return f"{at}  {_coloured(str(data.get('status')))}" + (f": {_error(data['error'])}" if data["error"] else "")
    if found.name == "ops":
        return f"{at}  {data.get('stepName')} by {data.get('actor')}: {data.get('result')}"
    line = f"{at}  {data.get('stepName')}  {_coloured(found.name)}"
    if (data.get("attempt") or 1) > 1 or (found.name == "failed" and data.get("attempt")):
        line += f", attempt {data['attempt']}"
    if data.get("executionTime") is not None:
        line += f", {data['executionTime']} ms"
    return line + (f": {_error(data['error'])}" if data.get("error") else "")


def table(processes: list[dict[str, Any]], *, identifiers: bool = False) -> str:
    """A list of processes, one in each line; on request with their identifiers at its end."""
    lines = []
    for found in processes:
        columns = [str(found.get(name) or "").ljust(width) for name, width in _WIDTHS.items()]
        named = [f"{name}:{value}" for name, value in (found.get("identifiers") or {}).items()] if identifiers else []
        started_by = ["startedBy:engine"] if found.get("startedBy") == ENGINE else []
        lines.append("  ".join([*columns, str(found.get("correlationId")), *started_by, *named]))
    return "\n".join(lines)


def problem(reply: Reply) -> str:
    """An error answer, with the messages of wrong fields."""
    body = reply.body
    lines = [f"{body.get('title', f'HTTP {reply.status}')}: {body.get('detail', '')}"]
    if errors := body.get("errors"):
        lines.append(json.dumps(errors, ensure_ascii=False, indent=2))
    if error := body.get("error"):
        lines.append(f"  {_error(error)}")
    return "\n".join(lines)


def _error(error: Any) -> str:
    """An error: its code, the step and the attempt that failed, the message, the place in the code of the step."""
    if not isinstance(error, dict):
        return str(error)
    message = str(error.get("message") or "")
    if step := error.get("step"):
        number = f", attempt {error['attempt']}" if error.get("attempt") else ""
        message = f"step {step}{number}: {message}"
    code = error.get("code")
    text = f"{code}: {message}" if code and message else str(message or code or as_json(error))
    return f"{text} ({error['where']})" if error.get("where") else text


def _coloured(word: str) -> str:
    # click removes the colours if the output is not a terminal.
    return click.style(word, fg=_COLOURS.get(word))
