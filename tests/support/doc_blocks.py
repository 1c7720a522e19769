"""The fenced blocks of the documentation, and which of them a test runs.

A block labelled `sh`, `bash` or `python` is run, unless a comment right before it says why it cannot be:

    <!-- not run: needs root: installs packages -->

A block labelled `http`, `json` or `text` that follows a run block with only blank lines between is its output.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dev.environment import ROOT

#: pages whose blocks are run
#: (those of docs/examples are followed by tests/e2e/test_example_pages.py, which waits where a page says so)
PAGES = ("README.md", "docs/index.md", "docs/guides/**/*.md", "docs/reference/**/*.md")

SHELL = frozenset({"sh", "bash"})
RUN = SHELL | {"python"}
#: a shell session with its prompt: cannot be run as it stands, so it needs a reason too
SESSION = frozenset({"console"})
OUTPUT = frozenset({"http", "json", "text"})
#: other names for what is run: they would pass by the test
ALIASES = frozenset({"", "shell", "zsh", "shell-session", "pycon", "py", "python3", "py3"})

#: why a block may be left out: what this machine cannot have or do. A detail may follow after a colon.
REASONS = (
    "needs SQL Server",
    "needs root",
    "needs systemd",
    "needs another host",
    "serves until stopped",
    "takes minutes",
)

_FENCE = re.compile(r"(?P<indent> *)(?P<fence>```+|~~~+) *(?P<label>[^`]*)")
_NOT_RUN = re.compile(r"<!-- *not run: *(?P<reason>.+?) *-->")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block; `line` is that of its fence. `not_run` is the reason why it is not run, if any is given."""

    page: str
    line: int
    label: str
    text: str
    not_run: str | None = None
    #: only blank lines lie between it and the block before
    follows: bool = False

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"{self.page}:{self.line}"

    @property
    def is_run(self) -> bool:
        """True when the test runs it."""
        return self.label in RUN and self.not_run is None


def pages(root: Path = ROOT) -> list[str]:
    """Every page whose blocks are run, by its path from the root."""
    return [str(path.relative_to(root)) for pattern in PAGES for path in sorted(root.glob(pattern))]


def blocks_of(page: str, root: Path = ROOT) -> list[Block]:
    """The blocks of a page, in order."""
    return parse(page, (root / page).read_text())


def parse(page: str, text: str) -> list[Block]:
    """The blocks of a page's text, in order.

    Raises:
        ValueError: a fence is never closed.
    """
    found: list[Block] = []
    lines = text.splitlines()
    reason: str | None = None
    follows = False
    number = 0
    while number < len(lines):
        opened = _FENCE.fullmatch(lines[number])
        if opened is None:
            if comment := _NOT_RUN.fullmatch(lines[number].strip()):
                reason = comment["reason"]
            elif lines[number].strip():
                reason, follows = None, False
            number += 1
            continue
        end = number + 1
        while end < len(lines) and lines[end].strip() != opened["fence"]:
            end += 1
        if end == len(lines):
            raise ValueError(f"{page}:{number + 1}: the block is never closed")
        indent = len(opened["indent"])
        content = "".join(line[indent:] + "\n" for line in lines[number + 1 : end])
        label = opened["label"].split()[0] if opened["label"].strip() else ""
        found.append(Block(page, number + 1, label, content, reason, follows))
        reason, follows = None, True
        number = end + 1
    return found


def shown_output(blocks: list[Block], place: int) -> Block | None:
    """The block that shows what the block at `place` of a page prints; None where the page shows nothing."""
    after = blocks[place + 1] if place + 1 < len(blocks) else None
    return after if after is not None and after.follows and after.label in OUTPUT else None
