"""Variables of types that Python has no equivalent for, and the date format of the engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from camunda_bridge.errors import VariableError
from camunda_bridge.json_form import Presentable, json_form, rfc3339

#: a typed variable as the engine's REST API sends it: `type`, `value`, `valueInfo`
Typed = dict[str, Any]

_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}")


@dataclass(frozen=True, slots=True)
class File(Presentable):
    """A file variable.

    `content` is None where only the metadata is known, as in the input of a step, because the engine doesn't send the
    content with a task. :meth:`read` returns the content in both cases.
    """

    filename: str
    content: bytes | None = None
    mimetype: str | None = None
    encoding: str | None = None
    _fetch: Callable[[], bytes] | None = field(default=None, repr=False, compare=False)

    def read(self) -> bytes:
        """The content. For a file in the input of a step, each call fetches it from the engine.

        Raises:
            VariableError: the content is unknown and can't be fetched, or the variable no longer exists.
            EngineUnavailable: the engine doesn't answer.
        """
        if self.content is not None:
            return self.content
        if self._fetch is None:
            raise VariableError(f"file {self.filename!r} has no content, and there is no engine to fetch it from")
        return self._fetch()

    def json_form(self) -> dict[str, Any]:
        """The metadata, and the content as base64 text if it is known."""
        found = {"filename": self.filename, "mimetype": self.mimetype, "encoding": self.encoding}
        document = found if self.content is None else {**found, "content": self.content}
        return json_form(document)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Raw(Presentable):
    """A variable of a type that Python has no equivalent for, such as Xml: its typed value, unchanged."""

    type: str
    value: Any
    value_info: Mapping[str, Any]

    def json_form(self) -> Any:
        """The value without its type."""
        return json_form(self.value)


def format_date(value: datetime) -> str:
    """A time in the engine's format: with milliseconds, and a zone without a colon."""
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    # On glibc, strftime's %Y doesn't pad years below 1000, but the engine needs four digits.
    return (
        f"{value.year:04d}-{value.month:02d}-{value.day:02d}T{value.hour:02d}:{value.minute:02d}:{value.second:02d}"
        f".{value.microsecond // 1000:03d}{value.strftime('%z')[:5]}"
    )


def parse_date(value: str) -> datetime:
    """Parse a time in the engine's format into an aware datetime."""
    return datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%f%z")


def with_rfc3339_dates(document: Any) -> Any:
    """The JSON that the engine made of a Java object, with dates in the form that this project writes (RFC 3339)."""
    if isinstance(document, list):
        return [with_rfc3339_dates(item) for item in document]
    if isinstance(document, dict):
        return {name: with_rfc3339_dates(item) for name, item in document.items()}
    if isinstance(document, str) and _DATE.fullmatch(document):
        try:
            return rfc3339(parse_date(document))
        except ValueError:
            # a text that only looks like a date, such as the 31st of June
            return document
    return document
