"""The environment of the stack's processes: the user's settings, and the addresses of local parts for all others."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from dotenv import dotenv_values

from dev.local_engine import EngineKind
from dev.local_settings import LocalSettings
from dev.ports import LOOPBACK, free_port
from settings import Settings

ROOT = Path(__file__).resolve().parent.parent

#: local parts that are started unless this variable is set
LOCAL_PARTS = {"broker": "REDIS_URL", "engine": "CAMUNDA_BASE_URL", "partner": "PARTNER_BASE_URL"}


@dataclass(frozen=True, slots=True)
class StackEnvironment:
    """The environment of the processes of a stack, and how its local parts are run.

    Attributes:
        variables: the whole environment of each process.
        local: ports of the local parts, by name; without the parts whose address is set.
        engine_heap_mb: largest Java heap of the local engine, in MiB.
        engine: Camunda or Operaton.
    """

    variables: Mapping[str, str]
    local: Mapping[str, int]
    engine_heap_mb: int
    engine: EngineKind

    def get(self, name: str) -> str:
        """The value of a variable of `settings/`, or its default."""
        return self.variables.get(name) or defaults()[name]

    @property
    def web_url(self) -> str:
        """Root of the HTTP API."""
        return f"http://{_reachable(self.get('WEB_HOST'))}:{self.get('WEB_PORT')}"

    @property
    def flower_url(self) -> str:
        """Root of Flower."""
        return f"http://{_reachable(self.get('FLOWER_HOST'))}:{self.get('FLOWER_PORT')}"


def defaults() -> dict[str, str]:
    """Each variable of `settings/` with its default, as text."""
    found = {}
    for item in fields(Settings):
        default = item.default
        found[item.name.upper()] = ",".join(default) if isinstance(default, tuple | list) else str(default)
    return found


def of_user(settings: Mapping[str, object]) -> StackEnvironment:
    """The environment of `make run`: the user's own and the `.env` file, with local parts for missing addresses."""
    base = {**_env_file(), **os.environ, **_texts(settings)}
    local = LocalSettings.load(base)
    ports = {
        "broker": local.local_redis_port,
        "engine": local.local_engine_port,
        "partner": local.local_partner_port,
    }
    ports = {part: port for part, port in ports.items() if not _is_named(LOCAL_PARTS[part], base)}
    return _complete(base, ports, local)


def isolated(folder: Path, settings: Mapping[str, object]) -> StackEnvironment:
    """The environment of a test: `settings` over defaults, without the user's own; free ports; the data in `folder`."""
    ours = {name.upper() for name in (*defaults(), *(item.name for item in fields(LocalSettings)))}
    ours |= {f"{name}_FILE" for name in ours}
    base = {name: value for name, value in os.environ.items() if name not in ours}
    # Each process reads an `.env` file in the working folder; a variable of the environment overrides the file.
    base.update({name: defaults().get(name, "") for name in _env_file() if name in ours})
    for part_setting in LOCAL_PARTS.values():
        base.pop(part_setting, None)
    base["DATABASE_URL"] = f"sqlite:///{folder.absolute() / 'store.db'}"
    base["WEB_PORT"] = str(free_port())
    base["FLOWER_PORT"] = str(free_port())
    base.update(_texts(settings))
    ports = {part: free_port() for part, setting in LOCAL_PARTS.items() if setting not in base}
    return _complete(base, ports, LocalSettings.load(_texts(settings)))


def _complete(base: Mapping[str, str], ports: Mapping[str, int], local: LocalSettings) -> StackEnvironment:
    variables = dict(base)
    urls = {
        "broker": f"redis://{LOOPBACK}:{ports.get('broker')}/0",
        "engine": f"http://{LOOPBACK}:{ports.get('engine')}/engine-rest",
        "partner": f"http://{LOOPBACK}:{ports.get('partner')}",
    }
    for part in ports:
        variables[LOCAL_PARTS[part]] = urls[part]
    # The Procfile's programs must be those of this Python.
    variables["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), variables.get("PATH", os.defpath)])
    # The output of a process must be in its log at once, even if the process is killed.
    variables["PYTHONUNBUFFERED"] = "1"
    variables["FLASK_APP"] = "app"
    return StackEnvironment(variables, dict(ports), local.local_engine_heap_mb, local.engine)


def _is_named(setting: str, env: Mapping[str, str]) -> bool:
    return bool(env.get(setting) or env.get(f"{setting}_FILE"))


def _env_file() -> dict[str, str]:
    return {name: value for name, value in dotenv_values(ROOT / ".env").items() if value is not None}


def _texts(settings: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in settings.items()}


def _reachable(host: str) -> str:
    # A server that listens on every address is also reached at the loopback address.
    return LOOPBACK if host.strip("0.:") == "" else host
