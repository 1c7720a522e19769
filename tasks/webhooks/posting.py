"""One POST to a checked address: no second DNS lookup, no redirect, no proxy, and the answer's body is not read."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

import urllib3

from settings import Settings
from store.clock import now
from tasks.errors import RefusedAddress
from tasks.webhooks.addresses import Resolver, checked_addresses, resolve
from tasks.webhooks.urls import Target

log = logging.getLogger(__name__)

#: addresses of one name that are tried, one after the other, until a connection is made
MAX_ADDRESSES = 3

_posting: ContextVar[bool] = ContextVar("posting", default=False)
# urllib3 logs whole URLs; the query of a callback may hold a secret.
logging.getLogger("urllib3.connectionpool").addFilter(lambda _: not _posting.get())


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a receiver: a status code, or in `error` why there is none; `retry_after_s`, if it sent that."""

    status_code: int | None = None
    error: str | None = None
    retry_after_s: float | None = None


def post(
    target: Target, body: bytes, headers: dict[str, str], settings: Settings, *, resolver: Resolver = resolve
) -> Answer:
    """POST `body` and read the status of the answer."""
    try:
        addresses = checked_addresses(target, settings, resolver)
    except RefusedAddress as error:
        # The address of a name within the own network is for the log only, not for the client that chose the name.
        log.warning("webhook not sent: %s, which CALLBACK_NETWORKS does not allow", error)
        return Answer(error="the host has an address that is not allowed")
    except (OSError, ValueError):
        return Answer(error="the host's name cannot be resolved")
    answer = Answer(error="the host's name cannot be resolved")
    for address in addresses[:MAX_ADDRESSES]:
        try:
            return _post_to(address, target, body, headers, settings)
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError):
            answer = Answer(error="no connection can be made")
        except urllib3.exceptions.SSLError:
            return Answer(error="no TLS connection can be made: certificate or protocol is refused")
        except urllib3.exceptions.ReadTimeoutError:
            return Answer(error=f"no answer within {settings.callback_timeout_ms} ms")
        except (urllib3.exceptions.HTTPError, OSError):
            return Answer(error="the connection broke off")
    return answer


def _post_to(address: str, target: Target, body: bytes, headers: dict[str, str], settings: Settings) -> Answer:
    timeout = settings.callback_timeout_ms / 1000
    limits = urllib3.Timeout(connect=timeout / 2, read=timeout)
    pool: urllib3.HTTPConnectionPool
    # The pool's host is the address, so there is no name left to resolve; TLS and Host carry the name.
    if target.scheme == "https":
        pool = urllib3.HTTPSConnectionPool(
            address, target.port, timeout=limits, server_hostname=target.host, cert_reqs="CERT_REQUIRED"
        )
    else:
        pool = urllib3.HTTPConnectionPool(address, target.port, timeout=limits)
    quiet = _posting.set(True)
    try:
        answer = pool.urlopen(
            "POST",
            target.path,
            body=body,
            headers={**headers, "Host": target.host_header, "Connection": "close"},
            retries=False,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
        )
        answer.close()
    finally:
        _posting.reset(quiet)
        pool.close()
    if 200 <= answer.status < 300:
        return Answer(answer.status)
    said = "is a redirect, which is not followed" if 300 <= answer.status < 400 else "is no success"
    return Answer(answer.status, f"the answer {answer.status} {said}", _retry_after(answer.headers.get("Retry-After")))


def _retry_after(text: str | None) -> float | None:
    """Seconds of a `Retry-After` header: a number or a date (RFC 9110, 10.2.3)."""
    text = (text or "").strip()
    if text.isascii() and text.isdecimal() and len(text) <= 9:
        return float(text)
    try:
        moment: datetime = parsedate_to_datetime(text)
        return max(0.0, (moment - now()).total_seconds())
    except (TypeError, ValueError):
        return None
