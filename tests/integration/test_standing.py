"""Where a process stands on a real engine: its active elements, and what each of them waits for."""

from __future__ import annotations

import time
from typing import Any

import pytest
from marshmallow import Schema, fields

from camunda_bridge.client import Engine
from camunda_bridge.errors import EngineRefused
from service.standing import elements
from store.event_rows import FAILED
from store.process_rows import OK, Ending, ProcessRow
from tests.contract.bpmn import Part, call, external, process, receive, subprocess, timer
from tests.contract.engine import eventually
from tests.integration.step_bench import Bench
from tests.integration.test_outcomes import accept, row_of

PAY = frozenset({'<message id="message-pay" name="pay"/>'})


def event(host: str, name: str, definition: str) -> Part:
    """A boundary event."""
    return Part(name, f'<boundaryEvent id="{name}" attachedToRef="{host}">{definition}</boundaryEvent>', PAY, True)


HOUR = "<timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition>"
MESSAGE = '<messageEventDefinition messageRef="message-pay"/>'
PERSON = Part(
    "approve",
    '<userTask id="approve" name="Approve it" camunda:candidateUsers="ada" camunda:candidateGroups="officers,boss"/>',
)
EITHER = Part(
    "sub",
    '<subProcess id="sub"><startEvent id="begin"/><sequenceFlow id="e0" sourceRef="begin" targetRef="either"/>'
    '<eventBasedGateway id="either" name="Payment or not"/>'
    f'<sequenceFlow id="e1" sourceRef="either" targetRef="paid"/><intermediateCatchEvent id="paid">{MESSAGE}'
    "</intermediateCatchEvent>"
    f'<sequenceFlow id="e2" sourceRef="either" targetRef="late"/><intermediateCatchEvent id="late">{HOUR}'
    "</intermediateCatchEvent></subProcess>",
    PAY,
)


def begin(bench: Bench, *parts: Part, **variables: Any) -> ProcessRow:
    """A process of these parts."""
    bench.deploy({}, *parts[1:], a=parts[0])
    return accept(bench, **variables)


def waits(row: ProcessRow) -> dict[str, list[dict[str, Any]]]:
    """Element -> what it waits for."""
    found = elements.standing_of(row)
    assert found.note is None
    return {element.id: element.waits_for for element in found.elements}


def shown(bench: Bench, query: str = "?active=true") -> dict[str, Any]:
    answer = bench.facade.http.get(f"/api/process/status/{bench.key}{query}")
    body: dict[str, Any] = answer.json
    return body


def test_message_and_timer_of_a_gateway_are_those_of_the_gateway(bench: Bench) -> None:
    row = begin(bench, EITHER)
    (element,) = elements.standing_of(row).elements
    assert (element.id, element.name, element.kind, element.count) == (
        "either",
        "Payment or not",
        "eventBasedGateway",
        1,
    )
    assert element.since is not None
    message, due = sorted(element.waits_for, key=lambda wait: str(wait["kind"]))
    assert message == {"kind": "message", "name": "pay", "event": "paid", "fields": []}
    assert due.pop("due") > element.since
    assert due == {"kind": "timer", "event": "late"}


def test_boundary_events_are_waits_of_their_activity_and_its_scope(bench: Bench) -> None:
    row = begin(bench, subprocess("sub", external("a")), event("sub", "overdue", HOUR), event("sub", "gone", MESSAGE))
    found = waits(row)
    assert [wait["kind"] for wait in found["a"]] == ["worker"]
    assert sorted(wait["kind"] for wait in found["sub"]) == ["message", "timer"]


def test_event_subprocess_is_a_wait_of_the_process(bench: Bench) -> None:
    inner = (
        f'<startEvent id="stop">{MESSAGE}</startEvent><sequenceFlow id="s1" sourceRef="stop" targetRef="stopped"/>'
        '<endEvent id="stopped"/>'
    )
    stop = Part("stops", f'<subProcess id="stops" triggeredByEvent="true">{inner}</subProcess>', PAY, True)
    found = waits(begin(bench, external("a"), stop))
    assert found[bench.key][0]["event"] == "stop"


def test_person_is_named_by_task_and_candidates(bench: Bench) -> None:
    (wait,) = waits(begin(bench, PERSON))["approve"]
    assert wait.pop("taskId")
    assert wait == {
        "kind": "person",
        "task": "Approve it",
        "assignee": None,
        "candidateUsers": ["ada"],
        "candidateGroups": ["boss", "officers"],
        "due": None,
    }


def test_worker_is_told_by_topic_handler_and_pause(bench: Bench) -> None:
    row = begin(bench, external("a"))
    wait = {"kind": "worker", "topic": f"{bench.key}.a", "running": False, "handled": True}
    assert waits(row)["a"] == [{**wait, "paused": False, "limitReached": False}]
    bench.facade.post(f"/api/process/topics/{bench.key}.a/pause", {})
    assert waits(row)["a"] == [{**wait, "paused": True, "limitReached": False}]
    bench.fetch()
    assert waits(row)["a"][0]["running"]


def test_topic_without_a_handler_is_told(bench: Bench) -> None:
    other = Part("x", '<serviceTask id="x" camunda:type="external" camunda:topic="nobody-handles-this"/>')
    (wait,) = waits(begin(bench, other))["x"]
    assert (wait["topic"], wait["handled"]) == ("nobody-handles-this", False)


def test_retry_is_told_with_its_number_and_time_and_then_the_incident(bench: Bench) -> None:
    bench.deploy(ValueError("no"), retries=2, retry_base_s=60)
    row = accept(bench)
    assert bench.run(bench.fetch()).phase == FAILED
    (wait,) = waits(row)["a"]
    assert wait.pop("at") > row.started_at.isoformat()
    assert wait == {
        "kind": "retry", "topic": f"{bench.key}.a", "retry": 1, "of": 2, "left": 2, "message": "ValueError: no",
    }  # fmt: skip
    (task,) = bench.engine.external_tasks_of(row.process_instance_id or "")
    bench.engine.set_task_retries(task["id"], 0)
    assert waits(row)["a"] == [{"kind": "incident", "topic": f"{bench.key}.a", "message": "ValueError: no"}]


def test_called_process_is_looked_into(bench: Bench) -> None:
    inner = process(f"{bench.key}-inner", receive("inside", "pay"))
    bench.deploy({}, a=call("call", f"{bench.key}-inner", business_key=False))
    bench.engine.deploy(bench.key, {"inner.bpmn": inner.encode()})
    bench.engine.deploy(f"{bench.key}-inner", {"inner.bpmn": inner.encode()})
    found = elements.standing_of(accept(bench)).elements
    assert [(element.id, element.process_key) for element in found] == [
        ("call", bench.key),
        ("inside", f"{bench.key}-inner"),
    ]
    assert found[0].waits_for[0]["kind"] == "process"


def test_instances_of_a_multi_instance_are_one_element(bench: Bench) -> None:
    loop = "<multiInstanceLoopCharacteristics><loopCardinality>3</loopCardinality></multiInstanceLoopCharacteristics>"
    (element,) = elements.standing_of(begin(bench, external("a", loop))).elements
    assert (element.id, element.count, len(element.waits_for)) == ("a", 3, 3)


def test_failed_job_is_an_incident_of_the_element_that_it_could_not_enter(bench: Bench) -> None:
    broken = Part("b", '<serviceTask id="b" camunda:asyncBefore="true" camunda:expression="${missing.x}"/>')
    row = begin(bench, broken)
    (wait,) = eventually(lambda: [wait for wait in waits(row)["b"] if wait["kind"] == "incident"], "an incident")
    assert "missing" in wait["message"]


def test_message_names_the_variables_that_the_next_steps_need(bench: Bench) -> None:
    class Verdict(Schema):
        approved = fields.Boolean(required=True)
        comment = fields.String()

    class Needed(Schema):
        verdict = fields.Nested(Verdict, required=True)
        amount = fields.Integer(required=True)

    bench.deploy({}, a=receive("wait", "pay"), input_schema=Needed)
    bench.definition.bpmn_path.write_text(process(bench.key, receive("wait", "pay"), external("a")))
    bench.engine.deploy(bench.key, {f"{bench.key}.bpmn": bench.definition.bpmn_path.read_bytes()})
    accept(bench, amount=5)
    (element,) = shown(bench)["active"]["elements"]
    assert element["waitsFor"][0]["fields"] == [
        {
            "name": "verdict", "type": "object", "required": True, "fields": [
                {"name": "approved", "type": "boolean", "required": True},
                {"name": "comment", "type": "string", "required": False},
            ],
        }
    ]  # fmt: skip


# -- the API


def test_status_shows_it_only_on_demand_and_while_the_process_runs(bench: Bench, monkeypatch: Any) -> None:
    row = begin(bench, timer("pause", "PT1H"))
    body = shown(bench)
    assert body["status"] == "pending"
    assert body["active"]["elements"][0]["id"] == "pause"
    assert body["active"]["note"] is None
    monkeypatch.setattr(elements, "_impatient", lambda _: pytest.fail("the engine is asked"))
    assert shown(bench, "")["active"] is None
    bench.runtime.processes.settle(row.id, Ending(OK))
    assert shown(bench)["active"] is None


def test_message_that_is_not_awaited_is_answered_with_those_that_are(bench: Bench) -> None:
    begin(bench, EITHER)
    answer = bench.facade.post(f"/api/process/{bench.key}/message", {"messageName": "other"})
    assert answer.status_code == 409
    body = answer.json or {}
    assert body["detail"].endswith('waits for the message "other"; it waits for "pay"')
    assert body["active"] == shown(bench)["active"]


def test_instance_that_has_ended_is_said_to_have_ended(bench: Bench) -> None:
    row = begin(bench, timer("pause", "PT1H"))
    bench.engine.delete_instance(row.process_instance_id or "", "test")
    found = elements.standing_of(row_of(bench, row.id))
    assert (found.elements, found.note) == (
        [],
        "the instance has ended in the engine; the status of the process follows",
    )


def test_request_that_the_engine_refuses_leaves_out_only_what_it_would_show(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = begin(bench, PERSON, event("approve", "overdue", HOUR))

    def refuse(*_: object) -> None:
        raise EngineRefused("engine answered 403: no permission to read tasks", status=403)

    monkeypatch.setattr(Engine, "user_tasks", refuse)
    found = elements.standing_of(row)
    assert [(element.id, [wait["kind"] for wait in element.waits_for]) for element in found.elements] == [
        ("approve", ["timer"])
    ]
    assert found.note == "engine answered 403: no permission to read tasks"


def test_slow_engine_is_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    row = begin(bench, timer("pause", "PT1H"))
    monkeypatch.setattr(elements, "DEADLINE_S", -1.0)
    begun = time.monotonic()
    found = elements.standing_of(row)
    assert time.monotonic() - begun < 1
    assert found.elements == []
    assert found.note is not None
    assert "the engine gives no answer" in found.note
