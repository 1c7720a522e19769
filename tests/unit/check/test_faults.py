"""Each kind of fault in a small process that has it, and processes without faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from camunda_bridge.check import CODES, Finding, check_files
from camunda_bridge.loading import load_processes
from camunda_bridge.registry import Registry

#: process key -> its faults: element, code, a name that the message must contain
FAULTS: dict[str, list[tuple[str, str, str]]] = {
    "topic-unhandled": [("ship", "TOPIC_WITHOUT_HANDLER", "topic-unhandled.ship")],
    "handler-unused": [("handler-unused", "HANDLER_WITHOUT_TOPIC", "handler-unused.ship")],
    "error-uncaught": [("pay", "ERROR_NOT_CAUGHT", "BANK_SAYS_SO"), ("pay", "ERROR_NOT_CAUGHT", "FRAUD")],
    "input-uncaught": [("pay", "ERROR_NOT_CAUGHT", "VALIDATION_ERROR")],
    "response-early": [("answer", "RESPONSE_NOT_LAST", "cool-off")],
    "key-not-passed": [("bill", "BUSINESS_KEY_NOT_PASSED", "billing")],
    "field-on-one-branch": [("ship", "FIELD_NOT_PROVIDED", "score")],
    "field-optional": [("ship", "FIELD_MAY_BE_MISSING", "note"), ("ship", "FIELD_MAY_BE_MISSING", "remark")],
    "name-refused": [
        ("declare", "VARIABLE_NAME_REFUSED", "executionContext"),
        ("return", "VARIABLE_NAME_REFUSED", "executionContext"),
        ("long", "VARIABLE_NAME_REFUSED", "nnn…"),
    ],
    "java-object": [
        ("clock", "JAVA_OBJECT", "clock"),
        ("work", "JAVA_OBJECT", "joda"),
        ("work", "JAVA_OBJECT", "times"),
        ("work", "JAVA_OBJECT", "node"),
    ],
    "deployed-alone": [
        ("call", "NOT_IN_DEPLOYMENT", "key-not-passed"),
        ("decide", "DECISION_NOT_FOUND", "discounts"),
        ("script", "FILE_NOT_FOUND", "scripts/sum.groovy"),
    ],
    "not-here": [
        ("absent", "PROCESS_NOT_FOUND", "nobody-has-it"),
        ("tagged", "PROCESS_NOT_FOUND", "the version tag '9'"),
        ("decide", "DECISION_NOT_FOUND", "the version tag '9'"),
        ("count", "SCRIPT_LANGUAGE_UNKNOWN", "Python"),
        ("sum", "SCRIPT_LANGUAGE_UNKNOWN", "ruby"),
    ],
    "variable-shared": [
        ("price", "SHARED_VARIABLE", "writes 'price',"),
        ("label", "SHARED_VARIABLE", "writes 'all', 'tag',"),
    ],
    "no-bpmn": [("no-bpmn", "BPMN_UNREADABLE", "process_1a2b3c")],
    "exception-idle": [
        ("bill", "BUSINESS_KEY_NOT_PASSED", "billing"),
        ("bill", "EXCEPTION_UNUSED", "RESPONSE_NOT_LAST"),
        ("bill", "EXCEPTION_UNUSED", "BUSINESS_KEY_NOT_PASSED"),
    ],
}


@pytest.fixture(scope="module")
def findings() -> list[Finding]:
    return check_files(load_processes([f"{__package__}.fixtures"], Registry()))


@pytest.mark.parametrize("key", FAULTS)
def test_fault_is_found_at_its_element(findings: list[Finding], key: str) -> None:
    found = [finding for finding in findings if finding.process == key]
    assert [(it.element, it.code) for it in found] == [(element, code) for element, code, _ in FAULTS[key]]
    for finding, (element, code, named) in zip(found, FAULTS[key], strict=True):
        assert repr(named) in finding.message or named in finding.message
        file = Path(finding.path)
        assert file == Path("tests/unit/check/fixtures", file.stem, file.name)
        assert str(finding).startswith(f"{file}:{finding.line}: {code} {element} ")
        # A file without the process has no line of it.
        assert code == "BPMN_UNREADABLE" or f'id="{element}"' in file.read_text().splitlines()[finding.line - 1]
        assert finding.hint


def test_every_fixture_and_every_code_is_tried(findings: list[Finding]) -> None:
    assert {finding.process for finding in findings} == {*FAULTS, ""}
    # What is wrong with versions in the engine: tests/integration/test_deployed_elsewhere.py.
    assert {finding.code for finding in findings} == {*CODES} - {"NOT_DEPLOYED"}


def test_package_that_cannot_be_loaded_is_found_at_its_line(findings: list[Finding]) -> None:
    (broken,) = [finding for finding in findings if finding.code == "PACKAGE_NOT_LOADED"]
    assert str(broken) == (
        "tests/unit/check/fixtures/not_loaded/steps.py:9: PACKAGE_NOT_LOADED "
        "'tests.unit.check.fixtures.not_loaded.steps' RuntimeError: no key of the partner "
        "(correct it and start again; all other packages run)"
    )


def test_element_is_called_by_its_name(findings: list[Finding]) -> None:
    (billed,) = [finding for finding in findings if finding.process == "key-not-passed"]
    assert ": BUSINESS_KEY_NOT_PASSED bill 'Bill it' starts 'billing'" in str(billed)


def test_shipped_processes_have_no_fault() -> None:
    assert check_files(load_processes(["processes"], Registry())) == []


def test_processes_of_tests_have_only_faults_that_they_excuse() -> None:
    found = check_files(load_processes(["tests.processes"], Registry()))
    assert all(finding.excuse for finding in found), [str(finding) for finding in found]
    assert {(finding.process, finding.code) for finding in found} == {
        ("caller", "BUSINESS_KEY_NOT_PASSED"),
        ("mixed", "RESPONSE_NOT_LAST"),
        ("isolated", "ERROR_NOT_CAUGHT"),
        ("probe", "ERROR_NOT_CAUGHT"),
        ("relay", "TOPIC_WITHOUT_HANDLER"),
        ("patient", "ERROR_NOT_CAUGHT"),
    }
    assert "excused: " in str(found[0])
