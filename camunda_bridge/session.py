"""The HTTP session to the engine: one open connection a thread, time-outs on every request, authentication.

pycamunda calls only ``request(method, url, params, json, files, auth)`` of its session. This small session needs a
fraction of the CPU time of the package `requests`, which matters because each step makes two requests.
"""

from __future__ import annotations

import base64
import json as jsonlib
import logging
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

from urllib3.filepost import encode_multipart_formdata

from camunda_bridge.calls import note_call
from camunda_bridge.errors import EngineRefused, EngineUnavailable, NotFound, PermissionMissing, Unauthorized
from camunda_bridge.response import Response, explanation_of
from camunda_bridge.wire import Connection
from telemetry import tracing

log = logging.getLogger(__name__)

#: request not received in time, too many requests: the request had no effect and may be sent again
_LATER = frozenset({408, 429})
#: statuses of a gateway that certainly didn't forward the request (RFC 9110, 15.5; RFC 6585, 4)
_NOT_FORWARDED = frozenset({401, 403, 405, 408, 413, 414, 415, 429, 431})


class EngineSession:
    """Sends requests to one engine.

    Args:
        base_url: root of the engine's REST API; absolute URLs given to `request` must begin with it.
        timeout_ms: longest wait for the next part of an answer, in milliseconds.
        connect_timeout_ms: longest wait for a connection, in milliseconds.
        authorization: value of the ``Authorization`` header; None for no header.

    Raises (from `request`):
        EngineUnavailable: no connection, no answer in time, an answer of something other than the engine, or a
            transient error of the engine (:mod:`camunda_bridge.explained`).
        NotFound, Unauthorized, PermissionMissing, EngineRefused: the engine answered 404, 401 or 403, 403 because of a
            permission, or any other error.
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
            raise ValueError(f"CAMUNDA_BASE_URL={base_url!r} must be an http or https URL with a host")
        secure = parts.scheme == "https"
        self._context = ssl.create_default_context() if secure else None
        self._host = parts.hostname
        self._port = parts.port or (443 if secure else 80)
        self._root = f"{parts.scheme}://{parts.netloc}"
        self._timeout_s = timeout_ms / 1000
        self._connect_timeout_s = connect_timeout_ms / 1000
        self._authorization = authorization
        # The Host field must not contain the user name and password of the URL (RFC 9110, 7.2).
        self._head = f"Host: {parts.netloc.rpartition('@')[2]}\r\nAccept: application/json\r\n"
        if authorization:
            if not authorization.isprintable():
                raise ValueError(
                    "CAMUNDA_TOKEN, CAMUNDA_USERNAME and CAMUNDA_PASSWORD must not hold control characters"
                )
            self._head += f"Authorization: {authorization}\r\n"
        self._local = threading.local()
        self._is_unavailable = False
        #: how many requests were sent so far; the benchmark reads it
        self.requests_sent = 0

    @classmethod
    def like(cls, other: EngineSession, *, timeout_ms: int) -> EngineSession:
        """A session to the same engine with another time-out, in milliseconds, for connections and answers."""
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
        accepts: Callable[[Response], bool] | None = None,
    ) -> Response:
        """Send one request and read its whole answer.

        Args:
            auth: ignored; pycamunda passes it, but the session has its own authorization.
            accepts: when it returns True for an answer, the answer is returned without the usual checks, because a
                correct answer need not be JSON.
        """
        if not url.startswith(self._root):
            raise ValueError(f"{url!r} must begin with {self._root!r}")
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
            return self._send(method, path, resource, body, content_type, accepts)
        with observe(method, resource):
            return self._send(method, path, resource, body, content_type, accepts)

    def get(self, path: str, **params: Any) -> Any:
        """GET `path` below the root of the API; returns the JSON of the answer."""
        return self.request("GET", self.base_url + path, params=params).json()

    def post(self, path: str, json: Any) -> Any:
        """POST `json` to `path` below the root of the API; returns the JSON of the answer, or None if it is empty."""
        response = self.request("POST", self.base_url + path, json=json)
        return response.json() if response.body else None

    def download(self, path: str) -> bytes:
        """GET the content of a File or Bytes variable at `path`.

        Raises:
            EngineUnavailable: also when the answer is a page instead of the content.
        """
        response = self.request("GET", self.base_url + path, accepts=lambda it: it.status_code == 200 and it.is_content)
        if not response.is_content:
            raise EngineUnavailable(_not_the_engine(response))
        return response.body

    @property
    def has_login(self) -> bool:
        """True when the requests carry a login."""
        return self._authorization is not None

    def close(self) -> None:
        """Close the connection of the calling thread."""
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def _send(
        self,
        method: str,
        path: str,
        resource: str,
        body: bytes,
        content_type: str,
        accepts: Callable[[Response], bool] | None,
    ) -> Response:
        begun, status = time.perf_counter(), "away"
        try:
            response = self._exchange(method, path, body, content_type)
            status = str(response.status_code)
        except EngineUnavailable as error:
            self._log_unavailable(error)
            raise
        finally:
            note_call(method, resource, status, time.perf_counter() - begun)
        return response if accepts is not None and accepts(response) else self._checked(response, resource)

    def _exchange(self, method: str, path: str, body: bytes, content_type: str) -> Response:
        if any(character <= " " for character in path):
            raise ValueError(f"{path!r} holds a space or control character, which a request path must not")
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
            # Data before the next request means that the engine has closed the connection. A request on it would fail,
            # and it would be unknown whether the engine received it.
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
            self._log_available()
            return response
        if response.status_code < 400:
            # For example a login page or a captive portal. It doesn't show that the engine processed the request.
            raise EngineUnavailable(_not_the_engine(response))
        status, found = response.status_code, explanation_of(response)
        if status == 401 and found is None:
            # The login filter of the engine answers without an error document.
            raise Unauthorized(f"the engine refused the login with {status}: {response.text[:200]!r}", status=status)
        if found is None:
            # Only the engine sends error documents, so this is a gateway, or a servlet container without the engine.
            raise EngineUnavailable(_not_the_engine(response), maybe_done=status not in _NOT_FORWARDED)
        text = f"engine answered {status} {found.type}: {found.message}"
        if status in _LATER or (status >= 500 and found.is_transient(is_fetch=resource.endswith("/fetchAndLock"))):
            # An engine that answers with an error document has rolled its transaction back.
            raise EngineUnavailable(text, maybe_done=False)
        self._log_available()
        if status == 404:
            raise NotFound(text, status=404, type_=found.type)
        if status == 403 and found.type == "AuthorizationException":
            raise PermissionMissing(text, status=status, type_=found.type)
        if status in (401, 403):
            raise Unauthorized(text, status=status, type_=found.type)
        raise EngineRefused(text, status=status, type_=found.type)

    def _log_unavailable(self, error: EngineUnavailable) -> None:
        # one line for each change, not for each request
        if not self._is_unavailable:
            self._is_unavailable = True
            log.warning("engine unavailable: %s", error)

    def _log_available(self) -> None:
        if self._is_unavailable:
            self._is_unavailable = False
            log.warning("engine available again: %s", self.base_url)


def authorization_header(kind: str, *, username: str = "", password: str = "", token: str = "") -> str | None:
    """The ``Authorization`` value for `kind` none, basic (RFC 7617) or bearer (RFC 6750)."""
    if kind == "basic":
        return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
    if kind == "bearer":
        return f"Bearer {token}"
    return None


def _not_the_engine(response: Response) -> str:
    return f"something other than the engine answered {response.status_code}: {response.text[:200]!r}"
