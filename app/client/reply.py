"""An answer of the API, as the client gets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: its HTTP status and its JSON body."""

    status: int
    body: dict[str, Any]

    @property
    def is_problem(self) -> bool:
        """True for an error answer."""
        return self.status >= 400
