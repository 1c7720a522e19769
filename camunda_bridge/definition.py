"""Declares processes: a BPMN file, schemas, and a plain function for each step.

    process = define_process("onboard-user", start_schema=OnboardUser)

    @process.step("validate-user-information", order=1, input_schema=UserInformation)
    def validate_user_information(user: User) -> dict[str, str]:
        return {"userId": user.user_id}

The topic of a step is ``<process key>.<step name>``, unless `topic` names another one. A handler gets the input of the
step and, if it asks for it, a :class:`StepContext`; :mod:`camunda_bridge.signature` has the forms. The fields that it
returns become process variables.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from marshmallow import Schema

from camunda_bridge.bpmn import Diagram, read_diagram
from camunda_bridge.errors import DefinitionError
from camunda_bridge.hooks import After, Before, Hooks, OnError
from camunda_bridge.package import BPMN_SUFFIXES
from camunda_bridge.steps import IDENTIFIERS, StepDefinition, StepOwner


@dataclass(slots=True)
class ProcessDefinition(StepOwner):
    """One process. :func:`define_process` makes it, and its :meth:`step` decorator adds the steps.

    `file`: the BPMN file; None for a process that others deploy, whose diagrams are read from the engine.
    """

    file: Path | None
    _: KW_ONLY
    start_schema: Schema | None = None
    example: dict[str, Any] = field(default_factory=dict)

    @property
    def bpmn_path(self) -> Path:
        """The path of the BPMN file.

        Raises:
            DefinitionError: others deploy the process.
        """
        if self.file is None:
            raise DefinitionError(f"process {self.key!r} has no BPMN file here: it is declared with deployed=True")
        return self.file

    def content(self) -> bytes:
        """The BPMN file, read from the disk.

        Raises:
            DefinitionError: the file can't be read, or others deploy the process.
        """
        try:
            return self.bpmn_path.read_bytes()
        except OSError as error:
            raise DefinitionError(f"process {self.key!r}: {self.bpmn_path.name}: {error.strerror}") from None

    def diagram(self) -> Diagram:
        """The process in its BPMN file.

        Raises:
            DefinitionError: the file is missing, isn't BPMN, or doesn't have this process.
        """
        content = self.content()
        try:
            return read_diagram(content, self.key)
        except DefinitionError as error:
            raise DefinitionError(f"process {self.key!r}: {self.bpmn_path.name}: {error}", line=error.line) from None


@dataclass(slots=True)
class WorkerDefinition(StepOwner):
    """Steps of topics that any process may use. :func:`define_worker` makes it; its :meth:`step` adds the steps.

    A step runs the tasks of its topic wherever they come from: from processes of this installation, from processes that
    others deployed, from instances that were started elsewhere. Its topic is its name unless it names another one.
    """

    has_result: ClassVar[bool] = False

    def default_topic(self, name: str) -> str:
        """The topic of a step that names none: its name."""
        return name

    def process_keys(self, step: StepDefinition) -> tuple[str, ...] | None:
        """None: the tasks of every process are fetched."""
        return None


def define_process(
    key: str,
    *,
    bpmn: str | None = None,
    deployed: bool = False,
    start_schema: type[Schema] | None = None,
    example: Mapping[str, Any] | None = None,
    process_name: str = "",
    originating_system: str = "rest-facade",
    identifiers: Iterable[str] = IDENTIFIERS,
    before: Iterable[Before] = (),
    after: Iterable[After] = (),
    on_error: Iterable[OnError] = (),
) -> ProcessDefinition:
    """Declare a process.

    Args:
        key: id of the executable process in the BPMN file.
        bpmn: name of the BPMN file, in the folder of the calling module; by default ``<key with underscores>.bpmn``.
        deployed: others deploy the process. It has no file here; each version that runs is read from the engine.
        start_schema: validates the variables of a start.
        example: variables of an example start, for the documentation of the API.
        identifiers: fields that name a business object; they are stored with events and process row, and every step
            gets them.
        before, after, on_error: functions that run around the handler of every step; see :class:`Hooks`.

    Raises:
        DefinitionError: both `bpmn` and `deployed` are given, or the engine would not recognise the file by its name.
    """
    if deployed and bpmn:
        raise DefinitionError(f"process {key!r}: give either bpmn or deployed=True, but not both")
    if bpmn and not bpmn.endswith(BPMN_SUFFIXES):
        raise DefinitionError(f"process {key!r}: the name {bpmn!r} must end with {' or '.join(BPMN_SUFFIXES)}")
    caller = Path(inspect.stack()[1].filename).parent
    return ProcessDefinition(
        key=key,
        file=None if deployed else caller / (bpmn or f"{key.replace('-', '_')}.bpmn"),
        start_schema=start_schema() if start_schema else None,
        example=dict(example or {}),
        process_name=process_name or key,
        originating_system=originating_system,
        identifiers=tuple(identifiers),
        hooks=Hooks.of(before, after, on_error),
    )


def define_worker(
    key: str,
    *,
    originating_system: str = "rest-facade",
    identifiers: Iterable[str] = IDENTIFIERS,
    before: Iterable[Before] = (),
    after: Iterable[After] = (),
    on_error: Iterable[OnError] = (),
) -> WorkerDefinition:
    """Declare a worker: steps that belong to no process.

    Args:
        key: names the worker and its queue, ``steps.<key>``; no process may have the same key.
        identifiers: fields that name a business object; they are stored with events.
        before, after, on_error: functions that run around the handler of every step; see :class:`Hooks`.
    """
    return WorkerDefinition(
        key=key,
        process_name=key,
        originating_system=originating_system,
        identifiers=tuple(identifiers),
        hooks=Hooks.of(before, after, on_error),
    )
