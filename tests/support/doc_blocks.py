"""The fenced blocks of the documentation, and which of them a test runs.

A block labelled `sh`, `bash` or `python` is run, unless a comment right before it has the reason why it cannot be run:

    <!-- not run: needs root: installs packages -->

    <!-- served -->

before a block `make run` has the test start the system, with the files that the page has written so far. It stops the
system that an earlier such block started.

A block labelled `http`, `json` or `text` is the output of the run block before it, if only blank lines are in between.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dev.environment import ROOT

#: pages whose blocks are run (tests/e2e/test_example_pages.py runs those of docs/examples)
PAGES = ("README.md", "docs/index.md", "docs/guides/**/*.md", "docs/reference/**/*.md")

SHELL = frozenset({"sh", "bash"})
RUN = SHELL | {"python"}
#: a shell session with its prompt, which cannot be run unchanged, so it needs a reason too
SESSION = frozenset({"console"})
OUTPUT = frozenset({"http", "json", "text"})
#: other labels of blocks that should be run; they are forbidden, because the test would not run them
ALIASES = frozenset({"", "shell", "zsh", "shell-session", "pycon", "py", "python3", "py3"})

#: the allowed reasons for not running a block; a detail may follow after a colon
REASONS = (
    "needs SQL Server",
    "needs root",
    "needs systemd",
    "needs another host",
    "serves until stopped",
    "takes minutes",
)

_FENCE = re.compile(r"(?P<indent> *)(?P<fence>```+|~~~+) *(?P<label>[^`]*)")
_SERVED = re.compile(r"<!-- *served *-->")
_NOT_RUN = re.compile(r"<!-- *not run: *(?P<reason>.+?) *-->")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        page: the path of its page.
        line: the line of its opening fence.
        label: the label of the fence.
        text: its contents.
        not_run: the reason why it is not run, if there is one.
        follows: only blank lines are between it and the block before.
        is_served: it is `make run`, and the blocks after it use the system that it starts.
    """

    page: str
    line: int
    label: str
    text: str
    not_run: str | None = None
    follows: bool = False
    is_served: bool = False

    @property
    def place(self) -> str:
        """Its page and line."""
        return f"{self.page}:{self.line}"

    @property
    def is_run(self) -> bool:
        """True if the test runs it."""
        return self.label in RUN and self.not_run is None


def pages(root: Path = ROOT) -> list[str]:
    """The paths of all pages whose blocks are run, relative to the root."""
    return [str(path.relative_to(root)) for pattern in PAGES for path in sorted(root.glob(pattern))]


def blocks_of(page: str, root: Path = ROOT) -> list[Block]:
    """The blocks of a page, in order."""
    return parse(page, (root / page).read_text())


def parse(page: str, text: str) -> list[Block]:
    """The blocks of a page's text, in order.

    Raises:
        ValueError: a fence is never closed, or a block that is served is not `make run`.
    """
    found: list[Block] = []
    lines = text.splitlines()
    reason: str | None = None
    follows = is_served = False
    number = 0
    while number < len(lines):
        opened = _FENCE.fullmatch(lines[number])
        if opened is None:
            if comment := _NOT_RUN.fullmatch(lines[number].strip()):
                reason = comment["reason"]
            elif _SERVED.fullmatch(lines[number].strip()):
                is_served = True
            elif lines[number].strip():
                reason, follows, is_served = None, False, False
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
        if is_served and content != "make run\n":
            raise ValueError(f"{page}:{number + 1}: only the block `make run` can be served")
        found.append(Block(page, number + 1, label, content, reason, follows, is_served))
        reason, follows, is_served = None, True, False
        number = end + 1
    return found


def shown_output(blocks: list[Block], place: int) -> Block | None:
    """The block with the output of the block at `place` of a page; None if the page shows no output."""
    after = blocks[place + 1] if place + 1 < len(blocks) else None
    return after if after is not None and after.follows and after.label in OUTPUT else None
