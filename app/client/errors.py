"""The exceptions of the API client; `flask process` prints their messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from errors import CeleryCamundaError

if TYPE_CHECKING:
    from app.client.reply import Reply


class ClientError(CeleryCamundaError):
    """A request to the API failed."""


class ApiUnreachable(ClientError):
    """The server cannot be reached, or the answer is not one of this API.

    Every request can raise it; the command exits with code 7.
    """


class StreamLost(ClientError):
    """The event stream broke off.

    :meth:`app.client.api.ApiClient.events` raises it; :func:`app.client.following.follow` opens the stream again.
    """


class RequestRefused(ClientError):
    """The server answered the request for a stream with something else: a problem, or 204.

    :meth:`app.client.api.ApiClient.events` raises it; the command prints the answer and exits with its exit code.
    """

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply.status))
        self.reply = reply


class DeadlineExceeded(ClientError):
    """The process did not end within the given time.

    :func:`app.client.following.follow` raises it; the command exits with code 5.
    """
