"""Process instances that others started in the engine: each has one process row, from its first step that runs here."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from camunda_bridge.context import CONTEXT_VARIABLE, ExecutionContext
from camunda_bridge.errors import EngineUnavailable
from camunda_bridge.variables import to_engine
from service.erasure import erase
from store.finding import Identifier, Search, Traits
from store.process_rows import API, CANCELLED, ENGINE, ERROR, OK, PENDING, NewProcess, ProcessRow
from tasks.settling import reconcile
from tasks.steps import foreign
from tasks.steps import run as step_module
from tasks.steps.middleware import event_row
from tests.contract.bpmn import Part, external, process
from tests.contract.engine import eventually
from tests.integration.step_bench import Bench

TWICE = "<multiInstanceLoopCharacteristics><loopCardinality>2</loopCardinality></multiInstanceLoopCharacteristics>"


def rows_of(bench: Bench, **traits: Any) -> list[ProcessRow]:
    return bench.runtime.processes.page(limit=10, traits=Traits(**traits))


def the_row(bench: Bench) -> ProcessRow:
    (row,) = rows_of(bench)
    return row


def run(bench: Bench) -> None:
    step_module.run_step(bench.fetch().dump())


def start(bench: Bench, business_key: str | None = None, **variables: Any) -> str:
    """Start an instance as another client of the engine does."""
    body: dict[str, Any] = {"variables": to_engine(variables)}
    if business_key is not None:
        body["businessKey"] = business_key
    path = f"/process-definition/key/{bench.key}/start"
    return str(bench.engine.session.post(path, body)["id"])


def call_of(called: str, mapping: str = "") -> Part:
    """A call activity that passes nothing but `mapping`."""
    return Part(
        "call",
        f'<callActivity id="call" calledElement="{called}"><extensionElements>{mapping}</extensionElements></callActivity>',
    )


@pytest.fixture
def caller(bench: Bench) -> Callable[..., str]:
    """Deploys a process, declared nowhere here, that calls the process of the bench; its key."""
    key = f"{bench.key}-caller"

    def deploy(call: Part) -> str:
        bench.engine.deploy(key, {f"{key}.bpmn": process(key, call).encode()})
        return key

    return deploy


def test_instance_with_a_business_key_gets_a_row_with_its_first_step(bench: Bench) -> None:
    bench.deploy({"userId": "u-1"}, external("b"))
    instance = start(bench, "order-4711", orderId="4711")
    assert rows_of(bench) == []

    run(bench)

    row = the_row(bench)
    assert (row.correlation_id, row.process_key, row.process_instance_id) == ("order-4711", bench.key, instance)
    assert (row.status, row.started_by, row.traceability_id) == (PENDING, ENGINE, instance)
    assert [event.process_instance_id for event in bench.runtime.events.by_correlation_id("order-4711")] == [instance]
    for name, value in (("orderId", "4711"), ("userId", "u-1")):
        (found,) = bench.runtime.processes.page(limit=10, search=Search(Identifier(name, value)))
        assert found.id == row.id
    assert row.identifiers == {"orderId": "4711", "userId": "u-1"}


def test_instance_without_a_business_key_is_listed_by_its_id(bench: Bench) -> None:
    bench.deploy({}, external("b"))
    instance = start(bench)
    run(bench)
    assert the_row(bench).correlation_id == instance


@pytest.mark.parametrize("business_key", ["order/4711", "all", "o" * 201])
def test_business_key_that_can_be_no_correlation_id_finds_the_process(bench: Bench, business_key: str) -> None:
    bench.deploy({}, external("b"))
    instance = start(bench, business_key)
    run(bench)
    assert the_row(bench).correlation_id == instance
    (found,) = bench.runtime.processes.page(limit=10, search=Search(Identifier("businessKey", business_key)))
    assert found.process_instance_id == instance


def test_business_key_that_another_process_has_collides_with_nothing(bench: Bench) -> None:
    bench.deploy({}, external("b"))
    ours = NewProcess(uuid.uuid4(), "order-1", "h", bench.key, {}, "trace")
    assert bench.runtime.processes.accept(ours)
    first, second = start(bench, "order-1"), start(bench, "order-1")

    run(bench)
    run(bench)

    assert {row.correlation_id: row.process_instance_id for row in rows_of(bench)} == {
        "order-1": None,
        first: first,
        second: second,
    }
    assert bench.runtime.events.by_correlation_id("order-1") == []


def test_instance_that_a_timer_starts_is_listed(bench: Bench) -> None:
    timer = "<timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition>"
    bench.deploy({}, external("b"), start=timer)
    (job,) = bench.engine.session.get("/job", processDefinitionKey=bench.key)
    bench.engine.session.post(f"/job/{job['id']}/execute", {})
    run(bench)
    row = the_row(bench)
    assert (row.started_by, row.correlation_id) == (ENGINE, row.process_instance_id)


def test_instance_that_a_message_starts_is_listed(bench: Bench) -> None:
    name = f"message-{bench.key}"
    root = f'<message id="begin" name="{name}"/>'
    bench.deploy(
        {},
        external("b"),
        a=replace(external("a"), roots=frozenset({root})),
        start='<messageEventDefinition id="begins" messageRef="begin"/>',
    )
    bench.engine.session.post("/message", {"messageName": name, "businessKey": "by-message"})
    run(bench)
    assert (the_row(bench).correlation_id, the_row(bench).started_by) == ("by-message", ENGINE)


def test_row_ends_with_the_instance(bench: Bench) -> None:
    bench.deploy({"amount": 7})
    start(bench, "order-1", orderId="1")
    run(bench)
    row = the_row(bench)
    assert (row.status, row.result) == (OK, {"orderId": "1", "amount": 7})


def test_row_ends_with_the_outcome_of_the_response_step(bench: Bench) -> None:
    bench.deploy({"amount": 7}, external("b"), outcome="ok")
    start(bench, "order-1")
    run(bench)
    row = the_row(bench)
    assert (row.status, row.result) == (OK, {"amount": 7})


def test_end_that_no_step_follows_is_found_by_the_reconciler(bench: Bench) -> None:
    bench.deploy({}, external("b"))
    instance = start(bench, "order-1")
    run(bench)
    bench.engine.delete_instance(instance, "deleted in Cockpit")
    reconcile.sweep_running()
    row = the_row(bench)
    assert (row.status, row.error and row.error["code"]) == (CANCELLED, "CANCELLED")


def test_incident_is_in_the_row_and_can_be_retried(bench: Bench) -> None:
    bench.deploy(ValueError("no"))
    start(bench, "order-1")
    message = bench.fetch()
    step_module.run_step(replace(message, task=replace(message.task, retries=1)).dump())
    row = the_row(bench)
    assert row.status == ERROR
    assert row.incident_id is not None
    assert row.error is not None
    assert (row.error["code"], row.error["step"]) == ("INCIDENT", "a")

    bench.facade.post("/api/process/order-1/retry", {})
    assert the_row(bench).status == PENDING


def test_called_instances_have_the_row_of_their_root(bench: Bench, caller: Callable[..., str]) -> None:
    bench.deploy({}, a=external("a", TWICE))
    key = caller(call_of(bench.key))
    instance = bench.engine.start(key, "order-1", {}).id
    run(bench)
    row = the_row(bench)
    assert (row.process_key, row.process_instance_id, row.correlation_id) == (key, instance, "order-1")

    run(bench)

    assert the_row(bench).status == OK
    events = bench.runtime.events.by_correlation_id("order-1")
    assert len(events) == 2
    assert instance not in {event.process_instance_id for event in events}


def test_response_step_of_a_called_process_does_not_end_the_row(bench: Bench, caller: Callable[..., str]) -> None:
    bench.deploy({}, external("b"), outcome="ok")
    bench.engine.start(caller(call_of(bench.key)), "order-1", {})
    run(bench)
    assert the_row(bench).status == PENDING


def test_called_instance_without_the_context_belongs_to_the_start_of_the_facade(
    bench: Bench, caller: Callable[..., str]
) -> None:
    bench.deploy({}, a=external("a", TWICE))
    key = caller(call_of(bench.key))
    new = NewProcess(uuid.uuid4(), "order-1", "h", key, {}, "trace")
    assert bench.runtime.processes.accept(new)
    context = ExecutionContext(str(new.id), "order-1", "trace", process_key=key)
    instance = bench.engine.start(key, "order-1", to_engine({CONTEXT_VARIABLE: context.to_variable()})).id

    run(bench)  # the id of the instance is not in the row yet
    assert bench.runtime.processes.record_instance(new.id, instance)
    foreign._known.clear()
    run(bench)

    row = the_row(bench)
    assert (row.id, row.started_by, row.status) == (new.id, None, OK)
    assert len(bench.runtime.events.by_correlation_id("order-1")) == 2


def test_two_first_steps_at_the_same_moment_write_one_row(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.deploy({"orderId": "1"}, a=external("a", TWICE))
    start(bench, "order-1", userId="u")
    messages = [bench.fetch(), bench.fetch()]
    both = threading.Barrier(2)
    begin = event_row._begin

    def at_once(attempt: Any) -> Any:
        both.wait(10)
        return begin(attempt)

    monkeypatch.setattr(event_row, "_begin", at_once)
    threads = [threading.Thread(target=step_module.run_step, args=(message.dump(),)) for message in messages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    row = the_row(bench)
    assert row.correlation_id == "order-1"
    assert len(bench.runtime.events.by_correlation_id("order-1")) == len(bench.calls) == 2
    assert eventually(lambda: the_row(bench).status == OK, "the end")


def test_start_that_takes_the_correlation_id_meanwhile_keeps_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.deploy({}, external("b"))
    instance = start(bench, "order-1")
    begin = event_row._begin

    def late(attempt: Any) -> Any:
        bench.runtime.processes.accept(NewProcess(uuid.uuid4(), "order-1", "h", bench.key, {}, "trace"))
        return begin(attempt)

    monkeypatch.setattr(event_row, "_begin", late)
    run(bench)

    assert {row.correlation_id: row.started_by for row in rows_of(bench)} == {"order-1": None, instance: ENGINE}
    assert len(bench.runtime.events.by_correlation_id(instance)) == len(bench.calls) == 1


class Killed(BaseException):
    """What ends a worker at once."""


def test_worker_that_dies_with_the_first_step_leaves_one_row_that_ends(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.deploy({})
    start(bench, "order-1")

    def die(moment: str) -> None:
        raise Killed(moment)

    with monkeypatch.context() as patch:
        patch.setattr(event_row, "crash_point", die)
        message = bench.fetch()
        with pytest.raises(Killed):
            step_module.run_step(message.dump())
    assert the_row(bench).status == PENDING
    foreign._known.clear()
    bench.engine.unlock(message.task.id, message.token)

    run(bench)

    assert the_row(bench).status == OK
    assert len(bench.runtime.events.by_correlation_id("order-1")) == 2


def test_duplicate_of_the_first_message_is_ignored(bench: Bench) -> None:
    bench.deploy({}, external("b"))
    start(bench, "order-1")
    message = bench.fetch()
    step_module.run_step(message.dump())
    foreign._known.clear()
    step_module.run_step(message.dump())
    assert len(bench.calls) == len(bench.runtime.events.by_correlation_id("order-1")) == len(rows_of(bench)) == 1


def test_step_waits_while_the_engine_does_not_say_whose_it_is(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.deploy({})
    start(bench, "order-1")
    message = bench.fetch()

    def away(_instance_id: str) -> Any:
        raise EngineUnavailable("away", maybe_done=False)

    with monkeypatch.context() as patch:
        patch.setattr(bench.engine, "historic_instance", away)
        step_module.run_step(message.dump())
    assert bench.calls == []
    assert rows_of(bench) == []

    step_module.run_step(message.dump())
    assert the_row(bench).status == OK


def test_setting_turns_the_rows_off(bench: Bench) -> None:
    bench.runtime.settings = replace(bench.runtime.settings, record_foreign_instances="off")
    bench.deploy({})
    start(bench, "order-1")
    run(bench)
    assert rows_of(bench) == []
    assert len(bench.runtime.events.by_correlation_id("order-1")) == len(bench.calls) == 1


def test_list_tells_who_started_and_filters_by_it(bench: Bench) -> None:
    bench.deploy({}, external("b"))
    bench.runtime.processes.accept(NewProcess(uuid.uuid4(), "by-api", "h", bench.key, {}, "trace"))
    start(bench, "by-engine")
    run(bench)

    def listed(query: str) -> dict[str, str]:
        page = bench.facade.http.get(f"/api/process/status/all?{query}").json
        return {row["correlationId"]: row["startedBy"] for row in page["processes"]}

    assert listed("") == {"by-api": API, "by-engine": ENGINE}
    for more in ("", f"&processKey={bench.key}", "&status=pending"):
        assert listed(f"startedBy=api{more}") == {"by-api": API}
        assert listed(f"startedBy=engine{more}") == {"by-engine": ENGINE}
    assert listed("startedBy=engine&status=ok") == {}


def test_instances_of_others_do_not_hold_back_starts(bench: Bench) -> None:
    bench.deploy({}, external("b"))
    start(bench, "order-1")
    run(bench)
    assert bench.runtime.processes.count_running() == 1
    assert bench.runtime.processes.count_running(started_here=True) == 0


def test_row_is_erased_with_its_instance(bench: Bench) -> None:
    bench.deploy({}, external("b"))
    instance = start(bench, "order-1", orderId="1")
    run(bench)
    bench.engine.delete_instance(instance, "over")
    reconcile.sweep_running()
    erase(the_row(bench), actor="test")
    assert rows_of(bench) == []
    assert bench.engine.historic_instance(instance) is None
