"""Run the commands of the examples' pages in their order; they must do what the pages show."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from dev.environment import ROOT
from dev.stack import Stack
from tests.support.api import Api, eventually

PAGES = sorted((ROOT / "docs" / "examples").glob("*.md"))
#: the correlation ids on each page, and the status of each process after the commands of the page
ENDS = {
    "onboard-user": {"example-user-1": "ok"},
    "order-fulfilment": {"example-order-1": "ok"},
    "loan-approval": {"example-loan-1": "ok", "example-loan-2": "ok"},
}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def run(block: str) -> list[int]:
    """Run a block of a page. Returns the HTTP statuses in its output."""
    command = ["bash", "-euo", "pipefail", "-c", block]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return [int(status) for status in re.findall(r"^HTTP/\S+ (\d+)", done.stdout, re.MULTILINE)]


def test_every_example_has_a_page() -> None:
    assert {page.stem for page in PAGES} == {
        path.parent.name.replace("_", "-") for path in (ROOT / "processes").glob("*/steps.py")
    }
    assert set(ENDS) == {page.stem for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_of_a_page_do_what_the_page_shows(api: Api, stack: Stack, engine_url: str, page: Path) -> None:
    # The timer is for readers who try it before the order ends; here the order has ended.
    told = [block for block in blocks(page, "sh") if "/job/" not in block]
    assert told
    for block in told:
        here = block.replace("http://127.0.0.1:8000", stack.url)
        # A message is accepted when the process waits for it; the page says that this takes a moment.
        statuses = eventually(lambda here=here: (found := run(here)) and 409 not in found and found, what=here)
        assert statuses
        assert set(statuses) <= {200, 202}

    for correlation_id, status in ENDS[page.stem].items():
        assert api.wait_until_ended(correlation_id).body["status"] == status


def test_timer_of_three_days_is_fired_at_once(api: Api, stack: Stack, engine_url: str) -> None:
    page = ROOT / "docs" / "examples" / "order-fulfilment.md"
    start, _, timer = blocks(page, "sh")
    ours = ("example-order-1", "example-order-late")
    assert run(start.replace(*ours).replace("http://127.0.0.1:8000", stack.url)) == [202]
    trace = api.status(ours[1]).body["traceabilityId"]
    eventually(lambda: "ship-order" in [event["stepName"] for event in api.events(trace)], what="the parcel is shipped")

    here = timer.replace(*ours).replace("http://127.0.0.1:8080/engine-rest", engine_url)
    eventually(lambda: run(here) == [204], what=here)

    eventually(
        lambda: "trace-parcel" in [event["stepName"] for event in api.events(trace)], what="the carrier is asked"
    )
    assert api.call("POST", f"/api/process/{ours[1]}/cancel").status == 200
