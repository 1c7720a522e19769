"""MkDocs hooks: the generated page, links that lead out of docs/, and Mermaid only where a page has a diagram."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from dev.docs import configuration, mermaid
from dev.environment import ROOT

CONFIGURATION = "reference/configuration.md"
_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>(?:\.\./)+[^)#]*)(?:#[^)]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Stop before a site is built whose diagrams cannot be shown."""
    mermaid.require()
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add what is written from the code."""
    files.append(File.generated(config, CONFIGURATION, content=configuration.page()))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Show a link to a file of the checkout, which the site does not have, as its text.

    Raises:
        PluginError: the checkout has no such file.
    """
    docs = ROOT / "docs"

    def shown(link: re.Match[str]) -> str:
        target = (docs / Path(page.file.src_uri).parent / link["target"]).resolve()
        if target.is_relative_to(docs):
            return link[0]
        if not target.exists():
            raise PluginError(f"{page.file.src_uri}: {link['target']} is not there")
        return link["text"]

    return _LINK.sub(shown, markdown)


def on_post_page(output: str, **_: Any) -> str:
    """Take the script of 3.5 MB from pages without a diagram."""
    if '<pre class="mermaid">' in output:
        return output
    return mermaid.SCRIPT_TAG.sub("", output)
