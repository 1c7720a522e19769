"""The reference pages name all public names, arguments, problems, tasks, queues, keys and tables."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields

import pytest

import camunda_bridge
import celeryconfig
import store.event_rows
from app.commands.process import COMMANDS
from app.responses.problem_types import problem_types
from camunda_bridge import StepContext, define_process
from camunda_bridge.definition import ProcessDefinition
from dev.environment import ROOT
from store.models import metadata
from tasks import app as celery_app


def page(name: str) -> str:
    return (ROOT / "docs" / "reference" / f"{name}.md").read_text()


def missing(name: str, words: list[str]) -> list[str]:
    """Those of the words that the page does not contain as code."""
    text = page(name)
    return [word for word in words if f"`{word}`" not in text and f"`{word}." not in text and f"`{word}(" not in text]


def test_every_public_name_of_the_bridge_is_explained() -> None:
    assert missing("definitions-and-decorators", list(camunda_bridge.__all__)) == []


@pytest.mark.parametrize("function", [define_process, ProcessDefinition.step])
def test_every_argument_of_a_definition_is_explained(function: object) -> None:
    arguments = [name for name in inspect.signature(function).parameters if name != "self"]  # type: ignore[arg-type]

    assert missing("definitions-and-decorators", arguments) == []


def test_every_field_of_the_step_context_is_explained() -> None:
    assert missing("definitions-and-decorators", [item.name for item in fields(StepContext)]) == []


def test_every_command_for_packages_is_listed() -> None:
    assert missing("package-commands", [str(command.name) for command in COMMANDS]) == []


def test_every_kind_of_problem_is_listed_under_its_status() -> None:
    lines = page("error-handling").splitlines()
    wrong = [
        f"{kind.status} {name}"
        for name, kind in problem_types().items()
        if not any(f"`{name}`" in line and str(kind.status) in line.split("|")[1] for line in lines if line[:1] == "|")
    ]

    assert wrong == []


def test_every_phase_of_an_attempt_is_explained() -> None:
    names = ("STARTED", "COMPLETING", "COMPLETED", "BPMN_ERROR", "FAILED", "LOST", "OUTCOME_UNKNOWN", "OPS")

    assert missing("error-handling", [getattr(store.event_rows, name) for name in names]) == []


def test_every_task_is_listed_with_its_queue() -> None:
    celery_app.loader.import_default_modules()
    ours = [name for name in celery_app.tasks if not name.startswith("celery.")]
    lines = page("tasks-and-queues").splitlines()
    wrong = []
    for name in ours:
        queue = "steps.<process key>" if name == "run_step" else celeryconfig.task_routes[name]["queue"]
        if not any(line.startswith(f"| `{name}` | `{queue}` |") for line in lines):
            wrong.append(f"{name} on {queue}")

    assert wrong == []


def test_every_queue_is_listed() -> None:
    names = [queue.name for queue in celeryconfig.task_queues if not queue.name.startswith("steps.")]

    assert missing("tasks-and-queues", names) == []


def test_names_in_flower_are_those_that_messages_carry() -> None:
    shadows = set(re.findall(r'shadow=f?"([^"]+)"', (ROOT / "tasks" / "broker" / "publish.py").read_text()))
    shown = [
        re.sub(r"\{.*?(topic|process_key).*?\}", lambda it: f"<{it[1].replace('_', ' ')}>", name) for name in shadows
    ]

    assert len(shown) == 5
    assert missing("tasks-and-queues", shown) == []


def keys_of_the_code() -> set[str]:
    """The fixed part of each Redis key of the code, after the project's prefix."""
    found = set()
    for path in (*ROOT.glob("tasks/**/*.py"), *ROOT.glob("app/**/*.py")):
        if "KEY_PREFIX = " not in (text := path.read_text()) or "celery-camunda:" in text:
            found |= set(re.findall(r'KEY_PREFIX(?:\}| \+ f?")([a-z:-]+)', text))
    return found


def test_every_key_in_redis_is_explained() -> None:
    named = set(re.findall(r"`celery-camunda:([a-z:-]+)", page("tasks-and-queues")))
    in_code = keys_of_the_code()

    assert {"workers", "topics", "topic:", "log-missing", "webhook-"} <= in_code
    pairs = {(key, name) for key in in_code for name in named if name.startswith(key) or key.startswith(name)}
    assert in_code - {key for key, _ in pairs} == set()
    assert named - {name for _, name in pairs} == set()


def test_every_module_of_the_store_is_named() -> None:
    modules = [f"store.{path.stem}" for path in (ROOT / "store").glob("*.py") if path.stem != "__init__"]

    assert missing("store", modules) == []


def test_every_table_is_named() -> None:
    assert missing("store", sorted(metadata.tables)) == []
