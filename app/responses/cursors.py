"""Cursors of paged answers: an encoded sequence number, opaque to clients."""

from __future__ import annotations

import base64
import binascii

from app.responses.problem import Problem
from app.responses.problem_types import INVALID_CURSOR

_PREFIX = b"seq:"
#: the largest BIGINT
_MOST = 2**63 - 1


def write(seq: int) -> str:
    """The cursor of the page that begins after row `seq`."""
    return base64.urlsafe_b64encode(_PREFIX + str(seq).encode()).decode().rstrip("=")


def read(cursor: str | None) -> int | None:
    """The sequence number of a cursor; None without a cursor.

    Raises:
        Problem: :func:`write` did not make this cursor.
    """
    if cursor is None:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        text = b""
    digits = text.removeprefix(_PREFIX)
    if not text.startswith(_PREFIX) or not digits.isdigit() or int(digits[:20]) > _MOST or len(digits) > 19:
        raise Problem(
            INVALID_CURSOR,
            "cursor must be the nextCursor of an earlier answer",
            errors={"cursor": ["Must be the nextCursor of an earlier answer."]},
        )
    return int(digits)
