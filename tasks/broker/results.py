"""The result of a start: a key in Redis in the form of Celery's result backend, and a publication that wakes waiters.

It is written over the connection of this process. Celery's backend has a client for each thread: in a threaded web
server that is a connection for each thread that ever ended a process. `AsyncResult(id)` reads the key like any other.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from tasks.runtime import runtime

#: prefix of Celery's backends before a task's id, in the key and in the channel
KEY_PREFIX = "celery-task-meta-"


def publish_result(process_id: uuid.UUID, payload: dict[str, Any]) -> None:
    """Resolve the result of a start, over an earlier end of the process, and wake the waiters.

    Raises:
        redis.RedisError, OSError: Redis is unavailable.
    """
    name = f"{KEY_PREFIX}{process_id}"
    # The members of celery.backends.base.Backend._get_result_meta. The row has the time of the end.
    meta: dict[str, Any] = {
        "task_id": str(process_id),
        "status": "SUCCESS",
        "result": payload,
        "traceback": None,
        "children": [],
        "date_done": None,
    }
    text = json.dumps(meta, ensure_ascii=False, separators=(",", ":"))
    with runtime().redis.pipeline(transaction=True) as pipe:
        pipe.set(name, text, ex=runtime().settings.result_expires_s)
        pipe.publish(name, text)
        pipe.execute()


def open_result(process_id: uuid.UUID) -> None:
    """Delete the result of a process that is pending again: whoever asks for it waits.

    Raises:
        redis.RedisError, OSError: Redis is unavailable.
    """
    runtime().redis.delete(f"{KEY_PREFIX}{process_id}")
