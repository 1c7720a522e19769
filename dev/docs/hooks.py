"""MkDocs hooks: the generated page, links to files outside of docs/, and Mermaid only on pages with a diagram."""

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
    """Stop the build if Mermaid's script is missing: the site could not show its diagrams."""
    mermaid.require()
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the page that is made from the code."""
    files.append(File.generated(config, CONFIGURATION, content=configuration.page()))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Replace each link to a file outside of docs/, which the site does not have, by its text.

    Raises:
        PluginError: the checkout has no such file.
    """
    docs = ROOT / "docs"

    def shown(link: re.Match[str]) -> str:
        target = (docs / Path(page.file.src_uri).parent / link["target"]).resolve()
        if target.is_relative_to(docs):
            return link[0]
        if not target.exists():
            raise PluginError(f"{page.file.src_uri}: {link['target']} does not exist")
        return link["text"]

    return _LINK.sub(shown, markdown)


def on_post_page(output: str, **_: Any) -> str:
    """Remove the script of 3.5 MB from pages without a diagram."""
    if '<pre class="mermaid">' in output:
        return output
    return mermaid.SCRIPT_TAG.sub("", output)
