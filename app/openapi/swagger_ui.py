"""Serves `/docs`: Swagger UI for `/openapi.json`, with its files from this server."""

from __future__ import annotations

from pathlib import Path

import flask_swagger_ui
from flask import Blueprint, Flask, Response, send_from_directory

_FILES = Path(flask_swagger_ui.__file__).parent / "dist"

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><title>celery-camunda API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

#: the script of the page; a separate file, so that the content security policy allows no inline scripts
_START = 'SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true})\n'


def register_docs(app: Flask) -> None:
    """Serve the page and the files of Swagger UI."""
    blueprint = Blueprint("docs", __name__, url_prefix="/docs")

    @blueprint.get("")
    def page() -> Response:
        return Response(_PAGE, mimetype="text/html")

    @blueprint.get("/<any('swagger-ui.css', 'swagger-ui-bundle.js'):name>")
    def file(name: str) -> Response:
        return send_from_directory(_FILES, name, max_age=86_400)

    @blueprint.get("/start.js")
    def start() -> Response:
        return Response(_START, mimetype="text/javascript")

    app.register_blueprint(blueprint)
