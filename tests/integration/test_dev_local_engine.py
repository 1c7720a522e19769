"""A killed local engine keeps all that it has confirmed, and the log has no conflicts."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from dev import children, local_engine
from dev.children import ChildError
from dev.local_engine import LocalEngine
from dev.ports import free_port

BPMN = """<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn"
             targetNamespace="test">
  <process id="kept" isExecutable="true">
    <startEvent id="start"/>
    <sequenceFlow id="a" sourceRef="start" targetRef="work"/>
    <serviceTask id="work" camunda:type="external" camunda:topic="kept.work"/>
  </process>
</definitions>"""

BRANCHES = 4
MEETING = f"""<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn"
             targetNamespace="test">
  <process id="meeting" isExecutable="true">
    <startEvent id="start"/>
    <sequenceFlow id="begin" sourceRef="start" targetRef="fork"/>
    <parallelGateway id="fork"/>
    {
    "".join(
        f'<sequenceFlow id="in{number}" sourceRef="fork" targetRef="work{number}"/>'
        f'<serviceTask id="work{number}" camunda:type="external" camunda:topic="meeting.work"/>'
        f'<sequenceFlow id="out{number}" sourceRef="work{number}" targetRef="join"/>'
        for number in range(BRANCHES)
    )
}
    <parallelGateway id="join"/>
  </process>
  <process id="broken" isExecutable="true">
    <startEvent id="broken-start"/>
    <sequenceFlow id="broken-flow" sourceRef="broken-start" targetRef="broken-work"/>
    <serviceTask id="broken-work" camunda:expression="${{nobody}}"/>
  </process>
</definitions>"""


def test_killed_engine_comes_back_with_every_instance_it_confirmed(tmp_path: Path) -> None:
    engine = LocalEngine(free_port(), tmp_path / "data" / "engine", log=tmp_path / "engine.log")
    engine.build()
    engine.start()
    try:
        engine.wait_ready()
        files = {"data": ("kept.bpmn", BPMN.encode())}
        assert requests.post(f"{engine.base_url}/deployment/create", files=files, timeout=20).ok
        confirmed: list[str] = []
        starting = threading.Thread(target=start_until_refused, args=(engine.base_url, confirmed))
        starting.start()
        deadline = time.monotonic() + 30
        while len(confirmed) < 40:
            assert time.monotonic() < deadline, "the engine starts instances"
            time.sleep(0.01)
        # during the next start, before anything can settle
        engine.process.kill()
        starting.join(30)
        engine.start()
        engine.wait_ready()
        answer = requests.get(f"{engine.base_url}/process-instance", timeout=20)
        assert set(confirmed) <= {instance["id"] for instance in answer.json()}
    finally:
        engine.stop()


def start_until_refused(base_url: str, confirmed: list[str]) -> None:
    with requests.Session() as session:
        while True:
            try:
                answer = session.post(f"{base_url}/process-definition/key/kept/start", json={}, timeout=20)
                confirmed.append(answer.json()["id"])
            except (requests.RequestException, ValueError, KeyError):
                return


def test_conflicts_of_steps_that_meet_are_not_logged_and_other_faults_are(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    engine = LocalEngine(free_port(), log=log)
    with engine.running(), ThreadPoolExecutor(BRANCHES) as pool:
        files = {"data": ("meeting.bpmn", MEETING.encode())}
        requests.post(f"{engine.base_url}/deployment/create", files=files, timeout=20).raise_for_status()
        statuses: set[int] = set()
        deadline = time.monotonic() + 30
        while 500 not in statuses:
            assert time.monotonic() < deadline, "branches meet at the join"
            statuses |= set(pool.map(lambda task: complete(engine.base_url, task), meeting_tasks(engine.base_url)))
        broken = f"{engine.base_url}/process-definition/key/broken/start"
        assert requests.post(broken, json={}, timeout=20).status_code == 500

    assert "OptimisticLockingException" not in log.read_text()
    assert "nobody" in log.read_text()


def meeting_tasks(base_url: str) -> list[str]:
    """Start an instance, and lock its tasks, one a branch."""
    start = requests.post(f"{base_url}/process-definition/key/meeting/start", json={}, timeout=20)
    start.raise_for_status()
    topic = {"topicName": "meeting.work", "lockDuration": 60_000, "processDefinitionKey": "meeting"}
    fetch = {"workerId": "test", "maxTasks": BRANCHES, "topics": [topic]}
    answer = requests.post(f"{base_url}/external-task/fetchAndLock", json=fetch, timeout=20)
    return [task["id"] for task in answer.json()]


def complete(base_url: str, task: str) -> int:
    """Complete a task. Returns the status of the answer."""
    url = f"{base_url}/external-task/{task}/complete"
    return requests.post(url, json={"workerId": "test"}, timeout=20).status_code


MAVEN = """#!/bin/sh
echo '[INFO] Downloading from central: https://repo.example.org/a.pom'
echo '[INFO] Downloaded from central: https://repo.example.org/a.pom (1.2 kB at 3 kB/s)'
echo 'Downloaded from central: https://repo.example.org/b.jar (1.2 MB at 3 MB/s)'
while [ ! -e "$GO_ON" ]; do sleep 0.05; done
touch "$JAR"
"""


def test_build_reports_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jar, go_on = tmp_path / "local-engine.jar", tmp_path / "go on"
    maven = tmp_path / "bin" / "mvn"
    maven.parent.mkdir()
    maven.write_text(MAVEN)
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{maven.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("JAR", str(jar))
    monkeypatch.setenv("GO_ON", str(go_on))
    monkeypatch.setitem(local_engine.JARS, "camunda", jar)
    monkeypatch.setattr(local_engine, "BUILD_LOCK", tmp_path / "lock")
    monkeypatch.setattr(local_engine, "LOGS", tmp_path)
    monkeypatch.setattr(children, "REPORT_EVERY_S", 0.05)
    reports: list[str] = []

    def report(state: str, seconds: float) -> None:
        assert seconds > 0
        reports.append(state)
        if state == "building, 2 files downloaded":
            go_on.touch()

    engine = LocalEngine(free_port())
    engine.build(report)

    assert reports[-1] == "building, 2 files downloaded"
    assert not engine.needs_build()


def test_error_about_missing_java_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(ChildError, match=r"install a JDK 17 or newer .*or set CAMUNDA_BASE_URL"):
        LocalEngine(free_port()).build()


def test_old_java_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(ChildError, match="needs Java 17, not 11"):
        LocalEngine(free_port()).build()
