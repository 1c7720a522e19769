"""Every environment variable of the project: read once, checked once, nothing read elsewhere. One module a concern.

A value that cannot be used stops the start with a :class:`SettingsError` that names every variable at fault.
Times carry their unit in the name. A variable may also come from an ``.env`` file in the working folder (the
environment wins) or, for secrets that are mounted as files, from the file that ``<NAME>_FILE`` names.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from environs import EnvValidationError, FileAwareEnv

from settings import access, ops, parts, webhooks
from settings.access import Access
from settings.commands import Commands
from settings.errors import SettingsError
from settings.examples import Examples
from settings.facade import Facade
from settings.monitor import Monitor
from settings.ops import Ops
from settings.parts import Parts
from settings.reading import checks_of, reasons_of
from settings.reconciling import Reconciling
from settings.steps import Steps
from settings.store import Store
from settings.webhooks import Webhooks

__all__ = ["Settings", "SettingsError", "get_settings", "load", "settings_or_exit"]

#: the sections, in the order in which the documentation lists them
SECTIONS = (Parts, Facade, Access, Monitor, Webhooks, Steps, Reconciling, Store, Ops, Commands, Examples)


# A dataclass has the fields of its last base first.
@dataclass(frozen=True)
class Settings(Examples, Commands, Ops, Store, Reconciling, Steps, Webhooks, Monitor, Access, Facade, Parts):
    """The settings of one process. Each attribute is the environment variable of the same name in capitals."""

    @property
    def client_url(self) -> str:
        """Root of the server that the commands call."""
        # A server that listens on every address is reached at this one.
        host = "127.0.0.1" if self.web_host.strip("0.:") == "" else self.web_host
        return self.process_api_url or f"http://{host}:{self.web_port}"

    @property
    def logs_json(self) -> bool:
        """True when each line of the log is a JSON object."""
        return self.log_format == "json" or (self.log_format == "auto" and self.is_production)

    def contradictions(self) -> list[str]:
        """What contradicts what, each as a sentence that names the settings."""
        found = []
        if self.camunda_timeout_ms >= self.lock_duration_ms:
            found.append("CAMUNDA_TIMEOUT_MS must be shorter than LOCK_DURATION_MS, or a slow answer outlives the lock")
        if self.is_production and not self.flower_basic_auth:
            found.append("FLOWER_BASIC_AUTH must be set when APP_ENV=production")
        if self.is_production and self.auth == "off":
            found.append("AUTH=off is refused when APP_ENV=production: set AUTH=on with API_KEYS or JWT_JWKS_URL")
        return [
            *parts.faults(self),
            *found,
            *access.faults(self, is_production=self.is_production),
            *webhooks.faults(self),
            *ops.faults(self),
        ]


def load() -> Settings:
    """Read and check the settings.

    Raises:
        SettingsError: names each variable that cannot be used and what it must be.
    """
    env = FileAwareEnv(eager=False, strip_whitespace=True)
    env.read_env(".env", recurse=False)
    values: dict[str, Any] = {}
    try:
        for item in fields(Settings):
            read = getattr(env, item.metadata["kind"])
            values[item.name] = read(item.name.upper(), item.default, validate=checks_of(item.metadata))
        env.seal()
    except (EnvValidationError, ValueError) as error:
        raise SettingsError(reasons_of(error)) from None
    for name, value in values.items():
        if isinstance(value, list):
            values[name] = [entry.strip() for entry in value if entry.strip()]
    settings = Settings(**values)
    if contradictions := settings.contradictions():
        raise SettingsError("; ".join(contradictions))
    return settings


@cache
def get_settings() -> Settings:
    """The settings of this process, read at the first call."""
    return load()


def settings_or_exit() -> Settings:
    """The settings, for the first lines of a process: a bad value ends it with one message and no stack trace.

    Raises:
        SystemExit: a setting cannot be used; the text names it.
    """
    try:
        return get_settings()
    except SettingsError as error:
        raise SystemExit(str(error)) from None
