"""The checks of the engine's contents on a real engine, and with an engine that keeps no log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from camunda_bridge.definition import ProcessDefinition
from camunda_bridge.errors import EngineRefused
from service.engine_health import EngineContents
from service.health import Health
from store.event_rows import COMPLETING, OUTCOME_UNKNOWN
from tasks.processes import registry
from tasks.settling.open_attempts import _resolve
from tests.contract.bpmn import external, process
from tests.integration.step_bench import Bench


def contents(bench: Bench) -> EngineContents:
    return EngineContents(lambda: bench.engine)


def test_tasks_without_a_handler_here_are_counted(bench: Bench) -> None:
    bench.deploy({}, external("b"))
    assert f"{bench.key}.b" not in contents(bench).waiting()
    bench.run(bench.start())
    waiting = contents(bench).waiting()
    assert waiting[f"{bench.key}.b"] == 1
    assert f"{bench.key}.a" not in waiting
    part = Health(bench.runtime).parts()["topics"]
    assert not part.up
    assert f"{bench.key}.b (1)" in part.detail


def test_missing_or_different_diagram_is_reported(bench: Bench, tmp_path: Path) -> None:
    bench.deploy({}, external("b"))
    assert bench.key not in contents(bench).deployments().different
    bench.definition.bpmn_path.write_text(process(bench.key, external("a"), external("c")))
    assert contents(bench).deployments().different[bench.key] == 1
    absent = ProcessDefinition(f"{bench.key}-absent", tmp_path / "absent.bpmn")
    absent.bpmn_path.write_text(process(absent.key, external("a")))
    registry.add(absent)
    try:
        assert absent.key in contents(bench).deployments().missing
        part = Health(bench.runtime).parts()["deployments"]
        assert not part.up
        assert absent.key in part.detail
    finally:
        registry.processes.pop(absent.key)


def test_step_without_a_log_in_the_engine_is_reported_by_ready(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.deploy({}, external("b"))
    message = bench.start()
    complete = bench.engine.complete

    def unanswered(*given: Any, **named: Any) -> None:
        complete(*given, **named)
        raise EngineRefused("not now", status=400)

    with monkeypatch.context() as patch:
        patch.setattr(bench.engine, "complete", unanswered)
        row = bench.run(message)
    assert row.phase == COMPLETING
    assert Health(bench.runtime).parts()["history"].up
    # the answer of an engine with another history level; this one has FULL
    monkeypatch.setattr(bench.engine, "task_log", lambda _: [])
    _resolve(row)
    assert bench.events()[0].phase == OUTCOME_UNKNOWN
    assert not Health(bench.runtime).parts()["history"].up
