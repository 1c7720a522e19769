"""Large JSON answers are compressed for clients that take gzip (RFC 9110, 12.5.3).

Done here rather than by a library: it is one condition and one call, and nothing else is wanted of a library (other
codecs, streams, a cache).
"""

from __future__ import annotations

import gzip

from flask import Flask, Response, request

#: bytes from which an answer is compressed: below it one packet carries it anyway
LEAST_BYTES = 1_400
#: the level at which JSON gets most of what gzip has, for a third of the time of the highest
LEVEL = 5
#: streams and files are not among them
MIMETYPES = frozenset({"application/json", "application/problem+json"})


def install(app: Flask) -> None:
    """Compress at the end of each request."""
    app.after_request(_compress)


def _compress(response: Response) -> Response:
    if response.is_streamed or response.mimetype not in MIMETYPES or (response.content_length or 0) < LEAST_BYTES:
        return response
    response.vary.add("Accept-Encoding")
    if "Content-Encoding" in response.headers or request.accept_encodings.quality("gzip") <= 0:
        return response
    response.set_data(gzip.compress(response.get_data(), LEVEL, mtime=0))
    response.headers["Content-Encoding"] = "gzip"
    return response
