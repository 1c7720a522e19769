"""What a start asks for: the process, the correlation id that the client chose, the hash that tells starts apart."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from app.responses.links import status_url
from app.responses.problem import Problem
from app.responses.problem_types import CORRELATION_ID_CONFLICT, UNKNOWN_PROCESS
from service.catalogue import ProcessDefinition, find_process


def known_process(key: str) -> ProcessDefinition:
    """The process with this key.

    Raises:
        Problem: there is none.
    """
    process = find_process(key)
    if process is None:
        raise Problem(UNKNOWN_PROCESS, f"no process has the key {key!r}; GET /api/process/definitions lists all keys")
    return process


def chosen_id(body: dict[str, Any], labels: dict[str, str]) -> str | None:
    """The correlation id that the client chose, in the body or as `Idempotency-Key`; None if it chose none.

    Raises:
        Problem: it chose two different ones.
    """
    correlation_id, key = body.get("correlationId"), labels.get("idempotency_key")
    if correlation_id is not None and key is not None and key != correlation_id:
        raise Problem(
            CORRELATION_ID_CONFLICT,
            f"Idempotency-Key {key!r} differs from correlationId: send only one of them, or equal values",
            correlationId=correlation_id,
            statusUrl=status_url(correlation_id),
        )
    return correlation_id or key


def request_hash(
    process_key: str, variables: dict[str, Any], callback_url: str | None, rerun_of: str | None = None
) -> str:
    """The hash of what a start asks for. A start with the correlation id of another hash is refused."""
    content: list[Any] = [process_key, variables, *([callback_url] if callback_url is not None else [])]
    if rerun_of is not None:
        content.append({"rerunOf": rerun_of})
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
