"""A field for the start schemas of the example processes."""

from __future__ import annotations

from typing import Any

from marshmallow import fields


class WholeNumber(fields.Integer):
    """A whole number as JSON Schema defines it: `12.0` is valid, a text or a boolean isn't."""

    def __init__(self, **options: Any) -> None:
        super().__init__(strict=True, **options)

    def _validated(self, value: Any) -> Any:
        return super()._validated(int(value) if isinstance(value, float) and value.is_integer() else value)
