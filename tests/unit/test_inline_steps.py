"""Which steps run inline, and what happens to one that was chosen and did not begin."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from camunda_bridge.engine.locked_task import LockedTask
from settings import Settings
from tasks.broker import inline
from tasks.broker.inline import Chain, accept, chain
from tasks.broker.step_message import StepMessage
from tests.support.facade import Facade

FIRST = "onboard-user.validate-user-information"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[StepMessage]]:
    found: list[StepMessage] = []
    monkeypatch.setattr(inline, "send_step", found.append)
    facade = Facade(Settings(steps_in_place_ms=60_000, redis_url="redis://127.0.0.1:9/0"), monkeypatch)
    yield found
    facade.close()


def message(name: str, topic: str = FIRST) -> StepMessage:
    task = LockedTask(name, topic, name, "d:1", "onboard-user", "i", "key", None, {})
    return StepMessage(task, "token", time.time(), 20)


def test_next_step_runs_inline_and_a_parallel_one_is_sent(sent: list[StepMessage]) -> None:
    with chain("t", FIRST) as made:
        assert accept(message("a"))
        assert not accept(message("b"))
        ran = []
        for present in made:
            ran.append(present.task.id)
            if present.task.id == "a":
                assert accept(message("c"))
    assert ran == ["a", "c"]
    assert sent == []


def test_no_step_runs_inline_outside_of_a_step(sent: list[StepMessage]) -> None:
    assert not accept(message("a"))


def test_step_of_another_queue_is_sent(sent: list[StepMessage]) -> None:
    with chain("t", FIRST):
        assert not accept(message("a", "loan-approval.check-credit"))


def test_when_its_time_is_over_every_step_is_sent() -> None:
    assert not Chain("t", FIRST, for_s=0).accept(message("a"))


def test_chosen_step_that_did_not_begin_is_sent(sent: list[StepMessage]) -> None:
    def raises() -> None:
        with chain("t", FIRST):
            accept(message("a"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        raises()
    assert [item.task.id for item in sent] == ["a"]
