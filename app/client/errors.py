"""What the client of the API raises; `flask process` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from errors import CeleryCamundaError

if TYPE_CHECKING:
    from app.client.reply import Reply


class ClientError(CeleryCamundaError):
    """A request to the API came to nothing."""


class ApiUnreachable(ClientError):
    """The server cannot be reached, or what answered is not this API.

    Every request raises it; the command ends with exit code 7.
    """


class StreamLost(ClientError):
    """The event stream broke off.

    :meth:`app.client.api.ApiClient.events` raises it; :func:`app.client.following.follow` opens the stream again.
    """


class RequestRefused(ClientError):
    """The server has no stream for this request.

    :meth:`app.client.api.ApiClient.events` raises it; the command prints the answer and ends with its exit code.
    """

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply.status))
        self.reply = reply


class DeadlineExceeded(ClientError):
    """The process had not ended in the time given.

    :func:`app.client.following.follow` raises it; the command ends with exit code 3.
    """
