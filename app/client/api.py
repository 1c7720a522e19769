"""The HTTP client of the commands: timeouts, a few retries, and event streams.

Every call is safe to repeat: a start has a correlation id, and the operations of ops are idempotent.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import sseclient
import urllib3

from app.client.errors import ApiUnreachable, RequestRefused, StreamLost
from app.client.reply import Reply

#: seconds to wait for a connection, and for an answer beyond the time that the server may wait
CONNECT_S, ANSWER_S = 5.0, 30.0
#: seconds without data after which a stream counts as lost; the server sends a comment every 15 seconds
SILENCE_S = 40.0
#: seconds that a server can be configured to wait, at most
LONGEST_WAIT_S = 600
#: statuses of a proxy whose server is unavailable for a moment
PROXY_STATUSES = (502, 504)
_RETRIES = urllib3.Retry(
    connect=2,
    read=2,
    redirect=0,
    status=2,
    status_forcelist=PROXY_STATUSES,
    other=0,
    allowed_methods=None,
    # Return the last answer whatever its status is. The caller gets a 503 or 429 at once, without a retry.
    raise_on_status=False,
    respect_retry_after_header=False,
    backoff_factor=0.2,
    backoff_jitter=0.2,
)


@dataclass(frozen=True, slots=True)
class StreamedEvent:
    """One event of a stream."""

    id: str
    name: str
    data: dict[str, Any]


class ApiClient:
    """Calls one server.

    Args:
        url: root of the server.
        key: API key or token; empty for none.
    """

    def __init__(self, url: str, key: str = "") -> None:
        self._root = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._pool = urllib3.PoolManager(retries=_RETRIES, timeout=urllib3.Timeout(connect=CONNECT_S, read=ANSWER_S))

    def get(self, *path: str, query: Mapping[str, Any] | None = None, wait_s: int = 0) -> Reply:
        """Send a GET below `/api/process`.

        Args:
            path: parts of the path.
            query: parameters; a None is left out.
            wait_s: how long the server may wait for the end of the process, in seconds.

        Raises:
            ApiUnreachable: no answer came.
        """
        return self._call("GET", path, query=query, wait_s=wait_s)

    def post(self, *path: str, body: dict[str, Any], wait_s: int = 0, work_s: float = 0.0) -> Reply:
        """Send a POST below `/api/process`; see :meth:`get`.

        Args:
            path: parts of the path.
            body: the body.
            wait_s: see :meth:`get`.
            work_s: how long the server may work on the request, in seconds, beyond the time of an ordinary answer.

        Raises:
            ApiUnreachable: no answer came.
        """
        return self._call("POST", path, body=body, wait_s=wait_s, work_s=work_s)

    def put(self, *path: str, body: dict[str, Any]) -> Reply:
        """Send a PUT below `/api/process`.

        Raises:
            ApiUnreachable: no answer came.
        """
        return self._call("PUT", path, body=body)

    def patch(self, *path: str, body: dict[str, Any]) -> Reply:
        """Send a PATCH below `/api/process`.

        Raises:
            ApiUnreachable: no answer came.
        """
        return self._call("PATCH", path, body=body)

    def delete(self, *path: str) -> Reply:
        """Send a DELETE below `/api/process`.

        Raises:
            ApiUnreachable: no answer came.
        """
        return self._call("DELETE", path)

    def events(
        self, correlation_id: str, last_id: str | None, *, for_s: float | None = None
    ) -> Iterator[StreamedEvent]:
        """The events of a process, until the server closes the stream.

        Args:
            correlation_id: the process.
            last_id: the id of the last event that was received; None for none.
            for_s: how long to read the stream, in seconds, at most.

        Raises:
            RequestRefused: the server answers without a stream.
            StreamLost: the connection broke, `for_s` is over, or a proxy answered because the server is unavailable.
            ApiUnreachable: the answer is not one of this API.
        """
        connect_s, silence_s = (limit if for_s is None else min(limit, for_s) for limit in (CONNECT_S, SILENCE_S))
        headers = {**self._headers, "Accept": "text/event-stream"}
        if last_id is not None:
            headers["Last-Event-ID"] = last_id
        try:
            response = self._pool.request(
                "GET",
                self._url((correlation_id, "events")),
                headers=headers,
                preload_content=False,
                timeout=urllib3.Timeout(connect=connect_s, read=silence_s),
                retries=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise StreamLost(str(error)) from None
        try:
            if response.status != 200:
                raise _refusal(response)
            with _ended_after(response, for_s):
                for event in sseclient.SSEClient(response.stream()).events():
                    yield StreamedEvent(event.id or "", event.event, json.loads(event.data))
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            # ValueError: a truncated event is not JSON.
            raise StreamLost(str(error)) from None
        finally:
            response.close()

    def _call(
        self,
        method: str,
        path: tuple[str, ...],
        *,
        body: dict[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        wait_s: int = 0,
        work_s: float = 0.0,
    ) -> Reply:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        url = self._url(path) + (f"?{urlencode(given)}" if given else "")
        waits = min(wait_s, LONGEST_WAIT_S)
        headers = {**self._headers, "Prefer": f"wait={waits}" if waits > 0 else "respond-async"}
        content = None
        if body is not None:
            content = json.dumps(body, ensure_ascii=False).encode()
            headers["Content-Type"] = "application/json"
        timeout = urllib3.Timeout(connect=CONNECT_S, read=waits + work_s + ANSWER_S)
        try:
            response = self._pool.request(method, url, body=content, headers=headers, timeout=timeout)
        except urllib3.exceptions.HTTPError as error:
            raise ApiUnreachable(f"no answer from {self._root}: {error}") from None
        return Reply(response.status, _body(response.data))

    def _url(self, path: tuple[str, ...]) -> str:
        return "/".join((self._root, "api/process", *(quote(part, safe="") for part in path)))


def _refusal(response: urllib3.BaseHTTPResponse) -> Exception:
    """The exception for an answer without a stream. An answer that is not JSON comes from a proxy."""
    try:
        return RequestRefused(Reply(response.status, _body(response.read())))
    except ApiUnreachable as error:
        return StreamLost(f"answer {response.status}, {error}") if response.status >= 500 else error


@contextmanager
def _ended_after(response: urllib3.BaseHTTPResponse, seconds: float | None) -> Iterator[None]:
    """Within the block, end the answer after `seconds`. A read timeout cannot: keep-alive comments renew it."""
    if seconds is None:
        yield
        return

    def end() -> None:
        # The answer may have ended at the same moment.
        with suppress(OSError, ValueError, RuntimeError):
            response.shutdown()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        # Wait for a running timer: it must not close a connection that another answer uses already.
        timer.join()


def _body(content: bytes) -> dict[str, Any]:
    if not content:
        return {}
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ApiUnreachable("the answer is not a JSON object, so it is not from this API; check the URL")
    return body
