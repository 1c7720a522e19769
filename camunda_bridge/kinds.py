"""Variables of types that Python has no equal for, and the engine's form of a date."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from camunda_bridge.errors import VariableError
from camunda_bridge.json_form import Presentable, json_form, rfc3339

#: a variable as the engine's REST API tells it: `type`, `value`, `valueInfo`
Typed = dict[str, Any]

_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}")


@dataclass(frozen=True, slots=True)
class File(Presentable):
    """A file variable.

    `content` is None where only the metadata is known, as in the input of a step: the engine sends no more with it.
    :meth:`read` gives the content in either case.
    """

    filename: str
    content: bytes | None = None
    mimetype: str | None = None
    encoding: str | None = None
    _fetch: Callable[[], bytes] | None = field(default=None, repr=False, compare=False)

    def read(self) -> bytes:
        """The content; of a step's input it is fetched from the engine, at each call.

        Raises:
            VariableError: it is not known, and there is no engine to ask; or the variable is gone meanwhile.
            EngineUnavailable: the engine does not answer now.
        """
        if self.content is not None:
            return self.content
        if self._fetch is None:
            raise VariableError(f"file {self.filename!r} has no content, and no engine to fetch it from")
        return self._fetch()

    def json_form(self) -> dict[str, Any]:
        """Its metadata, and the content as base64 text where it is known."""
        found = {"filename": self.filename, "mimetype": self.mimetype, "encoding": self.encoding}
        return json_form(found if self.content is None else {**found, "content": self.content})  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Raw(Presentable):
    """A variable of a type that Python has no equal for, such as Xml: its typed value, unchanged."""

    type: str
    value: Any
    value_info: Mapping[str, Any]

    def json_form(self) -> Any:
        """Its value."""
        return json_form(self.value)


def format_date(value: datetime) -> str:
    """A time as the engine writes it: milliseconds and a zone without colon."""
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    # strftime's %Y does not pad years below 1000 on glibc, and the engine reads four digits
    return (
        f"{value.year:04d}-{value.month:02d}-{value.day:02d}T{value.hour:02d}:{value.minute:02d}:{value.second:02d}"
        f".{value.microsecond // 1000:03d}{value.strftime('%z')[:5]}"
    )


def parse_date(value: str) -> datetime:
    """A time of the engine's, aware."""
    return datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%f%z")


def in_one_form(document: Any) -> Any:
    """What the engine made of a Java object, with its dates in the form of all others."""
    if isinstance(document, list):
        return [in_one_form(item) for item in document]
    if isinstance(document, dict):
        return {name: in_one_form(item) for name, item in document.items()}
    if isinstance(document, str) and _DATE.fullmatch(document):
        try:
            return rfc3339(parse_date(document))
        except ValueError:
            # a text that only looks so, such as of the 31st of June
            return document
    return document
