"""The open result of a start: a key in Redis in the form of Celery's result backend, and a publication that wakes.

Written over the process's own connection: Celery's backend keeps a client a thread, which in a threaded web server is
a connection for each thread that ever ended a process. `AsyncResult(id)` reads the key as it reads any other.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from tasks.runtime import runtime

#: what Celery's backends put before a task's id, for the key and for the channel
KEY_PREFIX = "celery-task-meta-"


def publish_result(process_id: uuid.UUID, payload: dict[str, Any]) -> None:
    """Resolve the result of a process's start, in place of an earlier end of it, and wake who waits.

    Raises:
        redis.RedisError, OSError: Redis is away.
    """
    name = f"{KEY_PREFIX}{process_id}"
    # The columns of celery.backends.base.Backend._get_result_meta. When it was done stands in the row.
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
    """The process is pending again: whoever asks for its result waits.

    Raises:
        redis.RedisError, OSError: Redis is away.
    """
    runtime().redis.delete(f"{KEY_PREFIX}{process_id}")
