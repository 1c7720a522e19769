"""Sets security headers, which restrict what a browser does with an answer (OWASP, HTTP Security Response Headers)."""

from __future__ import annotations

from flask import Flask, Response, request

from settings import Settings

#: for answers of the API: they load nothing and cannot be framed
_API_POLICY = "default-src 'none'; frame-ancestors 'none'"
#: for Swagger UI: it loads its own files, sets inline styles, and its style sheet contains `data:` images
_DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: set unless the view has set another value
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
#: one year, in seconds
_HSTS = "max-age=31536000"


def install(app: Flask, settings: Settings) -> None:
    """Set the headers on every answer."""

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
