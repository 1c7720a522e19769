"""JSON answers: one helper, so that a view says only what is in them, and one writer, which is strict."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import Response, current_app
from flask.json.provider import DefaultJSONProvider

from tasks.webhooks.documents import rfc3339


class StrictJson(DefaultJSONProvider):
    """Writes JSON by RFC 8259, and times in the form that all answers have."""

    # Order and escapes cost time and serve nobody.
    sort_keys = False
    ensure_ascii = False

    @staticmethod
    def default(value: Any) -> Any:
        """A time as text; what else JSON has no form for, as Flask has it."""
        return rfc3339(value) if isinstance(value, datetime) else DefaultJSONProvider.default(value)

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """JSON.

        Raises:
            ValueError: NaN or Infinity is in it.
        """
        return super().dumps(obj, allow_nan=False, **kwargs)


def answer(body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`body` as a JSON answer."""
    text = current_app.json.dumps(body, separators=(",", ":")) + "\n"
    return Response(text, status=status, headers=dict(headers or {}), mimetype="application/json")
