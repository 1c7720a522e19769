"""Processes that others deploy: no file here, each version that runs is read from the engine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from camunda_bridge import define_process, define_worker
from camunda_bridge.check import check_deployed, check_files
from camunda_bridge.client import Engine
from camunda_bridge.definition import ProcessDefinition
from camunda_bridge.deployed import DeployedDiagrams
from camunda_bridge.errors import DefinitionError, NotDeployed
from camunda_bridge.registry import Registry
from camunda_bridge.variables import to_engine
from service.engine_health import EngineContents
from tasks.broker.worker_capacity import send_heartbeat
from tasks.fetching.follow import follow
from tasks.processes import registry
from tasks.steps import run as step_module
from testkit.isolation import delete_deployments
from testkit.run import ProcessRun
from tests.contract.bpmn import call, external, process
from tests.integration.step_bench import Bench, bench, broker
from tests.integration.test_any_topic import message

__all__ = ["bench", "broker"]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def key(engine: Engine) -> Iterator[str]:
    """A process key that only this test uses; its deployments are deleted after the test."""
    key = f"legacy-{uuid4().hex[:8]}"
    yield key
    delete_deployments(engine, key)


def deploy(engine: Engine, key: str, *parts: Any) -> None:
    engine.deploy(key, {"theirs.bpmn": process(key, *parts).encode()})


def legacy(key: str, *steps: str) -> ProcessDefinition:
    declared = define_process(key, deployed=True)
    for name in steps:
        declared.step(name)(lambda given: {"done": True})
    return declared


def registered(engine: Engine, *owners: Any) -> Registry:
    found = Registry(DeployedDiagrams(lambda: engine))
    for owner in owners:
        found.add(owner)
    return found


def test_newest_version_and_those_with_running_instances_are_read(engine: Engine, key: str) -> None:
    for name in ("first", "second", "third", "fourth"):
        deploy(engine, key, external(name))
        if name in ("second", "third"):
            running = engine.start(key, name, {})
    declared = legacy(key, "fourth")

    found = registered(engine, declared).diagrams(declared)
    assert [list(diagram.topics) for diagram in found] == [["fourth"], ["third"], ["second"]]

    engine.session.request("DELETE", f"{engine.session.base_url}/process-instance/{running.id}")
    found = registered(engine, declared).diagrams(declared)
    assert [list(diagram.topics) for diagram in found] == [["fourth"], ["second"]]


def test_process_that_the_engine_does_not_have_is_named(engine: Engine, key: str) -> None:
    declared = legacy(key)
    with pytest.raises(NotDeployed, match=f"process '{key}': the engine has no version of it"):
        registered(engine, declared).diagrams(declared)


def test_process_has_no_file(key: str) -> None:
    with pytest.raises(DefinitionError, match=f"process '{key}' has no BPMN file here"):
        legacy(key).content()
    with pytest.raises(DefinitionError, match="either bpmn or deployed=True"):
        define_process(key, bpmn="x.bpmn", deployed=True)


def test_family_has_the_topics_of_workers_and_calls_in_all_running_versions(
    engine: Engine, key: str, tmp_path: Path
) -> None:
    called = ProcessDefinition(f"{key}-called", tmp_path / "called.bpmn")
    called.bpmn_path.write_text(process(called.key, external("inner")))
    called.step("inner")(lambda given: {})
    mail = define_worker(f"mail-{key}")
    mail.step(f"send-{key}")(lambda given: {})
    mail.step(f"print-{key}")(lambda given: {})

    deploy(engine, key, external("wait"), call("call", called.key, business_key=True))
    engine.start(key, "old", {})
    deploy(engine, key, external("mail", topic=f"send-{key}"))
    found = registered(engine, legacy(key, "own"), called, mail)

    topics = {topic.name for topic in found.family_topics(key)}
    assert topics == {f"{key}.own", f"{called.key}.inner", f"send-{key}"}
    assert found.is_called(called.key)


def test_new_version_is_noticed_without_a_restart(engine: Engine, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("camunda_bridge.deployed.VERSIONS_LIFETIME_S", 0.0)
    mail = define_worker(f"mail-{key}")
    mail.step(f"send-{key}")(lambda given: {})
    deploy(engine, key, external("a"))
    found = registered(engine, legacy(key, "a"), mail)
    assert {topic.name for topic in found.family_topics(key)} == {f"{key}.a"}

    deploy(engine, key, external("a"), external("mail", topic=f"send-{key}"))
    assert {topic.name for topic in found.family_topics(key)} == {f"{key}.a", f"send-{key}"}


def test_check_of_the_engine_names_version_and_element(engine: Engine, key: str) -> None:
    deploy(engine, key, external("gone"))
    engine.start(key, "old", {})
    deploy(engine, key, external("kept"))
    absent = legacy(f"{key}-absent")
    found = registered(engine, legacy(key, "kept"), absent)

    faults = check_deployed(found, DeployedDiagrams(lambda: engine))
    assert [(it.path, it.element, it.code, it.is_file) for it in faults] == [
        (absent.key, absent.key, "NOT_DEPLOYED", False),
        (f"{key} version 1 in the engine", "gone", "TOPIC_WITHOUT_HANDLER", False),
    ]
    lines = process(key, external("gone")).splitlines()
    assert 'id="gone"' in lines[faults[1].line - 1]
    assert check_files(found) == []


def test_step_of_no_version_is_found_once(engine: Engine, key: str) -> None:
    deploy(engine, key, external("a"))
    engine.start(key, "old", {})
    deploy(engine, key, external("a"), external("b"))
    found = registered(engine, legacy(key, "a", "b", "c"))

    (fault,) = check_deployed(found, DeployedDiagrams(lambda: engine))
    assert (fault.path, fault.code) == (f"{key} version 2 in the engine", "HANDLER_WITHOUT_TOPIC")
    assert f"{key}.c" in fault.message


def test_instances_of_every_version_run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "deployed", DeployedDiagrams(lambda: bench.engine))
    bench.definition.file = None
    for name in ("a", "b"):
        bench.definition.step(name)(lambda given: {"done": True})
    registry.add(bench.definition)
    send_heartbeat(bench.runtime.redis, "worker", 8, 0)
    ended = []
    for name in ("a", "b"):
        deploy(bench.engine, bench.key, external(name))
        started = bench.engine.start(bench.key, f"{bench.key}-{name}", to_engine({}))
        assert follow(bench.key, f"{bench.key}-{name}").enqueued == 1
        step_module.run_step(message(bench))
        ended.append(bench.engine.historic_instance(started.id))
    assert [instance and instance["state"] for instance in ended] == ["COMPLETED", "COMPLETED"]


def test_health_finds_it_missing_but_never_different(engine: Engine, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.engine_health.registry", registered(engine, legacy(key, "a")))
    assert EngineContents(lambda: engine).deployments().missing == [key]
    deploy(engine, key, external("a"))
    found = EngineContents(lambda: engine).deployments()
    assert (found.missing, found.different) == ([], {})


def test_testing_kit_runs_the_newest_version(engine: Engine, key: str, run_process: Callable[..., ProcessRun]) -> None:
    deploy(engine, key, external("old"))
    deploy(engine, key, external("new"))
    run = run_process(legacy(key, "new"), {})
    assert (run.status, run.steps) == ("ok", ["new"])


def test_commands_never_deploy_it_and_check_it_in_the_engine(
    engine: Engine, engine_url: str, key: str, tmp_path: Path
) -> None:
    package = tmp_path / f"made_{uuid4().hex[:8]}"
    (package / "legacy").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "legacy" / "__init__.py").touch()
    (package / "legacy" / "steps.py").write_text(
        "from camunda_bridge import define_process\n"
        f"process = define_process({key!r}, deployed=True)\n"
        "@process.step('a')\n"
        "def a(given):\n    return {}\n"
    )

    def flask(*command: str) -> tuple[int, str]:
        more = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "PROCESSES": package.name}
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "app", "process", *command],
            cwd=ROOT,
            env={**os.environ, **more, "CAMUNDA_BASE_URL": engine_url},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    assert flask("check") == (0, "0 processes, 0 faults, 0 excused\n")
    code, text = flask("check", "--engine")
    line = f"{key}:1: NOT_DEPLOYED {key} process '{key}': the engine has no version of it"
    assert (code, text.startswith(line)) == (1, True), text
    assert flask("deploy") == (0, "")
    assert flask("definitions")[1].splitlines()[1].split() == [key, "-", "missing", "0"]

    deploy(engine, key, external("a"))
    assert flask("deploy") == (0, "")
    assert flask("definitions")[1].splitlines()[1].split() == [key, "1", "none", "0"]
    assert flask("check", "--engine") == (0, "1 processes, 0 faults, 0 excused\n")
