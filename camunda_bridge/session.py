"""One process's HTTP way to the engine: a kept connection a thread, time-outs on every request, authentication.

pycamunda asks its session only for ``request(method, url, params, json, files, auth)``. A lean one under it takes a
fraction of the CPU time that requests takes, and every process makes two calls a step.
"""

from __future__ import annotations

import base64
import json as jsonlib
import logging
import re
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

from urllib3.filepost import encode_multipart_formdata

from camunda_bridge.calls import note_call
from camunda_bridge.errors import EngineRefused, EngineUnavailable, NotFound, Unauthorized
from camunda_bridge.explained import Explanation
from camunda_bridge.json_form import json_form
from camunda_bridge.wire import Connection
from telemetry import tracing

log = logging.getLogger(__name__)

#: request not received in time, too many requests: nothing was done, and the same may be asked again
_LATER = frozenset({408, 429})
#: statuses of a gateway that has surely not passed the request on (RFC 9110, 15.5; RFC 6585, 4)
_NOT_PASSED_ON = frozenset({401, 403, 405, 408, 413, 414, 415, 429, 431})


#: escapes that may be of a lone surrogate
_LONE = re.compile(rb"\\u[dD][89a-fA-F]")


class Response:
    """An answer of the engine, in the shape that pycamunda expects."""

    __slots__ = ("body", "is_content", "status_code")

    def __init__(self, status_code: int, body: bytes, *, is_content: bool = False) -> None:
        self.status_code = status_code
        self.body = body
        self.is_content = is_content

    def __bool__(self) -> bool:
        return self.status_code < 400

    @property
    def content(self) -> bytes:
        """The body as it came."""
        return self.body

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body, parsed.

        Raises:
            EngineUnavailable: it is no JSON: whoever answered is not a healthy engine.
        """
        try:
            # UTF-8 (RFC 8259, 8.1): `json` would look for others first
            document = jsonlib.loads(str(self.body, "utf-8"))
        except ValueError:
            raise EngineUnavailable(
                f"the engine answered {self.status_code} with no JSON: {self.text[:200]!r}"
            ) from None
        # Java's texts may hold half a character, which nothing here can write again: broker, store, clients.
        return json_form(document) if _LONE.search(self.body) else document


class EngineSession:
    """Requests to one engine.

    Args:
        base_url: root of the engine's REST API; absolute URLs given to `request` must begin with it.
        timeout_ms: longest silence of the engine within an answer, in milliseconds.
        connect_timeout_ms: longest wait for a connection, in milliseconds.
        authorization: value of the ``Authorization`` header, None for none.

    Raises (from `request`):
        EngineUnavailable: no connection, no answer in time, an answer that is not the engine's own, or one that says
            that the same request may succeed soon (:mod:`camunda_bridge.explained`).
        NotFound, Unauthorized, EngineRefused: the engine's own 404, 401 / 403, and every other error that it explains.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout_ms: int = 10_000,
        connect_timeout_ms: int = 2_000,
        authorization: str | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"CAMUNDA_BASE_URL={base_url!r} is no http(s) URL")
        secure = parts.scheme == "https"
        self._context = ssl.create_default_context() if secure else None
        self._host = parts.hostname
        self._port = parts.port or (443 if secure else 80)
        self._root = f"{parts.scheme}://{parts.netloc}"
        self._timeout_s = timeout_ms / 1000
        self._connect_timeout_s = connect_timeout_ms / 1000
        self._authorization = authorization
        # User name and password of a URL are no part of the Host field (RFC 9110, 7.2).
        self._head = f"Host: {parts.netloc.rpartition('@')[2]}\r\nAccept: application/json\r\n"
        if authorization:
            if not authorization.isprintable():
                raise ValueError("CAMUNDA_TOKEN, CAMUNDA_USERNAME or CAMUNDA_PASSWORD holds a control character")
            self._head += f"Authorization: {authorization}\r\n"
        self._local = threading.local()
        self._away = False
        #: requests sent so far, for the benchmark's counts
        self.requests_sent = 0

    @classmethod
    def like(cls, other: EngineSession, *, timeout_ms: int) -> EngineSession:
        """A session to the same engine with another time-out, for calls and connections alike."""
        return cls(
            other.base_url,
            timeout_ms=timeout_ms,
            connect_timeout_ms=timeout_ms,
            authorization=other._authorization,
        )

    def request(
        self,
        method: str,
        url: str,
        params: dict[str, Any] | None = None,
        json: Any = None,
        files: dict[str, tuple[str, bytes]] | None = None,
        auth: object = None,
        *,
        takes: Callable[[Response], bool] | None = None,
    ) -> Response:
        """Send one request and read its whole answer. `auth` is pycamunda's and not used: the session has its own.

        `takes`: an answer that it says yes to is given back unchecked: one that is right and no JSON.
        """
        if not url.startswith(self._root):
            raise ValueError(f"{url!r} is not below {self._root!r}")
        path = url[len(self._root) :] or "/"
        if params:
            path += "?" + urlencode(params, doseq=True)
        body = b""
        content_type = "application/json"
        if files:
            body, content_type = encode_multipart_formdata(files)
        elif json is not None and method != "GET":
            body = jsonlib.dumps(json, ensure_ascii=False, separators=(",", ":")).encode()
        observe, resource = tracing.engine_calls(), url[len(self.base_url) :]
        if observe is None:
            return self._ask(method, path, resource, body, content_type, takes)
        with observe(method, resource):
            return self._ask(method, path, resource, body, content_type, takes)

    def get(self, path: str, **params: Any) -> Any:
        """GET `path` below the root of the API; the answer's JSON."""
        return self.request("GET", self.base_url + path, params=params).json()

    def post(self, path: str, json: Any) -> Any:
        """POST `json` to `path` below the root of the API; the answer's JSON, None when it is empty."""
        response = self.request("POST", self.base_url + path, json=json)
        return response.json() if response.body else None

    def download(self, path: str) -> bytes:
        """GET the content at `path`: of a file, or bytes.

        Raises:
            EngineUnavailable: also where what came is a page, and no content.
        """
        response = self.request("GET", self.base_url + path, takes=lambda it: it.status_code == 200 and it.is_content)
        if not response.is_content:
            raise EngineUnavailable(f"not the engine answered {response.status_code}: {response.text[:200]!r}")
        return response.body

    def close(self) -> None:
        """Close the connection of the calling thread."""
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def _ask(
        self,
        method: str,
        path: str,
        resource: str,
        body: bytes,
        content_type: str,
        takes: Callable[[Response], bool] | None,
    ) -> Response:
        begun, status = time.perf_counter(), "away"
        try:
            response = self._exchange(method, path, body, content_type)
            status = str(response.status_code)
        except EngineUnavailable as error:
            self._note_away(error)
            raise
        finally:
            note_call(method, resource, status, time.perf_counter() - begun)
        return response if takes is not None and takes(response) else self._checked(response, resource)

    def _exchange(self, method: str, path: str, body: bytes, content_type: str) -> Response:
        if any(character <= " " for character in path):
            raise ValueError(f"{path!r} is no path of a request")
        connection = self._connection()
        self.requests_sent += 1
        head = f"{method} {path} HTTP/1.1\r\n{self._head}"
        if method != "GET":
            head += f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        try:
            answer = connection.exchange(f"{head}\r\n".encode() + body)
            return Response(*answer, is_content=connection.has_content)
        except OSError as error:
            raise EngineUnavailable(
                f"{method} {path.split('?', maxsplit=1)[0]}: {type(error).__name__}: {error}"
            ) from error

    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is not None and connection.is_open:
            # A kept connection that has something to say before we asked was closed by the other side. Sending on it
            # would fail without telling whether the engine saw the request.
            if not connection.is_stale():
                return connection
            connection.close()
        try:
            connection = Connection(
                self._host,
                self._port,
                connect_timeout_s=self._connect_timeout_s,
                timeout_s=self._timeout_s,
                context=self._context,
            )
        except OSError as error:
            raise EngineUnavailable(
                f"no connection to {self._host}:{self._port}: {type(error).__name__}: {error}", maybe_done=False
            ) from error
        self._local.connection = connection
        return connection

    def _checked(self, response: Response, resource: str) -> Response:
        if response.status_code < 300 and response.body.lstrip()[:1] in (b"", b"{", b"["):
            self._note_back()
            return response
        if response.status_code < 400:
            # A login page, a captive portal: no word of the engine that it has done what it was asked for.
            raise EngineUnavailable(f"not the engine answered {response.status_code}: {response.text[:200]!r}")
        status, found = response.status_code, _explanation(response)
        if status == 401 and found is None:
            # The engine's login filter explains nothing.
            raise Unauthorized(f"the login was answered {status}: {response.text[:200]!r}", status=status)
        if found is None:
            # A gateway, or a servlet container without the engine, has no say in what the engine knows.
            text = f"not the engine answered {status}: {response.text[:200]!r}"
            raise EngineUnavailable(text, maybe_done=status not in _NOT_PASSED_ON)
        text = f"engine answered {status} {found.type}: {found.message}"
        if status in _LATER or (status >= 500 and found.is_transient(is_fetch=resource.endswith("/fetchAndLock"))):
            # An engine that explains its fault has rolled back.
            raise EngineUnavailable(text, maybe_done=False)
        self._note_back()
        if status == 404:
            raise NotFound(text, status=404, type_=found.type)
        if status in (401, 403):
            raise Unauthorized(text, status=status, type_=found.type)
        raise EngineRefused(text, status=status, type_=found.type)

    def _note_away(self, error: EngineUnavailable) -> None:
        # one line a change of state, not one a request
        if not self._away:
            self._away = True
            log.warning("engine is away: %s", error)

    def _note_back(self) -> None:
        if self._away:
            self._away = False
            log.warning("engine is back: %s", self.base_url)


def authorization_header(kind: str, *, username: str = "", password: str = "", token: str = "") -> str | None:
    """The ``Authorization`` value for `kind` none, basic (RFC 7617) or bearer (RFC 6750)."""
    if kind == "basic":
        return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
    if kind == "bearer":
        return f"Bearer {token}"
    return None


def _explanation(response: Response) -> Explanation | None:
    try:
        return Explanation.load(jsonlib.loads(response.body))
    except ValueError:
        return None
