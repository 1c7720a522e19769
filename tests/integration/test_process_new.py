"""`flask process new`: the new process passes its own tests on the engine and the check; invalid names are refused."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from service.errors import ScaffoldError
from service.scaffold import write_process

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty package of processes."""
    name = f"made_{tmp_path.name}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / name


def run(package: Path, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(package.parent), str(ROOT)])
    env = {**os.environ, "PYTHONPATH": paths, "PROCESSES": package.name, **more}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=90, check=False
    )


def test_written_process_passes_its_tests_and_the_check(package: Path, engine_url: str) -> None:
    flask = ("flask", "--app", "app", "process")
    written = run(package, *flask, "new", "order-fulfilment", "--package", package.name)
    assert written.returncode == 0, written.stderr
    assert sorted(path.name for path in package.iterdir() if path.name != "__pycache__") == [
        "__init__.py",
        "order_fulfilment",
    ]
    checked = run(package, *flask, "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    (package.parent / "conftest.py").write_text('pytest_plugins = ["testkit.plugin"]\n')
    tried = run(package, "pytest", "-q", "--rootdir", str(package.parent), str(package), CAMUNDA_TEST_URL=engine_url)
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert "3 passed" in tried.stdout
    again = run(package, *flask, "new", "order-fulfilment", "--package", package.name)
    assert again.returncode == 1
    assert "there is a process 'order-fulfilment' already" in again.stderr


@pytest.mark.parametrize(("imported", "first"), [("", "pytest"), ("import sys; sys.modules['pytest'] = None", "make")])
def test_command_says_how_to_get_pytest_if_it_is_missing(package: Path, imported: str, first: str) -> None:
    # None in `sys.modules` is a module that cannot be imported, as after `make run` alone.
    (package.parent / "sitecustomize.py").write_text(imported)

    written = run(package, "flask", "--app", "app", "process", "new", "order", "--package", package.name)

    folder = package / "order"
    tests = {"pytest": f"pytest {folder}", "make": f"make setup-dev; pytest {folder}"}[first]
    assert written.returncode == 0, written.stderr
    assert written.stdout.splitlines() == [str(folder), f"Next: {tests}; flask process check order; make run"]


@pytest.mark.parametrize(
    "key", ["", "Order", "order_fulfilment", "1st", "a--b", "a-", "../up", "a b", "class", "x" * 61]
)
def test_key_that_cannot_be_used_is_refused(package: Path, key: str) -> None:
    with pytest.raises(ScaffoldError, match="cannot be the key of a process"):
        write_process(key, package.name, ())


def test_existing_folder_is_not_changed(package: Path) -> None:
    (package / "order").mkdir()
    (package / "order" / "notes").write_text("mine")
    with pytest.raises(ScaffoldError, match="exists already; nothing was written"):
        write_process("order", package.name, ())
    assert [path.name for path in (package / "order").iterdir()] == ["notes"]


def test_nothing_half_written_stays(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(ScaffoldError, match="No space left"):
        write_process("order", package.name, ())
    assert [path.name for path in package.iterdir()] == ["__init__.py"]


@pytest.mark.parametrize("name", ["", "nope", "nope.below", "os.path", "a..b", ".relative"])
def test_name_that_is_no_package_is_refused(name: str) -> None:
    with pytest.raises(ScaffoldError, match="is no package"):
        write_process("order", name, ())


def test_module_of_that_name_is_not_hidden_by_a_package(package: Path) -> None:
    (package / "whole_number.py").write_text("")
    with pytest.raises(ScaffoldError, match=r"whole_number\.py exists already; nothing was written"):
        write_process("whole-number", package.name, ())
    assert sorted(path.name for path in package.iterdir()) == ["__init__.py", "whole_number.py"]


def test_package_whose_folder_is_gone_is_reported(package: Path) -> None:
    importlib.import_module(package.name)
    shutil.rmtree(package)
    with pytest.raises(ScaffoldError, match="cannot be written"):
        write_process("order", package.name, ())
