"""Facts about typed variables: the next step gets them unchanged, or the engine refuses them with a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract.bpmn import external, process, subprocess
from tests.contract.engine import Engine

UNKNOWN_OBJECT = {"objectTypeName": "com.example.Unknown", "serializationDataFormat": "application/json"}
FILE_INFO = {"filename": "größe.txt", "mimeType": "text/plain", "encoding": "UTF-8"}


@pytest.fixture
def started(engine: Engine) -> Engine:
    """The engine with a process of two steps."""
    engine.deploy(process(engine.key, external("a"), external("b")))
    return engine


def start(engine: Engine, **variable: Any) -> Any:
    """Start with one variable `v`. Returns the answer."""
    return engine.call("POST", f"/process-definition/key/{engine.key}/start", json={"variables": {"v": variable}})


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("String", ""),
        ("String", "Zoë 漢字 😀 \u0000 \n\t\"'<&>"),
        ("String", "x" * 4000),
        ("String", None),
        ("Boolean", True),
        ("Boolean", False),
        ("Integer", 2**31 - 1),
        ("Integer", -(2**31)),
        ("Short", -3),
        ("Long", 2**63 - 1),
        ("Long", -(2**63)),
        ("Double", 1.5e300),
        ("Double", 5e-324),
        ("Date", "2026-01-02T03:04:05.678+0000"),
        ("Date", "0001-01-01T00:00:00.000+0000"),
        ("Date", "9999-12-31T23:59:59.999+0000"),
        ("Null", None),
        ("Json", json.dumps({"deep": [{"a": None, "long": "x" * 5000}], "n": 2**63})),
        ("Json", '"a text of its own"'),
        ("Bytes", "AAEC/w=="),
        ("Bytes", "AAEC" * 5000),
        ("Xml", "<a/>"),
    ],
    ids=lambda value: str(value)[:12] or "empty",
)
def test_a_value_passes_start_step_and_completion_unchanged(started: Engine, type_: str, value: Any) -> None:
    assert start(started, type=type_, value=value).status_code == 200
    first = started.fetch_one("a")
    assert first["variables"] == {"v": {"type": type_, "value": value, "valueInfo": {}}}
    copies = {"v": first["variables"]["v"], "copy": first["variables"]["v"]}
    started.post(f"/external-task/{first['id']}/complete", 204, workerId="w1", variables=copies)
    assert started.fetch_one("b")["variables"] == copies


def test_an_object_of_an_unknown_class_passes_as_its_serialized_form(started: Engine) -> None:
    start(started, type="Object", value='{"a":1}', valueInfo=UNKNOWN_OBJECT)
    first = started.fetch_one("a")
    assert first["variables"]["v"] == {"type": "Object", "value": '{"a":1}', "valueInfo": UNKNOWN_OBJECT}
    started.post(f"/external-task/{first['id']}/complete", 204, workerId="w1", variables=first["variables"])
    assert started.fetch_one("b", deserializeValues=False)["variables"] == first["variables"]


def test_asking_for_deserialized_values_fails_on_an_unknown_class_and_locks_nothing(started: Engine) -> None:
    instance = start(started, type="Object", value='{"a":1}', valueInfo=UNKNOWN_OBJECT).json()["id"]
    topics = [{"topicName": f"{started.key}.a", "lockDuration": 60_000, "deserializeValues": True}]
    fetch = {"workerId": "w1", "maxTasks": 1, "topics": topics}
    answer = started.refused("POST", "/external-task/fetchAndLock", json=fetch)
    assert answer[0] == 500
    assert "Cannot deserialize object in variable 'v'" in answer[2]
    assert [task["workerId"] for task in started.get("/external-task", processInstanceId=instance)] == [None]
    # The list of variables deserializes by default.
    assert started.call("GET", f"/process-instance/{instance}/variables").status_code == 500
    kept = started.get(f"/process-instance/{instance}/variables", deserializeValues="false")
    assert kept["v"]["value"] == '{"a":1}'


def test_a_file_comes_as_metadata_and_its_content_by_a_call_of_its_own(started: Engine) -> None:
    instance = start(started, type="File", value="aGVsbG8=", valueInfo=FILE_INFO).json()["id"]
    assert started.fetch_one("a")["variables"]["v"] == {"type": "File", "value": None, "valueInfo": FILE_INFO}
    content = started.call("GET", f"/process-instance/{instance}/variables/v/data")
    assert (content.content, content.headers["Content-Type"].lower()) == (b"hello", "text/plain;charset=utf-8")


def test_the_metadata_of_a_file_must_not_be_sent_back(started: Engine) -> None:
    start(started, type="File", value="aGVsbG8=", valueInfo=FILE_INFO)
    task = started.fetch_one("a")
    answer = started.refused(
        "POST", f"/external-task/{task['id']}/complete", json={"workerId": "w1", "variables": task["variables"]}
    )
    assert answer[:2] == (500, "IllegalArgumentException")
    assert started.task(task)["workerId"] == "w1"


@pytest.mark.parametrize("text", ["x" * 4001, "😀" * 2001], ids=["characters", "utf-16 units"])
def test_a_string_over_4000_utf16_units_answers_500_at_start_and_at_completion(started: Engine, text: str) -> None:
    answer = start(started, type="String", value=text)
    assert (answer.status_code, answer.json()["type"]) == (500, "RestException")
    assert "persistence layer" in answer.json()["message"]
    started.start()
    task = started.fetch_one("a")
    completion = {"workerId": "w1", "variables": {"v": {"type": "String", "value": text}}}
    refusal = started.refused("POST", f"/external-task/{task['id']}/complete", json=completion)
    assert refusal[:2] == (500, "ProcessEnginePersistenceException")
    started.complete(task)


def test_a_string_of_4000_utf16_units_is_taken(started: Engine) -> None:
    assert start(started, type="String", value="😀" * 2000).status_code == 200


@pytest.mark.parametrize(
    ("value", "type_"),
    [("a", "String"), (True, "Boolean"), (1, "Integer"), (2**31, "Long"), (1.5, "Double"), (None, "Null")],
)
def test_a_value_without_type_gets_the_type_of_its_json(started: Engine, value: Any, type_: str) -> None:
    assert start(started, value=value).status_code == 200
    assert started.fetch_one("a")["variables"]["v"] == {"type": type_, "value": value, "valueInfo": {}}


@pytest.mark.parametrize("value", [{"a": 1}, [1], 2**63], ids=["object", "array", "over 64 bits"])
def test_other_values_without_type_become_java_objects(started: Engine, value: Any) -> None:
    assert start(started, value=value).status_code == 200
    info = started.fetch_one("a")["variables"]["v"]["valueInfo"]
    assert info["serializationDataFormat"] == "application/x-java-serialized-object"


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("Integer", 2**31),
        ("Integer", "x"),
        ("Long", 2**63),
        ("Boolean", "yes"),
        ("Date", "2026-01-02T03:04:05.678Z"),
        ("Date", "2026-01-02T03:04:05+0000"),
        ("Nope", 1),
    ],
)
def test_a_value_that_does_not_fit_its_type_answers_400(started: Engine, type_: str, value: Any) -> None:
    answer = start(started, type=type_, value=value)
    assert (answer.status_code, answer.json()["type"]) == (400, "InvalidRequestException")
    assert "Cannot convert value" in answer.json()["message"] or "Unsupported value type" in answer.json()["message"]


def test_a_date_comes_back_in_utc(started: Engine) -> None:
    start(started, type="Date", value="2026-01-02T03:04:05.678+0530")
    assert started.fetch_one("a")["variables"]["v"]["value"] == "2026-01-01T21:34:05.678+0000"


def test_a_date_in_the_days_that_the_calendar_skipped_moves_by_ten_days(started: Engine) -> None:
    start(started, type="Date", value="1582-10-10T00:00:00.000+0000")
    assert started.fetch_one("a")["variables"]["v"]["value"] == "1582-10-20T00:00:00.000+0000"


def test_json_that_does_not_parse_is_taken_and_handed_on_as_it_is(started: Engine) -> None:
    assert start(started, type="Json", value="{oops").status_code == 200
    assert started.fetch_one("a")["variables"]["v"]["value"] == "{oops"


JAVA = "application/x-java-serialized-object"
LIST = "<camunda:list><camunda:value>{}</camunda:value></camunda:list>"


def mapping(name: str, value: str) -> str:
    """An input mapping."""
    return (
        "<extensionElements><camunda:inputOutput>"
        f'<camunda:inputParameter name="{name}">{value}</camunda:inputParameter>'
        "</camunda:inputOutput></extensionElements>"
    )


@pytest.mark.parametrize("name", ["n" * 255, "😀" * 127 + "n"])
def test_a_name_of_255_utf16_units_is_kept_and_a_longer_one_answers_500(started: Engine, name: str) -> None:
    path = f"/process-definition/key/{started.key}/start"
    assert started.call("POST", path, json={"variables": {name: {"value": 1}}}).status_code == 200
    assert name in started.fetch_one("a")["variables"]
    assert started.call("POST", path, json={"variables": {name + "n": {"value": 1}}}).status_code == 500


@pytest.mark.parametrize(
    ("value", "as_json"),
    [
        (LIST.format("a"), ["a"]),
        ("<camunda:list/>", []),
        (f'<camunda:map><camunda:entry key="k">{LIST.format("${1 + 1}")}</camunda:entry></camunda:map>', {"k": [2]}),
    ],
)
def test_a_list_or_map_of_a_mapping_is_fetched_in_javas_form_and_had_as_json_by_itself(
    engine: Engine, value: str, as_json: Any
) -> None:
    engine.deploy(process(engine.key, external("a", inside=mapping("v", value))))
    instance = engine.start()
    variable = engine.fetch_one("a")["variables"]["v"]
    assert (variable["type"], variable["valueInfo"]["serializationDataFormat"]) == ("Object", JAVA)
    (found,) = engine.get(
        "/variable-instance", processInstanceIdIn=instance, variableName="v", deserializeValues="false"
    )
    assert engine.get(f"/variable-instance/{found['id']}")["value"] == as_json
    assert engine.get(f"/history/variable-instance/{found['id']}")["value"] == as_json


def test_what_javas_json_writer_does_not_know_answers_400(engine: Engine) -> None:
    engine.deploy(process(engine.key, external("a", inside=mapping("v", "${dateTime()}"))))
    instance = engine.start()
    (found,) = engine.get(
        "/variable-instance", processInstanceIdIn=instance, variableName="v", deserializeValues="false"
    )
    # As plain text, or as a document with an empty message: that changes from one start of the engine to the next.
    assert engine.call("GET", f"/variable-instance/{found['id']}").status_code == 400


def test_a_variable_says_the_activity_instance_that_it_is_in(engine: Engine) -> None:
    inner = f'<subProcess id="s">{mapping("v", LIST.format("sub"))}'
    text = process(engine.key, subprocess("s", external("a"))).replace('<subProcess id="s">', inner)
    engine.deploy(text)
    instance = engine.start(v="of the process")
    task = engine.fetch_one("a")
    found = engine.get("/variable-instance", processInstanceIdIn=instance, variableName="v", deserializeValues="false")
    tree = engine.get(f"/process-instance/{instance}/activity-instances")
    (sub,) = tree["childActivityInstances"]
    assert {variable["activityInstanceId"] for variable in found} == {tree["id"], sub["id"]}
    assert [node["id"] for node in sub["childActivityInstances"]] == [task["activityInstanceId"]]


def test_contents_have_a_head_of_their_own_and_history_has_them_too(started: Engine) -> None:
    instance = start(started, type="File", value="aGVsbG8=", valueInfo=FILE_INFO).json()["id"]
    task = started.fetch_one("a")
    bytes_ = {"b": {"type": "Bytes", "value": "YWJj"}}
    started.post(f"/external-task/{task['id']}/complete", 204, workerId="w1", variables=bytes_)
    found = {
        item["name"]: item
        for item in started.get("/history/variable-instance", processInstanceId=instance, deserializeValues="false")
    }
    assert (found["v"]["value"], found["b"]["value"]) == (None, None)
    for part in ("", "/history"):
        file = started.call("GET", f"{part}/variable-instance/{found['v']['id']}/data")
        assert (file.content, file.headers["Content-Disposition"][:11]) == (b"hello", "attachment;")
        data = started.call("GET", f"{part}/variable-instance/{found['b']['id']}/data")
        assert (data.content, data.headers["Content-Type"]) == (b"abc", "application/octet-stream")


def test_a_file_whose_mime_type_is_none_is_taken_and_its_content_never_given_back(started: Engine) -> None:
    instance = start(started, type="File", value="aA==", valueInfo={"filename": "f", "mimeType": "nonsense"}).json()[
        "id"
    ]
    assert started.call("GET", f"/process-instance/{instance}/variables/v/data").status_code == 500


def test_half_a_pair_of_characters_comes_back_as_an_escape(started: Engine) -> None:
    assert start(started, value="a\ud800b").status_code == 200
    topics = [{"topicName": f"{started.key}.a", "lockDuration": 60_000}]
    fetch = {"workerId": "w1", "maxTasks": 1, "topics": topics}
    assert b'"a\\uD800b"' in started.call("POST", "/external-task/fetchAndLock", json=fetch).content
