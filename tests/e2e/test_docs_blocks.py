"""Run the commands of README and documentation, page by page, against the running stack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.local_engine import LocalEngine
from dev.ports import free_port
from dev.stack import Stack
from tests.support.doc_blocks import blocks_of, pages
from tests.support.doc_page import PAGE_S, SERVING_PAGE_S, Checkout
from tests.support.doc_serving import Serving, addresses

#: pages with blocks to run
WITH_BLOCKS = [page for page in pages() if any(block.is_run for block in blocks_of(page))]


#: the page of the tutorial and others that start the system with the process that they write
SERVING = [page for page in WITH_BLOCKS if any(block.is_served for block in blocks_of(page))]


@pytest.fixture(scope="module")
def stack_addresses(stack: Stack) -> Iterator[dict[str, str]]:
    """Addresses of `make run` -> addresses of this stack, Flower included."""
    stack.start_parts(["flower"])
    yield addresses(stack.environment)
    stack["flower"].terminate()


@pytest.mark.timeout(PAGE_S + 60)
@pytest.mark.parametrize("page", [page for page in WITH_BLOCKS if page not in SERVING])
def test_blocks_of_a_page_print_what_the_page_shows(
    page: str, stack: Stack, stack_addresses: dict[str, str], tmp_path: Path
) -> None:
    checkout = Checkout(tmp_path, stack.environment.variables, stack_addresses)

    checkout.run(blocks_of(page))


@pytest.mark.timeout(SERVING_PAGE_S + 60)
@pytest.mark.parametrize("page", SERVING)
def test_blocks_of_a_page_that_starts_the_system_print_what_the_page_shows(page: str, tmp_path: Path) -> None:
    # An engine of its own: the workers of the session's stack would run the steps of the examples.
    with LocalEngine(free_port(), log=tmp_path / "engine.log").running() as engine:
        serving = Serving(tmp_path / "run", engine.base_url)
        checkout = Checkout(tmp_path, serving.environment.variables, serving.addresses, serving)

        checkout.run(blocks_of(page))
