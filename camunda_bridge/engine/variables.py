"""Variables of instances, running and historic."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import pycamunda.externaltask
import pycamunda.incident
import pycamunda.message
import pycamunda.processdef
import pycamunda.processinst

from camunda_bridge.engine.base import PAGE, EngineApi
from camunda_bridge.errors import EngineRefused, LockLost, NotFound, VariableError
from camunda_bridge.variables import MAX_STRING, Typed, format_date, in_one_form, parse_date


class Variables(EngineApi):
    """Variables of instances, running and historic."""

    def running_variable(self, instance_id: str, name: str) -> Typed | None:
        """A variable of a running instance, typed; None when there is none, or the instance has ended."""
        path = f"/process-instance/{instance_id}/variables/{name}"
        try:
            found: Typed = self.session.get(path, deserializeValue="false")
        except NotFound:
            return None
        return found

    def historic_variables(self, instance_id: str) -> dict[str, Typed]:
        """The last values of an instance's own variables, typed."""
        found = self.session.get("/history/variable-instance", processInstanceId=instance_id, deserializeValues="false")
        own = [item for item in found if item.get("activityInstanceId") == instance_id]
        return {item["name"]: self._with_content(item) for item in own}

    def _with_content(self, item: dict[str, Any]) -> Typed:
        """A historic variable, typed; with what the list leaves out: bytes, and Java objects as JSON."""
        value, info = item["value"], item["valueInfo"]
        path = f"/history/variable-instance/{item['id']}"
        try:
            if item["type"] == "Bytes" and value is None:
                value = base64.b64encode(self.session.download(f"{path}/data")).decode()
            elif (info or {}).get("serializationDataFormat") == "application/x-java-serialized-object":
                value = self._as_json(path)
        except (NotFound, VariableError):
            # Cleaned up since the list was made; or the engine has no JSON for it, and its serialised form stays.
            pass
        return {"type": item["type"], "value": value, "valueInfo": info}

    def variables_named(self, instance_id: str, name: str) -> list[dict[str, Any]]:
        """The variables of this name in every scope of an instance; `activityInstanceId` names the scope."""
        found: list[dict[str, Any]] = self.session.get(
            "/variable-instance", processInstanceIdIn=instance_id, variableName=name, deserializeValues="false"
        )
        return found

    def variable_data(self, variable_id: str) -> bytes:
        """The content of a file or of bytes.

        Raises:
            NotFound: there is no such variable.
        """
        return self.session.download(f"/variable-instance/{variable_id}/data")

    def variable_as_json(self, variable_id: str) -> Any:
        """An object as JSON, which the engine makes of it.

        Raises:
            NotFound: there is no such variable.
            VariableError: the engine cannot; says why.
        """
        return self._as_json(f"/variable-instance/{variable_id}")

    def _as_json(self, path: str) -> Any:
        # What Java's JSON writer has no form for is refused with 400: with its words as plain text, or without any in
        # a document, as it comes. Which of the two differs from one start of the same engine to the next.
        response = self.session.request(
            "GET", self._url + path, accepts=lambda it: it.status_code == 400 and not it.body.lstrip().startswith(b"<")
        )
        if response.status_code == 400:
            raise VariableError(f"its JSON writer refuses it: {response.text[:300]}")
        found = response.json()
        if found.get("errorMessage"):
            raise VariableError(str(found["errorMessage"])[:300])
        return in_one_form(found["value"])
