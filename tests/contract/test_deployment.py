"""Facts about deployments: the form, duplicate filtering, the refusal of an invalid file, statistics of versions."""

from __future__ import annotations

from tests.contract.bpmn import external, process, subprocess
from tests.contract.engine import Engine


def test_deploying_answers_with_the_definitions_it_created(engine: Engine) -> None:
    deployment = engine.deploy(process(engine.key, external("a")))
    [definition] = deployment["deployedProcessDefinitions"].values()
    assert (definition["key"], definition["version"], definition["deploymentId"]) == (engine.key, 1, deployment["id"])
    assert definition["historyTimeToLive"] == 1


def test_deploying_the_same_again_makes_a_new_version(engine: Engine) -> None:
    versions = [engine.deploy(process(engine.key, external("a")))["deployedProcessDefinitions"] for _ in range(2)]
    assert [definition["version"] for version in versions for definition in version.values()] == [1, 2]


def test_duplicate_filtering_keeps_the_deployment_that_has_the_same_files(engine: Engine) -> None:
    first = engine.deploy(process(engine.key, external("a")), enable_duplicate_filtering="true")
    second = engine.deploy(process(engine.key, external("a")), enable_duplicate_filtering="true")
    assert second["id"] == first["id"]
    assert second["deployedProcessDefinitions"] is None


def test_deploy_changed_only_leaves_unchanged_definitions_as_they_are(engine: Engine) -> None:
    other = process(f"{engine.key}-other", external("a"))
    fields = {"enable_duplicate_filtering": "true", "deploy_changed_only": "true"}
    engine.deploy(process(engine.key, external("a")), other, **fields)
    changed = engine.deploy(process(engine.key, external("b")), other, **fields)
    [definition] = changed["deployedProcessDefinitions"].values()
    assert (definition["key"], definition["version"]) == (engine.key, 2)
    assert engine.get(f"/process-definition/key/{engine.key}-other")["version"] == 1


def test_duplicate_filtering_does_not_see_what_another_source_deployed(engine: Engine) -> None:
    fields = {"enable_duplicate_filtering": "true"}
    first = engine.deploy(process(engine.key, external("a")), deployment_source="one", **fields)
    second = engine.deploy(process(engine.key, external("a")), deployment_source="two", **fields)
    assert second["id"] != first["id"]
    assert second["deployedProcessDefinitions"]


def test_a_file_that_is_no_valid_process_is_refused_with_the_place_of_each_error(engine: Engine) -> None:
    text = process(engine.key, external("a")).replace('sourceRef="a"', 'sourceRef="nowhere"')
    files = {"file": ("bad.bpmn", text)}
    answer = engine.call("POST", "/deployment/create", data={"deployment-name": engine.key}, files=files)
    body = answer.json()
    assert (answer.status_code, body["type"]) == (400, "ParseException")
    assert "Invalid source 'nowhere' of sequence flow" in body["message"]
    assert {"line", "column", "message", "mainElementId"} <= set(body["details"]["bad.bpmn"]["errors"][0])


def test_a_file_that_is_no_xml_answers_500(engine: Engine) -> None:
    answer = engine.refused(
        "POST", "/deployment/create", data={"deployment-name": engine.key}, files={"file": ("bad.bpmn", "<oops")}
    )
    assert answer[:2] == (500, "ProcessEngineException")
    assert "Could not parse 'bad.bpmn'" in answer[2]


def test_a_file_with_another_suffix_is_stored_but_deploys_no_process(engine: Engine) -> None:
    files = {"file": (f"{engine.key}.txt", process(engine.key, external("a")))}
    answer = engine.call("POST", "/deployment/create", data={"deployment-name": engine.key}, files=files).json()
    assert answer["deployedProcessDefinitions"] is None
    assert engine.call("DELETE", f"/deployment/{answer['id']}").status_code == 204


def test_the_definition_gives_back_its_xml(engine: Engine) -> None:
    text = process(engine.key, external("a"))
    [definition] = engine.deploy(text)["deployedProcessDefinitions"]
    assert engine.get(f"/process-definition/{definition}/xml") == {"id": definition, "bpmn20Xml": text}
    assert engine.get(f"/process-definition/key/{engine.key}/xml")["bpmn20Xml"] == text


def test_an_unknown_definition_answers_404(engine: Engine) -> None:
    assert engine.refused("GET", "/process-definition/nope/xml")[0] == 404
    assert engine.refused("GET", f"/process-definition/key/{engine.key}")[0] == 404


def test_statistics_count_the_instances_of_each_version_and_at_each_element_of_it(engine: Engine) -> None:
    three = "<multiInstanceLoopCharacteristics><loopCardinality>3</loopCardinality></multiInstanceLoopCharacteristics>"
    engine.deploy(process(engine.key, external("old")))
    engine.start()
    engine.start()
    engine.deploy(process(engine.key, subprocess("sub", external("many", three)), external("next")))
    engine.start()
    found = {
        item["definition"]["version"]: (item["id"], item["instances"])
        for item in engine.get("/process-definition/statistics")
        if item["definition"]["key"] == engine.key
    }
    assert {version: instances for version, (_, instances) in found.items()} == {1: 2, 2: 1}
    at = {version: engine.get(f"/process-definition/{id_}/statistics") for version, (id_, _) in found.items()}
    assert [(item["id"], item["instances"]) for item in at[1]] == [("old", 2)]
    # The sub-process and the body of the multi-instance are not counted beside what is in them.
    assert [(item["id"], item["instances"]) for item in at[2]] == [("many", 3)]


def test_exclusive_gateway_takes_the_first_flow_of_the_file_whose_condition_is_true(engine: Engine) -> None:
    for first, second in (("a", "b"), ("b", "a")):
        engine.deploy(CHOICE.format(key=engine.key, first=first, second=second))
        instance = engine.start()
        assert engine.activities(instance).keys() & {"a", "b"} == {first}


CHOICE = """<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="contract"
    xmlns:camunda="http://camunda.org/schema/1.0/bpmn" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <process id="{key}" isExecutable="true" camunda:historyTimeToLive="P1D">
    <startEvent id="start"/><exclusiveGateway id="which"/><endEvent id="a"/><endEvent id="b"/>
    <sequenceFlow id="to-which" sourceRef="start" targetRef="which"/>
    <sequenceFlow id="to-{first}" sourceRef="which" targetRef="{first}">
      <conditionExpression xsi:type="tFormalExpression">${{true}}</conditionExpression></sequenceFlow>
    <sequenceFlow id="to-{second}" sourceRef="which" targetRef="{second}">
      <conditionExpression xsi:type="tFormalExpression">${{true}}</conditionExpression></sequenceFlow>
  </process></definitions>
"""
