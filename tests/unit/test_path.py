"""The sequence flows that an instance took, from its visits in the engine's history."""

from __future__ import annotations

from typing import Any

import pytest

from camunda_bridge.bpmn import read_diagram
from camunda_bridge.errors import DefinitionError
from service.history.flows_taken import Visit, flows_taken
from tests.support.histories import diagram, element, flow, task, visit

SEVERAL = "<multiInstanceLoopCharacteristics/>"


def taken(xml: str, *history: dict[str, Any]) -> set[str]:
    found = flows_taken(read_diagram(xml), [Visit.of(item) for item in history])
    assert len(found) == len(set(found))
    return set(found)


def test_parallel_gateway_takes_every_way_however_long_the_engine_takes_to_enter_it() -> None:
    xml = diagram(element("parallelGateway", "fork"), task("a"), task("b"), flow("fork-a"), flow("fork-b"))

    assert taken(xml, visit("fork", 0, 0), visit("a", 0), visit("b", 0.5)) == {"fork-a", "fork-b"}
    # With an asynchronous continuation before b, b has not begun.
    assert taken(xml, visit("fork", 0, 0), visit("a", 0)) == {"fork-a", "fork-b"}


def test_join_that_waits_for_the_other_branch_has_not_gone_on() -> None:
    xml = diagram(
        *(task("a"), task("b"), element("parallelGateway", "join"), task("c")),
        *(flow("a-join"), flow("b-join"), flow("join-c")),
    )
    history = [visit("a", 0, 1), visit("b", 0), visit("join", 1)]
    assert taken(xml, *history) == {"a-join"}

    history = [visit("a", 0, 1), visit("b", 0, 2), visit("join", 1, 2), visit("join", 2, 2), visit("c", 2)]
    assert taken(xml, *history) == {"a-join", "b-join", "join-c"}


CHOICE = diagram(
    *(element("exclusiveGateway", "x"), task("a"), task("b"), element("exclusiveGateway", "back"), task("end")),
    *(flow("x-a"), flow("x-b"), flow("a-back"), flow("back-x"), flow("back-end"), flow("b-end")),
)


def test_exclusive_gateway_takes_the_way_to_what_began() -> None:
    assert taken(CHOICE, visit("x", 0, 0), visit("b", 0)) == {"x-b"}


def test_entry_that_another_element_led_to_is_not_matched_with_the_gateway() -> None:
    xml = diagram(
        *(task("first"), element("exclusiveGateway", "x"), task("a"), task("b")),
        *(flow("first-x"), flow("x-a"), flow("x-b"), flow("a-b")),
    )
    history = [visit("first", 0, 1), visit("x", 1, 1), visit("a", 1, 1.05), visit("b", 1.05)]

    assert taken(xml, *history) == {"first-x", "x-a", "a-b"}


def test_loop_takes_one_way_each_time_that_it_comes_by() -> None:
    history = [
        *(visit("x", 0, 0), visit("a", 0, 0), visit("back", 0, 0)),
        *(visit("x", 0, 0), visit("a", 0, 0), visit("back", 0, 0)),
    ]
    assert taken(CHOICE, *history, visit("x", 0, 0), visit("b", 0)) == {"x-a", "a-back", "back-x", "x-b"}
    assert taken(CHOICE, *history, visit("end", 0)) == {"x-a", "a-back", "back-x", "back-end"}


def test_two_gateways_that_lead_to_one_element_are_distinguished_by_the_latest_exit() -> None:
    xml = diagram(
        *(element("inclusiveGateway", "g"), element("exclusiveGateway", "x"), task("a"), task("b"), task("c")),
        *(flow("g-a"), flow("g-b"), flow("a-x"), flow("x-b"), flow("x-c")),
    )
    history = [visit("g", 0, 0), visit("a", 0, 5), visit("x", 5, 5), visit("b", 5)]

    assert taken(xml, *history) == {"g-a", "a-x", "x-b"}


def test_inclusive_gateway_takes_each_way_to_what_began() -> None:
    xml = diagram(
        *(element("inclusiveGateway", "g"), task("a"), task("b"), task("c")),
        *(flow("g-a"), flow("g-b"), flow("g-c")),
    )
    assert taken(xml, visit("g", 0, 0), visit("a", 0), visit("b", 0.3)) == {"g-a", "g-b"}


def test_activity_takes_its_flows_without_condition_and_chooses_among_the_others() -> None:
    xml = diagram(
        *(element("serviceTask", "t", default="t-d"), task("a"), task("b"), task("c"), task("d")),
        *(flow("t-a"), flow("t-b", "${x}"), flow("t-c", "${y}"), flow("t-d")),
    )
    assert taken(xml, visit("t", 0, 1), visit("a", 1), visit("c", 1)) == {"t-a", "t-c"}
    assert taken(xml, visit("t", 0, 1), visit("a", 1), visit("d", 1)) == {"t-a", "t-d"}


EVENTS = diagram(
    task("t"),
    *(task("done"), task("sorry"), task("note")),
    element("boundaryEvent", "error", '<errorEventDefinition errorRef="refused"/>', attachedToRef="t"),
    element(
        *("boundaryEvent", "told", '<messageEventDefinition messageRef="go-on"/>'),
        attachedToRef="t",
        cancelActivity="false",
    ),
    *(flow("t-done"), flow("error-sorry"), flow("told-note")),
)


def test_event_that_does_not_interrupt_leaves_its_activity_running() -> None:
    history = [visit("t", 0), visit("told", 1, 1, "boundaryMessage"), visit("note", 1)]
    assert taken(EVENTS, *history) == {"told-note"}

    history = [visit("t", 0, 2), visit("told", 1, 1, "boundaryMessage"), visit("note", 1), visit("done", 2)]
    assert taken(EVENTS, *history) == {"told-note", "t-done"}


def test_event_that_interrupts_keeps_its_activity_from_going_on() -> None:
    history = [visit("t", 0, 1, canceled=True), visit("error", 1, 1, "boundaryError"), visit("sorry", 1)]

    assert taken(EVENTS, *history) == {"error-sorry"}


def test_gateway_that_waits_for_events_takes_the_way_to_the_one_that_came() -> None:
    xml = diagram(
        *(element("eventBasedGateway", "g"), element("intermediateCatchEvent", "message")),
        *(element("intermediateCatchEvent", "timer"), flow("g-message"), flow("g-timer")),
    )
    # The gateway is cancelled in history.
    history = [visit("g", 0, 5, "eventBasedGateway", canceled=True), visit("message", 5, 5)]

    assert taken(xml, *history) == {"g-message"}
    assert taken(xml, *history[:1]) == set()


def test_instances_of_an_activity_go_on_together() -> None:
    xml = diagram(task("t", SEVERAL), task("next"), flow("t-next"))
    body = visit("t#multiInstanceBody", 0, kind="multiInstanceBody")
    instances = [visit("t", 0, 1, scope="body"), visit("t", 0, scope="body")]
    assert taken(xml, body, *instances) == set()

    body = visit("t#multiInstanceBody", 0, 2, kind="multiInstanceBody")
    assert taken(xml, body, *instances, visit("next", 2)) == {"t-next"}


def test_ways_within_instances_of_a_subprocess_are_those_of_each_instance() -> None:
    xml = diagram(
        element(
            "subProcess",
            "sub",
            SEVERAL
            + element("exclusiveGateway", "x")
            + "".join(map(task, ("a", "b", "c")))
            + "".join(map(flow, ("x-a", "x-b", "b-c", "x-c"))),
        )
    )
    history = [
        *(visit("x", 0, 0, scope="one"), visit("x", 0, 0, scope="two"), visit("a", 0, scope="two")),
        *(visit("b", 0, 1, scope="one"), visit("c", 1, scope="one")),
    ]
    assert taken(xml, *history) == {"x-a", "x-b", "b-c"}


def test_link_is_passed_through() -> None:
    link = '<linkEventDefinition name="over-there"/>'
    xml = diagram(
        *(element("exclusiveGateway", "x"), task("a"), task("b")),
        *(element("intermediateThrowEvent", "thrown", link), element("intermediateCatchEvent", "caught", link)),
        *(flow("x-a"), flow("x-thrown"), flow("caught-b")),
    )
    assert taken(xml, visit("x", 0, 0), visit("b", 0)) == {"x-thrown", "caught-b"}
    assert taken(xml, visit("x", 0, 0), visit("a", 0)) == {"x-a"}


def test_broken_file_is_no_diagram() -> None:
    with pytest.raises(DefinitionError, match="is not XML"):
        read_diagram("<definitions")
