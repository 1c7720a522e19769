"""`/` redirects a browser to the monitor and gives every other client links to the API; `/favicon.ico` is the icon."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Flask, Response, current_app, jsonify, redirect, request, send_from_directory, url_for
from werkzeug.wrappers import Response as AnyResponse

_ICON = Path(__file__).resolve().parent / "monitor" / "static" / "icon.svg"
#: seconds for which a browser may keep the icon
_ICON_AGE_S = 86_400

blueprint = Blueprint("root", __name__)


@blueprint.get("/")
def root() -> AnyResponse:
    """For `Accept: text/html` a redirect to the monitor, or to `/docs` with `MONITOR=off`; otherwise links as JSON."""
    pages = {"docs": url_for("docs.page")}
    if "monitor" in current_app.blueprints:
        pages["monitor"] = url_for("monitor.processes")
    if request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html":
        response: AnyResponse = redirect(pages.get("monitor", pages["docs"]))
    else:
        links = {
            "start": url_for("process.Start"),
            "processes": url_for("process.ProcessList"),
            "openapi": url_for("api-docs.openapi_json"),
            "problems": url_for("problems.index"),
            "health": url_for("health.Ready"),
        }
        response = jsonify(links=links | pages)
    response.vary.add("Accept")
    return response


@blueprint.get("/favicon.ico")
def icon() -> Response:
    """The monitor's icon. Browsers request it for pages that name no icon."""
    return send_from_directory(_ICON.parent, _ICON.name, max_age=_ICON_AGE_S)


def register(app: Flask) -> None:
    """Serve `/` and `/favicon.ico`."""
    app.register_blueprint(blueprint)
