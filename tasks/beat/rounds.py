"""Rounds of work on many rows: a row that fails is postponed alone, and the work goes on with the others.

A postponed row is tried again after a pause, which doubles with each failure. Redis holds the pauses: if it is emptied,
the row is tried once more than it would have been.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import redis
from structlog.contextvars import bound_contextvars

from camunda_bridge.errors import BridgeError, EngineUnavailable, Unauthorized
from store.errors import DatabaseUnavailable
from tasks.errors import BrokerUnavailable
from tasks.runtime import KEY_PREFIX, runtime
from telemetry.metrics import declared

log = logging.getLogger(__name__)

T = TypeVar("T")

#: what a system raises that is unavailable for every row
UNAVAILABLE = (EngineUnavailable, Unauthorized, DatabaseUnavailable, BrokerUnavailable, redis.RedisError)
#: after so many rows one after the other for which a system was unavailable, it counts as unavailable for all
UNAVAILABLE_AFTER = 3
#: first and longest pause of a postponed row, in seconds
PUT_OFF_S, MAX_PUT_OFF_S = 2.0, 600.0
#: seconds for which failures are kept after the last one
REMEMBERED_S = 86_400


def process_rows(
    part: str,
    rows: Sequence[T],
    work: Callable[[T], object],
    *,
    key: Callable[[T], str],
    release: Callable[[Sequence[T]], object] | None = None,
) -> None:
    """Call `work` for each row. A row that fails, for whatever reason, is logged, counted and postponed.

    Args:
        part: names the work, in logs, metrics and Redis.
        key: what names a row in Redis.
        release: called with the rows that are left when a system is unavailable.

    Raises:
        EngineUnavailable, Unauthorized, DatabaseUnavailable, BrokerUnavailable, redis.RedisError: a system was
            unavailable for several rows one after the other, or for the last ones.
    """
    failed, waiting = _failures(part, rows, key)
    suspects: list[tuple[T, Exception]] = []
    for position, row in enumerate(rows):
        if key(row) in waiting:
            continue
        try:
            with bound_contextvars(correlationId=getattr(row, "correlation_id", None)):
                work(row)
        except UNAVAILABLE as error:
            suspects.append((row, error))
            if len(suspects) >= UNAVAILABLE_AFTER:
                if release is not None:
                    release([*(row for row, _ in suspects), *rows[position + 1 :]])
                raise
            continue
        except Exception as error:
            postpone(part, key(row), error, correlation_id=getattr(row, "correlation_id", None))
        else:
            if key(row) in failed:
                _forget(part, key(row))
        # This row succeeded: the system is unavailable only for the rows before it.
        for suspect, cause in suspects:
            postpone(part, key(suspect), cause, correlation_id=getattr(suspect, "correlation_id", None))
        suspects.clear()
    if suspects:
        if release is not None:
            release([row for row, _ in suspects])
        raise suspects[-1][1]


def query_all(ask: Callable[[list[str]], list[Any]], ids: Sequence[str]) -> Iterator[Any]:
    """What `ask` answers about all `ids`. If it fails, it is called for each half, down to the single id that fails.

    Such an id is logged and left out.

    Raises:
        EngineUnavailable: for every id.
    """
    try:
        yield from ask(list(ids))
    except BridgeError as error:
        # Raises if the engine is unavailable for everything.
        runtime().engine.version()
        if len(ids) == 1:
            log.warning("engine unavailable for instance %s, left out of this round: %s", ids[0], error)
            return
        middle = len(ids) // 2
        yield from query_all(ask, ids[:middle])
        yield from query_all(ask, ids[middle:])


@contextmanager
def isolated_part(part: str) -> Iterator[None]:
    """Log what this part raises, and go on with the next part."""
    try:
        yield
    except UNAVAILABLE as error:
        log.warning("%s incomplete, the next round goes on: %s", part, error)
        declared.ROUND_FAILURES.labels(part, type(error).__name__).inc()
    except Exception as error:
        log.exception("%s failed, the next round tries again", part)
        declared.ROUND_FAILURES.labels(part, type(error).__name__).inc()


def postpone(part: str, name: str, error: Exception, *, correlation_id: str | None = None) -> None:
    """Log and count a row that failed, and postpone it."""
    tries = 1
    try:
        client = runtime().redis
        tries = int(client.hincrby(_tries(part), name, 1))  # type: ignore[arg-type]
        pause_s = min(PUT_OFF_S * 2.0 ** min(tries - 1, 20), MAX_PUT_OFF_S)
        with client.pipeline(transaction=False) as pipe:
            pipe.expire(_tries(part), REMEMBERED_S)
            pipe.set(_wait(part, name), "1", px=int(pause_s * 1000))
            pipe.execute()
    except (redis.RedisError, OSError) as unnoted:
        log.debug("%s: failure of a row not kept, the next round tries it again: %s", part, unnoted)
        pause_s = 0.0
    declared.ROWS_PUT_OFF.labels(part, type(error).__name__).inc()
    with bound_contextvars(correlationId=correlation_id):
        log.warning(
            "%s failed for one row, attempt %d, next attempt in %.0f s: %s: %s",
            part,
            tries,
            pause_s,
            type(error).__name__,
            error,
            exc_info=error if tries == 1 and not isinstance(error, (*UNAVAILABLE, BridgeError)) else None,
        )


def _failures(part: str, rows: Sequence[T], key: Callable[[T], str]) -> tuple[set[str], set[str]]:
    """The names of the rows that failed lately, and of those among them that are postponed now."""
    if not rows:
        return set(), set()
    try:
        client = runtime().redis
        failed: Any = client.hgetall(_tries(part))
        names = [name for name in map(key, rows) if name in failed]
        if not names:
            return set(), set()
        waits: Any = client.mget([_wait(part, name) for name in names])
    except (redis.RedisError, OSError) as error:
        log.debug("%s: postponed rows unknown, all rows are tried: %s", part, error)
        return set(), set()
    return set(names), {name for name, wait in zip(names, waits, strict=True) if wait is not None}


def _forget(part: str, name: str) -> None:
    """Delete the failures of a row that succeeded."""
    try:
        runtime().redis.hdel(_tries(part), name)
    except (redis.RedisError, OSError) as error:
        log.debug("%s: failures of a row not deleted, they expire: %s", part, error)


def _tries(part: str) -> str:
    return f"{KEY_PREFIX}put-off:{part}"


def _wait(part: str, name: str) -> str:
    return f"{KEY_PREFIX}put-off:{part}:{name}"
