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

from app.security.api_keys import new_entry
from app.security.auth import SCOPES
from dev.broker import Broker
from dev.children import Child, stop_all
from dev.environment import ROOT
from dev.ports import LOOPBACK, free_port
from tests.support.api import Api, eventually
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

    def _environment(self, name: str) -> dict[str, str]:
        told = {key: interpolated(str(text), self.given) for key, text in self.services[name]["environment"].items()}
        ports = {"WEB_PORT": self.web_port, "FLOWER_PORT": self.flower_port, "METRICS_PORT": self._metrics_ports[name]}
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        return {**self.image.environment, **told, **self._addresses, **_texts(ports), "PATH": path}

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
