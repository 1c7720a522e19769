"""Fields that several schemas share: correlation ids, numbers and times of a query."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from marshmallow import RAISE, Schema, ValidationError, fields

#: characters of a correlation id: safe in a path, in a log line and in a key
CORRELATION_ID = re.compile(r"[A-Za-z0-9._:~-]{1,200}\Z")
#: words that stand in the place of a correlation id in some route
RESERVED_WORDS = frozenset(
    {"all", "start", "complete", "status", "event-log", "definitions", "topics", "bulk", "insight", "."}
)


def correlation_id_schema() -> dict[str, object]:
    """JSON Schema of what :func:`check_correlation_id` takes."""
    return {
        "type": "string",
        "minLength": 1,
        "maxLength": 200,
        "pattern": "^[A-Za-z0-9._:~-]{1,200}$",
        "not": {"anyOf": [{"enum": sorted(RESERVED_WORDS)}, {"pattern": r"^\.+$"}]},
    }


_CORRELATION_ID_META = {
    **correlation_id_schema(),
    "description": "1 to 200 of A-Z a-z 0-9 . _ : ~ -",
    "example": "order-4711",
}


def check_correlation_id(value: str) -> None:
    """Refuse what cannot be a correlation id.

    Raises:
        ValidationError: says which characters may stand in it.
    """
    if not CORRELATION_ID.match(value):
        raise ValidationError("Must be 1 to 200 characters of A-Z a-z 0-9 . _ : ~ -")
    if value in RESERVED_WORDS or set(value) == {"."}:
        raise ValidationError(f"{value!r} is a word of the API's own.")


def _label(meaning: str) -> dict[str, object]:
    # No example: Swagger UI would send it.
    return {**correlation_id_schema(), "description": f"Kept with every event: {meaning}."}


class Strict(Schema):
    """A body in which an unknown field is an error: a misspelt name must not pass for an omitted one."""

    class Meta:
        unknown = RAISE


class QueryInteger(fields.Integer):
    """A whole number as JSON writes it: Python's `int` would take `1_0`, and digits of other scripts, too."""

    def _validated(self, value: object) -> int:
        if isinstance(value, str) and not re.fullmatch(r"-?[0-9]{1,18}", value):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


# No process is older or younger; what is beyond them may have no equal in UTC within the calendar.
_FIRST_TIME, _LAST_TIME = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


class BoundOfTime(fields.AwareDateTime):
    """A time that bounds a list, brought into the years in which processes may have been started."""

    def _deserialize(self, value: object, attr: str | None, data: object, **given: object) -> datetime:
        moment: datetime = super()._deserialize(value, attr, data, **given)
        return min(max(moment, _FIRST_TIME), _LAST_TIME)
