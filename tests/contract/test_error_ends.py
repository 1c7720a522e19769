"""Facts about errors that nothing catches: the engine ends the activity that threw them, and goes on with the process.

Only history shows the error: the activity that threw it is cancelled if something catches the error, and not cancelled
if nothing catches it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.contract.bpmn import Part, boundary, call, error_end, external, on_error, process, subprocess
from tests.contract.engine import Engine

THROWN = error_end("thrown", "X")
#: expressions of a camunda:errorEventDefinition that are true when the task is completed, and when it has failed
AT_COMPLETION, AT_FAILURE = "${externalTask.errorMessage == null}", "${externalTask.errorMessage != null}"


def started(engine: Engine, *files: str) -> str:
    """Deploy the files and start the process of the test's key. Returns the instance's id."""
    engine.deploy(*files)
    return engine.start("k")


def canceled(engine: Engine, instance: str) -> dict[str, bool]:
    """Activity id -> whether it was cancelled, for all ended activities."""
    passed = engine.get("/history/activity-instance", processInstanceId=instance, finished="true")
    return {activity["activityId"]: activity["canceled"] for activity in passed}


def log(engine: Engine, task: Any) -> list[tuple[str, str | None]]:
    """Kind and worker of each entry of the task's log, oldest first."""
    entries = engine.get("/history/external-task-log", externalTaskId=task["id"])
    entries.sort(key=lambda entry: entry["timestamp"])
    kinds = ("creation", "failure", "success", "deletion")
    return [(next(kind for kind in kinds if entry[f"{kind}Log"]), entry["workerId"]) for entry in entries]


def throwing(name: str, expression: str) -> Part:
    """A task whose camunda:errorEventDefinition throws X if `expression` is true."""
    inside = f'<camunda:errorEventDefinition errorRef="error-X" expression="{expression}"/>'
    part = external(name, f"<extensionElements>{inside}</extensionElements>")
    return replace(part, roots=frozenset({'<error id="error-X" errorCode="X"/>'}))


def beside(other: str) -> Part:
    """A gateway that starts a task in parallel to the sequence that contains it."""
    return Part(
        "split",
        f'<parallelGateway id="split"/><serviceTask id="{other}" camunda:type="external" camunda:topic="{{key}}.{other}"/>'
        f'<sequenceFlow id="to-{other}" sourceRef="split" targetRef="{other}"/>',
    )


def test_an_error_end_that_nothing_catches_ends_its_token_alone(engine: Engine) -> None:
    instance = started(engine, process(engine.key, beside("p"), external("a"), THROWN))
    engine.complete(engine.fetch_one("a"))
    assert engine.history(instance)["state"] == "ACTIVE"
    engine.complete(engine.fetch_one("p"))
    assert engine.history(instance)["state"] == "COMPLETED"
    assert canceled(engine, instance)["thrown"] is False


def test_behind_a_subprocess_with_such_an_end_the_process_goes_on(engine: Engine) -> None:
    inner = subprocess("inner", external("a"), THROWN)
    instance = started(engine, process(engine.key, subprocess("outer", inner, external("b")), external("c")))
    engine.complete(engine.fetch_one("a"))
    engine.complete(engine.fetch_one("b"))
    engine.complete(engine.fetch_one("c"))
    assert engine.history(instance)["state"] == "COMPLETED"
    assert not any(canceled(engine, instance).values())
    assert engine.get("/history/incident", processInstanceId=instance) == []


@pytest.mark.parametrize("business_key", [True, False])
def test_behind_a_called_process_with_such_an_end_the_caller_goes_on(engine: Engine, business_key: bool) -> None:
    inner, outer = f"{engine.key}-inner", f"{engine.key}-outer"
    instance = started(
        engine,
        process(inner, external("a"), THROWN),
        process(outer, call("call-inner", inner, business_key=business_key)),
        process(engine.key, call("call-outer", outer, business_key=business_key), external("b")),
    )
    task = engine.fetch_one("a", key=inner)
    engine.complete(task)
    assert engine.history(task["processInstanceId"])["state"] == "COMPLETED"
    assert canceled(engine, task["processInstanceId"])["thrown"] is False
    assert canceled(engine, instance)["call-outer"] is False
    engine.complete(engine.fetch_one("b"))
    assert engine.history(instance)["state"] == "COMPLETED"


Place = Callable[[str], tuple[str, ...]]
CAUGHT: dict[str, tuple[Place, str]] = {
    "boundary event": (lambda key: (process(key, subprocess("sub", external("a"), THROWN), boundary("sub")),), ""),
    "boundary event further out": (
        lambda key: (
            process(key, subprocess("sub", subprocess("in", external("a"), THROWN)), boundary("sub", code="X")),
        ),
        "",
    ),
    "event sub-process": (lambda key: (process(key, external("a"), THROWN, on_error(code="X")),), ""),
    "boundary event of the call": (
        lambda key: (
            process(f"{key}-child", external("a"), THROWN),
            process(key, call("call", f"{key}-child", business_key=False), boundary("call")),
        ),
        "-child",
    ),
    "event sub-process of the caller": (
        lambda key: (
            process(f"{key}-child", external("a"), THROWN),
            process(key, call("call", f"{key}-child", business_key=False), on_error()),
        ),
        "-child",
    ),
}


@pytest.mark.parametrize("by", CAUGHT)
def test_an_error_end_that_something_catches_is_cancelled(engine: Engine, by: str) -> None:
    files, of = CAUGHT[by]
    instance = started(engine, *files(engine.key))
    task = engine.fetch_one("a", key=engine.key + of)
    engine.complete(task)
    assert canceled(engine, task["processInstanceId"])["thrown"] is True
    assert engine.history(instance)["state"] == "COMPLETED"
    if of:
        assert engine.history(task["processInstanceId"])["state"] == "INTERNALLY_TERMINATED"
        assert canceled(engine, instance)["call"] is True


def test_an_error_end_in_an_event_subprocess_is_not_caught_by_it(engine: Engine) -> None:
    instance = started(engine, process(engine.key, external("a"), on_error(THROWN, code="X")))
    engine.bpmn_error(engine.fetch_one("a"), "X")
    assert engine.history(instance)["state"] == "COMPLETED"
    ended = canceled(engine, instance)
    assert (ended["a"], ended["thrown"]) == (True, False)


def test_an_event_subprocess_catches_what_comes_out_of_a_process_that_it_calls(engine: Engine) -> None:
    child = f"{engine.key}-child"
    again = on_error(external("s"), call("call", child, business_key=False), code="X")
    started(engine, process(child, external("c")), process(engine.key, external("a"), again))
    engine.bpmn_error(engine.fetch_one("a"), "X")
    engine.complete(engine.fetch_one("s"))
    engine.bpmn_error(engine.fetch_one("c", key=child), "X")
    assert engine.fetch_one("s")


def test_the_innermost_event_that_fits_catches_even_without_a_code(engine: Engine) -> None:
    inner = subprocess("inner", external("a"))
    outer = subprocess("outer", inner, boundary("inner", external("any")))
    started(engine, process(engine.key, outer, boundary("outer", external("exact"), code="X")))
    engine.bpmn_error(engine.fetch_one("a"), "X")
    assert engine.fetch_one("any")
    assert engine.fetch("exact") == []


def test_an_error_of_a_task_that_nothing_catches_leaves_its_activity_uncancelled(engine: Engine) -> None:
    instance = started(engine, process(engine.key, subprocess("sub", external("a")), external("b")))
    task = engine.fetch_one("a")
    engine.bpmn_error(task, "X")
    assert log(engine, task) == [("creation", None), ("deletion", "w1")]
    assert canceled(engine, instance)["a"] is False
    assert engine.fetch_one("b")


@pytest.mark.parametrize("is_caught", [True, False])
def test_a_completion_that_becomes_an_error_is_logged_as_a_deletion(engine: Engine, is_caught: bool) -> None:
    catching = [boundary("a", external("h"), code="X")] if is_caught else []
    instance = started(engine, process(engine.key, throwing("a", AT_COMPLETION), *catching, external("b")))
    task = engine.fetch_one("a")
    engine.complete(task)
    assert log(engine, task) == [("creation", None), ("deletion", "w1")]
    assert canceled(engine, instance)["a"] is is_caught
    assert engine.history(instance)["state"] == ("ACTIVE" if is_caught else "COMPLETED")
    assert [bool(engine.fetch(name)) for name in ("h", "b")] == [is_caught, False]


@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("is_caught", [True, False])
def test_a_failure_that_becomes_an_error_is_no_failure_and_no_incident(
    engine: Engine, is_caught: bool, retries: int
) -> None:
    catching = [boundary("a", external("h"), code="X")] if is_caught else []
    instance = started(engine, process(engine.key, throwing("a", AT_FAILURE), *catching))
    task = engine.fetch_one("a")
    engine.fail(task, retries=retries)
    assert log(engine, task) == [("creation", None), ("deletion", "w1")]
    assert engine.get("/history/incident", processInstanceId=instance) == []
    assert canceled(engine, instance)["a"] is is_caught
    assert engine.history(instance)["state"] == ("ACTIVE" if is_caught else "COMPLETED")


def test_where_the_expression_does_not_hold_all_is_as_without_it(engine: Engine) -> None:
    instance = started(engine, process(engine.key, throwing("a", AT_FAILURE), throwing("b", AT_COMPLETION)))
    first = engine.fetch_one("a")
    engine.complete(first)
    assert log(engine, first) == [("creation", None), ("success", "w1")]
    second = engine.fetch_one("b")
    engine.fail(second, retries=0)
    assert log(engine, second) == [("creation", None), ("failure", "w1")]
    assert [found["activityId"] for found in engine.get("/incident", processInstanceId=instance)] == ["b"]


def test_an_expression_that_cannot_be_evaluated_refuses_a_completion_and_no_failure(engine: Engine) -> None:
    instance = started(engine, process(engine.key, throwing("a", "${unknown}")))
    task = engine.fetch_one("a")
    status, _, message = engine.refused("POST", f"/external-task/{task['id']}/complete", json={"workerId": "w1"})
    assert (status, "Unknown property" in message) == (500, True)
    engine.fail(task, retries=0)
    assert [found["activityId"] for found in engine.get("/incident", processInstanceId=instance)] == ["a"]


def test_a_terminate_end_ends_its_scope_and_the_process_goes_on_behind_it(engine: Engine) -> None:
    end = Part("stop", '<endEvent id="stop"><terminateEventDefinition/></endEvent>')
    instance = started(engine, process(engine.key, subprocess("sub", beside("p"), external("a"), end), external("b")))
    engine.complete(engine.fetch_one("a"))
    assert engine.fetch("p") == []
    engine.complete(engine.fetch_one("b"))
    ended = canceled(engine, instance)
    assert (ended["stop"], ended["p"], ended["sub"]) == (False, True, False)
    assert engine.history(instance)["state"] == "COMPLETED"
