"""The base class of every exception that this project defines. Each package has one module of its own: `errors.py`."""

from __future__ import annotations


class CeleryCamundaError(Exception):
    """An error of celery-camunda. Without a message, the first line of the class's docstring is the message."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").split("\n", 1)[0])
