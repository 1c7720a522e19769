"""The execution overlay of instances that a real engine ran: its history has the form that the overlay expects."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from camunda_bridge.client import Engine
from camunda_bridge.engine.locked_task import Topic
from camunda_bridge.locks import new_token
from service.history.execution_overlay import CANCELLED, DONE, RUNNING, WAITING, ExecutionOverlay, overlay_of
from settings import Settings
from store.process_rows import PENDING, ProcessRow
from tasks import runtime
from tasks.runtime import Runtime
from testkit.isolation import delete_deployments
from tests.support.histories import AT, diagram, element, flow, task

EXAMPLE = Path(__file__).parents[2] / "processes" / "order_fulfilment" / "order_fulfilment.bpmn"


class Instance:
    """One instance of a definition that only this test uses."""

    def __init__(self, engine: Engine, key: str, xml: str) -> None:
        self._engine, self._key = engine, key
        engine.deploy(key, {f"{key}.bpmn": xml.encode()})
        self.id = engine.start(key, key, {}).id

    def do(self, step: str, *, refuse: bool = False) -> None:
        """End all present tasks of a step: complete them, or throw the BPMN error REFUSED."""
        token = new_token()
        tasks = self._engine.fetch_and_lock(
            [Topic(f"{self._key}.{step}")], token=token, lock_duration_ms=60_000, max_tasks=10
        )
        assert tasks, step
        for one in tasks:
            if refuse:
                self._engine.bpmn_error(one.id, token, "REFUSED", "no", {})
            else:
                self._engine.complete(one.id, token, {})

    def go_off(self, timer: str) -> None:
        """Fire a timer before its time."""
        (job,) = self._engine.session.get("/job", processInstanceId=self.id, activityId=timer)
        self._engine.session.post(f"/job/{job['id']}/execute", {})

    def tell(self, message: str) -> None:
        assert self._engine.correlate(message, instance_id=self.id, variables={})

    def overlay(self) -> ExecutionOverlay:
        row = ProcessRow(
            *(1, uuid.uuid4(), "c", "hash", self._key, self.id, PENDING, None, None, False, {}, None, None, None),
            *(None, None, "trace", None, None, AT, AT, None),
        )
        return overlay_of(row, [])

    def states(self) -> dict[str, tuple[str, int]]:
        """State and visits of each element."""
        return {name: (found.state, found.visits) for name, found in self.overlay().elements.items()}


@pytest.fixture
def engine(engine_url: str, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The engine of the runtime."""
    own = Runtime(Settings(camunda_base_url=engine_url, camunda_timeout_ms=15_000))
    monkeypatch.setattr(runtime, "_runtime", own)
    return own.engine


@pytest.fixture
def key(engine: Engine) -> Iterator[str]:
    """A process key that only this test uses; its deployments are deleted after the test."""
    key = f"overlay-{uuid.uuid4().hex[:12]}"
    yield key
    delete_deployments(engine, key)


def test_order_goes_along_both_branches_and_waits_for_its_parcel_twice(engine: Engine, key: str) -> None:
    # with a key of its own, so that no worker fetches its tasks
    order = Instance(engine, key, EXAMPLE.read_text("utf-8").replace("order-fulfilment", key))
    begun = {"to-fork", "to-reserve-goods", "to-charge-payment"}
    assert set(order.overlay().flows) == begun

    order.do("reserve-goods")
    assert set(order.overlay().flows) == begun | {"reserved-to-join"}
    assert order.states()["join"] == (WAITING, 1)

    order.do("charge-payment")
    order.do("confirm-order")
    order.do("ship-order")
    shipped = begun | {"reserved-to-join", "charged-to-join", "to-confirm-order", "to-ship-order"}
    shipped |= {"to-on-its-way", "to-carrier"}
    assert set(order.overlay().flows) == shipped
    assert order.states()["carrier"] == (WAITING, 1)

    order.go_off("delivery-overdue")
    overdue = shipped | {"to-delivery-overdue", "to-trace-parcel"}
    assert set(order.overlay().flows) == overdue
    order.do("trace-parcel")
    order.tell("parcel-delivered")
    order.do("prepare-response")

    found = order.overlay()
    assert set(found.flows) == overdue | {
        *("traced-to-on-its-way", "to-parcel-delivered", "to-prepare-response", "to-order-fulfilled"),
    }
    assert (found.version, found.note) == (1, "")
    states = order.states()
    assert states["on-its-way"][1] == states["carrier"][1] == 2
    assert states["trace-parcel"] == states["prepare-response"] == states["order-fulfilled"] == (DONE, 1)
    assert "undo" not in states


def test_event_that_interrupts_and_one_that_does_not(engine: Engine, key: str) -> None:
    xml = diagram(
        *(element("startEvent", "s"), task("t"), task("note"), task("sorry"), element("endEvent", "end")),
        element("boundaryEvent", "error", '<errorEventDefinition errorRef="refused"/>', attachedToRef="t"),
        element(
            *("boundaryEvent", "told", '<messageEventDefinition messageRef="go-on"/>'),
            attachedToRef="t",
            cancelActivity="false",
        ),
        *(flow("s-t"), flow("t-end"), flow("told-note"), flow("error-sorry")),
    )
    instance = Instance(engine, key, xml.replace("p.", f"{key}.").replace('"p"', f'"{key}"'))
    instance.tell("go-on")
    assert set(instance.overlay().flows) == {"s-t", "told-note"}
    assert instance.states()["t"] == (WAITING, 1)

    instance.do("t", refuse=True)

    assert set(instance.overlay().flows) == {"s-t", "told-note", "error-sorry"}
    assert instance.states() == {
        **{"s": (DONE, 1), "told": (DONE, 1), "error": (DONE, 1)},
        **{"t": (CANCELLED, 1), "note": (WAITING, 1), "sorry": (WAITING, 1)},
    }


def test_several_instances_a_call_and_a_link(engine: Engine, key: str) -> None:
    link = '<linkEventDefinition name="over-there"/>'
    several = (
        "<multiInstanceLoopCharacteristics><loopCardinality>3</loopCardinality></multiInstanceLoopCharacteristics>"
    )
    called = diagram(element("startEvent", "s"), task("inner"), flow("s-inner"))
    engine.deploy(key, {"called.bpmn": called.replace("p.", f"{key}.").replace('"p"', f'"{key}-called"').encode()})
    xml = diagram(
        *(element("startEvent", "s"), task("many", several), element("callActivity", "call", calledElement="called")),
        element("exclusiveGateway", "x", default="x-thrown"),
        *(element("intermediateThrowEvent", "thrown", link), element("intermediateCatchEvent", "caught", link)),
        *(element("endEvent", "end"), element("endEvent", "other")),
        *(flow("s-many"), flow("many-call"), flow("call-x"), flow("x-thrown"), flow("x-other", "${false}")),
        flow("caught-end"),
    )
    xml = xml.replace("p.", f"{key}.").replace('"p"', f'"{key}"').replace('"called"', f'"{key}-called"')
    instance = Instance(engine, key, xml)
    assert set(instance.overlay().flows) == {"s-many"}
    assert instance.states()["many"] == (WAITING, 1)

    instance.do("many")
    assert set(instance.overlay().flows) == {"s-many", "many-call"}
    assert (instance.states()["many"], instance.states()["call"]) == ((DONE, 1), (RUNNING, 1))
    assert instance.overlay().elements["many"].instances == 3

    instance.do("inner")
    assert set(instance.overlay().flows) == {"s-many", "many-call", "call-x", "x-thrown", "caught-end"}
    assert set(instance.states()) == {"s", "many", "call", "x", "end"}
