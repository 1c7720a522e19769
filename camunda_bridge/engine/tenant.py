"""The tenant of the engine that one client works for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant of the engine; without an id, everything that belongs to no tenant.

    Requests that name an instance, a task or a definition by its id need no filter: the id came from a filtered one.

    https://docs.camunda.org/manual/7.24/user-guide/process-engine/multi-tenancy/
    """

    id: str | None = None

    @property
    def query(self) -> dict[str, str]:
        """The filter of a list, as query parameters."""
        return {"withoutTenantId": "true"} if self.id is None else {"tenantIdIn": self.id}

    @property
    def filter(self) -> dict[str, Any]:
        """The filter of a list or of a topic, as members of a JSON body."""
        return {"withoutTenantId": True} if self.id is None else {"tenantIdIn": [self.id]}

    @property
    def query_of_runtime(self) -> dict[str, str]:
        """The filter of a list of external tasks or incidents; which the engine cannot filter for no tenant."""
        return {} if self.id is None else self.query

    @property
    def deployment_fields(self) -> dict[str, str]:
        """The fields of the form of a deployment."""
        return {} if self.id is None else {"tenant-id": self.id}
