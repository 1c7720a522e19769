"""The logger of gunicorn, which passes its records to the root logger."""

from __future__ import annotations

from typing import Any

from gunicorn.glogging import Logger


class WebLog(Logger):  # type: ignore[misc]
    """A gunicorn logger without its own handlers."""

    def setup(self, cfg: Any) -> None:
        """Remove the handlers, so that the root logger decides about form and level."""
        self.loglevel = self.error_log.getEffectiveLevel()
        for log in (self.error_log, self.access_log):
            log.handlers.clear()
            log.propagate = True

    def reopen_files(self) -> None:
        """Do nothing: standard error isn't reopened."""
