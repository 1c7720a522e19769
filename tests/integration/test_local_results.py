"""Steps within a parallel multi-instance: each item has its own variables, and the results are collected."""

from __future__ import annotations

from collections.abc import Callable

from testkit.run import ProcessRun
from tests.processes.priced.steps import process as priced


def test_twenty_items_in_parallel_each_have_their_own_results(run_process: Callable[..., ProcessRun]) -> None:
    items = [str(number) for number in range(20)]
    run = run_process(priced, {"items": items})
    assert run.status == "ok", run
    assert run.result == {"prices": {item: int(item) * 10 for item in items}, "leaked": []}
    assert sorted(run.steps).count("price") == 20


def test_no_item_at_all(run_process: Callable[..., ProcessRun]) -> None:
    assert run_process(priced, {"items": []}).result == {"prices": {}, "leaked": []}
