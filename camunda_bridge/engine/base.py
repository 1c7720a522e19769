"""The base class of the parts of the REST API."""

from __future__ import annotations

from camunda_bridge.engine.tenant import Tenant
from camunda_bridge.session import EngineSession

#: what belongs to no tenant
NO_TENANT = Tenant()

#: most entries of a list in one request
PAGE = 500


class EngineApi:
    """Base of a part of the engine's REST API.

    Every method raises :class:`EngineUnavailable` when the engine doesn't answer, :class:`Unauthorized` when it refuses
    the login, and :class:`PermissionMissing` when the user lacks a permission.

    Args:
        tenant: the tenant to which deployments, starts and lists are bound.
    """

    def __init__(self, session: EngineSession, tenant: Tenant = NO_TENANT) -> None:
        self.session = session
        self.tenant = tenant
        self._url = session.base_url
