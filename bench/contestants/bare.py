"""The bare loop: a threaded script on http.client. No facade, no queue, no database, no retry: the limit."""

from __future__ import annotations

from bench.contestants.base import Contestant


class Bare(Contestant):
    """The load generator talks to the engine itself."""

    name = "bare"
    about = "threads on http.client: start, then fetchAndLock by business key and complete"

    def start(self) -> None:
        """Nothing to start: its threads are the load generator's."""

    def stop(self) -> None:
        """Nothing to stop."""

    def pids(self) -> dict[str, list[int]]:
        """None that live longer than a load."""
        return {}

    @property
    def face_url(self) -> str:
        """The engine itself."""
        return self.engine_url

    @property
    def runner(self) -> str:
        """The loop is in the load generator."""
        return "bare"

    @property
    def load_is_contestant(self) -> bool:
        """The load generator's CPU is all that the bare loop costs."""
        return True
