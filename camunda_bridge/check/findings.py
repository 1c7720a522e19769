"""What a check finds: where, what, and how to put it right."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

#: the BPMN file is missing, is no BPMN, or holds another process
BPMN_UNREADABLE = "BPMN_UNREADABLE"
#: an external task that nobody would ever run
TOPIC_WITHOUT_HANDLER = "TOPIC_WITHOUT_HANDLER"
#: a step that no external task leads to
HANDLER_WITHOUT_TOPIC = "HANDLER_WITHOUT_TOPIC"
#: a business error that ends as an incident, because no event catches its code
ERROR_NOT_CAUGHT = "ERROR_NOT_CAUGHT"
#: the client would get its answer while the process still goes on
RESPONSE_NOT_LAST = "RESPONSE_NOT_LAST"
#: the steps of the called process would have to wait for the poll, and carry no correlation id
BUSINESS_KEY_NOT_PASSED = "BUSINESS_KEY_NOT_PASSED"
#: a required field that neither the start nor any step before gives
FIELD_NOT_PROVIDED = "FIELD_NOT_PROVIDED"
#: a required field that whoever gives it may leave out
FIELD_MAY_BE_MISSING = "FIELD_MAY_BE_MISSING"
#: a name that is the bridge's own, or that the engine does not keep
VARIABLE_NAME_REFUSED = "VARIABLE_NAME_REFUSED"
#: an object of Java that no step can read
JAVA_OBJECT = "JAVA_OBJECT"
#: an exception in the diagram that excuses nothing, or says no reason
EXCEPTION_UNUSED = "EXCEPTION_UNUSED"

CODES = (
    BPMN_UNREADABLE,
    TOPIC_WITHOUT_HANDLER,
    HANDLER_WITHOUT_TOPIC,
    ERROR_NOT_CAUGHT,
    RESPONSE_NOT_LAST,
    BUSINESS_KEY_NOT_PASSED,
    FIELD_NOT_PROVIDED,
    FIELD_MAY_BE_MISSING,
    VARIABLE_NAME_REFUSED,
    JAVA_OBJECT,
    EXCEPTION_UNUSED,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the diagram and the code do not agree about.

    Attributes:
        path: the BPMN file.
        process: key of the process.
        element: id of the element at fault; the process's own where no other fits.
        name: what the diagram calls the element; empty where it has no name.
        code: one of :data:`CODES`.
        message: what is wrong, with the values.
        hint: what would put it right.
        excuse: the reason that the diagram gives for leaving it so; None for a fault.
    """

    path: Path
    process: str
    element: str
    name: str
    code: str
    message: str
    hint: str
    excuse: str | None = None

    def __str__(self) -> str:
        called = f"{self.name!r} " if self.name else ""
        why = f"excused: {self.excuse}" if self.excuse else self.hint
        return f"{_shown(self.path)}:{self.element}: {self.code} {called}{self.message} ({why})"

    def excused(self, reason: str) -> Finding:
        """The same, with the reason why it may stay."""
        return replace(self, excuse=reason)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "path": _shown(self.path)}


def _shown(path: Path) -> str:
    """As a terminal makes a link of it: from the working folder, where it lies below it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
