"""The client of the engine's REST API: pycamunda's requests over a small session with time-outs.

pycamunda 0.6.1 has no requests for history, jobs, or incidents by business key, and no topic filters other than
variables; its `deployment.Create` ignores the session. The client sends those requests on the session directly.
tests/contract checks on a real engine every fact that the methods rely on.
"""

from __future__ import annotations

from camunda_bridge.engine.definitions import Definitions
from camunda_bridge.engine.external_tasks import ExternalTasks
from camunda_bridge.engine.history import History
from camunda_bridge.engine.incidents import Incidents
from camunda_bridge.engine.instances import Instances
from camunda_bridge.engine.suspension import Suspension
from camunda_bridge.engine.tenant import Tenant
from camunda_bridge.engine.variables import Variables
from camunda_bridge.engine.waits import Waits
from camunda_bridge.session import EngineSession, authorization_header
from settings import Settings


class Engine(Definitions, Instances, History, Variables, ExternalTasks, Incidents, Waits, Suspension):
    """The client of one engine and one of its tenants, over one session."""

    @classmethod
    def from_settings(cls, settings: Settings) -> Engine:
        """The client of the engine at CAMUNDA_BASE_URL, for the tenant CAMUNDA_TENANT_ID."""
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
            ),
            Tenant(settings.camunda_tenant_id or None),
        )

    @classmethod
    def like(cls, other: Engine, *, timeout_ms: int) -> Engine:
        """A client of the same engine and tenant with another time-out, in milliseconds."""
        return cls(EngineSession.like(other.session, timeout_ms=timeout_ms), other.tenant)

    def version(self) -> str:
        """The version of the engine, for example ``7.24.0``."""
        return str(self.session.get("/version")["version"])
