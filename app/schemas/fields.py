"""Fields that several schemas share: correlation ids, numbers and times in queries."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from marshmallow import RAISE, Schema, ValidationError, fields

from store.correlation_ids import RESERVED_WORDS, fault_of
from store.finding import Identifier
from telemetry.logs.redaction import redactor


def correlation_id_schema() -> dict[str, object]:
    """JSON Schema of what :func:`check_correlation_id` accepts."""
    return {
        "type": "string",
        "minLength": 1,
        "maxLength": 200,
        "pattern": "^[A-Za-z0-9._:~-]{1,200}$",
        "not": {"anyOf": [{"enum": sorted(RESERVED_WORDS)}, {"pattern": r"^\.+$"}]},
    }


_CORRELATION_ID_META = {
    **correlation_id_schema(),
    "description": "1 to 200 of the characters A-Z a-z 0-9 . _ : ~ -",
    "example": "order-4711",
}


def check_correlation_id(value: str) -> None:
    """Check that a text can be a correlation id.

    Raises:
        ValidationError: it has other characters, is too long, or is a reserved word.
    """
    if (fault := fault_of(value)) is not None:
        raise ValidationError(fault)


def _label(meaning: str) -> dict[str, object]:
    # No example: Swagger UI would send it with every request.
    return {**correlation_id_schema(), "description": f"Kept with every event: {meaning}."}


class Strict(Schema):
    """A schema that refuses unknown fields, so that a misspelt name is not taken for an omitted field."""

    class Meta:
        unknown = RAISE


class JsonInteger(fields.Integer):
    """A whole number as in JSON Schema: `4.0` is one. `true` and `"1"` are refused, though Python accepts them."""

    def _validated(self, value: object) -> int:
        if isinstance(value, bool | str) or (isinstance(value, float) and not value.is_integer()):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class JsonBoolean(fields.Boolean):
    """Exactly `true` or `false`: no other value may start an operation that cannot be undone."""

    def _deserialize(self, value: object, attr: str | None, data: object, **given: object) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class QueryInteger(fields.Integer):
    """A whole number in ASCII digits. Python's `int` would also accept `1_0` and digits of other scripts."""

    def _validated(self, value: object) -> int:
        if isinstance(value, str) and not re.fullmatch(r"-?[0-9]{1,18}", value):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class QueryBoolean(fields.Boolean):
    """`true` or `false`; marshmallow's own field would also accept words such as `yes`."""

    truthy = {"true"}  # noqa: RUF012 - overrides the attribute of the base class
    falsy = {"false"}  # noqa: RUF012


# The range of times in queries. Converting a time outside it to UTC can leave the years that Python supports.
_FIRST_TIME, _LAST_TIME = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


class BoundOfTime(fields.AwareDateTime):
    """A time that filters a list. A time outside the supported range is moved to the nearer end of the range."""

    def _deserialize(self, value: object, attr: str | None, data: object, **given: object) -> datetime:
        moment: datetime = super()._deserialize(value, attr, data, **given)
        return min(max(moment, _FIRST_TIME), _LAST_TIME)


#: a text with a character that is no space
SOME_TEXT = r"[^\s\x00-\x20\x85]"
#: `name:value`, neither of them beginning with a space
NAMED_VALUE = r"^[^:\s\x00-\x20\x85][^:]*:[^*\s\x00-\x20\x85].*$"
#: longest `name:value`, in characters
MAX_NAMED_VALUE = 300


class IdentifierQuery(fields.Field[Identifier]):
    """`name:value` of an identifier, or `name:value*` for the beginning of its value."""

    def _deserialize(self, value: object, attr: str | None, data: object, **given: object) -> Identifier:
        text = str(value)
        if not re.search(NAMED_VALUE, text) or len(text) > MAX_NAMED_VALUE:
            raise ValidationError(
                f"Must be name:value, such as invoiceId:4711, or name:value* for its beginning; at most "
                f"{MAX_NAMED_VALUE} characters."
            )
        name, _, wanted = text.partition(":")
        if redactor().hides(name.strip()):
            raise ValidationError(f"Values of {name.strip()} are redacted, so they are not stored to be searched.")
        return Identifier(name.strip(), wanted.strip().removesuffix("*"), wanted.strip().endswith("*"))


class SearchText(fields.String):
    """A text to search for; spaces around it do not count."""

    def _deserialize(self, value: object, attr: str | None, data: object, **given: object) -> str:
        text = str(super()._deserialize(value, attr, data, **given))
        if not re.search(SOME_TEXT, text):
            raise ValidationError("Must have a character that is no space.")
        return text.strip()
