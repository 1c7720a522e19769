"""MkDocs hooks: the generated page, and Mermaid only where a page has a diagram."""

from __future__ import annotations

from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from dev.docs import configuration, mermaid

CONFIGURATION = "reference/configuration.md"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Stop before a site is built whose diagrams cannot be shown."""
    mermaid.require()
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add what is written from the code."""
    files.append(File.generated(config, CONFIGURATION, content=configuration.page()))
    return files


def on_post_page(output: str, **_: Any) -> str:
    """Take the script of 3.5 MB from pages without a diagram."""
    if '<pre class="mermaid">' in output:
        return output
    return mermaid.SCRIPT_TAG.sub("", output)
