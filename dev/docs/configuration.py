"""The page of every environment variable, written from `settings.py` when the documentation is built."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from dev.environment import ROOT, defaults
from dev.local_settings import LocalSettings
from settings import Settings

#: a comment of `settings.py` that begins a group of settings, and the line of a setting
_GROUP = re.compile(r"    # -- (?P<title>.+)")
_SETTING = re.compile(r"    (?P<name>[a-z][a-z0-9_]*): .* = _setting\(")

HEAD = """\
# Configuration

Every setting is an environment variable. It may stand in an `.env` file in the working folder; the environment goes
before the file. Any of them may be read from a file instead, as secrets are mounted: `DATABASE_URL_FILE` names the file
that holds `DATABASE_URL`. A value that cannot be used, or two that contradict each other, stop the start with a message
that names them. A name ends in its unit: `_MS` is milliseconds, `_S` seconds, `_KB` KiB, `_MB` MiB.

This page is written from `settings.py`; `.env.example` lists the same, to be copied.
"""


def page() -> str:
    """The page in Markdown."""
    parts = [HEAD]
    for title, items in _groups():
        parts.append(_table(title, items))
    parts.append(_table("The local stack of `make run` alone", list(fields(LocalSettings))))
    return "\n".join(parts)


def _groups() -> Iterator[tuple[str, list[Any]]]:
    """Title and settings of each group, in the order of the source."""
    by_name = {item.name: item for item in fields(Settings)}
    title = ""
    items: list[Any] = []
    for line in (ROOT / "settings.py").read_text().splitlines():
        if group := _GROUP.fullmatch(line):
            if items:
                yield title, items
            title, items = group["title"], []
        elif (setting := _SETTING.match(line)) and setting["name"] in by_name:
            items.append(by_name[setting["name"]])
    if items:
        yield title, items


def _table(title: str, items: list[Any]) -> str:
    rows = [f"\n## {title[0].upper()}{title[1:]}\n", "| variable | default | allowed | meaning |", "|---|---|---|---|"]
    rows += [_row(item) for item in items]
    return "\n".join(rows) + "\n"


def _row(item: Any) -> str:
    name = item.name.upper()
    default = defaults().get(name, str(item.default))
    shown = f"`{default}`" if default else ""
    doc = item.metadata["doc"] + (" Secret." if item.metadata.get("secret") else "")
    return f"| `{name}` | {shown} | {_allowed(item.metadata)} | {_cell(doc)} |"


def _allowed(limits: Any) -> str:
    if "one_of" in limits:
        return ", ".join(f"`{value}`" for value in limits["one_of"])
    if "schemes" in limits:
        return ", ".join(f"`{scheme}://`" for scheme in limits["schemes"])
    least, most = limits.get("least"), limits.get("most")
    if least is not None and most is not None:
        return f"{least:,} to {most:,}"
    return f"{least:,} or more" if least is not None else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
