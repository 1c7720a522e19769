"""Facts about deployments: the multipart form, duplicate filtering, and the refusal of an invalid file."""

from __future__ import annotations

from tests.contract.bpmn import external, process
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
