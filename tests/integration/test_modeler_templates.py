"""Element templates in the editor of the Camunda Modeler: they are valid, and diagrams that use them run on the engine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import jsonschema
import pytest
from lxml import etree
from marshmallow import Schema, fields, validate

from camunda_bridge import BusinessRuleError, File, define_worker
from camunda_bridge.check import check
from camunda_bridge.definition import ProcessDefinition, WorkerDefinition
from camunda_bridge.element_templates import template_of
from testkit import ProcessRun
from tests.support.modeler import Modeler, modeler, schema
from tests.support.modeler import validate as npm_validate

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., ProcessRun]

#: a process with one task that is not anything yet
DRAWN = """<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI"
    xmlns:dc="http://www.omg.org/spec/DD/20100524/DC" xmlns:di="http://www.omg.org/spec/DD/20100524/DI"
    xmlns:camunda="http://camunda.org/schema/1.0/bpmn" targetNamespace="drawn">
  <process id="drawn" isExecutable="true" camunda:historyTimeToLive="P1D">
    <startEvent id="start"/>
    <sequenceFlow id="to-work" sourceRef="start" targetRef="work"/>
    <task id="work"/>
    <sequenceFlow id="to-done" sourceRef="work" targetRef="done"/>
    <endEvent id="done"/>
  </process>
  <bpmndi:BPMNDiagram id="diagram"><bpmndi:BPMNPlane id="plane" bpmnElement="drawn">
    <bpmndi:BPMNShape id="s1" bpmnElement="start"><dc:Bounds x="100" y="102" width="36" height="36"/></bpmndi:BPMNShape>
    <bpmndi:BPMNShape id="s2" bpmnElement="work"><dc:Bounds x="200" y="80" width="100" height="80"/></bpmndi:BPMNShape>
    <bpmndi:BPMNShape id="s3" bpmnElement="done"><dc:Bounds x="400" y="102" width="36" height="36"/></bpmndi:BPMNShape>
    <bpmndi:BPMNEdge id="e1" bpmnElement="to-work"><di:waypoint x="136" y="120"/><di:waypoint x="200" y="120"/></bpmndi:BPMNEdge>
    <bpmndi:BPMNEdge id="e2" bpmnElement="to-done"><di:waypoint x="300" y="120"/><di:waypoint x="400" y="120"/></bpmndi:BPMNEdge>
  </bpmndi:BPMNPlane></bpmndi:BPMNDiagram>
</definitions>
"""


class Payment(Schema):
    """Input of the step `charge-card`."""

    amount = fields.Integer(required=True, validate=validate.Range(1, 500), metadata={"description": "In whole units"})
    currency = fields.String(load_default="EUR", validate=validate.OneOf(["EUR", "GBP"]))
    urgent = fields.Boolean(load_default=False)
    status = fields.String(required=True)
    note = fields.String()


class Receipt(Schema):
    """Output of the step `charge-card`."""

    status = fields.String(required=True)
    receipt = fields.Dict(required=True)


def payments(given: type[Schema] = Payment) -> WorkerDefinition:
    """A worker with one step; it returns what it was given."""
    worker = define_worker("payments")

    @worker.step("charge-card", input_schema=given, output_schema=Receipt)
    def charge_card(payment: dict[str, Any]) -> dict[str, Any]:
        if payment["amount"] == 404:
            raise BusinessRuleError("NO_MONEY", "the card is empty")
        return {"status": "charged", "receipt": payment}

    return worker


def templates(worker: WorkerDefinition, version: int = 1, *, all_outputs: bool = False) -> list[dict[str, Any]]:
    found = [template_of(worker, step, all_outputs=all_outputs) for step in worker.steps.values()]
    return [{**template, "version": version} for template in found]


def drawn(editor: Modeler, folder: Path) -> ProcessDefinition:
    """The process in the editor."""
    file = folder / "drawn.bpmn"
    file.write_text(editor.save())
    return ProcessDefinition("drawn", file, process_name="drawn")


@pytest.fixture(scope="module")
def editor() -> Iterator[Modeler]:
    with modeler() as found:
        yield found


@pytest.fixture
def charging(editor: Modeler) -> Modeler:
    """The editor with a diagram whose task has the template of `charge-card`."""
    assert editor.open(DRAWN, templates(payments())) == []
    editor.apply("work", "celery-camunda:charge-card")
    return editor


def test_every_template_of_the_command_is_valid(editor: Modeler, tmp_path: Path) -> None:
    for extra in ([], ["--all-outputs"]):
        command = [
            sys.executable,
            "-m",
            "flask",
            "--app",
            "app",
            "process",
            "templates",
            "--out",
            str(tmp_path),
            *extra,
        ]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    files = [json.loads(path.read_text()) for path in sorted(tmp_path.iterdir())]
    assert len(files) > 10
    validator = jsonschema.Draft7Validator(schema())
    assert [error.message for file in files for error in validator.iter_errors(file)] == []
    every = [template for file in files for template in file]
    assert npm_validate(every) == []
    assert editor.open(DRAWN, every) == []
    # The three find faults at all.
    wrong = {name: value for name, value in every[0].items() if name != "id"}
    assert not validator.is_valid([wrong])
    assert npm_validate([wrong]) != []
    assert editor.open(DRAWN, [wrong]) != []


def test_the_panel_shows_the_inputs_and_the_errors_of_the_step(charging: Modeler) -> None:
    shown = charging.panel("work")
    assert (
        shown["entries"].items()
        >= {
            "Name": "Charge card",
            "amount": "${amount}",
            "currency": '${execution.hasVariable("currency") ? currency : "EUR"}',
            "urgent": '${execution.hasVariable("urgent") ? urgent : false}',
            "status": "${status}",
        }.items()
    )
    assert "note" not in shown["entries"]
    assert {"NO_MONEY", "VALIDATION_ERROR", "status"} <= set(shown["items"])
    assert "In whole units. Whole number, 1 to 500." in shown["text"]


def test_an_applied_template_runs(charging: Modeler, run_process: Run, tmp_path: Path) -> None:
    process = drawn(charging, tmp_path)
    run = run_process(process, {"amount": 7, "status": "open"}, workers=[payments()])
    assert (run.status, run.path) == ("ok", ["start", "work", "done"])
    # The result comes through, although it has the name of an input.
    assert run.variables["status"] == "charged"
    assert run.variables["receipt"] == {"amount": 7, "currency": "EUR", "urgent": False, "status": "open"}
    run = run_process(
        process,
        {"amount": 8, "status": "open", "currency": "GBP", "urgent": True, "note": "by hand"},
        workers=[payments()],
    )
    given = {"amount": 8, "currency": "GBP", "urgent": True, "status": "open", "note": "by hand"}
    assert run.variables["receipt"] == given


def test_values_that_are_chosen_in_the_panel_reach_the_step(
    charging: Modeler, run_process: Run, tmp_path: Path
) -> None:
    charging.fill("work", "amount", '${order.prop("total").numberValue()}')
    charging.fill("work", "currency", "GBP")
    charging.fill("work", "urgent", "${true}")
    charging.fill("work", "status", "as typed")
    variables = {"order": {"total": 9}, "amount": 7, "currency": "EUR", "urgent": False}
    run = run_process(drawn(charging, tmp_path), variables, workers=[payments()])
    assert run.variables["receipt"] == {"amount": 9, "currency": "GBP", "urgent": True, "status": "as typed"}


@pytest.mark.parametrize(("amount", "end"), [(404, "no-money"), (501, "invalid"), (7, "done")])
def test_a_boundary_event_catches_an_error_that_the_template_declares(
    charging: Modeler, run_process: Run, tmp_path: Path, amount: int, end: str
) -> None:
    charging.on_error("work", "NO_MONEY", "no-money")
    charging.on_error("work", "VALIDATION_ERROR", "invalid")
    process = drawn(charging, tmp_path)
    run = run_process(process, {"amount": amount, "status": "open"}, workers=[payments()])
    assert (run.status, run.path[-1]) == ("ok", end)
    # Nothing but the worker throws these errors, so the engine is not asked after each completion.
    assert process.diagram().error_definitions == {}
    assert check([process], payments().steps) == []


def test_the_check_wants_the_errors_of_the_template_caught(charging: Modeler, tmp_path: Path) -> None:
    found = check([drawn(charging, tmp_path)], payments().steps)
    assert sorted(it.message.split("'")[1] for it in found) == ["NO_MONEY", "VALIDATION_ERROR"]


def test_an_element_is_updated_when_the_schema_has_changed(charging: Modeler, run_process: Run, tmp_path: Path) -> None:
    class Changed(Payment):
        method: fields.Field[Any] = fields.String(load_default="card", validate=validate.OneOf(["card", "iban"]))

    charging.fill("work", "amount", "${42}")
    before, later = templates(payments()), templates(payments(Changed), version=2)
    assert charging.open(charging.save(), [*later, *before]) == []
    shown = charging.panel("work")
    assert "Update available" in shown["text"]
    assert "method" not in shown["entries"]
    charging.apply("work", "celery-camunda:charge-card")
    shown = charging.panel("work")
    assert "Update available" not in shown["text"]
    # What was changed by hand stays.
    assert shown["entries"]["amount"] == "${42}"
    run = run_process(drawn(charging, tmp_path), {"status": "open"}, workers=[payments(Changed)])
    assert run.variables["receipt"]["method"] == "card"
    assert run.variables["receipt"]["amount"] == 42


def test_without_the_older_version_there_is_no_update(charging: Modeler) -> None:
    """Why a file keeps all versions."""
    assert charging.open(charging.save(), templates(payments(), version=2)) == []
    assert "not found" in charging.panel("work")["text"].lower()


def test_an_output_gets_another_name(editor: Modeler, run_process: Run, tmp_path: Path) -> None:
    assert editor.open(DRAWN, templates(payments(), all_outputs=True)) == []
    editor.apply("work", "celery-camunda:charge-card")
    editor.rename_output("work", "receipt", "firstReceipt")
    run = run_process(drawn(editor, tmp_path), {"amount": 7, "status": "open"}, workers=[payments()])
    assert run.variables["firstReceipt"]["amount"] == 7


def test_files_and_values_of_any_type_reach_the_step(editor: Modeler, run_process: Run, tmp_path: Path) -> None:
    worker = define_worker("files")

    @worker.step("read")
    def read(document: Any, mode: Literal["a", "b"], size: Literal[1, 2]) -> dict[str, Any]:
        return {"seen": [document.filename, document.read().decode(), mode, size]}

    assert editor.open(DRAWN, templates(worker)) == []
    editor.apply("work", "celery-camunda:read")
    editor.fill("work", "mode", "b")
    editor.fill("work", "size", "${2}")
    run = run_process(drawn(editor, tmp_path), {"document": File("a.txt", b"hi")}, workers=[worker])
    assert run.variables["seen"] == ["a.txt", "hi", "b", 2]


def test_applying_a_template_replaces_name_and_mappings(editor: Modeler) -> None:
    mapped = '<camunda:inputOutput><camunda:inputParameter name="old">1</camunda:inputParameter></camunda:inputOutput>'
    before = f'<task id="work" name="Mine"><extensionElements>{mapped}</extensionElements></task>'
    assert editor.open(DRAWN.replace('<task id="work"/>', before), templates(payments())) == []
    editor.apply("work", "celery-camunda:charge-card")
    saved = editor.save()
    assert 'name="old"' not in saved
    assert 'name="Mine"' not in saved


def test_the_element_names_its_template(charging: Modeler) -> None:
    root = etree.fromstring(charging.save().encode())
    (task,) = root.iter("{*}serviceTask")
    camunda = "{http://camunda.org/schema/1.0/bpmn}"
    assert task.get(f"{camunda}modelerTemplate") == "celery-camunda:charge-card"
    assert task.get(f"{camunda}modelerTemplateVersion") == "1"
