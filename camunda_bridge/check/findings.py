"""The findings of a check: codes, place, message, and how to fix each."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

#: a package that could not be loaded
PACKAGE_NOT_LOADED = "PACKAGE_NOT_LOADED"
#: a process of which the engine has no version
NOT_DEPLOYED = "NOT_DEPLOYED"
#: the BPMN file is missing, isn't BPMN, or doesn't have the process
BPMN_UNREADABLE = "BPMN_UNREADABLE"
#: an external task whose topic no step handles, so that no worker runs it
TOPIC_WITHOUT_HANDLER = "TOPIC_WITHOUT_HANDLER"
#: a step whose topic no external task has
HANDLER_WITHOUT_TOPIC = "HANDLER_WITHOUT_TOPIC"
#: a business error that opens an incident, because no event catches its code
ERROR_NOT_CAUGHT = "ERROR_NOT_CAUGHT"
#: a response step after which the process goes on, although the client has its answer
RESPONSE_NOT_LAST = "RESPONSE_NOT_LAST"
#: a call activity without the business key: steps of the called process wait for the poll and have no correlation id
BUSINESS_KEY_NOT_PASSED = "BUSINESS_KEY_NOT_PASSED"
#: a call or a decision that is bound to its deployment, but is not in the package
NOT_IN_DEPLOYMENT = "NOT_IN_DEPLOYMENT"
#: a business rule task whose decision is in no package
DECISION_NOT_FOUND = "DECISION_NOT_FOUND"
#: a file that a diagram names with `deployment:`, but that is not in the package
FILE_NOT_FOUND = "FILE_NOT_FOUND"
#: a required field that neither the start nor an earlier step sets
FIELD_NOT_PROVIDED = "FIELD_NOT_PROVIDED"
#: a required field that is optional where it is set
FIELD_MAY_BE_MISSING = "FIELD_MAY_BE_MISSING"
#: a variable name that is reserved, or that the engine can't store
VARIABLE_NAME_REFUSED = "VARIABLE_NAME_REFUSED"
#: a step within a parallel multi-instance that writes variables which its siblings write too
SHARED_VARIABLE = "SHARED_VARIABLE"
#: a Java object that no step can read
JAVA_OBJECT = "JAVA_OBJECT"
#: an ignore property in the diagram that excuses no finding, or gives no reason
EXCEPTION_UNUSED = "EXCEPTION_UNUSED"

CODES = (
    PACKAGE_NOT_LOADED,
    NOT_DEPLOYED,
    BPMN_UNREADABLE,
    TOPIC_WITHOUT_HANDLER,
    HANDLER_WITHOUT_TOPIC,
    ERROR_NOT_CAUGHT,
    RESPONSE_NOT_LAST,
    BUSINESS_KEY_NOT_PASSED,
    NOT_IN_DEPLOYMENT,
    DECISION_NOT_FOUND,
    FILE_NOT_FOUND,
    FIELD_NOT_PROVIDED,
    FIELD_MAY_BE_MISSING,
    VARIABLE_NAME_REFUSED,
    SHARED_VARIABLE,
    JAVA_OBJECT,
    EXCEPTION_UNUSED,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where the diagram and the code don't agree.

    Attributes:
        path: the file, or the version in the engine, as text.
        process: key of the process; empty when its package could not be loaded.
        element: id of the element; that of the process when no other element fits; the line of a file that isn't BPMN.
        name: name of the element in the diagram; empty when it has none.
        code: one of :data:`CODES`.
        message: what is wrong, with the values.
        hint: how to fix it.
        excuse: the reason in the diagram why the finding may stay; None when it isn't excused.
    """

    path: str
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
        return f"{self.path}:{self.element}: {self.code} {called}{self.message} ({why})"

    def excused(self, reason: str) -> Finding:
        """A copy of the finding that is excused for this reason."""
        return replace(self, excuse=reason)

    def document(self) -> dict[str, Any]:
        """The finding as a JSON object."""
        return asdict(self)


def shown_path(path: Path) -> str:
    """The path relative to the working folder if it is below it, so that terminals make a link of it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
