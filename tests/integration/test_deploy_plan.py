"""`flask process deploy --dry-run` shows what would change, and names running instances and steps without a handler."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest

from camunda_bridge.client import Engine
from camunda_bridge.engine.locked_task import Topic
from camunda_bridge.locks import new_token
from service.scaffold import write_process
from testkit.isolation import delete_deployments
from tests.contract.bpmn import Part, external, process, timer
from tests.integration.test_process_deploy import DMN, flask, made
from tests.support.doc_blocks import blocks_of

REFUSED = "a step has no handler; with --strict nothing is deployed"
EXCUSED = (
    '<extensionElements><camunda:properties><camunda:property name="ignore:TOPIC_WITHOUT_HANDLER" value="SAP does it"/>'
    "</camunda:properties></extensionElements>"
)
LAYOUT = (
    '<bpmndi:BPMNDiagram xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI"'
    ' xmlns:dc="http://www.omg.org/spec/DD/20100524/DC"><bpmndi:BPMNPlane bpmnElement="{key}"><bpmndi:BPMNShape bpmnElement="pay">'
    '<dc:Bounds x="{x}" y="1" width="9" height="9"/></bpmndi:BPMNShape></bpmndi:BPMNPlane></bpmndi:BPMNDiagram>'
    "</definitions>"
)


@dataclass(frozen=True)
class Package:
    """A package with one process, which the test deploys and changes."""

    key: str
    engine: Engine
    engine_url: str
    parent: Path
    name: str
    folder: Path

    @property
    def bpmn(self) -> Path:
        return self.folder / f"{self.folder.name}.bpmn"

    def draw(self, *parts: Part) -> None:
        self.bpmn.write_text(process(self.key, *parts))

    def handle(self, *steps: str) -> None:
        """Let the code have handlers of these steps, and no others."""
        lines = ["from camunda_bridge import define_process", f'process = define_process("{self.key}")']
        lines += [f'process.step("{step}")(lambda given: given)' for step in steps]
        (self.folder / "steps.py").write_text("\n".join(lines))

    def run(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        done = flask(self.parent, self.name, self.engine_url, "deploy", *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout, done.stderr

    def start(self, count: int = 1) -> None:
        for _ in range(count):
            self.engine.start(self.key, uuid4().hex, {})

    def versions(self) -> int:
        return len(self.engine.session.get("/process-definition", key=self.key))


@pytest.fixture
def package(engine: Engine, engine_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    """A package whose deployments are deleted after the test."""
    key, name = f"planned-{uuid4().hex[:8]}", made(tmp_path, monkeypatch)
    found = Package(key, engine, engine_url, tmp_path, name, write_process(key, name, ()))
    found.draw(external("pay"), external("ship"))
    found.handle("pay", "ship")
    yield found
    delete_deployments(engine, key)


def test_nothing_is_deployed_and_each_state_has_its_line(package: Package) -> None:
    key = package.key
    assert package.run("--dry-run") == (f"{key}: would deploy version 1, 8 elements\n", "")
    assert package.versions() == 0
    package.run()
    assert package.run("--dry-run", "--exit-code") == (f"{key}: unchanged, version 1\n", "")

    package.draw(external("pay", taskPriority="5"), external("ship"))
    shown = f"{key}: would deploy version 2, before 1\n  ~ pay: taskPriority=5 added\n"
    assert package.run("--dry-run") == (shown, "")
    assert package.run("--dry-run", "--exit-code", code=1) == (shown, "")
    assert package.versions() == 1


def test_instances_at_removed_and_changed_elements_are_counted_by_version(package: Package) -> None:
    key = package.key
    package.run()
    package.start(2)
    package.draw(external("pay"), external("pack"))
    package.handle("pay", "pack", "ship")
    package.run()
    package.start(1)
    package.draw(external("bill", topic="{key}.pay"), timer("pack", "PT1H"))

    assert package.run("--dry-run")[0].splitlines() == [
        f"{key}: would deploy version 3, before 2",
        f"  + serviceTask bill topic={key}.pay",
        "  ~ pack: kind serviceTask → intermediateCatchEvent",
        "  ~ pack: type=external removed",
        f"  ~ pack: topic={key}.pack removed",
        "  ~ pack: timeDuration=PT1H added",
        "  + sequenceFlow process-start-to-bill process-start → bill",
        "  + sequenceFlow bill-to-pack bill → pack",
        f"  - serviceTask pay topic={key}.pay",
        "  - sequenceFlow process-start-to-pay process-start → pay",
        "  - sequenceFlow pay-to-pack pay → pack",
        "  version 2: 1 running instance; 1 at pay, which is removed",
        "  version 1: 2 running instances; 2 at pay, which is removed",
    ]
    package.draw(external("pay", topic="{key}.pack"), external("pack"))
    assert package.run("--dry-run")[0].splitlines() == [
        f"{key}: would deploy version 3, before 2",
        f"  ~ pay: topic {key}.pay → {key}.pack",
        "  version 2: 1 running instance; 1 at pay, which gets another topic",
        "  version 1: 2 running instances; 2 at pay, which gets another topic",
    ]
    assert package.versions() == 2


def test_step_of_a_running_version_without_handler_is_a_warning_and_strict_refuses(package: Package) -> None:
    key = package.key
    package.run()
    package.start(1)
    package.draw(external("pay"))
    # The code has handlers for the new diagram only.
    package.handle("pay")
    named = f"version 1 with 1 running instance: no handler for {key}.ship (step ship), 0 there now"

    out, err = package.run("--dry-run")
    assert (out.splitlines()[-1], err) == (f"  ! {named}", "")
    out, err = package.run("--dry-run", "--strict", code=1)
    assert (out.splitlines()[-1], err) == (f"  ! {named}", f"Error: {REFUSED}\n")
    assert package.run("--strict", code=1) == ("", f"Warning: {key}: {named}\nError: {REFUSED}\n")
    assert package.versions() == 1

    assert package.run() == (f"{key}: deployed version 2, before 1\n", f"Warning: {key}: {named}\n")
    # The package has not changed since, and the instance of version 1 still comes to the step.
    assert package.run("--strict", code=1)[1] == f"Warning: {key}: {named}\nError: {REFUSED}\n"
    (task,) = package.engine.fetch_and_lock(
        [Topic(f"{key}.pay")], token=(token := new_token()), lock_duration_ms=60_000, max_tasks=1
    )
    package.engine.complete(task.id, token, {})
    assert package.run("--dry-run")[0].splitlines()[1] == f"  ! {named.replace('0 there', '1 there')}"
    package.handle("pay", "ship")
    assert package.run("--strict") == (f"{key}: unchanged, version 2\n", "")


def test_step_of_the_new_diagram_without_handler_is_a_warning_unless_it_is_excused(package: Package) -> None:
    key = package.key
    package.handle("pay")
    named = f"no handler for {key}.ship (step ship); the tasks of these topics are not fetched"
    assert package.run("--dry-run")[0] == f"{key}: would deploy version 1, 8 elements\n  ! {named}\n"
    assert package.run("--strict", code=1) == ("", f"Warning: {key}: {named}\nError: {REFUSED}\n")
    assert package.versions() == 0

    package.draw(external("pay"), external("ship", EXCUSED))
    assert package.run("--strict") == (f"{key}: deployed version 1\n", "")
    # Also in the engine, where it waits for somebody else's worker.
    package.start(1)
    assert package.run("--strict") == (f"{key}: unchanged, version 1\n", "")


def test_json_document_has_everything(package: Package) -> None:
    key, file = package.key, package.bpmn.name
    package.run()
    package.start(1)
    package.draw(external("pay", topic="{key}.charge"), external("ship"))
    package.handle("ship")
    document = json.loads(package.run("--dry-run", "--json")[0])
    assert document == {
        "isChanged": True,
        "faults": [],
        "packages": [
            {
                "name": package.folder.name,
                "isChanged": True,
                "files": [{"change": "changed", "name": file}],
                "processes": [
                    {
                        "key": key,
                        "change": "changed",
                        "version": 1,
                        "file": file,
                        "isFileChanged": True,
                        "elements": [
                            {
                                "change": "changed",
                                "id": "pay",
                                "kind": "serviceTask",
                                "name": "",
                                "facts": [{"name": "topic", "before": f"{key}.pay", "after": f"{key}.charge"}],
                            }
                        ],
                        "other": [],
                        "unhandled": [{"element": "pay", "topic": f"{key}.charge", "instances": 0}],
                        "running": [
                            {
                                "number": 1,
                                "instances": 1,
                                "places": [{"element": "pay", "instances": 1, "why": "topic"}],
                                "unhandled": [{"element": "pay", "topic": f"{key}.pay", "instances": 1}],
                                "fault": "",
                            }
                        ],
                        "fault": "",
                    }
                ],
            }
        ],
    }


def test_process_that_leaves_its_package_is_named_with_its_running_instances(package: Package) -> None:
    key, second = package.key, f"{package.key}-second"
    other = package.folder / "second.bpmn"
    other.write_text(process(second, external("look", topic=f"{key}.ship")))
    package.run()
    package.engine.start(second, uuid4().hex, {})
    other.unlink()

    out, _ = package.run("--dry-run")
    assert out.splitlines() == [
        f"{key}: would deploy version 2, before 1; its file is the same, its package differs",
        f"{second}: no longer in its package, version 1 stays in the engine",
        "  version 1: 1 running instance",
        f"files of the package {package.folder.name}:",
        "  - second.bpmn",
    ]


def test_deployment_by_hand_is_what_is_compared(package: Package) -> None:
    key, engine = package.key, package.engine
    package.run()
    content = process(key, external("pay", taskPriority="7"), external("ship"))
    engine.deploy(f"{key}-by-hand", {"theirs.bpmn": content.encode()})
    try:
        assert package.run("--dry-run")[0].splitlines() == [
            f"{key}: would deploy version 3, before 2",
            "  ~ pay: taskPriority=7 removed",
            f"files of the package {package.folder.name}:",
            f"  + {package.bpmn.name}",
            "  - theirs.bpmn",
        ]
    finally:
        delete_deployments(engine, f"{key}-by-hand")


def test_process_that_others_deploy_is_left_out(package: Package) -> None:
    theirs = f"{package.key}-theirs"
    steps = package.folder / "steps.py"
    steps.write_text(f'{steps.read_text()}\nother = define_process("{theirs}", deployed=True)')
    assert package.run("--dry-run")[0] == f"{package.key}: would deploy version 1, 8 elements\n"


def test_invalid_package_is_named_and_the_others_are_shown(package: Package) -> None:
    bpmn = next(write_process("broken", package.name, ()).glob("*.bpmn"))
    bpmn.write_text("<broken")
    out, err = package.run("--dry-run", code=1)
    assert out == f"{package.key}: would deploy version 1, 8 elements\n"
    assert err.startswith("Error: process 'broken': broken.bpmn: the file is not XML"), err


@pytest.mark.parametrize("option", ["--json", "--exit-code"])
def test_options_of_the_dry_run_are_refused_without_it(package: Package, option: str) -> None:
    assert f"{option} needs --dry-run" in package.run(option, code=2)[1]
    assert package.versions() == 0


def test_unavailable_engine_has_an_exit_code_of_its_own(package: Package) -> None:
    out, err = replace(package, engine_url="http://127.0.0.1:1/engine-rest").run("--dry-run", "--json", code=7)
    assert (out, "Error: no connection to 127.0.0.1:1" in err) == ("", True), err


def test_example_of_the_page_of_commands_is_what_the_command_prints(package: Package) -> None:
    key, name = package.key, package.folder.name
    shown = next(block for block in blocks_of("docs/reference/package-commands.md") if "prices.dmn" in block.text)
    # The package as `flask process new` writes it.
    other = f"{key}-new"
    new = replace(package, key=other, folder=write_process(other, package.name, ()))
    shutil.rmtree(package.folder)
    try:
        new.run()
        new.start(2)
        diagram, steps = new.bpmn.read_text(), new.folder / "steps.py"
        for attribute in ("id", "attachedToRef", "sourceRef", "targetRef"):
            diagram = diagram.replace(f'{attribute}="do-work"', f'{attribute}="rent"')
        new.bpmn.write_text(diagram.replace(f'topic="{other}.do-work"', f'topic="{other}.rent"'))
        steps.write_text(steps.read_text().replace('"do-work"', '"rent"'))
        (new.folder / "prices.dmn").write_text(DMN.format(key=other, value=1))

        out, _ = new.run("--dry-run")
        assert out.replace(other, "rent-bike").replace(f"{name}_new", "rent_bike") == f"{shown.text.strip()}\n"
    finally:
        delete_deployments(package.engine, other)


def test_layout_white_space_and_other_parts_are_told_from_elements(package: Package) -> None:
    key = package.key
    folder = package.folder
    package.bpmn.write_text(package.bpmn.read_text().replace("</definitions>", LAYOUT.format(key=key, x=1)))
    package.run()
    before = package.bpmn.read_text()

    package.bpmn.write_text(before.replace('x="1"', 'x="2"'))
    assert package.run("--dry-run")[0] == f"{key}: would deploy version 2, before 1; only the layout differs\n"
    package.bpmn.write_text(before.replace("<serviceTask", "\n<!-- new --><serviceTask"))
    assert package.run("--dry-run")[0] == (
        f"{key}: would deploy version 2, before 1; only white space, comments or the order of elements differ\n"
    )
    package.bpmn.write_text(before.replace("<process", '<signal id="s"/><process'))
    assert package.run("--dry-run")[0] == f"{key}: would deploy version 2, before 1; no element differs, but signal\n"

    package.bpmn.write_text(before)
    (folder / "rules.dmn").write_text(DMN.format(key=key, value=1))
    assert package.run("--dry-run")[0] == (
        f"{key}: would deploy version 2, before 1; its file is the same, its package differs\n"
        f"files of the package {folder.name}:\n"
        "  + rules.dmn\n"
    )
    package.run()
    (folder / "rules.dmn").write_text(DMN.format(key=key, value=2))
    assert package.run("--dry-run")[0].endswith("\n  ~ rules.dmn\n")
    (folder / "rules.dmn").unlink()
    assert package.run("--dry-run")[0].endswith("\n  - rules.dmn\n")
