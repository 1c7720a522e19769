"""The guide to security lists the permissions that the code needs."""

from __future__ import annotations

from camunda_bridge.engine.permissions import NEEDED
from tests.support.permissions import documented


def test_the_guide_lists_the_permissions_that_the_code_needs() -> None:
    assert [(grant.resource, grant.permission) for grant in documented()] == [
        (permission.resource.name, permission.name) for permission in NEEDED
    ]
