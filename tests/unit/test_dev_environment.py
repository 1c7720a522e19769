"""The local parts of the stack, and the environment of its processes."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from dev import environment
from dev.local_engine import java_version
from dev.local_settings import LocalSettings
from dev.procfile import ROOT, commands
from dev.roles import WORKERS
from dev.stack import Stack
from settings import SettingsError


@pytest.fixture(autouse=True)
def no_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_env_file", dict)
    ports = (item.name.upper() for item in fields(LocalSettings))
    for name in (*environment.LOCAL_PARTS.values(), *ports, "DATABASE_URL", "WEB_PORT"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)


def test_without_addresses_every_local_part_has_its_usual_port() -> None:
    told = environment.of_user({})
    assert told.local == {"broker": 6379, "engine": 8080, "partner": 8090}
    assert told.variables["REDIS_URL"] == "redis://127.0.0.1:6379/0"
    assert told.variables["CAMUNDA_BASE_URL"] == "http://127.0.0.1:8080/engine-rest"


def test_local_part_moves_to_the_port_of_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_REDIS_PORT", "6400")
    assert environment.of_user({}).variables["REDIS_URL"] == "redis://127.0.0.1:6400/0"


@pytest.mark.parametrize("name", ["REDIS_URL", "REDIS_URL_FILE"])
def test_local_part_is_not_started_if_its_address_is_set(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "redis://elsewhere:6379/0")
    told = environment.of_user({})
    assert "broker" not in told.local
    assert told.variables[name] == "redis://elsewhere:6379/0"


def test_address_in_the_env_file_counts_as_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_env_file", lambda: {"CAMUNDA_BASE_URL": "http://engine/engine-rest"})
    told = environment.of_user({})
    assert "engine" not in told.local
    assert told.variables["CAMUNDA_BASE_URL"] == "http://engine/engine-rest"


def test_isolated_stack_sees_nothing_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", "mssql+pyodbc://production/db")
    monkeypatch.setenv("REDIS_URL_FILE", "/run/secrets/redis")
    monkeypatch.setattr(environment, "_env_file", lambda: {"SYNC_TIMEOUT_MS": "1", "CAMUNDA_BASE_URL": "http://real"})
    told = environment.isolated(tmp_path, {})
    assert told.variables["DATABASE_URL"] == f"sqlite:///{tmp_path}/store.db"
    assert "REDIS_URL_FILE" not in told.variables
    assert told.variables["SYNC_TIMEOUT_MS"] == "25000"
    assert told.variables["CAMUNDA_BASE_URL"] == f"http://127.0.0.1:{told.local['engine']}/engine-rest"


def test_isolated_stacks_share_no_port(tmp_path: Path) -> None:
    first, second = environment.isolated(tmp_path, {}), environment.isolated(tmp_path, {})
    assert not set(first.local.values()) & set(second.local.values())
    assert first.web_url != second.web_url
    assert first.flower_url != second.flower_url


def test_settings_of_an_isolated_stack_name_addresses_too(tmp_path: Path) -> None:
    told = environment.isolated(tmp_path, {"CAMUNDA_BASE_URL": "http://127.0.0.1:1/engine-rest", "WEB_PORT": 23_456})
    assert set(told.local) == {"broker", "partner"}
    assert told.web_url == "http://127.0.0.1:23456"


def test_server_on_every_address_is_reached_at_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_HOST", "0.0.0.0")
    assert environment.of_user({"WEB_PORT": 9}).web_url == "http://127.0.0.1:9"


def test_local_settings_name_every_wrong_value() -> None:
    with pytest.raises(SettingsError, match=r"LOCAL_REDIS_PORT: must be .* not 'x'; LOCAL_ENGINE_HEAP_MB: must be"):
        LocalSettings.load({"LOCAL_REDIS_PORT": "x", "LOCAL_ENGINE_HEAP_MB": "1"})


def test_local_engine_is_camunda_unless_engine_names_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.of_user({}).engine == "camunda"
    monkeypatch.setenv("ENGINE", "operaton")
    assert environment.of_user({}).engine == "operaton"


def test_isolated_stack_takes_the_engine_from_its_settings_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ENGINE", "operaton")
    assert environment.isolated(tmp_path, {}).engine == "camunda"
    assert environment.isolated(tmp_path, {"ENGINE": "operaton"}).engine == "operaton"


def test_unknown_engine_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(SettingsError, match="ENGINE: must be camunda or operaton, not 'activiti'"):
        LocalSettings.load({"ENGINE": "activiti"})


def test_each_engine_has_a_jar_data_and_a_cockpit_of_its_own(tmp_path: Path) -> None:
    settings = {"ENGINE": "operaton", "REDIS_URL": "redis://127.0.0.1:1/0"}
    operaton = Stack(tmp_path, settings=settings, engine_on_disk=True).engine
    camunda = Stack(tmp_path, settings={**settings, "ENGINE": "camunda"}, engine_on_disk=True).engine
    assert operaton is not None
    assert camunda is not None
    assert operaton.jar.parent.name == "operaton"
    assert operaton.jar != camunda.jar
    assert operaton.database != camunda.database
    assert "/operaton/app/cockpit/" in operaton.cockpit_url
    assert "/camunda/app/cockpit/" in camunda.cockpit_url


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_412"', 8),
        ('openjdk version "25" 2025-09-16', 25),
        ("no java", 0),
    ],
)
def test_java_version_is_read(text: str, version: int) -> None:
    assert java_version(text) == version


def test_procfile_commands_are_programs_with_arguments() -> None:
    found = commands()
    assert list(found) == ["web", "worker", "control", "webhooks", "beat", "flower"]
    assert found["web"] == ["gunicorn", "-c", "app/gunicorn.py", "app:create_app()"]


def queues_of(command: list[str]) -> list[str] | None:
    """The queues in a worker's command; None for all queues."""
    return command[command.index("-Q") + 1].split(",") if "-Q" in command else None


def test_slow_receivers_of_webhooks_delay_no_start_and_no_end() -> None:
    found = commands()
    assert queues_of(found["webhooks"]) == ["webhooks"]
    assert queues_of(found["control"]) == ["settling", "polls", "starts"]
    assert queues_of(found["worker"]) is None


def test_containers_run_the_commands_of_the_procfile() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    for name in (*WORKERS, "beat", "flower"):
        assert services[name]["command"] == commands()[name]
