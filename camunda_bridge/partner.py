"""The HTTP client for partner services: one connection pool a process, time-outs, and retries where they are safe.

    partner = PartnerClient("http://partner", timeout_ms=5_000)
    answer = partner.post("/onboarding", {"userId": "u-1"}, idempotency_key=context.idempotency_key)

A GET is safe to repeat (RFC 9110, 9.2.2), and so is a POST with an idempotency key (the Idempotency-Key draft of the
IETF's HTTPAPI group). The event of the attempt stores the status code of the last answer.
"""

from __future__ import annotations

import json
from typing import Any

import urllib3

from camunda_bridge.context import current_record
from camunda_bridge.errors import PartnerError

#: statuses after which a call is repeated: too many requests, bad gateway, unavailable, gateway time-out
RETRIED_STATUSES = frozenset({429, 502, 503, 504})


class PartnerClient:
    """The client of one partner service.

    Args:
        base_url: the URL to which the paths of the calls are appended.
        timeout_ms: longest wait for a connection and for each part of an answer, in milliseconds.
        retries: how often a call that is safe to repeat is repeated, with exponential back-off and jitter.
        pool_size: how many connections are kept open.
    """

    def __init__(self, base_url: str, *, timeout_ms: int = 5_000, retries: int = 2, pool_size: int = 4) -> None:
        self._base_url = base_url.rstrip("/")
        self._pool = urllib3.PoolManager(
            maxsize=pool_size, timeout=urllib3.Timeout(total=timeout_ms / 1000), headers={"Accept": "application/json"}
        )
        self._retries = retries

    def get(self, path: str, *, params: dict[str, str] | None = None) -> Any:
        """GET `path`; returns the JSON of the answer.

        Raises:
            PartnerError: the partner answered with an error, with no JSON, or not at all.
        """
        return self._call("GET", path, fields=params)

    def post(self, path: str, body: Any, *, idempotency_key: str | None = None) -> Any:
        """POST a JSON document; returns the JSON of the answer. Only a call with an idempotency key is repeated.

        Raises:
            PartnerError: the partner answered with an error, with no JSON, or not at all.
        """
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        content = json.dumps(body, ensure_ascii=False).encode()
        return self._call("POST", path, body=content, headers=headers, repeatable=idempotency_key is not None)

    def _call(self, method: str, path: str, *, repeatable: bool = True, **options: Any) -> Any:
        record = current_record()
        if record is not None and record.traceparent is not None:
            given = options.get("headers", self._pool.headers)
            options["headers"] = {**given, "traceparent": record.traceparent}
        policy = urllib3.Retry(
            total=self._retries if repeatable else 0,
            backoff_factor=0.1,
            backoff_jitter=0.1,
            backoff_max=2.0,
            status_forcelist=RETRIED_STATUSES if repeatable else (),
            allowed_methods=None,
            raise_on_status=False,
            # A Retry-After of an hour must not occupy a slot and hold the lock of the step for an hour.
            respect_retry_after_header=False,
            redirect=0,
        )
        try:
            answer = self._pool.request(method, self._base_url + path, retries=policy, **options)
        except urllib3.exceptions.HTTPError as error:
            raise PartnerError(f"{method} {path}: {type(error).__name__}") from error
        if record is not None:
            record.http_status_code = answer.status
        text = answer.data.decode("utf-8", "replace")
        if answer.status >= 300:
            raise PartnerError(f"{method} {path} answered {answer.status}", status=answer.status, body=text[:1000])
        try:
            return json.loads(text)
        except ValueError:
            raise PartnerError(
                f"{method} {path} answered {answer.status} without JSON", status=answer.status, body=text[:1000]
            ) from None
