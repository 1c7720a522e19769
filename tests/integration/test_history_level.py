"""Engines with a lower history level: what each level keeps, what is reported, and what still works."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from camunda_bridge.context import CONTEXT_VARIABLE, ExecutionContext
from camunda_bridge.history_level import MISSING, history_level
from camunda_bridge.variables import to_engine
from dev.broker import Broker
from dev.local_engine import LocalEngine
from dev.ports import free_port
from service.health import Health
from settings import Settings
from store.clock import now
from store.models import process_store
from store.process_rows import ERROR, OK, PENDING, NewProcess, ProcessRow
from tasks.settling import reconcile
from tasks.settling.instances import instances_of
from tests.contract.bpmn import external
from tests.integration.step_bench import Bench
from tests.support.facade import Facade

LEVELS = ("none", "activity", "audit", "full")


@pytest.fixture(scope="module", params=LEVELS)
def level(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """A history level, and the URL of an engine that has it."""
    kind: Any = os.environ.get("ENGINE", "camunda")
    engine = LocalEngine(free_port(), kind=kind)
    prefix = "CAMUNDA_BPM" if kind == "camunda" else "OPERATON_BPM"
    engine.process.env = {**(engine.process.env or {}), f"{prefix}_HISTORY_LEVEL": request.param}
    with engine.running():
        yield request.param, engine.base_url


@pytest.fixture
def bench(
    level: tuple[str, str], broker: Broker, tmp_path: Path, migrated_file: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    shutil.copy(migrated_file, tmp_path / "store.db")
    settings = Settings(
        database_url=f"sqlite:///{tmp_path / 'store.db'}",
        redis_url=broker.url,
        camunda_base_url=level[1],
        camunda_timeout_ms=5_000,
        lock_duration_ms=6_000,
        db_hold_s=5,
    )
    facade = Facade(settings, monkeypatch)
    made = Bench(facade.runtime, tmp_path)
    yield made
    made.close()
    facade.close()


def accept(bench: Bench) -> ProcessRow:
    new = NewProcess(uuid.uuid4(), bench.key, "h", bench.key, {}, "trace")
    store = bench.runtime.processes
    assert store.accept(new)
    assert store.claim(new.id, "token", for_s=60)[1]
    context = ExecutionContext(str(new.id), bench.key, "trace", process_key=bench.key)
    instance = bench.engine.start(bench.key, bench.key, to_engine({CONTEXT_VARIABLE: context.to_variable()}))
    row = store.by_id(new.id)
    assert row is not None
    assert [item["id"] for item in instances_of(row)] == [instance.id], (
        "the instance must be found even if its id was not written"
    )
    assert store.record_instance(new.id, instance.id)
    return row_of(bench, new.id)


def row_of(bench: Bench, process_id: uuid.UUID) -> ProcessRow:
    row = bench.runtime.processes.by_id(process_id)
    assert row is not None
    return row


def test_level_is_detected_and_reported_with_what_does_not_work(bench: Bench, level: tuple[str, str]) -> None:
    bench.deploy({"n": 1}, external("b"))
    row = accept(bench)
    message = bench.fetch()
    assert history_level(bench.engine, row.process_instance_id or "", message.task.id) == level[0]
    bench.run(message)

    part = Health(bench.runtime)._checked("history", Health(bench.runtime)._history)

    assert part.up is (level[0] == "full")
    assert part.facts == {"level": level[0]}
    assert MISSING.get(level[0], "") in part.detail


def test_running_process_is_never_lost(bench: Bench, level: tuple[str, str]) -> None:
    bench.deploy({"n": 1}, external("b"))
    row = accept(bench)
    with bench.runtime.database.write() as connection:
        connection.execute(sa.update(process_store).values(updated_at=now() - timedelta(hours=1)))

    reconcile.sweep_running()

    assert row_of(bench, row.id).status == PENDING


def test_response_step_answers_at_every_level(bench: Bench) -> None:
    bench.deploy({"n": 1}, external("b"), outcome="ok")
    row = accept(bench)

    bench.run(bench.fetch())

    assert (row_of(bench, row.id).status, row_of(bench, row.id).result) == (OK, {"n": 1})


def test_end_without_a_response_step_is_found_if_history_has_it(bench: Bench, level: tuple[str, str]) -> None:
    bench.deploy({"n": 1})
    row = accept(bench)
    bench.run(bench.fetch())
    with bench.runtime.database.write() as connection:
        connection.execute(sa.update(process_store).values(updated_at=now() - timedelta(hours=1)))

    reconcile.sweep_running()

    ended = row_of(bench, row.id)
    if level[0] == "none":
        assert (ended.status, (ended.error or {})["code"]) == (ERROR, "INSTANCE_LOST")
    else:
        assert ended.status == OK
        assert ended.result == ({} if level[0] == "activity" else {"n": 1})
