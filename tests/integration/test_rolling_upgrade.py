"""Two versions side by side: a worker unlocks tasks that only the other version can run, and old instances go on."""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import replace

import pytest

from camunda_bridge.client import Engine
from camunda_bridge.engine.locked_task import Topic
from camunda_bridge.locks import new_token
from camunda_bridge.session import EngineSession
from dev.ports import free_port
from store.event_rows import COMPLETED
from tasks.broker.step_message import VERSION, StepMessage
from tasks.processes import registry
from tasks.steps import run as step_module
from tasks.steps.attempt import Attempt
from tests.contract.bpmn import external, process
from tests.integration.step_bench import Bench, held_by


def is_free(bench: Bench, task_id: str) -> bool:
    """True if the task is not locked and no attempt of it was counted."""
    task = bench.engine.external_task(task_id)
    assert task is not None
    assert task["retries"] is None
    return held_by(bench.engine, task_id) is None


def fetch(bench: Bench, step: str) -> StepMessage:
    """Lock the one task of a step."""
    token, begun = new_token(), time.time()
    (task,) = bench.engine.fetch_and_lock(
        [Topic(f"{bench.key}.{step}")], token=token, lock_duration_ms=60_000, max_tasks=1
    )
    return StepMessage(task, token, begun, 60)


def test_step_without_handler_is_unlocked_and_a_newer_worker_runs_it(bench: Bench) -> None:
    bench.deploy({"done": True})
    message = bench.start()
    kept = registry._steps.pop(message.task.topic)

    step_module.run_step(message.dump())

    assert is_free(bench, message.task.id)
    assert bench.events() == []
    registry._steps[message.task.topic] = kept
    event = bench.run(bench.fetch())
    assert event.phase == COMPLETED
    assert [row.phase for row in bench.events()] == [COMPLETED]
    assert len(bench.calls) == 1


def test_step_of_a_newer_versions_message_is_unlocked_and_another_worker_runs_it(bench: Bench) -> None:
    bench.deploy({"done": True})
    message = bench.start()

    # An older version needs only these members of a newer version's message.
    step_module.run_step(
        {"version": VERSION + 1, "id": message.task.id, "token": message.token, "topic": message.task.topic}
    )

    assert is_free(bench, message.task.id)
    assert bench.events() == []
    assert bench.run(bench.fetch()).phase == COMPLETED


@pytest.mark.parametrize("version", [VERSION, VERSION + 1])
def test_task_that_another_worker_has_fetched_since_is_not_unlocked(bench: Bench, version: int) -> None:
    bench.deploy({"done": True})
    message = bench.start()
    assert bench.engine.unlock(message.task.id, message.token)
    second = bench.fetch()
    kept = registry._steps.pop(message.task.topic)

    step_module.run_step({**message.dump(), "version": version})

    assert held_by(bench.engine, message.task.id) == second.token
    registry._steps[message.task.topic] = kept
    assert bench.run(second).phase == COMPLETED


def test_step_that_cannot_be_unlocked_waits_until_its_lock_expires(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench.deploy({"done": True})
    message = bench.start()
    away = Engine(EngineSession(f"http://127.0.0.1:{free_port()}/engine-rest", connect_timeout_ms=200))
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(bench.runtime, "engine", away)
        step_module.run_step({**message.dump(), "version": VERSION + 1})

    assert "its lock expires" in caplog.text
    assert held_by(bench.engine, message.task.id) == message.token


def test_completion_in_the_message_of_an_unlocked_step_is_written(bench: Bench) -> None:
    bench.deploy({"done": True}, external("b"))
    first = bench.start()
    step = bench.definition.steps[first.task.topic]
    bench.runtime.events.begin(Attempt(first, bench.definition, step, execution_id=uuid.uuid4()).event())
    bench.engine.complete(first.task.id, first.token, {})
    second = replace(fetch(bench, "b"), confirm=first.attempt)

    step_module.run_step(second.dump())

    assert [row.phase for row in bench.events()] == [COMPLETED]
    assert is_free(bench, second.task.id)


def test_instance_of_the_version_before_keeps_its_old_path_to_its_end(bench: Bench) -> None:
    bench.deploy({"old": True})
    old = bench.start()
    definition = bench.definition
    definition.step("a2")(lambda given: {"new": True})
    definition.bpmn_path.write_text(process(bench.key, external("a2")))
    registry.add(definition)
    assert bench.engine.deploy(bench.key, {definition.bpmn_path.name: definition.bpmn_path.read_bytes()})
    new = bench.engine.start(bench.key, f"{bench.key}-new", {}).id

    assert bench.run(old).phase == COMPLETED
    ended = bench.engine.historic_instance(old.task.process_instance_id)
    assert ended is not None
    assert (ended["state"], ended["processDefinitionVersion"]) == ("COMPLETED", 1)
    message = fetch(bench, "a2")
    assert message.task.process_instance_id == new
    step_module.run_step(message.dump())
    ended = bench.engine.historic_instance(new)
    assert ended is not None
    assert (ended["state"], ended["processDefinitionVersion"]) == ("COMPLETED", 2)
