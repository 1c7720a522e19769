"""Calls from step handlers to partner services: one pool a process, time-outs, retries where a repeat is safe.

    partner = PartnerClient("http://partner", timeout_ms=5_000)
    answer = partner.post("/onboarding", {"userId": "u-1"}, idempotency_key=context.idempotency_key)

A GET, PUT or DELETE is safe to repeat, and so is a POST that carries an idempotency key (RFC 9110, 9.2.2; the
Idempotency-Key draft of the IETF's HTTPAPI group). The status code of the last answer goes into the attempt's event.
"""

from __future__ import annotations

import json
from typing import Any

import urllib3

from camunda_bridge.context import current_record
from camunda_bridge.errors import PartnerError

#: answers that say "later": overloaded, bad gateway, unavailable, gateway time-out
RETRIED_STATUSES = frozenset({429, 502, 503, 504})


class PartnerClient:
    """One partner service.

    Args:
        base_url: root that the paths of the calls are put behind.
        timeout_ms: longest wait for a connection and for each part of an answer, in milliseconds.
        retries: repeats of a call that is safe to repeat, with exponential back-off and jitter.
    """

    def __init__(self, base_url: str, *, timeout_ms: int = 5_000, retries: int = 2, pool_size: int = 4) -> None:
        self._base_url = base_url.rstrip("/")
        self._pool = urllib3.PoolManager(
            maxsize=pool_size, timeout=urllib3.Timeout(total=timeout_ms / 1000), headers={"Accept": "application/json"}
        )
        self._retries = retries

    def get(self, path: str, *, params: dict[str, str] | None = None) -> Any:
        """GET a JSON document."""
        return self._call("GET", path, fields=params)

    def post(self, path: str, body: Any, *, idempotency_key: str | None = None) -> Any:
        """POST a JSON document; the answer's JSON. Repeated on trouble only with an idempotency key."""
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
            # A partner that says "in an hour" must not hold a slot, and the step's lock, for an hour.
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
                f"{method} {path} answered {answer.status} with no JSON", status=answer.status, body=text[:1000]
            ) from None
