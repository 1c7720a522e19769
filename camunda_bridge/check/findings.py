"""The findings of a check: codes, place, message, and how to fix each."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE_NOT_LOADED = "PACKAGE_NOT_LOADED"
NOT_DEPLOYED = "NOT_DEPLOYED"
BPMN_UNREADABLE = "BPMN_UNREADABLE"
TOPIC_WITHOUT_HANDLER = "TOPIC_WITHOUT_HANDLER"
HANDLER_WITHOUT_TOPIC = "HANDLER_WITHOUT_TOPIC"
ERROR_NOT_CAUGHT = "ERROR_NOT_CAUGHT"
RESPONSE_NOT_LAST = "RESPONSE_NOT_LAST"
BUSINESS_KEY_NOT_PASSED = "BUSINESS_KEY_NOT_PASSED"
NOT_IN_DEPLOYMENT = "NOT_IN_DEPLOYMENT"
PROCESS_NOT_FOUND = "PROCESS_NOT_FOUND"
DECISION_NOT_FOUND = "DECISION_NOT_FOUND"
FILE_NOT_FOUND = "FILE_NOT_FOUND"
SCRIPT_LANGUAGE_UNKNOWN = "SCRIPT_LANGUAGE_UNKNOWN"
FIELD_NOT_PROVIDED = "FIELD_NOT_PROVIDED"
FIELD_MAY_BE_MISSING = "FIELD_MAY_BE_MISSING"
VARIABLE_NAME_REFUSED = "VARIABLE_NAME_REFUSED"
SHARED_VARIABLE = "SHARED_VARIABLE"
JAVA_OBJECT = "JAVA_OBJECT"
EXCEPTION_UNUSED = "EXCEPTION_UNUSED"


class Description(NamedTuple):
    """What a code means. `wrong`: what is wrong, in one sentence; `fix`: how to fix it, in one sentence."""

    wrong: str
    fix: str


#: the codes, in the order in which pages and reports list them; docs/reference/check.md repeats the first sentence
DESCRIPTIONS: dict[str, Description] = {
    PACKAGE_NOT_LOADED: Description(
        "A package of processes cannot be loaded.",
        "Correct the line that the message names; all other packages run.",
    ),
    NOT_DEPLOYED: Description(
        "The engine has no version of a process.",
        "Deploy the process, or correct the key that is given to define_process.",
    ),
    BPMN_UNREADABLE: Description(
        "The BPMN file is missing, is not BPMN, or does not have the process.",
        "Give define_process the id of an executable process of the file.",
    ),
    TOPIC_WITHOUT_HANDLER: Description(
        "No step handles the topic of an external task.",
        "Declare a step for the topic, or correct the topic in the diagram.",
    ),
    HANDLER_WITHOUT_TOPIC: Description(
        "No external task has the topic of a step.",
        "Add the task to the diagram, correct its topic, or remove the step.",
    ),
    ERROR_NOT_CAUGHT: Description(
        "No event catches a business error that a step or a called process may end in.",
        "Add an error boundary event to the element or to a scope around it.",
    ),
    RESPONSE_NOT_LAST: Description(
        "The process goes on after its response step.",
        "Move the response step to the end, or remove outcome from it.",
    ),
    BUSINESS_KEY_NOT_PASSED: Description(
        "A call activity does not pass on the business key.",
        "Add the business key to the in mappings of the call activity.",
    ),
    NOT_IN_DEPLOYMENT: Description(
        "A process or a decision that is bound to the deployment is not in the package.",
        "Put its file into the folder, or remove the binding.",
    ),
    PROCESS_NOT_FOUND: Description(
        "No BPMN file has the process that a call activity starts.",
        "Put its BPMN file into a package, or declare the process with deployed=True.",
    ),
    DECISION_NOT_FOUND: Description(
        "No DMN file has the decision of a business rule task.",
        "Put the DMN file into the folder, or correct the key of the decision.",
    ),
    FILE_NOT_FOUND: Description(
        "The package does not have a script or a form that the diagram names.",
        "Put the file into the folder, or correct its name.",
    ),
    SCRIPT_LANGUAGE_UNKNOWN: Description(
        "A script is in a language that the engine does not have.",
        "Use a language of the engine, or name the language in CAMUNDA_SCRIPT_LANGUAGES.",
    ),
    FIELD_NOT_PROVIDED: Description(
        "A step, a called process or an expression needs a variable that nothing always sets before it.",
        "Set the variable in the start schema or in an earlier step, map it, or make it optional.",
    ),
    FIELD_MAY_BE_MISSING: Description(
        "A step, a called process or an expression needs a variable that is only sometimes set before it.",
        "Make the field required where it is set, or give it a default where it is read.",
    ),
    VARIABLE_NAME_REFUSED: Description(
        "A variable has a name that is reserved, or that the engine cannot store.",
        "Use another name for the variable.",
    ),
    SHARED_VARIABLE: Description(
        "The items of a parallel multi-instance write the same variable.",
        'Keep the variable local to its item, for example with scope="local".',
    ),
    JAVA_OBJECT: Description(
        "A variable holds a Java object that no step can read.",
        "Convert the value in the expression: a time with toDate(), a JSON node with stringValue().",
    ),
    EXCEPTION_UNUSED: Description(
        "An ignore property excuses no finding, or gives no reason.",
        "Remove the property, or write the reason into its value.",
    ),
}
CODES = tuple(DESCRIPTIONS)


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where the diagram and the code don't agree.

    Attributes:
        path: the file, or the version in the engine, as text.
        line: the line on which the element begins; 1 when no line fits.
        process: key of the process; empty when its package could not be loaded.
        element: id of the element; that of the process when no other element fits; empty for a Python file.
        name: name of the element in the diagram; empty when it has none. The module, for a Python file.
        code: one of :data:`CODES`.
        message: what is wrong, with the values.
        hint: how to fix it.
        is_file: True when `path` is a file.
        excuse: the reason in the diagram why the finding may stay; None when it isn't excused.
    """

    path: str
    line: int
    process: str
    element: str
    name: str
    code: str
    message: str
    hint: str
    is_file: bool = True
    excuse: str | None = None

    def __str__(self) -> str:
        # The text of an exception may have several lines.
        return " ".join(f"{self.place}: {self.code} {self.text}".splitlines())

    @property
    def place(self) -> str:
        """File and line, in the form that terminals and editors make a link of."""
        return f"{self.path}:{self.line}"

    @property
    def text(self) -> str:
        """The finding without its place and code."""
        why = f"excused: {self.excuse}" if self.excuse else self.hint
        named = [self.element, repr(self.name) if self.name else ""]
        return " ".join([*filter(None, named), self.message, f"({why})"])

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
