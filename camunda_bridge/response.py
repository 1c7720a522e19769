"""An answer of the engine, in the shape that pycamunda expects."""

from __future__ import annotations

import json as jsonlib
import re
from typing import Any

from camunda_bridge.errors import EngineUnavailable
from camunda_bridge.explained import Explanation
from camunda_bridge.json_form import json_form

#: JSON escapes that may encode a lone surrogate
_LONE = re.compile(rb"\\u[dD][89a-fA-F]")


class Response:
    """An answer of the engine, in the shape that pycamunda expects."""

    __slots__ = ("body", "is_content", "status_code")

    def __init__(self, status_code: int, body: bytes, *, is_content: bool = False) -> None:
        self.status_code = status_code
        self.body = body
        self.is_content = is_content

    def __bool__(self) -> bool:
        return self.status_code < 400

    @property
    def content(self) -> bytes:
        """The body as it was received."""
        return self.body

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body, parsed.

        Raises:
            EngineUnavailable: the body isn't JSON, so the answer isn't that of a healthy engine.
        """
        try:
            # Decoded as UTF-8 here (RFC 8259, 8.1), because `json` would try other encodings first.
            document = jsonlib.loads(str(self.body, "utf-8"))
        except ValueError:
            raise EngineUnavailable(
                f"the engine answered {self.status_code} without JSON: {self.text[:200]!r}"
            ) from None
        # Java strings may hold lone surrogates, which neither the broker, nor the store, nor a client accepts.
        return json_form(document) if _LONE.search(self.body) else document


def explanation_of(response: Response) -> Explanation | None:
    try:
        return Explanation.load(jsonlib.loads(response.body))
    except ValueError:
        return None
