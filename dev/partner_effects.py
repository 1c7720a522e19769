"""The calls and effects of the partner stub, and the answer of each idempotency key."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

Answer = dict[str, Any]


class Effects:
    """Counts calls and effects per endpoint; one idempotency key has one effect and one answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._calls_of_user: Counter[tuple[str, str]] = Counter()
        self._effects: Counter[str] = Counter()
        self._effects_of_user: dict[str, list[Answer]] = defaultdict(list)
        self._answers: dict[tuple[str, str], Answer] = {}

    def call(self, endpoint: str, user_id: str) -> int:
        """Count a call. Returns its number among the calls of this user at this endpoint, from 1."""
        with self._lock:
            self._calls[endpoint] += 1
            self._calls_of_user[endpoint, user_id] += 1
            return self._calls_of_user[endpoint, user_id]

    def once(self, endpoint: str, user_id: str, key: str | None, work: Callable[[], Answer]) -> tuple[Answer, bool]:
        """The answer of `work`, or the earlier answer of `key`; and True if this call had the effect."""
        with self._lock:
            if key is not None and (endpoint, key) in self._answers:
                return self._answers[endpoint, key], False
            answer = work()
            if key is not None:
                self._answers[endpoint, key] = answer
            self._effects[endpoint] += 1
            self._effects_of_user[user_id].append({"endpoint": endpoint, "idempotencyKey": key, "answer": answer})
            return answer, True

    def stats(self) -> Answer:
        """Calls and effects of each endpoint."""
        with self._lock:
            return {
                endpoint: {"calls": calls, "effects": self._effects[endpoint]}
                for endpoint, calls in sorted(self._calls.items())
            }

    def of_user(self, user_id: str) -> list[Answer]:
        """The effects for one user, in order."""
        with self._lock:
            return list(self._effects_of_user.get(user_id, ()))
