"""Facts about scripts and expressions, on which the check relies."""

from __future__ import annotations

import pytest

from tests.contract.bpmn import Part, external, process
from tests.contract.engine import Engine


def script(language: str) -> Part:
    """A script task whose result is the variable `sum`."""
    body = "<script>1 + 1</script>" if language != "juel" else "<script>${1 + 1}</script>"
    return Part(
        "sum", f'<scriptTask id="sum" scriptFormat="{language}" camunda:resultVariable="sum">{body}</scriptTask>'
    )


@pytest.mark.parametrize(
    "language", ["groovy", "Groovy", "javascript", "JavaScript", "ecmascript", "js", "juel", "feel"]
)
def test_engine_runs_scripts_in_the_languages_that_the_check_knows(engine: Engine, language: str) -> None:
    engine.deploy(process(engine.key, script(language), external("b")))
    engine.start("k")
    assert engine.fetch_one("b")["variables"]["sum"]["value"] == 2


@pytest.mark.parametrize("language", ["python", "ruby"])
def test_script_in_another_language_fails(engine: Engine, language: str) -> None:
    engine.deploy(process(engine.key, script(language), external("b")))
    answer = engine.post(f"/process-definition/key/{engine.key}/start", 500)
    assert f"Can't find scripting engine for '{language}'" in answer["message"]


@pytest.mark.parametrize("text", ["${gone}", "${gone == null}", "${empty gone}"])
def test_expression_that_reads_a_variable_which_is_not_set_fails(engine: Engine, text: str) -> None:
    mapped = (
        '<extensionElements><camunda:inputOutput><camunda:inputParameter name="x">'
        f"{text}</camunda:inputParameter></camunda:inputOutput></extensionElements>"
    )
    engine.deploy(process(engine.key, external("a", mapped)))
    answer = engine.post(f"/process-definition/key/{engine.key}/start", 500)
    assert "Cannot resolve identifier 'gone'" in answer["message"]


def test_expression_that_asks_for_a_variable_reads_null(engine: Engine) -> None:
    mapped = (
        '<extensionElements><camunda:inputOutput><camunda:inputParameter name="x">'
        "${execution.getVariable('gone')}</camunda:inputParameter></camunda:inputOutput></extensionElements>"
    )
    engine.deploy(process(engine.key, external("a", mapped)))
    engine.start("k")
    assert engine.fetch_one("a")["variables"]["x"]["value"] is None
