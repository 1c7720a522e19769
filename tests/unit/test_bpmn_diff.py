"""The diff of two versions of a diagram: each kind of change has its line, and what changes nothing has none."""

from __future__ import annotations

import pytest

from camunda_bridge.bpmn import read_diagram
from camunda_bridge.bpmn.diff import compare, other_parts
from camunda_bridge.definition import ProcessDefinition
from processes.loan_approval.steps import process as loan_approval
from processes.onboard_user.steps import process as onboard_user
from processes.order_fulfilment.steps import process as order_fulfilment
from service.deploy_report import change_lines

ORDER = """<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI"
    xmlns:camunda="http://camunda.org/schema/1.0/bpmn" xmlns:operaton="http://operaton.org/schema/1.0/bpmn"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" targetNamespace="test">
  <error id="error-1" errorCode="CARD_REFUSED" camunda:errorMessage="refused" />
  <error id="error-2" errorCode="NO_MONEY" />
  <message id="message-1" name="delivered" />
  <process id="order" name="Order" isExecutable="true" camunda:versionTag="1.0.0">
    <startEvent id="start" camunda:asyncBefore="false" />
    <serviceTask id="charge" name="Charge card" camunda:type="external" camunda:topic="charge">
      <extensionElements>
        <camunda:inputOutput>
          <camunda:inputParameter name="amount">${total}</camunda:inputParameter>
          <camunda:inputParameter name="notes"><camunda:list><camunda:value>a</camunda:value>
            <camunda:value>b</camunda:value></camunda:list></camunda:inputParameter>
        </camunda:inputOutput>
        <camunda:properties><camunda:property name="limit" value="5" /></camunda:properties>
        <camunda:executionListener class="a.B" event="start" />
        <camunda:errorEventDefinition id="e" errorRef="error-2" expression="${x}" />
      </extensionElements>
    </serviceTask>
    <boundaryEvent id="refused" attachedToRef="charge"><errorEventDefinition id="d1" errorRef="error-1" /></boundaryEvent>
    <exclusiveGateway id="which" default="to-small" />
    <subProcess id="packing">
      <startEvent id="pack-start" />
      <userTask id="pack" name="Pack" camunda:assignee="ada" camunda:formKey="deployment:pack.form">
        <extensionElements>
          <camunda:formData><camunda:formField id="weight" type="long" label="Weight" /></camunda:formData>
          <camunda:taskListener event="create" expression="${told}" />
        </extensionElements>
        <multiInstanceLoopCharacteristics camunda:collection="${items}" camunda:elementVariable="item">
          <completionCondition xsi:type="tFormalExpression">${done}</completionCondition>
        </multiInstanceLoopCharacteristics>
      </userTask>
      <sequenceFlow id="to-pack" sourceRef="pack-start" targetRef="pack" />
    </subProcess>
    <intermediateCatchEvent id="wait"><timerEventDefinition id="t">
      <timeDuration xsi:type="tFormalExpression">PT1H</timeDuration></timerEventDefinition></intermediateCatchEvent>
    <receiveTask id="delivery" messageRef="message-1" />
    <callActivity id="bill" calledElement="invoice" camunda:calledElementBinding="deployment">
      <extensionElements>
        <camunda:in businessKey="#{execution.processBusinessKey}" />
        <camunda:in source="total" target="sum" />
        <camunda:out variables="all" />
      </extensionElements>
    </callActivity>
    <scriptTask id="sum" scriptFormat="groovy" camunda:resultVariable="s"><script>a = 1
b = 2
a + b</script></scriptTask>
    <endEvent id="end" />
    <sequenceFlow id="to-charge" sourceRef="start" targetRef="charge" />
    <sequenceFlow id="to-which" sourceRef="charge" targetRef="which" />
    <sequenceFlow id="to-large" sourceRef="which" targetRef="packing">
      <conditionExpression xsi:type="tFormalExpression">${total &gt; 100}</conditionExpression></sequenceFlow>
    <sequenceFlow id="to-medium" sourceRef="which" targetRef="wait">
      <conditionExpression xsi:type="tFormalExpression">${total &gt; 10}</conditionExpression></sequenceFlow>
    <sequenceFlow id="to-small" sourceRef="which" targetRef="end" />
  </process>
  <bpmndi:BPMNDiagram id="plane"><bpmndi:BPMNPlane bpmnElement="order" /></bpmndi:BPMNDiagram>
</definitions>
"""
LARGE = ORDER[ORDER.index('    <sequenceFlow id="to-large"') : ORDER.index('    <sequenceFlow id="to-medium"')]
MEDIUM = ORDER[ORDER.index('    <sequenceFlow id="to-medium"') : ORDER.index('    <sequenceFlow id="to-small"')]
SCRIPT = "a = 1\nb = 2\na + b"


def changed(*replacements: tuple[str, str]) -> str:
    """The order process, changed in these places."""
    text = ORDER
    for old, new in replacements:
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in the diagram"
        text = text.replace(old, new)
    return text


def lines(new: str, old: str = ORDER) -> list[str]:
    changes = compare(read_diagram(old, "order"), read_diagram(new, "order"))
    return [line for change in changes for line in change_lines(change)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('camunda:topic="charge"', 'camunda:topic="charge-card"', "~ charge: topic charge → charge-card"),
        ('name="Charge card"', 'name="Take money"', "~ charge: name 'Charge card' → 'Take money'"),
        (">${total}<", ">${total * 2}<", "~ charge: input amount ${total} → '${total * 2}'"),
        (">b</camunda:value>", ">c</camunda:value>", "~ charge: input notes 'list (value a, value b)' → 'list (value a, value c)'"),
        ('<camunda:inputParameter name="amount">${total}</camunda:inputParameter>', "", "~ charge: input amount=${total} removed"),
        ("</camunda:inputOutput>", '<camunda:outputParameter name="paid">${p}</camunda:outputParameter></camunda:inputOutput>', "~ charge: output paid=${p} added"),
        ('value="5"', 'value="6"', "~ charge: property limit 5 → 6"),
        ('class="a.B"', 'class="a.C"', "~ charge: executionListener start class=a.B → class=a.C"),
        ('expression="${x}"', 'expression="${y}"', "~ charge: errorEventDefinition NO_MONEY expression=${x} → expression=${y}"),
        ('camunda:topic="charge"', 'camunda:topic="charge" camunda:asyncBefore="true"', "~ charge: asyncBefore=true added"),
        ('camunda:topic="charge"', 'camunda:topic="charge" camunda:async="true"', "~ charge: asyncBefore=true added"),
        ('camunda:topic="charge"', 'camunda:topic="charge" camunda:taskPriority="9"', "~ charge: taskPriority=9 added"),
        ("</camunda:inputOutput>", "</camunda:inputOutput><camunda:failedJobRetryTimeCycle>R3/PT1M</camunda:failedJobRetryTimeCycle>", "~ charge: failedJobRetryTimeCycle=R3/PT1M added"),
        ('errorCode="CARD_REFUSED"', 'errorCode="REFUSED"', "~ refused: error CARD_REFUSED → REFUSED"),
        ('camunda:errorMessage="refused"', 'camunda:errorMessage="no"', "~ refused: error errorMessage refused → no"),
        ('id="d1" errorRef="error-1"', 'id="d1" errorRef="UNDECLARED"', "~ refused: error CARD_REFUSED → UNDECLARED\n~ refused: error errorMessage=refused removed"),
        ('attachedToRef="charge"', 'attachedToRef="wait"', "~ refused: attachedToRef charge → wait"),
        ('attachedToRef="charge"', 'attachedToRef="charge" cancelActivity="false"', "~ refused: cancelActivity=false added"),
        ('default="to-small"', 'default="to-large"', "~ which: default to-small → to-large"),
        ("${total &gt; 100}", "${total &gt;= 100}", "~ to-large: condition '${total > 100}' → '${total >= 100}'"),
        ('sourceRef="charge" targetRef="which"', 'sourceRef="charge" targetRef="wait"', "~ to-which: targetRef which → wait"),
        ('assignee="ada"', 'assignee="bob"', "~ pack: assignee ada → bob"),
        ("deployment:pack.form", "deployment:pack2.form", "~ pack: formKey deployment:pack.form → deployment:pack2.form"),
        ('label="Weight"', 'label="Kilos"', "~ pack: formField weight 'type=long label=Weight' → 'type=long label=Kilos'"),
        ('event="create" expression="${told}"', 'event="create" expression="${x}"', "~ pack: taskListener create expression=${told} → expression=${x}"),
        ('camunda:collection="${items}"', 'camunda:collection="${all}"', "~ pack: multiInstance collection ${items} → ${all}"),
        ("<multiInstanceLoopCharacteristics ", '<multiInstanceLoopCharacteristics isSequential="true" ', "~ pack: multiInstance parallel → sequential"),
        (">${done}<", ">${enough}<", "~ pack: multiInstance completionCondition ${done} → ${enough}"),
        ("PT1H", "PT2H", "~ wait: timeDuration PT1H → PT2H"),
        ('<timeDuration xsi:type="tFormalExpression">PT1H</timeDuration>', "<timeDate>${due}</timeDate>", "~ wait: timeDuration=PT1H removed\n~ wait: timeDate=${due} added"),
        ('name="delivered"', 'name="arrived"', "~ delivery: message delivered → arrived"),
        ('calledElement="invoice"', 'calledElement="invoices"', "~ bill: calledElement invoice → invoices"),
        ('calledElementBinding="deployment"', 'calledElementBinding="latest"', "~ bill: calledElementBinding=deployment removed"),
        ('<camunda:in businessKey="#{execution.processBusinessKey}" />', "", "~ bill: in businessKey=#{execution.processBusinessKey} removed"),
        ('source="total" target="sum"', 'source="gross" target="sum"', "~ bill: in sum source=total → source=gross"),
        ('<camunda:out variables="all" />', '<camunda:out source="s" target="t" />', "~ bill: out variables=all removed\n~ bill: out t=source=s added"),
        (SCRIPT, SCRIPT.replace("b = 2", "b = 3"), "~ sum: script\n     a = 1\n    -b = 2\n    +b = 3\n     a + b"),
        ('resultVariable="s"', 'resultVariable="sum"', "~ sum: resultVariable s → sum"),
        ('versionTag="1.0.0"', 'versionTag="1.0.1"', "~ order: versionTag 1.0.0 → 1.0.1"),
        ('<endEvent id="end" />', '<endEvent id="end"><terminateEventDefinition /></endEvent>', "~ end: terminate added"),
        ('<endEvent id="end" />', '<endEvent id="end"><documentation>Over.</documentation></endEvent>', "~ end: documentation=Over. added"),
        ('<endEvent id="end" />', '<intermediateThrowEvent id="end" />', "~ end: kind endEvent → intermediateThrowEvent"),
        ('<endEvent id="end" />', '<endEvent id="end" /><task id="look" name="Look" />', "+ task look 'Look'"),
        ('<sequenceFlow id="to-pack" sourceRef="pack-start" targetRef="pack" />', "", "- sequenceFlow to-pack pack-start → pack"),
        ('<endEvent id="end" />', '<endEvent id="end" /><textAnnotation id="n"><text>Later</text></textAnnotation>', "+ textAnnotation n text=Later"),
        (MEDIUM, "", "- sequenceFlow to-medium which → wait condition='${total > 10}'"),
    ],
)  # fmt: skip
def test_each_change_of_an_element_has_its_line(old: str, new: str, expected: str) -> None:
    assert lines(changed((old, new))) == expected.split("\n")


def test_step_is_added_with_its_topic_and_removed_the_other_way_round() -> None:
    step = (
        '<serviceTask id="ship" name="Ship&#10;it" camunda:type="external" camunda:topic="ship"><extensionElements>'
        '<camunda:inputOutput><camunda:inputParameter name="to">${a}</camunda:inputParameter></camunda:inputOutput>'
        "</extensionElements></serviceTask>"
    )
    new = changed(('<endEvent id="end" />', f'{step}<endEvent id="end" />'))
    assert lines(new) == ["+ serviceTask ship 'Ship it' topic=ship input to=${a}"]
    assert lines(ORDER, new) == ["- serviceTask ship 'Ship it' topic=ship input to=${a}"]


def test_element_with_another_id_is_removed_and_added() -> None:
    assert lines(changed(('<receiveTask id="delivery"', '<receiveTask id="parcel"'))) == [
        "+ receiveTask parcel message=delivered",
        "- receiveTask delivery message=delivered",
    ]


def test_step_that_becomes_a_class_loses_type_and_topic() -> None:
    new = changed(('camunda:type="external" camunda:topic="charge"', 'camunda:class="a.Charge"'))
    assert lines(new) == [
        "~ charge: type=external removed",
        "~ charge: topic=charge removed",
        "~ charge: class=a.Charge added",
    ]


def test_element_that_moves_out_of_its_sub_process_is_named() -> None:
    start = '<startEvent id="pack-start" />'
    new = changed((f"      {start}\n", ""), ('<endEvent id="end" />', f'{start}<endEvent id="end" />'))
    assert lines(new) == ["~ pack-start: inside=packing removed"]


def test_order_of_the_flows_of_an_exclusive_gateway_is_a_change() -> None:
    new = changed((LARGE, ""), (MEDIUM, MEDIUM + LARGE))
    assert lines(new) == [
        "~ which: order of flows 'to-large to-medium to-small' → 'to-medium to-large to-small'",
    ]


def test_order_of_the_flows_of_other_nodes_is_none() -> None:
    parallel = ORDER.replace('exclusiveGateway id="which" default="to-small"', 'inclusiveGateway id="which"')
    assert lines(parallel.replace(LARGE, "").replace(MEDIUM, MEDIUM + LARGE), parallel) == []


def test_attributes_of_operaton_are_the_same_facts_in_another_namespace() -> None:
    new = (
        ORDER.replace(" camunda:", " operaton:").replace("<camunda:", "<operaton:").replace("</camunda:", "</operaton:")
    )
    assert lines(new) == [
        "~ order: namespace http://camunda.org/schema/1.0/bpmn → http://operaton.org/schema/1.0/bpmn",
    ]


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ('bpmnElement="order" />', 'bpmnElement="order" id="p" />', ["layout"]),
        ("<bpmndi:BPMNDiagram", '<collaboration id="c" /><bpmndi:BPMNDiagram', ["collaboration"]),
        ('<endEvent id="end" />', '<laneSet id="l" /><endEvent id="end" />', ["lanes"]),
        ('targetNamespace="test"', 'targetNamespace="x"', ["definitions"]),
        ("<bpmndi:BPMNDiagram", '<process id="other" /><bpmndi:BPMNDiagram', ["process other"]),
        ('<endEvent id="end" />', '\n\n<!-- the end --><endEvent id="end" />', []),
        ('<startEvent id="start" camunda:asyncBefore="false" />', '<startEvent id="start" />', []),
        ('<timerEventDefinition id="t">', '<timerEventDefinition id="t2">', []),
        ('<endEvent id="end" />', '<endEvent id="end"><incoming>to-small</incoming></endEvent>', []),
    ],
)
def test_what_the_engine_does_not_execute_is_no_change_of_an_element(old: str, new: str, parts: list[str]) -> None:
    text = changed((old, new))
    assert lines(text) == []
    assert other_parts(read_diagram(ORDER, "order"), read_diagram(text, "order")) == parts


def test_new_process_is_all_elements_added() -> None:
    changes = compare(None, read_diagram(ORDER, "order"))
    assert {change.change for change in changes} == {"added"}
    assert [change.id for change in changes][:3] == ["order", "start", "charge"]
    assert len(changes) == ORDER.count("<sequenceFlow ") + len(read_diagram(ORDER, "order").nodes) + 1


def test_elements_without_an_id_are_told_apart() -> None:
    old = changed(('<endEvent id="end" />', '<association sourceRef="sum" targetRef="end" /><endEvent id="end" />'))
    new = old.replace("<association", '<association sourceRef="sum" targetRef="wait" /><association')
    assert lines(new, old) == ["+ association sum→wait sum → wait"]


def test_other_process_is_refused() -> None:
    with pytest.raises(ValueError, match="'order' and 'loan-approval' are different processes"):
        compare(read_diagram(ORDER), loan_approval.diagram())


@pytest.mark.parametrize("process", [loan_approval, onboard_user, order_fulfilment], ids=lambda process: process.key)
def test_every_attribute_of_a_real_diagram_is_compared(process: ProcessDefinition) -> None:
    """Change each attribute of each element of the process, one at a time: none may stay unnoticed."""
    diagram = process.diagram()
    changed_somewhere = 0
    for element in diagram.root.xml.iter():
        if element.tag.rpartition("}")[2] in ("incoming", "outgoing"):
            continue
        for name, value in element.attrib.items():
            if name == "id" or "XMLSchema-instance" in name:
                continue
            element.set(name, value + "x")
            try:
                text = diagram.xml
            finally:
                element.set(name, value)
            if name != "isExecutable":
                assert compare(diagram, read_diagram(text, diagram.key)), f"{element.tag} {name}={value}"
                changed_somewhere += 1
    assert changed_somewhere > 20
