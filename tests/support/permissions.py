"""An engine that checks authorizations, with users who have the permissions that the guide to security lists."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import requests

from dev.environment import ROOT
from dev.local_engine import LocalEngine
from dev.local_settings import LocalSettings
from dev.ports import free_port

PAGE = ROOT / "docs" / "guides" / "security.md"
#: stands for the key of a process in the table
KEY = "<process key>"
ADMIN = ("demo", "demo")
PASSWORD = "only for tests"
#: name of a resource -> its number in the engine
NUMBERS = {"ProcessDefinition": 6, "ProcessInstance": 8, "Deployment": 9}
_ROW = re.compile(r"^\| `(\w+)` \| `([^`]+)` \| `([A-Z_]+)` \|", re.MULTILINE)


class Grant(NamedTuple):
    """A row of the guide's table."""

    resource: str
    id: str
    permission: str

    def __str__(self) -> str:
        return f"{self.permission}-{self.resource}"


def documented() -> list[Grant]:
    """The rows of the guide's table, in order."""
    return [Grant(*found) for found in _ROW.findall(PAGE.read_text())]


class Users:
    """The users of an engine, and their permissions."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        #: user, resource and id -> the one authorization of the user for it, and its permissions
        self._granted: dict[tuple[str, str, str], tuple[str, set[str]]] = {}

    def add(self, grants: Iterable[Grant], *keys: str) -> str:
        """Add a user with these permissions, those on processes for each of `keys`. Returns its id."""
        user = f"bridge{uuid.uuid4().hex[:8]}"
        profile = {"id": user, "firstName": "technical", "lastName": "user"}
        self._call("POST", "/user/create", {"profile": profile, "credentials": {"password": PASSWORD}})
        for grant in grants:
            for key in keys if grant.id == KEY else [grant.id]:
                self.grant(user, grant._replace(id=key))
        return user

    def grant(self, user: str, grant: Grant) -> None:
        """Give a user one permission on one resource."""
        self._change(user, grant, lambda held: held | {grant.permission})

    def revoke(self, user: str, grant: Grant) -> None:
        """Take a permission on one resource from a user."""
        self._change(user, grant, lambda held: held - {grant.permission})

    def join(self, user: str, tenant: str) -> None:
        """Make a user a member of a new tenant."""
        self._call("POST", "/tenant/create", {"id": tenant, "name": tenant})
        self._call("PUT", f"/tenant/{tenant}/user-members/{user}")

    def _change(self, user: str, grant: Grant, change: Callable[[set[str]], set[str]]) -> None:
        at = (user, grant.resource, grant.id)
        known, held = self._granted.get(at, ("", set()))
        held = change(held)
        body = {
            "type": 1,
            "permissions": sorted(held),
            "userId": user,
            "groupId": None,
            "resourceType": NUMBERS[grant.resource],
            "resourceId": grant.id,
        }
        if known:
            self._call("PUT", f"/authorization/{known}", body)
        else:
            known = self._call("POST", "/authorization/create", body).json()["id"]
        self._granted[at] = (known, held)

    def _call(self, method: str, path: str, body: Any = None) -> requests.Response:
        answer = requests.request(method, self.base_url + path, json=body, auth=ADMIN, timeout=20)
        assert answer.ok, answer.text
        return answer


@contextmanager
def guarded_engine() -> Iterator[Users]:
    """Run an engine that checks authorizations; Camunda or Operaton, as ENGINE says."""
    kind = LocalSettings.load(os.environ).engine
    with LocalEngine(free_port(), kind=kind, authorization=True).running() as engine:
        yield Users(engine.base_url)
