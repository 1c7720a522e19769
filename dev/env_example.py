"""`python -m dev.env_example`: write `.env.example` from the settings; a test checks that it is up to date."""

from __future__ import annotations

import textwrap
from dataclasses import fields

from dev.environment import ROOT, defaults
from dev.local_settings import LocalSettings
from settings import Settings

PATH = ROOT / ".env.example"
HEAD = """\
# Copy to .env and change what you need. Every variable is shown with its default; the environment wins over the file.
# Any of them may be read from a file instead, for mounted secrets: DATABASE_URL_FILE=/run/secrets/database-url
"""


def text() -> str:
    """The whole file."""
    product = [(item.name.upper(), item.metadata["doc"], defaults()[item.name.upper()]) for item in fields(Settings)]
    local = [(item.name.upper(), item.metadata["doc"], str(item.default)) for item in fields(LocalSettings)]
    parts = [HEAD, *map(_entry, product), "# ---- the local stack of `make run` alone\n", *map(_entry, local)]
    return "\n".join(parts)


def _entry(setting: tuple[str, str, str]) -> str:
    name, doc, default = setting
    lines = textwrap.wrap(doc, width=116, break_on_hyphens=False, break_long_words=False)
    return "\n".join([*(f"# {line}" for line in lines), f"#{name}={default}", ""])


if __name__ == "__main__":
    PATH.write_text(text())
