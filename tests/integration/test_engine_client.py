"""The bridge's client on a real engine: the engine understands its requests, and runs BPMN as the bridge reads it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from camunda_bridge.bpmn import read_diagram
from camunda_bridge.client import Engine
from camunda_bridge.contents import TaskContents
from camunda_bridge.engine.locked_task import LockedTask, Topic
from camunda_bridge.errors import EngineRefused, EngineUnavailable, LockLost, NotFound, VariableError
from camunda_bridge.locks import new_token
from camunda_bridge.session import EngineSession
from camunda_bridge.variables import File, Raw, from_engine, to_engine
from testkit.isolation import delete_deployments
from tests.contract.bpmn import Part, boundary, external, on_error, process, subprocess
from tests.integration.step_bench import held_by

#: length of the tests' locks, in milliseconds
LOCK_MS = 60_000


@pytest.fixture
def engine(engine_url: str) -> Engine:
    return Engine(EngineSession(engine_url, timeout_ms=15_000))


@pytest.fixture
def key(engine: Engine) -> Iterator[str]:
    """A process key that only this test uses; its deployments are deleted after the test."""
    key = f"client-{uuid.uuid4().hex[:12]}"
    yield key
    delete_deployments(engine, key)


def deploy(engine: Engine, key: str, *parts: Any) -> str:
    xml = process(key, *parts)
    engine.deploy(key, {f"{key}.bpmn": xml.encode()})
    return xml


def fetch(engine: Engine, key: str, *steps: str, token: str, **options: Any) -> list[LockedTask]:
    topics = [Topic(f"{key}.{step}") for step in steps]
    return engine.fetch_and_lock(topics, token=token, lock_duration_ms=LOCK_MS, max_tasks=10, **options)


def start_and_fetch(engine: Engine, key: str, step: str, **variables: Any) -> tuple[LockedTask, str]:
    engine.start(key, f"order-{uuid.uuid4()}", to_engine(variables))
    token = new_token()
    (task,) = fetch(engine, key, step, token=token)
    return task, token


def test_unchanged_file_is_deployed_once(engine: Engine, key: str) -> None:
    xml = process(key, external("a")).encode()
    (definition,) = engine.deploy(key, {f"{key}.bpmn": xml})
    assert engine.deploy(key, {f"{key}.bpmn": xml}) == []
    assert len(engine.deploy(key, {f"{key}.bpmn": process(key, external("b")).encode()})) == 1
    assert read_diagram(engine.definition_file(definition)).topics == {"a": f"{key}.a"}


def test_start_of_an_unknown_process_is_not_found(engine: Engine) -> None:
    with pytest.raises(NotFound):
        engine.start("nobody-knows", "order-1", {})


def test_variables_come_back_from_the_engine_as_they_were(engine: Engine, key: str) -> None:
    values = {
        "none": None,
        "true": True,
        "small": 2**31 - 1,
        "large": -(2**63),
        "double": 1.1,
        "text": "grüße 你好 👩‍👩‍👧",
        "longest": "👍" * 2_000,
        "long": "x" * 5_000,
        "json": {"a": [1, None, {"é": "👍"}], "b": 2**62, "c": 1.0},
        "first": datetime(1, 1, 1, tzinfo=UTC),
        "last": datetime(9999, 12, 31, 23, 59, 59, 999_000, UTC),
        "bytes": bytes(range(256)),
        "megabyte": ["x" * 1_000] * 1_000,
    }
    deploy(engine, key, external("a"))
    task, _ = start_and_fetch(engine, key, "a", **values)
    back = from_engine(task.variables)
    # before 1582 the engine counts days by the Julian calendar
    assert {**back, "first": values["first"]} == values
    assert {name: type(value) for name, value in back.items()} == {name: type(value) for name, value in values.items()}


def test_file_comes_back_as_metadata(engine: Engine, key: str) -> None:
    deploy(engine, key, external("a"))
    task, _ = start_and_fetch(engine, key, "a", file=File("a b.txt", b"content", "text/plain", "utf-8"))
    assert from_engine(task.variables) == {"file": File("a b.txt", None, "text/plain", "utf-8")}


def test_object_in_json_is_read_as_a_list_and_its_typed_form_goes_on_unchanged(engine: Engine, key: str) -> None:
    deploy(engine, key, external("a"), external("b"))
    info = {"objectTypeName": "java.util.ArrayList", "serializationDataFormat": "application/json"}
    task, token = start_and_fetch(engine, key, "a", list=Raw("Object", "[1]", info))
    assert from_engine(task.variables) == {"list": [1]}
    engine.complete(task.id, token, task.variables)
    (following,) = fetch(engine, key, "b", token=new_token())
    assert following.variables == task.variables


def test_content_is_taken_from_the_engine_alone(engine: Engine, key: str) -> None:
    deploy(engine, key, external("a"))
    task, _ = start_and_fetch(engine, key, "a", file=File("page.html", b"<html>", "text/html"), bytes=b"{}")
    contents = TaskContents(engine, task.id, task.process_instance_id)
    assert (contents.data("file"), contents.data("bytes")) == (b"<html>", b"{}")
    with pytest.raises(VariableError, match="'nothing' no longer exists"):
        contents.data("nothing")
    # A document, or a page of somebody before the engine, is no content.
    with pytest.raises(EngineUnavailable, match="something other than the engine"):
        engine.session.download("/version")


def test_history_has_bytes_and_what_the_engine_gives_as_json(engine: Engine, key: str) -> None:
    deploy(engine, key, external("a"))
    instance = engine.start(key, key, {**to_engine({"bytes": b"abc", "empty": b""}), "list": {"value": [1]}})
    found = engine.historic_variables(instance.id)
    assert {name: typed["value"] for name, typed in found.items()} == {"bytes": "YWJj", "empty": "", "list": [1]}


def test_half_characters_of_other_programs_do_not_come_through(engine: Engine, key: str) -> None:
    deploy(engine, key, external("a"))
    url = f"{engine.session.base_url}/process-definition/key/{key}/start"
    started = requests.post(url, json={"variables": {"text": {"value": "a\ud800b"}}}, timeout=15)
    assert started.status_code == 200
    (task,) = fetch(engine, key, "a", token=new_token())
    assert task.variables["text"]["value"] == "a\ufffdb"


def test_fetch_for_one_business_key_leaves_others(engine: Engine, key: str) -> None:
    deploy(engine, key, external("a"))
    engine.start(key, f"{key}-1", {})
    engine.start(key, f"{key}-2", {})
    (task,) = fetch(engine, key, "a", token=new_token(), business_key=f"{key}-2")
    assert (task.business_key, task.retries, task.process_definition_key) == (f"{key}-2", None, key)


def test_fetch_asks_for_the_named_variables_only(engine: Engine, key: str) -> None:
    deploy(engine, key, external("a"))
    engine.start(key, key, to_engine({"x": 1, "y": 2}))
    topic = Topic(f"{key}.a", ("x", "z"))
    (task,) = engine.fetch_and_lock([topic], token=new_token(), lock_duration_ms=LOCK_MS, max_tasks=1)
    assert from_engine(task.variables) == {"x": 1}


def test_tasks_of_one_instance_are_locked_as_a_fetch_would_have_locked_them(engine: Engine, key: str) -> None:
    deploy(engine, key, external("a"))
    topic = Topic(f"{key}.a", ("wanted", "missing"))
    instance = engine.start(key, f"{key}-mine", to_engine({"wanted": {"deep": ["ü"]}, "unwanted": 1})).id
    other = engine.start(key, f"{key}-other", to_engine({})).id

    def lock(token: str, *, most: int = 10) -> list[LockedTask]:
        return engine.lock_ready(instance, [topic], token=token, lock_duration_ms=60_000, max_tasks=most)

    assert lock("t0", most=0) == []
    (task,) = lock("t1")
    assert lock("t2") == []
    assert held_by(engine, task.id) == "t1"
    assert engine.unlock(task.id, "t1")
    (fetched,) = engine.fetch_and_lock(
        [topic], token="t3", lock_duration_ms=60_000, max_tasks=1, business_key=f"{key}-mine"
    )
    assert task == fetched
    engine.failure(fetched.id, "t3", "m", "", retries=0, retry_timeout_ms=0)
    assert lock("t4") == []
    engine.complete(engine.lock_ready(other, [topic], token="t5", lock_duration_ms=9_000, max_tasks=1)[0].id, "t5", {})
    engine.delete_instance(instance, "done")
    assert lock("t6") == []


def test_superseded_token_has_lost_the_lock_in_every_call(engine: Engine, key: str) -> None:
    deploy(engine, key, external("a"))
    task, _ = start_and_fetch(engine, key, "a")
    other = new_token()
    for call in (
        lambda: engine.complete(task.id, other, {}),
        lambda: engine.bpmn_error(task.id, other, "E", "m", {}),
        lambda: engine.failure(task.id, other, "m", "d", retries=1, retry_timeout_ms=0),
        lambda: engine.extend_lock(task.id, other, LOCK_MS),
    ):
        with pytest.raises(LockLost):
            call()
    assert not engine.unlock(task.id, other)


def test_finished_task_is_a_lost_lock(engine: Engine, key: str) -> None:
    deploy(engine, key, external("a"))
    task, token = start_and_fetch(engine, key, "a")
    engine.complete(task.id, token, {})
    with pytest.raises(LockLost):
        engine.complete(task.id, token, {})
    with pytest.raises(LockLost):
        engine.extend_lock(task.id, token, LOCK_MS)
    assert engine.external_task(task.id) is None
    assert not engine.unlock(task.id, token)


def test_suspended_instance_is_refused_but_keeps_its_lock(engine: Engine, key: str) -> None:
    deploy(engine, key, external("a"))
    task, token = start_and_fetch(engine, key, "a")
    url = f"{engine.session.base_url}/process-instance/{task.process_instance_id}/suspended"
    engine.session.request("PUT", url, json={"suspended": True})
    with pytest.raises(EngineRefused):
        engine.complete(task.id, token, {})
    engine.session.request("PUT", url, json={"suspended": False})
    engine.complete(task.id, token, {})


def test_unlocked_task_is_offered_again_at_once(engine: Engine, key: str) -> None:
    deploy(engine, key, external("a"))
    task, token = start_and_fetch(engine, key, "a")
    assert fetch(engine, key, "a", token=new_token()) == []
    assert engine.unlock(task.id, token)
    assert [found.id for found in fetch(engine, key, "a", token=new_token())] == [task.id]


def test_expired_lock_is_taken_again_by_its_own_token(engine: Engine, key: str) -> None:
    deploy(engine, key, external("a"))
    engine.start(key, key, {})
    token = new_token()
    (task,) = engine.fetch_and_lock([Topic(f"{key}.a")], token=token, lock_duration_ms=1, max_tasks=1)
    engine.extend_lock(task.id, token, LOCK_MS)
    assert fetch(engine, key, "a", token=new_token()) == []
    engine.complete(task.id, token, {})


def test_failure_without_retries_makes_an_incident_with_its_message(engine: Engine, key: str) -> None:
    deploy(engine, key, external("a"))
    task, token = start_and_fetch(engine, key, "a")
    engine.failure(task.id, token, "ä👍" * 1_000, "trace\n" * 10_000, retries=0, retry_timeout_ms=0)
    (incident,) = engine.incidents_of(task.process_instance_id)
    assert incident["incidentMessage"].startswith("ä👍")
    engine.set_task_retries(task.id, 2)
    assert engine.incidents_of(task.process_instance_id) == []
    (again,) = fetch(engine, key, "a", token=new_token())
    assert again.retries == 2


def test_error_message_of_any_length_is_taken(engine: Engine, key: str) -> None:
    # A boundary event stores it as a String variable, whose column holds 4,000 characters.
    deploy(engine, key, external("a"), boundary("a", external("b"), errorMessageVariable="errorMessage"))
    task, token = start_and_fetch(engine, key, "a")
    engine.bpmn_error(task.id, token, "E", "👍" * 5_000, to_engine({"errorCode": "E"}))
    (following,) = fetch(engine, key, "b", token=new_token())
    assert from_engine(following.variables)["errorMessage"].startswith("👍👍👍")


CATCHING: dict[str, tuple[Any, ...]] = {
    "nothing": (external("a"),),
    "boundary": (external("a"), boundary("a", code="A")),
    "boundary of another code": (external("a"), boundary("a", code="B")),
    "boundary without code": (external("a"), boundary("a")),
    "boundary of the sub-process": (subprocess("sub", external("a")), boundary("sub", code="A")),
    "event sub-process": (external("a"), on_error(code="A")),
    "event sub-process of another code": (external("a"), on_error(code="B")),
    "event sub-process around a sub-process": (subprocess("sub", external("a")), on_error(code="A")),
    "event sub-process within the sub-process": (subprocess("sub", external("a"), on_error(code="A")),),
}  # fmt: skip


@pytest.mark.parametrize("case", CATCHING)
def test_error_is_caught_where_the_bpmn_file_says_so(engine: Engine, key: str, case: str) -> None:
    bpmn = read_diagram(deploy(engine, key, *CATCHING[case]))
    task, token = start_and_fetch(engine, key, "a")
    engine.bpmn_error(task.id, token, "A", "message", {})
    assert bpmn.catches(task.activity_id, "A") is was_caught(engine, task)


BESIDE = """<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:camunda="http://camunda.org/schema/1.0/bpmn" targetNamespace="client">
  <error id="error-a" errorCode="A"/><error id="error-b" errorCode="B"/>
  <process id="{key}" isExecutable="true" camunda:historyTimeToLive="P1D">
    <startEvent id="start"/><sequenceFlow id="f1" sourceRef="start" targetRef="a"/>
    <serviceTask id="a" camunda:type="external" camunda:topic="{key}.a"/>
    <subProcess id="one" triggeredByEvent="true">
      <startEvent id="one-start"><errorEventDefinition errorRef="error-a"/></startEvent>
      <sequenceFlow id="f2" sourceRef="one-start" targetRef="c"/>
      <serviceTask id="c" camunda:type="external" camunda:topic="{key}.c"/>
    </subProcess>
    <subProcess id="two" triggeredByEvent="true">
      <startEvent id="two-start"><errorEventDefinition errorRef="{reference}"/></startEvent>
      <sequenceFlow id="f3" sourceRef="two-start" targetRef="d"/>
      <serviceTask id="d" camunda:type="external" camunda:topic="{key}.d"/>
    </subProcess>
  </process>
</definitions>"""


@pytest.mark.parametrize(("reference", "code"), [("error-b", "B"), ("error-b", "A"), ("UNDECLARED", "UNDECLARED")])
def test_error_in_an_event_subprocess_is_caught_where_the_bpmn_file_says_so(
    engine: Engine, key: str, reference: str, code: str
) -> None:
    xml = BESIDE.format(key=key, reference=reference)
    engine.deploy(key, {f"{key}.bpmn": xml.encode()})
    task, token = start_and_fetch(engine, key, "a")
    engine.bpmn_error(task.id, token, "A", "message", {})
    token = new_token()
    (handling,) = fetch(engine, key, "c", token=token)
    engine.bpmn_error(handling.id, token, code, "message", {})
    went_on = bool(fetch(engine, key, "d", token=new_token()))
    assert read_diagram(xml).catches("c", code) is went_on


def was_caught(engine: Engine, task: LockedTask) -> bool:
    activities = engine.activities(task.process_instance_id)
    return any(item["activityType"] in ("boundaryError", "errorStartEvent") for item in activities)


URGENT = '<parallelGateway id="fork"/>' + "".join(
    f'<serviceTask id="{name}" camunda:type="external" camunda:topic="{{key}}.{name}" camunda:taskPriority="{number}"/>'
    f'<sequenceFlow id="to-{name}" sourceRef="fork" targetRef="{name}"/>'
    for name, number in {"low": "-5", "computed": "${40 + 2}", "urgent": "1000"}.items()
)


@pytest.mark.parametrize("of_one_instance", [False, True])
def test_task_of_higher_priority_is_locked_first_and_then_the_oldest(
    engine: Engine, key: str, of_one_instance: bool
) -> None:
    deploy(engine, key, Part("fork", URGENT), external("plain"))
    instance = engine.start(key, key, {}).id
    topics = [Topic(f"{key}.{name}") for name in ("plain", "low", "computed", "urgent")]

    def next_task(token: str) -> str:
        lock: dict[str, Any] = {"token": token, "lock_duration_ms": 60_000, "max_tasks": 1}
        [task] = (
            engine.lock_ready(instance, topics, **lock) if of_one_instance else engine.fetch_and_lock(topics, **lock)
        )
        return task.activity_id

    assert [next_task(f"t{n}") for n in range(4)] == ["urgent", "computed", "plain", "low"]
