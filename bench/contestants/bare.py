"""The bare loop: threads on http.client, without facade, queue, database and retry. Its figures are the limit."""

from __future__ import annotations

from bench.contestants.base import Contestant


class Bare(Contestant):
    """A load generator that calls the engine itself."""

    name = "bare"
    about = "threads on http.client: start, then fetchAndLock by business key and complete"

    def start(self) -> None:
        """Start nothing: the load generator has all the threads."""

    def stop(self) -> None:
        """Stop nothing."""

    def pids(self) -> dict[str, list[int]]:
        """No process ids: no process lives longer than a load."""
        return {}

    @property
    def face_url(self) -> str:
        """Root of the engine's REST API."""
        return self.engine_url

    @property
    def runner(self) -> str:
        """The bare loop, which the load generator contains."""
        return "bare"

    @property
    def load_is_contestant(self) -> bool:
        """True: the load generator's CPU time is the whole cost of the bare loop."""
        return True
