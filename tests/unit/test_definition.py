"""Declaring processes: one folder a process, and errors that name the mistake at the declaration."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from marshmallow import Schema, fields

from camunda_bridge.context import CONTEXT_VARIABLE, StepContext
from camunda_bridge.definition import ProcessDefinition, define_process
from camunda_bridge.errors import DefinitionError
from camunda_bridge.loading import load_processes
from camunda_bridge.registry import Registry

BPMN = (
    '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" '
    'xmlns:camunda="http://camunda.org/schema/1.0/bpmn"><process id="{key}" isExecutable="true">{body}</process>'
    "</definitions>"
)


def declare(folder: Path, key: str, *topics: str, calls: tuple[str, ...] = ()) -> ProcessDefinition:
    """Declare a process in `folder`, with one external task for each topic."""
    body = "".join(
        f'<serviceTask id="{topic}" camunda:type="external" camunda:topic="{topic}"/>' for topic in topics
    ) + "".join(f'<callActivity id="call-{called}" calledElement="{called}"/>' for called in calls)
    path = folder / f"{key}.bpmn"
    path.write_text(BPMN.format(key=key, body=body))
    return ProcessDefinition(key, path)


CONTEXT = StepContext("c", "t", "i", "charge", 1, "k")


def handler(given: dict[str, Any]) -> Any:
    return given


class Input(Schema):
    amount = fields.Integer()
    named = fields.String(data_key="otherName")
    userId = fields.String()


def test_step_has_the_topic_of_its_process_and_the_given_facts() -> None:
    process = define_process("order", process_name="Orders", originating_system="shop")

    def charge(given: dict[str, Any], context: StepContext) -> Any:
        return given, context

    declared = process.step(
        "charge", order=2, retries=5, http_method="POST", endpoint="/charge", target_system="bank", outcome="ok"
    )(charge)
    assert declared is charge
    step = process.steps["order.charge"]
    assert (step.topic, step.order, step.retries, step.outcome) == ("order.charge", 2, 5, "ok")
    assert (step.process_name, step.originating_system, step.target_system) == ("Orders", "shop", "bank")
    assert step.call({"a": 1}, CONTEXT) == ({"a": 1}, CONTEXT)
    assert process.queue == "steps.order"


def test_handler_of_one_parameter_takes_no_context() -> None:
    process = define_process("order")
    process.step("charge")(handler)
    assert process.steps["order.charge"].call({"a": 1}, CONTEXT) == {"a": 1}


def test_step_has_the_topic_that_it_names_and_takes_it_of_its_own_process_alone() -> None:
    process = define_process("order")
    process.step("charge", topic="charge-card")(handler)
    process.step("ship")(handler)
    charge, ship = process.steps["charge-card"], process.steps["order.ship"]
    assert (charge.name, charge.topic) == ("charge", "charge-card")
    assert process.topic(charge).process_keys == ("order",)
    # Nobody else has a topic of this name.
    assert process.topic(ship).process_keys is None


@pytest.mark.parametrize("again", [{"name": "charge"}, {"name": "other", "topic": "charge-card"}])
def test_name_or_topic_that_a_step_has_already_is_refused(again: dict[str, str]) -> None:
    process = define_process("order")
    process.step("charge", topic="charge-card")(handler)
    with pytest.raises(DefinitionError, match="is declared twice"):
        process.step(**again)(handler)


def test_bpmn_file_is_beside_the_module_that_declares() -> None:
    assert define_process("new-order").bpmn_path == Path(__file__).parent / "new_order.bpmn"
    assert define_process("new-order", bpmn="x.bpmn").bpmn_path == Path(__file__).parent / "x.bpmn"


def test_step_declared_twice_is_refused() -> None:
    process = define_process("order")
    process.step("charge")(handler)
    with pytest.raises(DefinitionError, match=r"'order\.charge' is declared twice"):
        process.step("charge")(handler)


@pytest.mark.parametrize("options", [{"retries": -1}, {"retry_base_s": -0.1}])
def test_negative_numbers_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match=r"'charge'.*must not be negative"):
        define_process("order").step("charge", **options)


def test_bpmn_file_of_another_process_is_refused(tmp_path: Path) -> None:
    process = declare(tmp_path, "order")
    process.bpmn_path.write_text(BPMN.format(key="other", body=""))
    with pytest.raises(DefinitionError, match=r"'order'.*order\.bpmn.*'other'"):
        process.diagram()


def test_missing_or_broken_bpmn_file_is_refused_by_name(tmp_path: Path) -> None:
    process = ProcessDefinition("order", tmp_path / "order.bpmn")
    with pytest.raises(DefinitionError, match=r"'order'.*order\.bpmn"):
        process.diagram()
    process.bpmn_path.write_text("<definitions>")
    with pytest.raises(DefinitionError, match=r"'order'.*order\.bpmn.*is not XML"):
        process.diagram()


def test_topic_asks_for_what_the_schema_names_and_what_travels_with_every_process(tmp_path: Path) -> None:
    process = declare(tmp_path, "order")
    process.step("charge", input_schema=Input)(handler)
    topic = process.topic(process.steps["order.charge"])
    assert topic.variables is not None
    assert list(topic.variables[:3]) == ["amount", "otherName", "userId"]
    expected = {"customerId", "orderId", "accountId", "errorCode", "errorMessage", "errorType", CONTEXT_VARIABLE}
    assert expected < set(topic.variables)
    assert len(topic.variables) == len(set(topic.variables))


def test_topic_of_a_step_without_schema_asks_for_everything(tmp_path: Path) -> None:
    process = declare(tmp_path, "order")
    process.step("charge")(handler)
    assert process.topic(process.steps["order.charge"]).variables is None


def test_registry_finds_steps_by_topic(tmp_path: Path) -> None:
    registry = Registry()
    process = declare(tmp_path, "order", "order.charge")
    process.step("charge")(handler)
    registry.add(process)
    assert registry.find("order.charge") == (process, process.steps["order.charge"])
    assert registry.find("order.other") is None
    assert list(registry) == [process]
    assert [topic.name for topic in registry.topics()] == ["order.charge"]


def test_key_declared_twice_is_refused(tmp_path: Path) -> None:
    registry = Registry()
    process = declare(tmp_path, "order")
    registry.add(process)
    registry.add(process)
    with pytest.raises(DefinitionError, match="'order' is declared twice"):
        registry.add(declare(tmp_path, "order"))


def test_topic_of_two_processes_is_refused(tmp_path: Path) -> None:
    registry = Registry()
    first, second = declare(tmp_path, "a"), declare(tmp_path, "a.b")
    first.step("b.c")(handler)
    second.step("c")(handler)
    registry.add(first)
    with pytest.raises(DefinitionError, match=r"'a\.b\.c'"):
        registry.add(second)


def test_topics_of_the_bpmn_file_without_a_handler_are_found(tmp_path: Path) -> None:
    registry = Registry()
    order = declare(tmp_path, "order", "order.charge", "order.pack", "shared.mail", "stock.count")
    order.step("charge")(handler)
    stock = declare(tmp_path, "stock", "stock.count")
    stock.step("count")(handler)
    registry.add(order)
    registry.add(stock)
    assert registry.unhandled_topics() == {"order": ["order.pack", "shared.mail"]}


def test_family_has_the_topics_of_all_called_processes(tmp_path: Path) -> None:
    registry = Registry()
    calls = {"order": ("pay", "nobody", "${which}"), "pay": ("bank", "order"), "bank": (), "other": ("order",)}
    for key, called in calls.items():
        process = declare(tmp_path, key, f"{key}.run", calls=called)
        process.step("run")(handler)
        registry.add(process)

    def family(key: str) -> set[str]:
        return {topic.name for topic in registry.family_topics(key)}

    assert family("order") == {"order.run", "pay.run", "bank.run"}
    assert family("bank") == {"bank.run"}
    assert family("other") == {"other.run", "order.run", "pay.run", "bank.run"}
    assert family("nobody") == set()


def test_family_grows_with_the_registry(tmp_path: Path) -> None:
    registry = Registry()
    for key, called in (("order", ("pay",)), ("pay", ())):
        process = declare(tmp_path, key, calls=called)
        process.step("run")(handler)
        registry.add(process)
        names = {topic.name for topic in registry.family_topics("order")}
    assert names == {"order.run", "pay.run"}


# -- packages


STEPS = """
from camunda_bridge import define_process
process = define_process("{key}")

@process.step("run")
def run(given):
    return None
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the import path; modules that were imported from it are removed after the test."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def add_package(folder: Path, name: str, steps: str | None) -> None:
    package = folder / name
    package.mkdir(parents=True)
    for parent in (package, package.parent):
        (parent / "__init__.py").touch()
    if steps is not None:
        (package / "steps.py").write_text(textwrap.dedent(steps))


def test_every_sub_package_is_a_process(packages: Path) -> None:
    add_package(packages / "mine_a", "one", STEPS.format(key="one"))
    add_package(packages / "mine_a", "two", STEPS.format(key="two"))
    (packages / "mine_a" / "helper.py").write_text("raise RuntimeError")
    registry = load_processes(["mine_a"], Registry())
    assert set(registry.processes) == {"one", "two"}
    assert registry.processes["one"].bpmn_path == packages / "mine_a" / "one" / "one.bpmn"


def test_same_key_in_two_packages_is_refused(packages: Path) -> None:
    add_package(packages / "mine_b", "one", STEPS.format(key="same"))
    add_package(packages / "yours_b", "two", STEPS.format(key="same"))
    registry = load_processes(["mine_b", "yours_b"], Registry())
    assert list(registry.processes) == ["same"]
    [fault] = registry.faults
    assert str(fault) == (
        f"yours_b.two.steps ({packages}/yours_b/two/steps.py): process 'same' is declared twice, "
        "the other is process 'same' of mine_b.one.steps"
    )


def test_missing_package_is_named() -> None:
    [fault] = load_processes(["no_such_package"], Registry()).faults
    assert "PROCESSES names 'no_such_package', which cannot be imported" in str(fault)


def test_module_that_is_no_package_is_named() -> None:
    [fault] = load_processes(["textwrap"], Registry()).faults
    assert "PROCESSES names 'textwrap', which is a module; it must be a package" in str(fault)


def test_sub_package_without_steps_is_named(packages: Path) -> None:
    add_package(packages / "mine_c", "one", None)
    [fault] = load_processes(["mine_c"], Registry()).faults
    assert str(fault) == (
        f"mine_c.one.steps ({packages}/mine_c/one/steps.py): ModuleNotFoundError: No module named 'mine_c.one.steps'"
    )


def test_sub_package_that_declares_no_process_is_named(packages: Path) -> None:
    add_package(packages / "mine_d", "one", "x = 1")
    [fault] = load_processes(["mine_d"], Registry()).faults
    assert str(fault).startswith(f"mine_d.one.steps ({packages}/mine_d/one/steps.py): declares no process")


@pytest.mark.parametrize(
    ("steps", "line", "reason"),
    [
        ("\nimport no_such_module_at_all", 2, "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("\n\nx = (", 3, "SyntaxError: '(' was never closed"),
        ("def f():\n    return 1 / 0\nf()", 2, "ZeroDivisionError: division by zero"),
        (
            "from camunda_bridge import define_process\np = define_process('a')\np.step('b', retries=-1)",
            3,
            "step 'b': retries and retry_base_s must not be negative",
        ),
    ],
)
def test_package_that_fails_is_named_with_its_line_and_the_others_are_loaded(
    packages: Path, steps: str, line: int, reason: str
) -> None:
    add_package(packages / "mine_e", "bad", steps)
    add_package(packages / "mine_e", "good", STEPS.format(key="good"))
    registry = load_processes(["mine_e"], Registry())
    assert list(registry.processes) == ["good"]
    [fault] = registry.faults
    assert str(fault) == f"mine_e.bad.steps ({packages}/mine_e/bad/steps.py, line {line}): {reason}"


def test_example_process_is_declared_as_its_bpmn_file_is() -> None:
    registry = load_processes(["processes"], Registry())
    process = registry.processes["onboard-user"]
    assert registry.unhandled_topics() == {}
    assert set(process.diagram().topics.values()) == set(process.steps)
    assert [step.order for step in process.steps.values()] == [1, 2, 3, 4, 5]
    assert [step.name for step in process.steps.values() if step.outcome] == ["prepare-response", "handle-error"]
    assert process.start_schema is not None
    assert process.start_schema.validate(process.example) == {}
