"""Reading BPMN files: caught errors, asynchronous continuations, called processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from camunda_bridge.bpmn import Diagram, parse_xml, process_ids, read_diagram
from camunda_bridge.errors import DefinitionError
from tests.contract.bpmn import call, external
from tests.contract.bpmn import on_error as drawn_on_error
from tests.contract.bpmn import process as drawn

HEAD = (
    '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" '
    'xmlns:camunda="http://camunda.org/schema/1.0/bpmn" xmlns:operaton="http://operaton.org/schema/1.0/bpmn">'
)
ERRORS = '<error id="error-a" errorCode="A"/><error id="error-b" errorCode="B"/><error id="error-any"/>'


def bpmn(*body: str, errors: str = ERRORS) -> Diagram:
    return read_diagram(f'{HEAD}{errors}<process id="p" isExecutable="true">{"".join(body)}</process></definitions>')


def task(name: str, attributes: str = "", namespace: str = "camunda") -> str:
    return f'<serviceTask id="{name}" {namespace}:type="external" {namespace}:topic="p.{name}" {attributes}/>'


def boundary(attached_to: str, reference: str | None = None, name: str = "") -> str:
    error = f'errorRef="{reference}"' if reference else ""
    return (
        f'<boundaryEvent id="{name or attached_to + "-failed"}" attachedToRef="{attached_to}">'
        f"<errorEventDefinition {error}/></boundaryEvent>"
    )


def subprocess(name: str, *body: str, attributes: str = "") -> str:
    return f'<subProcess id="{name}" {attributes}>{"".join(body)}</subProcess>'


def on_error(name: str, reference: str | None, *body: str) -> str:
    error = f'errorRef="{reference}"' if reference else ""
    start = f'<startEvent id="{name}-start"><errorEventDefinition {error}/></startEvent>'
    return subprocess(name, start, *body, attributes='triggeredByEvent="true"')


def flows(*pairs: str) -> str:
    """Sequence flows: `flows("a b", "b c")` makes those from a to b and from b to c."""
    ends = [pair.split() for pair in pairs]
    return "".join(f'<sequenceFlow id="{a}-{b}" sourceRef="{a}" targetRef="{b}"/>' for a, b in ends)


# -- caught errors


def test_uncaught_error_is_not_caught() -> None:
    assert not bpmn(task("a")).catches("a", "A")


def test_boundary_with_a_code_catches_that_code_at_its_activity() -> None:
    found = bpmn(task("a"), task("b"), boundary("a", "error-a"))
    assert found.catches("a", "A")
    assert not found.catches("a", "B")
    assert not found.catches("a", "a")
    assert not found.catches("b", "A")


@pytest.mark.parametrize("reference", [None, "error-any"])
def test_boundary_without_a_code_catches_every_code(reference: str | None) -> None:
    assert bpmn(task("a"), boundary("a", reference)).catches("a", "whatever")


def test_reference_to_no_error_is_itself_the_code() -> None:
    # like the engine: BpmnParse.parseBoundaryErrorEventDefinition
    found = bpmn(task("a"), boundary("a", "C"))
    assert found.catches("a", "C")
    assert not found.catches("a", "D")


def test_two_boundaries_catch_two_codes() -> None:
    found = bpmn(task("a"), boundary("a", "error-a", "1"), boundary("a", "error-b", "2"))
    assert [found.catches("a", code) for code in "ABC"] == [True, True, False]


def test_other_boundary_events_catch_no_error() -> None:
    timer = '<boundaryEvent id="t" attachedToRef="a"><timerEventDefinition/></boundaryEvent>'
    assert not bpmn(task("a"), timer).catches("a", "A")


def test_boundary_of_nested_subprocesses_catches_from_within() -> None:
    found = bpmn(
        subprocess("outer", subprocess("inner", task("a"), boundary("a", "error-a"))),
        boundary("outer", "error-b"),
        task("beside"),
    )
    assert [found.catches("a", code) for code in "ABC"] == [True, True, False]
    assert not found.catches("beside", "B")


def test_boundary_of_a_transaction_catches_from_within() -> None:
    found = bpmn(f'<transaction id="t">{task("a")}</transaction>', boundary("t", "error-a"))
    assert found.catches("a", "A")


def test_event_subprocess_catches_in_its_scope_and_below() -> None:
    found = bpmn(task("a"), subprocess("sub", task("b")), on_error("handler", "error-a", task("c")))
    assert found.catches("a", "A")
    assert found.catches("b", "A")
    assert not found.catches("a", "B")


def test_event_subprocess_catches_nothing_outside_of_its_scope() -> None:
    found = bpmn(subprocess("sub", task("b"), on_error("handler", None)), task("a"))
    assert found.catches("b", "A")
    assert not found.catches("a", "A")


def test_event_subprocess_does_not_catch_what_it_throws_itself() -> None:
    found = bpmn(task("a"), on_error("handler", "error-a", task("c"), task("d"), boundary("d", "error-b")))
    assert not found.catches("c", "A")
    assert found.catches("d", "B")


def test_event_subprocess_catches_what_another_beside_it_throws() -> None:
    found = bpmn(on_error("one", "error-a", task("c")), on_error("two", "error-b", task("d")))
    assert [found.catches("c", code) for code in "AB"] == [False, True]
    assert [found.catches("d", code) for code in "AB"] == [True, False]


def test_error_thrown_in_an_event_subprocess_is_caught_around_its_scope() -> None:
    found = bpmn(subprocess("sub", on_error("handler", "error-a", task("c"))), boundary("sub", "error-b"))
    assert [found.catches("c", code) for code in "AB"] == [False, True]


def test_unknown_activity_catches_nothing() -> None:
    assert not bpmn(task("a"), on_error("handler", None)).catches("nobody", "A")


# -- topics and calls


def test_external_tasks_have_topics() -> None:
    found = bpmn(
        task("a"),
        subprocess("sub", task("b", namespace="operaton")),
        '<serviceTask id="c" camunda:expression="${1}"/>',
        '<sendTask id="d" camunda:type="external" camunda:topic="p.d"/>',
        '<serviceTask id="e" camunda:type="connector" camunda:topic="p.e"/>',
    )
    assert found.key == "p"
    assert found.topics == {"a": "p.a", "b": "p.b", "d": "p.d"}


def test_called_processes_are_known_wherever_they_are_called() -> None:
    found = bpmn(
        '<callActivity id="one" calledElement="billing"/>',
        subprocess("sub", '<callActivity id="two" calledElement="billing"/><callActivity id="three" calledElement="x"/>'),
        '<callActivity id="four" calledElement="${which}"/>',
    )  # fmt: skip
    assert found.calls == {"billing", "x", "${which}"}
    assert sorted(found.calling("billing")) == ["four", "one", "two"]
    assert found.calling("other") == ["four"]


def test_boundary_of_a_call_activity_catches_at_it() -> None:
    assert bpmn('<callActivity id="c" calledElement="x"/>', boundary("c", "error-a")).catches("c", "A")


def test_pool_that_is_not_executable_is_left_out() -> None:
    found = read_diagram(
        f'{HEAD}<process id="customer" isExecutable="false"/><process id="p" isExecutable="true">{task("a")}</process>'
        "</definitions>"
    )
    assert (found.key, found.topics) == ("p", {"a": "p.a"})


# -- asynchronous continuations


def test_next_step_without_asynchronous_continuation_follows_at_once() -> None:
    assert bpmn(task("a"), task("b"), flows("a b")).pauses_after == set()


@pytest.mark.parametrize("attribute", ["asyncBefore", "async"])
def test_step_before_an_asynchronous_step_pauses(attribute: str) -> None:
    found = bpmn(task("a"), task("b", f'camunda:{attribute}="true"'), task("c"), flows("a b", "b c"))
    assert found.pauses_after == {"a"}


def test_step_with_asynchronous_continuation_behind_it_pauses() -> None:
    found = bpmn(task("a"), task("b", 'camunda:asyncAfter="true"'), task("c"), flows("a b", "b c"))
    assert found.pauses_after == {"b"}


def test_pause_is_seen_through_what_the_engine_does_itself() -> None:
    gateway = '<exclusiveGateway id="g" camunda:asyncBefore="true"/>'
    found = bpmn(task("a"), gateway, task("b"), task("c"), flows("a g", "g b", "g c", "b c"))
    assert found.pauses_after == {"a"}


def test_pause_is_seen_in_a_loop() -> None:
    found = bpmn(
        task("a"), '<exclusiveGateway id="g"/>', task("b", 'camunda:asyncAfter="true"'), flows("a g", "g a", "g b")
    )
    assert found.pauses_after == {"b"}


def test_step_before_a_subprocess_pauses_at_its_asynchronous_begin() -> None:
    inside = ('<startEvent id="s"/>', task("b", 'camunda:asyncBefore="true"'), task("c"), flows("s b", "b c"))
    found = bpmn(task("a"), subprocess("sub", *inside), task("d"), flows("a sub", "sub d"))
    assert found.pauses_after == {"a"}


def test_asynchronous_subprocess_pauses_what_comes_before_it_only() -> None:
    inside = ('<startEvent id="s"/>', task("b"), '<endEvent id="e"/>', flows("s b", "b e"))
    found = bpmn(task("a"), subprocess("sub", *inside, attributes='camunda:asyncBefore="true"'), task("d"), flows("a sub", "sub d"))  # fmt: skip
    assert found.pauses_after == {"a"}


@pytest.mark.parametrize("end", [True, False])
def test_last_step_of_a_subprocess_pauses_at_what_follows_it(end: bool) -> None:
    inside = task("b") + ('<endEvent id="e"/>' + flows("b e") if end else "")
    found = bpmn(subprocess("sub", inside), task("c", 'camunda:asyncBefore="true"'), flows("sub c"))
    assert found.pauses_after == {"b"}


def test_subprocess_that_goes_on_asynchronously_pauses_its_last_step() -> None:
    inside = task("a") + task("b") + '<endEvent id="e"/>' + flows("a b", "b e")
    found = bpmn(subprocess("sub", inside, attributes='camunda:asyncAfter="true"'), task("c"), flows("sub c"))
    assert found.pauses_after == {"b"}


def test_step_whose_error_leads_to_an_asynchronous_step_pauses() -> None:
    found = bpmn(task("a"), boundary("a", "error-a"), task("b", 'camunda:asyncBefore="true"'), flows("a-failed b"))
    assert found.pauses_after == {"a"}


def test_step_in_a_subprocess_whose_error_leads_to_an_asynchronous_step_pauses() -> None:
    found = bpmn(
        subprocess("sub", task("a")), boundary("sub"), task("b", 'camunda:asyncBefore="true"'), flows("sub-failed b")
    )
    assert found.pauses_after == {"a"}


def test_step_whose_error_starts_an_asynchronous_event_subprocess_pauses() -> None:
    handler = on_error("handler", None, task("b", 'camunda:asyncBefore="true"'), flows("handler-start b"))
    assert bpmn(task("a"), handler).pauses_after == {"a"}


# -- external tasks


@pytest.mark.parametrize("kind", ["serviceTask", "sendTask", "businessRuleTask"])
def test_service_send_and_business_rule_task_are_external_tasks(kind: str) -> None:
    assert bpmn(f'<{kind} id="a" camunda:type="external" camunda:topic="t"/>').topics == {"a": "t"}


@pytest.mark.parametrize("kind", ["intermediateThrowEvent", "endEvent"])
def test_throwing_message_event_is_an_external_task_by_its_event_definition(kind: str) -> None:
    # The engine reads properties of the event, and errors of its definition: tests/contract/test_external_elements.py.
    properties = '<camunda:properties><camunda:property name="channel" value="mail"/></camunda:properties>'
    thrown = '<camunda:errorEventDefinition errorRef="error-a" expression="${true}"/>'
    definition = (
        '<messageEventDefinition camunda:type="external" camunda:topic="t">'
        f"<extensionElements>{thrown}</extensionElements></messageEventDefinition>"
    )
    found = bpmn(f'<{kind} id="a"><extensionElements>{properties}</extensionElements>{definition}</{kind}>')
    assert found.topics == {"a": "t"}
    assert found.properties == {"a": {"channel": "mail"}}
    assert found.error_definitions == {"a": ["A"]}


@pytest.mark.parametrize("kind", ["task", "userTask", "scriptTask", "receiveTask", "callActivity"])
def test_elements_whose_type_the_engine_ignores_are_no_external_tasks(kind: str) -> None:
    assert bpmn(f'<{kind} id="a" camunda:type="external" camunda:topic="t"/>').topics == {}


def test_catching_message_event_is_no_external_task() -> None:
    definition = '<messageEventDefinition camunda:type="external" camunda:topic="t"/>'
    assert bpmn(f'<intermediateCatchEvent id="a">{definition}</intermediateCatchEvent>').topics == {}


# -- invalid files


@pytest.mark.parametrize("text", ["", "no xml", "<definitions>", b"\xff\xfe\x00", "<a/><b/>", '<?xml version="9"?>'])
def test_file_that_is_no_xml_is_refused(text: str | bytes) -> None:
    with pytest.raises(DefinitionError, match="is not XML"):
        read_diagram(text)


TWO = f"""{HEAD}<collaboration id="both"><participant id="a" processRef="p"/><participant id="b" processRef="q"/>
<participant id="c" processRef="drawn"/></collaboration><process id="p" isExecutable="true">{task("one")}</process>
<process id="q" isExecutable="true">{task("two")}</process><process id="drawn">{task("three")}</process></definitions>"""


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ("", 0),
        ('<process id="p"/>', 0),
        ('<process id="p" isExecutable="true"/><process id="q" isExecutable="true"/>', 2),
    ],
)
def test_process_must_be_named_unless_the_file_has_exactly_one(body: str, count: int) -> None:
    with pytest.raises(DefinitionError, match=f"has {count} executable processes"):
        read_diagram(f"{HEAD}{body}</definitions>")


def test_process_with_the_key_is_read_among_several() -> None:
    assert read_diagram(TWO, "p").topics == {"one": "p.one"}
    assert read_diagram(TWO, "q").topics == {"two": "p.two"}
    assert process_ids(parse_xml(TWO)) == ["p", "q"]


def test_process_that_is_not_there_is_refused_with_the_ids_of_the_others() -> None:
    with pytest.raises(DefinitionError, match="no process 'r'; the ids of its processes: 'p', 'q', 'drawn'"):
        read_diagram(TWO, "r")


def test_process_that_is_not_executable_is_refused() -> None:
    with pytest.raises(DefinitionError, match="'drawn' is not executable"):
        read_diagram(TWO, "drawn")


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "windows-1252", "UTF-16", "utf-8"])
def test_file_is_read_in_the_encoding_that_it_declares(encoding: str) -> None:
    element = '<serviceTask id="prüfen" camunda:type="external" camunda:topic="prüfung"/>'
    text = f'<?xml version="1.0" encoding="{encoding}"?>{HEAD}<process id="p" isExecutable="true">{element}</process>'
    diagram = read_diagram(f"{text}</definitions>".encode(encoding))
    assert diagram.topics == {"prüfen": "prüfung"}
    assert "prüfen" in diagram.xml


def test_unknown_encoding_is_refused_by_name() -> None:
    with pytest.raises(DefinitionError, match="is not XML: Unsupported encoding: KLINGON"):
        read_diagram(b'<?xml version="1.0" encoding="KLINGON"?><definitions/>')


def test_document_type_declaration_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    entity = f'<!DOCTYPE definitions [<!ENTITY x SYSTEM "{secret.as_uri()}">]>'
    with pytest.raises(DefinitionError, match="DOCTYPE"):
        read_diagram(f'{entity}{HEAD}<process id="p" isExecutable="true">&x;</process></definitions>')


def test_text_with_an_encoding_declaration_is_read() -> None:
    text = f'<?xml version="1.0" encoding="ISO-8859-1"?>{HEAD}<process id="p" isExecutable="true"/></definitions>'
    assert read_diagram(text).key == "p"
    assert read_diagram(text.encode("latin-1")).key == "p"


# -- the variables that a step sees


@pytest.mark.parametrize(
    "part",
    [
        subprocess("sub", task("b")),
        '<serviceTask id="b"><multiInstanceLoopCharacteristics/></serviceTask>',
        '<serviceTask id="b"><extensionElements><camunda:inputOutput><camunda:inputParameter name="x">1'
        "</camunda:inputParameter></camunda:inputOutput></extensionElements></serviceTask>",
        '<serviceTask id="b"><extensionElements><operaton:executionListener class="x" event="start"/>'
        "</extensionElements></serviceTask>",
    ],
)
def test_process_with_variables_of_single_activities_is_not_flat(part: str) -> None:
    assert bpmn(task("a"), boundary("a")).is_flat
    assert not bpmn(task("a"), part).is_flat


def test_event_subprocess_catches_what_a_process_throws_that_it_calls_itself() -> None:
    # The engine starts the event sub-process again: tests/contract/test_error_ends.py.
    inside = drawn_on_error(call("call", "child", business_key=True), external("inner"), code="X")
    bpmn = read_diagram(drawn("main", external("a"), inside))
    assert bpmn.catches("call", "X")
    assert not bpmn.catches("inner", "X")
