"""The permissions of the engine that the technical user needs, and those that it lacks.

Without a permission the engine refuses some requests, and answers others as if there was nothing: a list is empty, an
instance is not found, a fetch locks no task. So what the engine does not show is certainly not there only if the user
has the permissions. tests/integration/test_authorization.py tries each of them.

https://docs.camunda.org/manual/7.24/user-guide/process-engine/authorization-service/
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from camunda_bridge.engine.base import NO_TENANT, EngineApi
from camunda_bridge.engine.tenant import Tenant
from camunda_bridge.errors import BridgeError, PermissionMissing
from camunda_bridge.session import EngineSession

#: seconds for which it stays valid that the user has a permission, and that it lacks one or that this is unknown
GRANTED_LIFETIME_S, LIFETIME_S = 10.0, 5.0


class Resource(NamedTuple):
    """A kind of thing in the engine: its name in the engine's errors, and its number in requests."""

    name: str
    type: int


DEPLOYMENT = Resource("Deployment", 9)
PROCESS_DEFINITION = Resource("ProcessDefinition", 6)
PROCESS_INSTANCE = Resource("ProcessInstance", 8)


@dataclass(frozen=True, slots=True)
class Permission:
    """A permission that the technical user needs.

    Attributes:
        resource: a process definition has the key of the process as its id; of others it is needed on all.
        instead: a permission on all process instances that does the same.
        is_silent: without it the engine hides things, and refuses nothing.
        is_optional: without it one operation fails, and processes run all the same.
    """

    resource: Resource
    name: str
    instead: str = ""
    is_silent: bool = False
    is_optional: bool = False


NEEDED = (
    Permission(DEPLOYMENT, "CREATE", is_optional=True),
    Permission(DEPLOYMENT, "READ", is_optional=True),
    Permission(PROCESS_DEFINITION, "READ", is_silent=True),
    Permission(PROCESS_DEFINITION, "CREATE_INSTANCE"),
    Permission(PROCESS_INSTANCE, "CREATE"),
    Permission(PROCESS_DEFINITION, "READ_INSTANCE", instead="READ", is_silent=True),
    Permission(PROCESS_DEFINITION, "UPDATE_INSTANCE", instead="UPDATE", is_silent=True),
    Permission(PROCESS_DEFINITION, "DELETE_INSTANCE", instead="DELETE"),
    Permission(PROCESS_DEFINITION, "READ_HISTORY", is_silent=True),
    Permission(PROCESS_DEFINITION, "DELETE_HISTORY", is_optional=True),
)


class Permissions(EngineApi):
    """Checks of the permissions of the technical user. Answers are kept for some seconds."""

    def __init__(self, session: EngineSession, tenant: Tenant = NO_TENANT) -> None:
        super().__init__(session, tenant)
        #: permission and id -> whether the user has it, and until when that is valid
        self._known: dict[tuple[Permission, str], tuple[bool, float]] = {}
        self._unknown_until = 0.0

    def missing_permissions(self, keys: Iterable[str]) -> list[str]:
        """The permissions that the user lacks to run the processes `keys`, each as a text; none if that is unknown.

        These are some requests for each process, unless the permissions are granted for all of them.
        """
        needed = [permission for permission in NEEDED if not permission.is_optional]
        one_by_one = self._lacking(needed, ["*"])
        return [_text(*each) for each in self._lacking([permission for permission, _ in one_by_one], keys)]

    def require_permissions(self, *keys: str) -> None:
        """Check that the engine hides nothing of the processes `keys`. If it cannot be checked, it counts as granted.

        Raises:
            PermissionMissing: the user lacks a permission; the message names each.
        """
        if lacking := self._lacking([permission for permission in NEEDED if permission.is_silent], keys):
            texts = ", ".join(_text(*each) for each in lacking)
            raise PermissionMissing(f"the engine's technical user does not have {texts}", status=403)

    def _lacking(self, permissions: Iterable[Permission], keys: Iterable[str]) -> list[tuple[Permission, str]]:
        # Without a login there is no user, and the engine checks nothing.
        if not self.session.has_login or time.monotonic() < self._unknown_until:
            return []
        wanted = [
            (permission, resource_id)
            for permission in permissions
            for resource_id in (sorted(set(keys)) if permission.resource is PROCESS_DEFINITION else ["*"])
        ]
        try:
            return [each for each in wanted if not self._has(*each)]
        except BridgeError:
            # The engine is unavailable, knows no user, or a gateway refuses this request: then the next request shows
            # what is wrong.
            self._unknown_until = time.monotonic() + LIFETIME_S
            return []

    def _has(self, permission: Permission, resource_id: str) -> bool:
        granted, until = self._known.get((permission, resource_id), (False, 0.0))
        if time.monotonic() < until:
            return granted
        granted = self._ask(permission.resource, permission.name, resource_id) or (
            permission.instead != "" and self._ask(PROCESS_INSTANCE, permission.instead, "*")
        )
        lifetime_s = GRANTED_LIFETIME_S if granted else LIFETIME_S
        self._known[permission, resource_id] = (granted, time.monotonic() + lifetime_s)
        return granted

    def _ask(self, resource: Resource, name: str, resource_id: str) -> bool:
        found = self.session.get(
            "/authorization/check",
            permissionName=name,
            resourceName=resource.name,
            resourceType=resource.type,
            resourceId=resource_id,
        )
        return bool(found["authorized"])


def _text(permission: Permission, resource_id: str) -> str:
    """In the words of the engine's own errors."""
    return f"'{permission.name}' permission on resource '{resource_id}' of type '{permission.resource.name}'"
