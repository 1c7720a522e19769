"""Run the commands of README and documentation, page by page, against the running stack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dev.environment import StackEnvironment
from dev.stack import Stack
from tests.support.doc_blocks import blocks_of, pages
from tests.support.doc_page import PAGE_S, Checkout

#: pages with blocks to run
WITH_BLOCKS = [page for page in pages() if any(block.is_run for block in blocks_of(page))]


@pytest.fixture(scope="module")
def addresses(stack: Stack) -> Iterator[dict[str, str]]:
    """Addresses of `make run` -> addresses of this stack, Flower included."""
    told: StackEnvironment = stack.environment
    stack.start_parts(["flower"])
    served = {
        "8000": told.web_url,
        "5555": told.flower_url,
        "8080": told.get("CAMUNDA_BASE_URL"),
        "8090": told.get("PARTNER_BASE_URL"),
        "6379": told.get("REDIS_URL"),
    }
    yield {
        f"{host}:{port}": urlsplit(url).netloc for port, url in served.items() for host in ("127.0.0.1", "localhost")
    }
    stack["flower"].terminate()


@pytest.mark.timeout(PAGE_S + 60)
@pytest.mark.parametrize("page", WITH_BLOCKS)
def test_blocks_of_a_page_print_what_the_page_shows(
    page: str, stack: Stack, addresses: dict[str, str], tmp_path: Path
) -> None:
    checkout = Checkout(tmp_path, stack.environment.variables, addresses)

    checkout.run(blocks_of(page))
