"""A process on the real engine for one test, whose handler runs in the process of the test."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from camunda_bridge.client import Engine
from camunda_bridge.definition import ProcessDefinition
from camunda_bridge.locks import new_token
from camunda_bridge.variables import to_engine
from dev.broker import Broker
from dev.ports import free_port
from settings import Settings
from store.event_rows import EventRow
from tasks.broker.step_message import StepMessage
from tasks.processes import registry
from tasks.runtime import Runtime
from tasks.steps import run as step_module
from testkit.isolation import delete_deployments
from tests.contract.bpmn import Part, external, process
from tests.contract.engine import eventually
from tests.support.facade import Facade


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = Broker(free_port(), tmp_path_factory.mktemp("broker"))
    broker.start()
    try:
        broker.wait_ready()
        yield broker
    finally:
        broker.stop()


def held_by(engine: Engine, task_id: str) -> str | None:
    """The token that holds the lock of an external task; None if the task can be fetched."""
    # A lock that ends with a millisecond has expired when the next one begins.
    time.sleep(0.002)
    locked = engine.session.get("/external-task", externalTaskId=task_id, locked="true")
    return locked[0]["workerId"] if locked else None


class Bench:
    """A process on the engine for one test, with its handler in the registry."""

    def __init__(self, runtime: Runtime, folder: Path) -> None:
        self.runtime = runtime
        self.key = f"step-{uuid.uuid4().hex[:12]}"
        self.definition = ProcessDefinition(self.key, folder / f"{self.key}.bpmn")
        self.calls: list[dict[str, Any]] = []
        #: calls the API with the same database, broker and engine
        self.facade: Facade

    @property
    def engine(self) -> Engine:
        return self.runtime.engine

    def deploy(self, answer: Any, *parts: Any, a: Part | None = None, start: str = "", **options: Any) -> None:
        """Deploy a process with step `a` and `parts`.

        Args:
            answer: what the handler returns, or the exception that it raises.
            parts: the parts behind the step.
            a: the part that contains the step; by default a plain external task.
            start: XML of what starts an instance, if that is no call.
        """

        def handler(given: dict[str, Any]) -> Any:
            self.calls.append(given)
            if isinstance(answer, Exception):
                raise answer
            return answer

        self.definition.step("a", **options)(handler)
        plain, started = '<startEvent id="process-start"/>', f'<startEvent id="process-start">{start}</startEvent>'
        diagram = process(self.key, a or external("a"), *parts)
        self.definition.bpmn_path.write_text(diagram.replace(plain, started) if start else diagram)
        registry.add(self.definition)
        self.engine.deploy(self.key, {f"{self.key}.bpmn": self.definition.bpmn_path.read_bytes()})

    def fetch(self, lock_ms: int = 60_000) -> StepMessage:
        # A task that was just unlocked is locked for a millisecond more.
        message: StepMessage = eventually(lambda: self.fetch_if_any(lock_ms), "a task")
        return message

    def fetch_if_any(self, lock_ms: int = 60_000) -> StepMessage | None:
        token, begun = new_token(), time.time()
        topic = self.definition.topic(self.definition.steps[f"{self.key}.a"])
        tasks = self.engine.fetch_and_lock([topic], token=token, lock_duration_ms=lock_ms, max_tasks=1)
        return StepMessage(tasks[0], token, begun, lock_ms / 1000) if tasks else None

    def start(self, **variables: Any) -> StepMessage:
        self.engine.start(self.key, self.key, to_engine(variables))
        return self.fetch()

    def run(self, message: StepMessage) -> EventRow:
        """Run the attempt. Returns its event."""
        step_module.run_step(message.dump())
        (row,) = [row for row in self.events() if row.lock_token == message.token]
        return row

    def events(self) -> list[EventRow]:
        return self.runtime.events.by_correlation_id(self.key)

    def close(self) -> None:
        registry.processes.pop(self.key, None)
        for topic in self.definition.steps:
            registry._steps.pop(topic, None)
        delete_deployments(self.engine, self.key)


@pytest.fixture
def bench(
    engine_url: str, broker: Broker, tmp_path: Path, migrated_file: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    (tmp_path / "store.db").write_bytes(migrated_file.read_bytes())
    settings = Settings(
        database_url=f"sqlite:///{tmp_path / 'store.db'}",
        redis_url=broker.url,
        camunda_base_url=engine_url,
        camunda_timeout_ms=5_000,
        lock_duration_ms=6_000,
        db_hold_s=5,
    )
    facade = Facade(settings, monkeypatch)
    bench = Bench(facade.runtime, tmp_path)
    bench.facade = facade
    yield bench
    bench.close()
    facade.close()
