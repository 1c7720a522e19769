"""All data of one process: exported, and deleted in the store, in Redis and in the engine, but never while it runs."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from camunda_bridge.context import CONTEXT_VARIABLE, ExecutionContext
from camunda_bridge.variables import to_engine
from service import operations
from service.erasure import erase, export
from service.errors import ProcessStillRunning
from store.process_rows import CANCELLED, Ending, NewProcess, ProcessRow
from tasks.settling import closing
from tasks.steps import run as step_module
from tests.contract.bpmn import external
from tests.integration.step_bench import Bench

SECRET = "ada@example.org"


def begin(bench: Bench) -> tuple[ProcessRow, Any]:
    """Start a process. Returns its row and the message of its first step, `a`."""
    store = bench.runtime.processes
    new = NewProcess(uuid.uuid4(), bench.key, "0" * 64, bench.key, {"email": SECRET}, f"trace-{bench.key}")
    assert store.accept(new)
    assert store.claim(new.id, "token", for_s=30)[1]
    context = ExecutionContext(str(new.id), bench.key, new.traceability_id)
    variables = to_engine({"email": SECRET, CONTEXT_VARIABLE: context.to_variable()})
    assert store.record_instance(new.id, bench.engine.start(bench.key, bench.key, variables).id)
    row = store.by_id(new.id)
    assert row is not None
    return row, bench.fetch()


def now(bench: Bench, row: ProcessRow) -> ProcessRow:
    found = bench.runtime.processes.by_id(row.id)
    assert found is not None
    return found


def test_ended_process_is_exported_and_erased_completely(bench: Bench) -> None:
    bench.deploy({"customer": SECRET}, outcome="ok")
    row, message = begin(bench)
    step_module.run_step(message.dump())
    row = now(bench, row)
    assert row.status == "ok"

    found = export(row)

    assert found["process"]["variables"] == {"email": SECRET}
    assert [event["step_name"] for event in found["events"]] == ["a"]
    assert found["engine"][0]["variables"]["customer"]["value"] == SECRET
    json.dumps(found)
    client = bench.runtime.redis
    assert client.exists(f"celery-task-meta-{row.id}")

    done = erase(row, actor="officer")

    assert (done.events, done.instances) == (1, 1)
    assert bench.runtime.processes.by_correlation_id(bench.key) is None
    assert bench.events() == []
    assert not client.exists(f"celery-task-meta-{row.id}")
    assert bench.engine.historic_instance(row.process_instance_id or "") is None
    assert bench.engine.historic_variables(row.process_instance_id or "") == {}
    assert bench.engine.task_log(message.task.id) == []
    (record,) = bench.runtime.events.by_traceability_id(f"erasure:{done.id}")
    assert (record.actor, record.step_name, record.correlation_id) == ("officer", "erase", None)
    assert SECRET not in repr(record)
    assert row.correlation_id not in repr(record.metadata | {"processKey": ""})


def test_running_process_is_not_erased(bench: Bench) -> None:
    bench.deploy({"n": 1}, external("b"))
    row, message = begin(bench)
    step_module.run_step(message.dump())

    with pytest.raises(ProcessStillRunning):
        erase(now(bench, row), actor="officer")

    assert len(bench.events()) == 1
    assert export(row)["engine"][0]["state"] == "ACTIVE"


def test_cancelled_process_can_be_erased_once_its_instance_is_gone(bench: Bench) -> None:
    bench.deploy({"n": 1}, external("b"))
    row, _ = begin(bench)
    assert operations.end_by_ops(row, Ending(CANCELLED, engine_open=True), actor="ada", step_name="cancel")
    with pytest.raises(ProcessStillRunning):
        erase(now(bench, row), actor="officer")
    closing.close_instance(str(row.id))

    assert erase(now(bench, row), actor="officer").instances == 1

    assert bench.runtime.processes.by_id(row.id) is None
    # A late start message finds no row, and starts nothing.
    wake_nobody = bench.runtime.processes.claim(row.id, "late", for_s=1)
    assert wake_nobody == (None, False)
