"""The documentation as a site: it builds without warnings, loads nothing from other servers, and shows its diagrams."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from dev.browser import headless
from dev.docs import mermaid
from dev.environment import ROOT
from tests.support.doc_blocks import blocks_of

#: seconds that a build, or a diagram, may take on a busy machine
PATIENCE_S = 90

#: addresses that a browser fetches by itself
FETCHED = re.compile(
    r"<(?:script|img|iframe|link(?= [^>]*rel=.?(?:stylesheet|preconnect|icon)))[^>]*?(?:src|href)=\"?([^\" >]+)"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly."""
    mermaid.fetch()
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return folder


@pytest.fixture(scope="module")
def browser(site: Path) -> Iterator[webdriver.Chrome]:
    """A browser on a page with Mermaid's script."""
    with headless() as driver:
        driver.get((site / "design" / "architecture.html").as_uri())
        yield driver


def diagrams() -> dict[str, str]:
    """Place -> text of all diagrams of the documentation."""
    pages = ["README.md", *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("docs/**/*.md")))]
    return {block.place: block.text for page in pages for block in blocks_of(page) if block.label == "mermaid"}


def test_every_page_is_in_the_site(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in ROOT.glob("docs/**/*.md")}

    assert [str(page) for page in pages if not (site / page).is_file()] == []
    assert (site / "reference" / "configuration.html").is_file()


def test_every_page_is_in_the_navigation(site: Path) -> None:
    start = (site / "index.html").read_text()
    pages = [path.relative_to(site) for path in site.glob("**/*.html") if path.name not in ("404.html", "index.html")]

    assert pages
    assert [str(page) for page in pages if f'href="{page}"' not in start] == []


def test_pages_load_nothing_from_other_servers(site: Path) -> None:
    fetched = {url for page in site.glob("**/*.html") for url in FETCHED.findall(page.read_text())}

    assert any("assets/javascripts" in url for url in fetched)
    assert [url for url in fetched if url.startswith(("http:", "https:", "//"))] == []


def test_pages_without_a_diagram_do_not_load_mermaid(site: Path) -> None:
    def loads(page: str) -> bool:
        return "mermaid.min.js" in (site / page).read_text()

    assert loads("design/architecture.html")
    assert not loads("reference/configuration.html")


@pytest.mark.timeout(PATIENCE_S * 2)
def test_every_diagram_draws(browser: webdriver.Chrome) -> None:
    draw = """
        const [text, done] = arguments;
        mermaid.render('drawn', text).then(it => done(it.svg.length > 500 ? '' : it.svg), error => done(String(error)));
    """
    faults = {place: browser.execute_async_script(draw, text) for place, text in diagrams().items()}

    assert len(faults) >= 6
    assert {place: fault for place, fault in faults.items() if fault} == {}


def test_a_diagram_with_a_fault_is_noticed(browser: webdriver.Chrome) -> None:
    draw = "const [text, done] = arguments; mermaid.parse(text).then(() => done(''), error => done(String(error)));"

    assert browser.execute_async_script(draw, "flowchart LR\n a -->") != ""
