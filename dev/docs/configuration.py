"""The page of all environment variables, made from `settings/` when the documentation is built."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from dev.environment import defaults
from dev.local_settings import LocalSettings
from settings import SECTIONS

HEAD = """\
# Configuration

This page lists every setting. A setting is an environment variable. You may also write it in an `.env` file in the
working folder; the environment overrides the file. Each of them may be read from a file instead, for mounted secrets:
`DATABASE_URL_FILE` names the file that contains `DATABASE_URL`. If a value cannot be used, or two values contradict
each other, the program does not start; the message names them. A name ends in its unit: `_MS` is milliseconds, `_S`
seconds, `_KB` KiB, `_MB` MiB.

This page is made from `settings/`. `.env.example` lists the same settings for you to copy.
"""


def page() -> str:
    """The page in Markdown."""
    parts = [HEAD]
    for title, items in _groups():
        parts.append(_table(title, items))
    parts.append(_table("The local stack of `make run` alone", list(fields(LocalSettings))))
    return "\n".join(parts)


def _groups() -> Iterator[tuple[str, list[Any]]]:
    """Title and settings of each section."""
    for section in SECTIONS:
        yield (section.__doc__ or "").rstrip("."), list(fields(section))


def _table(title: str, items: list[Any]) -> str:
    rows = [f"\n## {title}\n", "| variable | default | allowed | meaning |", "|---|---|---|---|"]
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
