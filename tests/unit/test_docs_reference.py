"""The reference pages name everything that there is."""

from __future__ import annotations

import inspect
from dataclasses import fields

import pytest

import camunda_bridge
import celeryconfig
import store.events
from app.problems import problem_types
from camunda_bridge import StepContext, define_process
from camunda_bridge.definition import ProcessDefinition
from dev.environment import ROOT
from store.models import metadata
from tasks import app as celery_app


def page(name: str) -> str:
    return (ROOT / "docs" / "reference" / f"{name}.md").read_text()


def missing(name: str, words: list[str]) -> list[str]:
    """The words that the page does not have as code."""
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

    assert missing("error-handling", [getattr(store.events, name) for name in names]) == []


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


def test_every_table_is_named() -> None:
    assert missing("store", sorted(metadata.tables)) == []
