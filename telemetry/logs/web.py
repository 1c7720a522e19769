"""gunicorn's log, among all other lines: its records go where everybody's go."""

from __future__ import annotations

from typing import Any

from gunicorn.glogging import Logger


class WebLog(Logger):  # type: ignore[misc]
    """A logger without handlers of its own."""

    def setup(self, cfg: Any) -> None:
        """Leave form and level to the root logger."""
        self.loglevel = self.error_log.getEffectiveLevel()
        for log in (self.error_log, self.access_log):
            log.handlers.clear()
            log.propagate = True

    def reopen_files(self) -> None:
        """Standard error needs no reopening."""
