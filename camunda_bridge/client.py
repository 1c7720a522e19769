"""The engine's REST API, as far as this project uses it: pycamunda's requests over one lean, timed-out session.

pycamunda 0.6.1 knows no history, no jobs, no incidents by business key, no topic filters beyond variables, and its
`deployment.Create` ignores the session; those calls are made on the session directly. The facts that the methods rely
on are pinned by tests/contract on the real engine.
"""

from __future__ import annotations

from camunda_bridge.engine.definitions import Definitions
from camunda_bridge.engine.external_tasks import ExternalTasks
from camunda_bridge.engine.history import History
from camunda_bridge.engine.incidents import Incidents
from camunda_bridge.engine.instances import Instances
from camunda_bridge.engine.variables import Variables
from camunda_bridge.session import EngineSession, authorization_header
from settings import Settings


class Engine(Definitions, Instances, History, Variables, ExternalTasks, Incidents):
    """One engine, over one session."""

    @classmethod
    def from_settings(cls, settings: Settings) -> Engine:
        """The engine that `settings` name."""
        return cls(
            EngineSession(
                settings.camunda_base_url,
                timeout_ms=settings.camunda_timeout_ms,
                connect_timeout_ms=settings.camunda_connect_timeout_ms,
                authorization=authorization_header(
                    settings.camunda_auth,
                    username=settings.camunda_username,
                    password=settings.camunda_password,
                    token=settings.camunda_token,
                ),
            )
        )

    def version(self) -> str:
        """The engine's version, for example ``7.24.0``."""
        return str(self.session.get("/version")["version"])
