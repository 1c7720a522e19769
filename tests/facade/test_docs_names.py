"""Names in guides and reference exist: settings, commands with their options, make targets, files, metrics, paths."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from app.commands.cli import auth_group, process_cli
from dev.environment import ROOT
from telemetry.metrics.declared import NAMESPACE, catalogue
from tests.support.facade import Facade

PAGES = [
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("docs/guides/*.md")),
    *sorted(ROOT.glob("docs/examples/*.md")),
    *sorted(ROOT.glob("docs/reference/*.md")),
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
]
#: names of settings by their endings; without these, error codes of examples would look like settings
SETTING = re.compile(
    r"\b[A-Z][A-Z0-9_]*_(?:MS|S|URL|DIR|PORT|HOST|HOSTS|KB|MB|DAYS|AUTH|LEVEL|FORMAT|CONCURRENCY|TOKEN|KEYS|SIZE|LIMIT)\b"
)
#: settings that only tests and the benchmark read
OF_TESTS = {"CAMUNDA_TEST_URL", "MSSQL_TEST_URL"}
#: the page with the settings of another project
OTHER_PROJECT = "migrating-from-fastify-camunda"

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def commands(text: str) -> Iterator[tuple[click.Command | None, str, str]]:
    """The command that each `flask ...` command of a page names, None if there is none; its name and its arguments."""
    groups = {"process": process_cli, "auth": auth_group}
    for group, name, rest in re.findall(r"\bflask (?:--app app )?(process|auth) ([a-z-]+)([^`|#\n]*)", text):
        command = groups[group].commands.get(name)
        if isinstance(command, click.Group) and rest.split():
            command = command.commands.get(rest.split()[0])
        yield command, name, rest


@each_page
def test_settings_exist(page: Path) -> None:
    known = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M)) | OF_TESTS
    named = set() if page.stem == OTHER_PROJECT else set(SETTING.findall(page.read_text()))

    assert named - known == set()


@each_page
def test_commands_and_their_options_exist(page: Path) -> None:
    for command, name, rest in commands(page.read_text()):
        assert command is not None, f"flask ... {name}{rest}"
        options = {text for parameter in command.params for text in parameter.opts}
        assert set(re.findall(r"(?<=\s)--[a-z-]+", rest)) <= options, f"flask ... {name}{rest}"


@each_page
def test_modules_and_make_targets_exist(page: Path) -> None:
    text = page.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))

    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.M)) <= targets
    for module in re.findall(r"\bpython -m ([a-z_.]*[a-z_])", text):
        assert find_spec(module) is not None, module


@each_page
def test_files_exist(page: Path) -> None:
    folders = "app|tasks|store|camunda_bridge|dev|ops|tests|processes|docs|testkit|metrics|logs|bench|engine"
    text = page.read_text()
    named = set(re.findall(rf"`((?:{folders})/[\w./*-]+)`", text))
    # What the reader of the page makes.
    made = tuple(f"processes/{key.replace('-', '_')}" for key in re.findall(r"process new ([a-z-]+)", text))

    assert [name for name in named if not name.startswith(made) and not any(ROOT.glob(name.rstrip("/")))] == []


@each_page
def test_metrics_exist(page: Path) -> None:
    known = {name for metric in catalogue() for name in (metric.name, *metric.series)}

    assert set(re.findall(rf"{NAMESPACE}_\w+", page.read_text())) - known == set()


@each_page
def test_calls_exist(facade: Facade, page: Path) -> None:
    known = {re.sub("<[^>]+>", "{}", rule.rule) for rule in facade.app.url_map.iter_rules()}
    named = re.findall(r"\b(?:GET|POST|DELETE) (/(?:api|health|metrics|problems)[\w./{}-]*)", page.read_text())

    assert {re.sub(r"\{[^}]*\}", "{}", name) for name in named} - known == set()
