"""JSON answers: a helper that builds the response, and a strict JSON writer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import Response, current_app
from flask.json.provider import DefaultJSONProvider

from tasks.webhooks.documents import rfc3339


class StrictJson(DefaultJSONProvider):
    """Writes JSON that conforms to RFC 8259, with times in RFC 3339."""

    # Sorting and escaping cost time, and clients need neither.
    sort_keys = False
    ensure_ascii = False

    @staticmethod
    def default(value: Any) -> Any:
        """Convert a value that JSON has no type for: times to RFC 3339, other values as Flask does."""
        return rfc3339(value) if isinstance(value, datetime) else DefaultJSONProvider.default(value)

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """Write `obj` as JSON.

        Raises:
            ValueError: it contains NaN or Infinity.
        """
        return super().dumps(obj, allow_nan=False, **kwargs)


def answer(body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer with `body`."""
    text = current_app.json.dumps(body, separators=(",", ":")) + "\n"
    return Response(text, status=status, headers=dict(headers or {}), mimetype="application/json")
