"""A step's message is the same after its way through the broker, and expires before its lock."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from camunda_bridge.engine.locked_task import LockedTask
from store.event_rows import AttemptKey
from tasks.broker import step_message
from tasks.broker.step_message import QUEUE_SHARE, StepMessage
from tasks.errors import UnknownVersion

TASK = LockedTask(
    id="task-1",
    topic="order.charge",
    activity_id="charge",
    process_definition_id="order:1:abc",
    process_definition_key="order",
    process_instance_id="pi",
    business_key="order-1",
    retries=None,
    variables={"text": {"type": "String", "value": "grüße 👍", "valueInfo": {}}},
)
MESSAGE = StepMessage(TASK, "token", 1_000.0, 20.0, AttemptKey("task-0", "token-0"))


@pytest.mark.parametrize(
    "message",
    [
        MESSAGE,
        replace(MESSAGE, confirm=None),
        replace(MESSAGE, task=replace(TASK, business_key=None, retries=0, variables={})),
    ],
)
def test_message_comes_back_as_it_was(message: StepMessage) -> None:
    assert StepMessage.load(json.loads(json.dumps(message.dump()))) == message


@pytest.mark.parametrize("version", [0, 2, None, "1"])
def test_message_of_another_version_is_refused(version: object) -> None:
    with pytest.raises(UnknownVersion, match="version"):
        StepMessage.load({**MESSAGE.dump(), "version": version})


def test_task_is_loaded_from_the_engines_answer() -> None:
    answer = {
        "id": "task-1",
        "topicName": "order.charge",
        "activityId": "charge",
        "processDefinitionId": "order:1:abc",
        "processDefinitionKey": "order",
        "processInstanceId": "pi",
        "businessKey": "order-1",
        "retries": None,
        "variables": TASK.variables,
        "errorMessage": None,
        "priority": 0,
    }
    assert LockedTask.load(answer) == TASK


def test_attempt_is_named_by_task_and_token() -> None:
    assert MESSAGE.attempt == AttemptKey("task-1", "token")


@pytest.mark.parametrize(
    ("age_s", "expired"), [(0.0, False), (14.75, False), (15.0, True), (100.0, True), (-5.0, False)]
)
def test_message_expires_before_its_lock_does(monkeypatch: pytest.MonkeyPatch, age_s: float, expired: bool) -> None:
    monkeypatch.setattr(step_message, "broker_now", lambda: MESSAGE.fetched_at + age_s)
    assert MESSAGE.is_expired() is expired
    assert MESSAGE.age_s() == max(0.0, age_s)
    assert QUEUE_SHARE < 1


def test_age_counts_from_the_fetch() -> None:
    assert 0 <= replace(MESSAGE, fetched_at=time.time()).age_s() < 5
