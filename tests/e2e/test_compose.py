"""The commands of compose.yaml, each with exactly the environment of image and compose, and with the image's files.

Local parts replace the servers of others; only their addresses and the ports differ.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from app.security.api_keys import new_entry
from app.security.auth import SCOPES
from dev.broker import Broker
from dev.children import Child, stop_all
from dev.environment import ROOT
from dev.ports import LOOPBACK, free_port
from tests.support.api import Api, eventually
from tests.support.doc_blocks import blocks_of
from tests.support.facade import USER

#: services of compose.yaml that run servers of other projects
SERVERS = {"sqlserver", "database", "redis", "engine-database", "engine"}
#: commands that end by themselves, in the order of their conditions
COMMANDS = ("migrate", "deploy")

_VARIABLE = re.compile(r"\$\{(\w+)(?::(?P<kind>[-?])(?P<text>[^}]*))?\}")


class Image:
    """The contents of the image that the Dockerfile makes: its files in a folder, its environment and its command."""

    def __init__(self, folder: Path) -> None:
        text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
        final = text[text.rindex("\nFROM ") :]
        self.folder = folder
        folder.mkdir()
        self.command = yaml.safe_load(re.search(r"^CMD (.*)$", final, re.MULTILINE)[1])
        self.environment = dict(
            pair.split("=", 1) for line in re.findall(r"^ENV (.*)$", final, re.MULTILINE) for pair in shlex.split(line)
        )
        self.environment.pop("PATH")
        for line in re.findall(r"^COPY (?!--)(.*)$", final, re.MULTILINE):
            *sources, target = line.split()
            for source in sources:
                self._copy(ROOT / source, folder / (f"{target}/{source}" if len(sources) > 1 else target))
        self.contents = self.files()

    def loads_settings(self, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Load the settings of this environment, as each service does first."""
        command = [sys.executable, "-c", "import settings; settings.load()"]
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    def files(self) -> set[str]:
        """The paths of all its files."""
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")}

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)


def interpolated(text: str, given: Mapping[str, str]) -> str:
    """The text with its variables replaced as Docker Compose does it; fails on a variable that must be set."""

    def value(match: re.Match[str]) -> str:
        if found := given.get(match[1]):
            return found
        assert match["kind"] == "-", match["text"]
        return match["text"]

    return _VARIABLE.sub(value, text.replace("$$", "\0")).replace("\0", "$")


def _texts(numbers: Mapping[str, int]) -> dict[str, str]:
    return {name: str(number) for name, number in numbers.items()}


class Composed:
    """All services of this project, each as a process."""

    def __init__(self, folder: Path, engine_url: str) -> None:
        self.key, entry = new_entry("ops", list(SCOPES))
        self.required = {
            "MSSQL_SA_PASSWORD": "Secret-123",
            "ENGINE_DB_PASSWORD": "secret",
            "FLOWER_BASIC_AUTH": "ops:secret",
            "API_KEYS": entry,
        }
        partner_port = free_port()
        self.partner = Child(
            "partner",
            [sys.executable, "-m", "dev.partner_stub", "--port", str(partner_port)],
            log=folder / "logs" / "partner.log",
            cwd=ROOT,
        )
        partner = {"PARTNER_BASE_URL": f"http://{LOOPBACK}:{partner_port}"}
        self.given = {**self.required, **partner}
        self.folder = folder
        self.image = Image(folder / "image")
        self.broker = Broker(free_port(), folder / "broker")
        self.web_port, self.flower_port = free_port(), free_port()
        self._addresses = {
            "DATABASE_URL": f"sqlite:///{folder / 'store.db'}",
            "REDIS_URL": f"redis://{LOOPBACK}:{self.broker.port}/0",
            "CAMUNDA_BASE_URL": engine_url,
            "WEB_HOST": LOOPBACK,
            "FLOWER_HOST": LOOPBACK,
            "METRICS_HOST": LOOPBACK,
        }
        self.services: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
        # Each container has a network of its own, but here all services share the ports of one host.
        self._metrics_ports = {name: free_port() for name in self.services}
        self.children = {
            name: self._child(name, service.get("command", self.image.command))
            for name, service in self.services.items()
            if name not in SERVERS
        }

    def start(self) -> None:
        """Start the services one after the other, in the order of their conditions."""
        self.partner.start()
        self.broker.process.start()
        self.broker.process.wait_ready(30)
        for name in COMMANDS:
            self.children[name].finish(90)
        for name in self.lasting():
            self.children[name].start()

    def lasting(self) -> list[str]:
        """Names of the services that do not end by themselves."""
        return [name for name in self.children if name not in COMMANDS]

    def stop(self) -> None:
        """Stop all services."""
        stop_all(self.children.values(), 15)
        stop_all([self.broker.process, self.partner], 5)

    def is_healthy(self, name: str) -> bool:
        """The result of the service's health check; without one, True while it runs."""
        if not self.children[name].is_running:
            raise self.children[name].failure("ended")
        check = self.services[name].get("healthcheck")
        if check is None:
            return True
        kind, *command = check["test"]
        if kind == "CMD-SHELL":
            command = ["sh", "-c", interpolated(command[0], self.given)]
        command = [self._with_ports(word) for word in command]
        done = subprocess.run(command, cwd=self.image.folder, env=self._environment(name), timeout=60, check=False)
        return done.returncode == 0

    def _with_ports(self, word: str) -> str:
        return word.replace(f"{LOOPBACK}:8000", f"{LOOPBACK}:{self.web_port}").replace(
            f"{LOOPBACK}:5555", f"{LOOPBACK}:{self.flower_port}"
        )

    def composed_environment(self, name: str, given: Mapping[str, str]) -> dict[str, str]:
        """The environment of the service's container: that of the image, and that of compose.yaml."""
        told = {key: interpolated(str(text), given) for key, text in self.services[name]["environment"].items()}
        return {**self.image.environment, **told, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}

    def _environment(self, name: str) -> dict[str, str]:
        ports = {"WEB_PORT": self.web_port, "FLOWER_PORT": self.flower_port, "METRICS_PORT": self._metrics_ports[name]}
        return {**self.composed_environment(name, self.given), **self._addresses, **_texts(ports)}

    def _child(self, name: str, command: list[str]) -> Child:
        return Child(
            name,
            command,
            log=self.folder / "logs" / f"{name}.log",
            cwd=self.image.folder,
            env=self._environment(name),
        )


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory, engine_url: str) -> Iterator[Composed]:
    made = Composed(tmp_path_factory.mktemp("composed"), engine_url)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def test_every_service_starts_and_its_health_check_passes(composed: Composed) -> None:
    for name in composed.lasting():
        eventually(lambda name=name: composed.is_healthy(name), timeout_s=60, what=f"{name} to be healthy")


def test_a_process_runs_only_for_a_client_with_the_key(composed: Composed) -> None:
    api = Api(f"http://{LOOPBACK}:{composed.web_port}")
    eventually(lambda: composed.is_healthy("web"), timeout_s=60, what="web to be healthy")

    assert api.start("onboard-user", USER).status == 401
    answer = api.start("onboard-user", USER, **{"x-api-key": composed.key})

    assert (answer.status, answer.body["status"]) == (200, "ok"), answer.body


def test_no_service_writes_beside_the_folders_that_compose_makes_writable(composed: Composed) -> None:
    eventually(lambda: composed.is_healthy("worker"), timeout_s=60, what="the worker to be healthy")

    for name in composed.children:
        assert composed.services[name]["read_only"], name
        assert composed.services[name]["tmpfs"] == ["/tmp"], name
    assert composed.image.files() == composed.image.contents


def documented_settings(folder: Path) -> dict[str, str]:
    """The `.env` that the block of the guide to deploying writes."""
    (block,) = [block for block in blocks_of("docs/guides/deploying.md") if "docker compose up" in block.text]
    script = block.text[: block.text.index("docker compose up")]
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=folder, timeout=60, check=True)
    found = dotenv_values(folder / ".env", interpolate=False)
    return {name: text or "" for name, text in found.items()}


def test_documented_settings_are_complete_and_accepted_by_every_service(composed: Composed, tmp_path: Path) -> None:
    given = documented_settings(tmp_path)

    assert set(composed.required) <= set(given)
    # Services with equal environments are checked once.
    for environment in {tuple(composed.composed_environment(name, given).items()) for name in composed.children}:
        done = composed.image.loads_settings(dict(environment))
        assert done.returncode == 0, done.stderr


def test_missing_setting_stops_a_service(composed: Composed) -> None:
    """Without this, the other tests would not notice a setting that compose.yaml does not give."""
    environment = composed.composed_environment("web", composed.given)
    del environment["API_KEYS"]

    done = composed.image.loads_settings(environment)

    assert done.returncode != 0
    assert "API_KEYS" in done.stderr


def test_name_of_the_host_leads_to_the_host_in_every_container(composed: Composed) -> None:
    # Only Docker Desktop defines the name; elsewhere the container needs the line.
    for name in composed.children:
        assert composed.services[name]["extra_hosts"] == ["host.docker.internal:host-gateway"], name


def test_required_variables_are_listed_at_the_head_of_the_file(composed: Composed) -> None:
    text = (ROOT / "compose.yaml").read_text()
    head = text[: text.index("name: celery-camunda")]

    required = {match[1] for match in _VARIABLE.finditer(text) if match["kind"] == "?"}

    assert required == set(composed.required)
    assert all(f"#   {name} " in head for name in required)


def test_data_of_servers_survive_their_containers(composed: Composed) -> None:
    volumes = yaml.safe_load((ROOT / "compose.yaml").read_text())["volumes"]
    kept = {
        name
        for name in volumes
        for service in composed.services.values()
        if any(mount.startswith(f"{name}:") for mount in service.get("volumes", []))
    }

    assert kept == set(volumes)
    for name in ("sqlserver", "redis", "engine-database"):
        assert composed.services[name]["volumes"], name
    database = composed.services["engine"]["environment"]["DB_URL"]
    assert database.startswith("jdbc:postgresql://engine-database:")
