"""Process instances that others started in the engine: which process row their steps belong to.

The row is that of the root instance. It is written with the first step that runs here, in one transaction. Its id
follows from that of the instance, so two steps that begin at the same time cannot write two rows.
"""

from __future__ import annotations

import threading
import uuid
from typing import Any, NamedTuple

from cachetools import LRUCache

from camunda_bridge.context import CONTEXT_VARIABLE, ExecutionContext
from camunda_bridge.engine.locked_task import LockedTask
from camunda_bridge.errors import VariableError
from camunda_bridge.variables import Typed, from_engine
from store.correlation_ids import fault_of
from store.identifiers import as_texts
from store.process_rows import ENGINE, NewProcess, ProcessRow
from tasks.runtime import runtime

#: instances whose process one worker process keeps
INSTANCES_KEPT = 10_000
#: the name of the identifier that has a business key which is not the correlation id
BUSINESS_KEY = "businessKey"
#: namespace of the ids of rows
_NAMESPACE = uuid.UUID("5b0f3a52-6c0f-4d52-9a63-6f2f9f1d7c11")

_known: LRUCache[str, ExecutionContext] = LRUCache(INSTANCES_KEPT)
_lock = threading.Lock()


class Found(NamedTuple):
    """The process of a step, and its row if that is still to be written."""

    context: ExecutionContext
    new: NewProcess | None = None


def process_of(task: LockedTask) -> Found:
    """The process of a step without an execution context of its own.

    Raises:
        BridgeError, DatabaseUnavailable: it is not known now.
    """
    with _lock:
        known = _known.get(task.process_instance_id)
    if known is not None:
        return Found(known)
    found = _look_up(task)
    if found.new is None:
        remember(task, found.context)
    return found


def remember(task: LockedTask, context: ExecutionContext) -> None:
    """Keep the process of an instance, whose row is written."""
    with _lock:
        _known[task.process_instance_id] = context


def _look_up(task: LockedTask) -> Found:
    engine, processes = runtime().engine, runtime().processes
    row = processes.by_instance_id(task.process_instance_id)
    if row is None:
        root = _root(task)
        if root["id"] != task.process_instance_id:
            row = processes.by_instance_id(root["id"])
    if row is not None:
        return Found(_context_of(row))
    context = _context_in(engine.running_variable(root["id"], CONTEXT_VARIABLE))
    if context.process_id is not None:
        # The facade started the root instance, and its id is not in the row yet.
        return Found(context)
    return _new(root)


def _context_in(variable: Typed | None) -> ExecutionContext:
    try:
        return ExecutionContext.from_variable(variable and from_engine({CONTEXT_VARIABLE: variable})[CONTEXT_VARIABLE])
    except VariableError:
        # Somebody else has overwritten it.
        return ExecutionContext()


def _root(task: LockedTask) -> dict[str, Any]:
    """Id, key and business key of the root instance of a step."""
    found = runtime().engine.historic_instance(task.process_instance_id)
    if found is not None and found["rootProcessInstanceId"] not in (None, found["id"]):
        found = runtime().engine.historic_instance(found["rootProcessInstanceId"]) or found
    if found is None:
        # Below history level ACTIVITY the engine does not say which instance is the root.
        return {"id": task.process_instance_id, "key": task.process_definition_key, "businessKey": task.business_key}
    return {"id": found["id"], "key": found["processDefinitionKey"], "businessKey": found["businessKey"]}


def _new(root: dict[str, Any]) -> Found:
    row_id = uuid.uuid5(_NAMESPACE, root["id"])
    business_key = (root["businessKey"] or "").strip()
    # A client may have chosen even the id of the instance as the correlation id of another process.
    candidates = [key for key in (business_key, root["id"]) if fault_of(key) is None]
    by_correlation_id = runtime().processes.by_correlation_id
    correlation_id = next((key for key in candidates if by_correlation_id(key) is None), str(row_id))
    identifiers = {BUSINESS_KEY: business_key} if business_key not in ("", correlation_id) else {}
    new = NewProcess(
        row_id,
        correlation_id,
        request_hash="",
        process_key=root["key"],
        variables={},
        traceability_id=root["id"],
        process_instance_id=root["id"],
        started_by=ENGINE,
        identifiers=identifiers or None,
        searched=as_texts(identifiers),
    )
    return Found(ExecutionContext(str(row_id), correlation_id, root["id"], process_key=root["key"]), new)


def _context_of(row: ProcessRow) -> ExecutionContext:
    return ExecutionContext(
        str(row.id),
        row.correlation_id,
        row.traceability_id,
        row.batch_id,
        row.application_id,
        has_callback=row.callback_url is not None,
        process_key=row.process_key,
        priority=row.priority,
    )
