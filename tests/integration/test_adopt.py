"""`flask process adopt` on many diagrams: every written package can be checked, and its tests pass on the engine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from camunda_bridge.check.findings import EXCEPTION_UNUSED
from camunda_bridge.client import Engine
from testkit.isolation import delete_deployments
from tests.contract.bpmn import external, process

ROOT = Path(__file__).resolve().parents[2]
DIAGRAMS = [
    path
    for folder in ("processes", "tests/processes", "tests/unit/check/fixtures")
    for path in sorted((ROOT / folder).glob("*/*.bpmn"))
    # It comes with the process that calls it.
    if path.name != "bundle_part.bpmn"
]

#: what is wrong with the diagrams themselves, or excused in them for reasons that their handlers give
FAULTS_OF_DIAGRAMS = {
    ("deployed_alone", "NOT_IN_DEPLOYMENT"),
    ("deployed_alone", "DECISION_NOT_FOUND"),
    ("deployed_alone", "FILE_NOT_FOUND"),
    ("exception_idle", "BUSINESS_KEY_NOT_PASSED"),
    ("exception_idle", "PROCESS_NOT_FOUND"),
    ("java_object", "JAVA_OBJECT"),
    ("key_not_passed", "BUSINESS_KEY_NOT_PASSED"),
    ("key_not_passed", "PROCESS_NOT_FOUND"),
    ("name_refused", "VARIABLE_NAME_REFUSED"),
    ("not_here", "DECISION_NOT_FOUND"),
    ("not_here", "PROCESS_NOT_FOUND"),
    ("not_here", "SCRIPT_LANGUAGE_UNKNOWN"),
    ("variable_shared", "SHARED_VARIABLE"),
    ("caller", "BUSINESS_KEY_NOT_PASSED"),
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """An empty package, in a folder of its own."""
    folder = tmp_path / "adopted"
    folder.mkdir()
    (folder / "__init__.py").touch()
    return folder


def run(package: Path, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(package.parent), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=package.parent,
        env={**os.environ, "PYTHONPATH": path, "PROCESSES": package.name, **more},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def adopt(package: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return run(package, "flask", "--app", "app", "process", "adopt", "--package", package.name, *arguments, **more)


def test_tests_of_every_written_package_pass(package: Path, engine_url: str) -> None:
    # One command for each would take a minute; the command itself is tried by the other tests.
    script = (
        "import sys; from pathlib import Path; from service.adoption import adopt_file\n"
        f"for name in sys.argv[1:]: adopt_file(Path(name), {package.name!r}, ())"
    )
    path = os.pathsep.join([str(package.parent), str(ROOT)])
    written = subprocess.run(
        [sys.executable, "-c", script, *map(str, DIAGRAMS)],
        cwd=package.parent,
        env={**os.environ, "PYTHONPATH": path, "PROCESSES": package.name},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert written.returncode == 0, written.stderr
    assert len(list(package.glob("*/steps.py"))) == len(DIAGRAMS)

    done = run(
        package,
        "pytest",
        "-p",
        "testkit.plugin",
        "-p",
        "no:cacheprovider",
        "-q",
        "adopted",
        CAMUNDA_TEST_URL=engine_url,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert int(done.stdout.rpartition(" passed")[0].split()[-1]) >= len(DIAGRAMS)

    checked = run(package, "flask", "--app", "app", "process", "check")
    findings = [line.partition(": ") for line in checked.stdout.splitlines() if ".bpmn:" in line]
    found = {(Path(place.partition(":")[0]).stem, text.split()[0]) for place, _, text in findings}
    assert {pair for pair in found if pair[1] != EXCEPTION_UNUSED} == FAULTS_OF_DIAGRAMS, checked.stdout


def test_command_says_what_it_wrote_and_overwrites_nothing(package: Path) -> None:
    file = str(ROOT / "processes" / "loan_approval" / "loan_approval.bpmn")
    done = adopt(package, file)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        str(package / "loan_approval"),
        "loan-approval: 7 steps: check-credit, assess-risk, request-review, record-decision, pay-out, prepare-response, "
        "handle-error",
        "7 tests",
        f"Next: pytest {package / 'loan_approval'}; flask process check; write the handlers",
    ]
    assert (package / "loan_approval" / "loan_approval.bpmn").read_bytes() == Path(file).read_bytes()

    again = adopt(package, file)
    assert (again.returncode, again.stderr) == (1, "Error: there is a process 'loan-approval' already\n")


def test_process_of_the_engine_is_adopted_and_its_deployment_stays(
    package: Path, engine: Engine, engine_url: str
) -> None:
    key = f"adopted-{os.getpid()}"
    try:
        engine.deploy(f"{key}-theirs", {"claim.bpmn": process(key, external("a"), external("b", topic="b")).encode()})
        done = adopt(package, "--from-engine", key, CAMUNDA_BASE_URL=engine_url)
        assert f"{key}: 2 steps: a, b" in done.stdout, done.stderr
        deployed = run(package, "flask", "--app", "app", "process", "deploy", CAMUNDA_BASE_URL=engine_url)
        assert deployed.stdout == f"{key}: unchanged, version 1\n", deployed.stderr
    finally:
        delete_deployments(engine, f"{key}-theirs")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "give either a FILE or --from-engine KEY"),
        (("nowhere.bpmn",), 2, "does not exist"),
        (("drawn.bpmn",), 1, 'no process of the file is executable; set isExecutable="true"'),
        (("bad.bpmn",), 1, "the file is not XML"),
        (("--from-engine", "nobody"), 1, "the engine has no process 'nobody'"),
    ],
)
def test_what_cannot_be_adopted_is_refused(
    package: Path, engine_url: str, arguments: tuple[str, ...], code: int, message: str
) -> None:
    drawn = process("drawn", external("a")).replace('isExecutable="true"', "")
    (package.parent / "drawn.bpmn").write_text(drawn)
    (package.parent / "bad.bpmn").write_text("<definitions")
    done = adopt(package, *arguments, CAMUNDA_BASE_URL=engine_url)
    assert done.returncode == code
    assert message in done.stderr
    assert [path.name for path in package.iterdir() if path.is_dir() and path.name != "__pycache__"] == []


def test_unavailable_engine_has_an_exit_code_of_its_own(package: Path) -> None:
    done = adopt(package, "--from-engine", "x", CAMUNDA_BASE_URL="http://127.0.0.1:1/engine-rest")
    assert done.returncode == 7
