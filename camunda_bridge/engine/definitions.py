"""Requests for deployments and process definitions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from camunda_bridge.engine.permissions import Permissions

#: the engine's id of a definition: key, version and a generated id, or that alone if the id would be longer than 64
#: characters
_ID = re.compile(r"(?P<key>[^:]+):(?P<version>\d+):[^:]+")
#: `source` of the deployments that are made from here
SOURCE = "celery-camunda"
#: keys in the address of one request: a servlet container accepts about 8 KB
KEYS_AT_ONCE = 50
#: the encoding that an XML declaration names
_ENCODING = re.compile(r"""\A\ufeff?<\?xml\b[^>]*\bencoding=["']([^"']+)["']""")


class Definition(NamedTuple):
    """The key and the version of a process definition; versions begin at 1."""

    key: str
    version: int


class Definitions(Permissions):
    """Requests for deployments and process definitions."""

    def deploy(self, name: str, files: Mapping[str, bytes], *, anew: bool = False) -> list[str]:
        """Deploy `files` unless the newest deployment `name` holds the same files; returns ids of new definitions.

        `anew`: deploy them in any case.
        """
        form: dict[str, Any] = {
            "deployment-name": name,
            "deployment-source": SOURCE,
            "enable-duplicate-filtering": "false" if anew else "true",
            # All files or none: what is bound to its deployment needs the others in the same one.
            "deploy-changed-only": "false",
            **self.tenant.deployment_fields,
            **{file: (file, content) for file, content in files.items()},
        }
        answer = self.session.request("POST", f"{self._url}/deployment/create", files=form).json()
        return list(answer.get("deployedProcessDefinitions") or {})

    def newest_definitions(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The newest definition of each process that the engine has, by key, as the engine describes it.

        Raises:
            PermissionMissing: the engine may have one of the others, and hide it.
        """
        found: dict[str, dict[str, Any]] = {}
        wanted = list(keys)
        for start in range(0, len(wanted), KEYS_AT_ONCE):
            some = ",".join(wanted[start : start + KEYS_AT_ONCE])
            items = self.session.get("/process-definition", keysIn=some, latestVersion="true", **self.tenant.query)
            found |= {item["key"]: item for item in items}
        if hidden := set(wanted) - set(found):
            self.require_permissions(*hidden)
        return found

    def statistics(self) -> list[dict[str, Any]]:
        """Every definition, each as `definition`, with the number of its running `instances`, in one request."""
        found = self.session.get("/process-definition/statistics")
        # The engine has no filter for tenants here.
        return [item for item in found if item["definition"]["tenantId"] == self.tenant.id]

    def newest_deployment(self, keys: set[str]) -> str | None:
        """The id of the deployment that has the newest version of every one of these processes; None if none has."""
        newest = self.newest_definitions(sorted(keys))
        deployments = {item["deploymentId"] for item in newest.values()}
        return deployments.pop() if len(deployments) == 1 and set(newest) == keys else None

    def deployment(self, deployment_id: str) -> dict[str, Any]:
        """A deployment, as the engine describes it.

        Raises:
            NotFound: the engine has no such deployment.
        """
        found: dict[str, Any] = self.session.get(f"/deployment/{deployment_id}")
        return found

    def deployment_files(self, deployment_id: str) -> dict[str, bytes]:
        """The files of a deployment, by name.

        Raises:
            NotFound: the engine has no such deployment.
        """
        path = f"/deployment/{deployment_id}/resources"
        return {file["name"]: self.session.download(f"{path}/{file['id']}/data") for file in self.session.get(path)}

    def definition(self, definition_id: str) -> Definition:
        """Key and version of a definition. The engine is asked only if its id does not show them.

        Raises:
            NotFound: the engine has no such definition.
        """
        if shown := _ID.fullmatch(definition_id):
            return Definition(shown["key"], int(shown["version"]))
        found = self.session.get(f"/process-definition/{definition_id}")
        return Definition(found["key"], int(found["version"]))

    def instances_at(self, definition_id: str) -> dict[str, int]:
        """Element id -> number of running activity instances at it, for each element with any.

        Raises:
            NotFound: the engine has no such definition.
        """
        found = self.session.get(f"/process-definition/{definition_id}/statistics")
        return {item["id"]: item["instances"] for item in found if item["instances"]}

    def definition_file(self, definition_id: str) -> bytes:
        """The BPMN file of a definition, as it was deployed.

        Raises:
            NotFound: the engine has no such definition.
        """
        text: str = self.session.get(f"/process-definition/{definition_id}/xml")["bpmn20Xml"]
        declared = _ENCODING.match(text)
        if "\0" not in text and (declared is None or declared[1].lower() in ("utf-8", "utf8", "us-ascii")):
            return text.encode()
        # The engine has decoded the file as UTF-8, which it is not: read its bytes.
        definition = self.session.get(f"/process-definition/{definition_id}")
        files = f"/deployment/{definition['deploymentId']}/resources"
        file_id = next(file["id"] for file in self.session.get(files) if file["name"] == definition["resource"])
        return self.session.download(f"{files}/{file_id}/data")
