"""Requests for variables of running and ended instances."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from camunda_bridge.engine.base import EngineApi
from camunda_bridge.errors import NotFound, VariableError
from camunda_bridge.variables import Typed, with_rfc3339_dates

#: most variables that are read at once, of all scopes of an instance
MOST = 2_000


class Variables(EngineApi):
    """Requests for variables of running and ended instances."""

    def running_variable(self, instance_id: str, name: str) -> Typed | None:
        """A typed variable of a running instance; None when it doesn't exist, or the instance has ended."""
        path = f"/process-instance/{instance_id}/variables/{name}"
        try:
            found: Typed = self.session.get(path, deserializeValue="false")
        except NotFound:
            return None
        return found

    def running_variables(self, instance_id: str) -> dict[str, Typed]:
        """The typed variables of a running instance, in the scope of the instance.

        Raises:
            NotFound: it isn't running.
        """
        found = self.session.get(
            "/variable-instance", processInstanceIdIn=instance_id, deserializeValues="false", maxResults=MOST
        )
        own = [item for item in found if item["activityInstanceId"] == instance_id]
        if not found:
            # An instance that has ended has no variables either.
            self.session.get(f"/process-instance/{instance_id}")
        return {item["name"]: {key: item[key] for key in ("type", "value", "valueInfo")} for item in own}

    def set_variables(self, instance_id: str, variables: Mapping[str, Typed]) -> None:
        """Set variables of a running instance, in the scope of the instance.

        Raises:
            NotFound: it isn't running.
        """
        body = {"modifications": dict(variables)}
        self.session.request("POST", f"{self._url}/process-instance/{instance_id}/variables", json=body)

    def historic_variables(self, instance_id: str) -> dict[str, Typed]:
        """The typed variables of an instance with their last values, without variables of inner scopes."""
        found = self.session.get("/history/variable-instance", processInstanceId=instance_id, deserializeValues="false")
        own = [item for item in found if item.get("activityInstanceId") == instance_id]
        return {item["name"]: self._with_content(item) for item in own}

    def _with_content(self, item: dict[str, Any]) -> Typed:
        """A typed variable from the history, with the content that the list leaves out: bytes, Java objects as JSON."""
        value, info = item["value"], item["valueInfo"]
        path = f"/history/variable-instance/{item['id']}"
        try:
            if item["type"] == "Bytes" and value is None:
                value = base64.b64encode(self.session.download(f"{path}/data")).decode()
            elif (info or {}).get("serializationDataFormat") == "application/x-java-serialized-object":
                value = self._as_json(path)
        except (NotFound, VariableError):
            # The variable was cleaned up since the list was read, or the engine can't turn the object into JSON. The
            # value from the list stays.
            pass
        return {"type": item["type"], "value": value, "valueInfo": info}

    def variables_named(self, instance_id: str, name: str) -> list[dict[str, Any]]:
        """The variables of this name in every scope of an instance; `activityInstanceId` is the id of the scope."""
        found: list[dict[str, Any]] = self.session.get(
            "/variable-instance", processInstanceIdIn=instance_id, variableName=name, deserializeValues="false"
        )
        return found

    def variable_data(self, variable_id: str) -> bytes:
        """The content of a File or Bytes variable.

        Raises:
            NotFound: the variable doesn't exist.
        """
        return self.session.download(f"/variable-instance/{variable_id}/data")

    def variable_as_json(self, variable_id: str) -> Any:
        """A Java object, as JSON that the engine makes of it.

        Raises:
            NotFound: the variable doesn't exist.
            VariableError: the engine can't turn the object into JSON; the message has the reason.
        """
        return self._as_json(f"/variable-instance/{variable_id}")

    def _as_json(self, path: str) -> Any:
        # The engine answers 400 when its JSON writer can't write the object. The body is plain text with the reason,
        # or a document without a reason; the same engine may change from one to the other when it is restarted.
        response = self.session.request(
            "GET", self._url + path, accepts=lambda it: it.status_code == 400 and not it.body.lstrip().startswith(b"<")
        )
        if response.status_code == 400:
            raise VariableError(f"its JSON writer refused the object: {response.text[:300]}")
        found = response.json()
        if found.get("errorMessage"):
            raise VariableError(str(found["errorMessage"])[:300])
        return with_rfc3339_dates(found["value"])
