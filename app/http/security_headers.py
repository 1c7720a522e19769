"""Headers that keep a browser from making more of an answer than it is (OWASP, HTTP Security Response Headers)."""

from __future__ import annotations

from flask import Flask, Response, request

from settings import Settings

#: answers of an API load nothing and stand in no frame
_API_POLICY = "default-src 'none'; frame-ancestors 'none'"
#: Swagger UI: its own files; it sets styles on elements and shows pictures that its style sheet contains
_DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: unless a page says otherwise
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
#: a year
_HSTS = "max-age=31536000"


def install(app: Flask, settings: Settings) -> None:
    """Set them on every answer."""

    def mark(response: Response) -> Response:
        headers = response.headers
        for name, value in _ALWAYS.items():
            headers.setdefault(name, value)
        headers.setdefault("Content-Security-Policy", _DOCS_POLICY if request.path.startswith("/docs") else _API_POLICY)
        headers.setdefault("Cache-Control", "no-store")
        if settings.is_production or request.is_secure:
            headers["Strict-Transport-Security"] = _HSTS
        return response

    app.after_request(mark)
