"""One JSON request to the stack's own HTTP API."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

# Never through a proxy: the server runs on this machine.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def post_json(url: str, body: Any, timeout_s: float, also: Mapping[str, str] | None = None) -> tuple[int, Any]:
    """POST a JSON document.

    Args:
        url: the address.
        body: the document.
        timeout_s: longest wait, in seconds.
        also: further headers.

    Returns:
        The status and the answer: JSON, or the text of an answer that is no JSON. Without an answer the status is 0 and
        the text is the reason.
    """
    headers = {"Content-Type": "application/json", "Accept": "application/json", **(also or {})}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with _opener.open(request, timeout=timeout_s) as answer:
            return int(answer.status), _parsed(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _parsed(error.read())
    except (OSError, http.client.HTTPException) as error:
        return 0, f"no answer: {error}"


def _parsed(content: bytes) -> Any:
    text = content.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except ValueError:
        return text
