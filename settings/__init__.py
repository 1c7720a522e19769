"""The settings: all environment variables of the project are read and checked here, once; one module a concern.

An invalid value stops the start with a :class:`SettingsError` that names every invalid variable. Names of times end in
their unit. A variable may also be set in an ``.env`` file in the working folder (the environment takes precedence). For
secrets that are mounted as files, ``<NAME>_FILE`` names the file with the value.
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

#: the sections, in the order of the documentation
SECTIONS = (Parts, Facade, Access, Monitor, Webhooks, Steps, Reconciling, Store, Ops, Commands, Examples)


# In reverse order, because a dataclass has the fields of its last base first.
@dataclass(frozen=True)
class Settings(Examples, Commands, Ops, Store, Reconciling, Steps, Webhooks, Monitor, Access, Facade, Parts):
    """The settings of one process. Each attribute is the environment variable of the same name in upper case."""

    @property
    def client_url(self) -> str:
        """The URL of the server that the commands call."""
        # A server that listens on all addresses is reached at 127.0.0.1.
        host = "127.0.0.1" if self.web_host.strip("0.:") == "" else self.web_host
        return self.process_api_url or f"http://{host}:{self.web_port}"

    @property
    def logs_json(self) -> bool:
        """True when each log line is a JSON object."""
        return self.log_format == "json" or (self.log_format == "auto" and self.is_production)

    def contradictions(self) -> list[str]:
        """The contradictions between settings, each as a sentence that names them."""
        found = []
        if self.camunda_timeout_ms >= self.lock_duration_ms:
            found.append(
                "CAMUNDA_TIMEOUT_MS must be shorter than LOCK_DURATION_MS, or a lock may expire during a slow answer"
            )
        if self.is_production and not self.flower_basic_auth:
            found.append("FLOWER_BASIC_AUTH must be set when APP_ENV=production")
        if self.is_production and self.auth == "off":
            found.append("AUTH=off is not allowed when APP_ENV=production: set AUTH=on with API_KEYS or JWT_JWKS_URL")
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
        SettingsError: a value is invalid; the message names each invalid variable and what it must be.
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
    """The settings of this process; the first call reads them."""
    return load()


def settings_or_exit() -> Settings:
    """The settings; an invalid value ends the process with a message and without a stack trace.

    Raises:
        SystemExit: a value is invalid; the message names the variable.
    """
    try:
        return get_settings()
    except SettingsError as error:
        raise SystemExit(str(error)) from None
