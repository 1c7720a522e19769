"""Serves `/problems/{name}`: the page of a problem type, with its cause and what to do. `type` has its path."""

from __future__ import annotations

from flask import Blueprint, Flask, Response, request
from markupsafe import Markup, escape

from app.responses.problem import Problem
from app.responses.problem_types import NOT_FOUND, ProblemType, problem_types

_PAGE = Markup(
    '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title></head>\n'
    "<body>\n<h1>{title}</h1>\n{content}</body>\n</html>\n"
)
_ITEM = Markup('<li><a href="/problems/{0.name}">{0.name}</a> ({0.status}): {0.title}</li>\n')
_ARTICLE = Markup(
    "<p><code>{0.name}</code>, HTTP status {0.status}</p>\n<h2>Cause</h2>\n<p>{0.cause}</p>\n"
    '<h2>What to do</h2>\n<p>{0.cure}</p>\n<p><a href="/problems">All problem types</a></p>\n'
)

blueprint = Blueprint("problems", __name__, url_prefix="/problems")


@blueprint.get("")
def index() -> Response:
    """The list of all problem types."""
    kinds = problem_types().values()
    text = "# Problem types\n\n" + "".join(f"- {kind.name} ({kind.status}): {kind.title}\n" for kind in kinds)
    return _page("Problem types", Markup("<ul>\n{}</ul>\n").format(Markup("").join(map(_ITEM.format, kinds))), text)


@blueprint.get("/<name>")
def page(name: str) -> Response:
    """The page of one problem type."""
    kind = problem_types().get(name)
    if kind is None:
        raise Problem(NOT_FOUND, "no problem type has this name; GET /problems lists all of them")
    return _page(kind.title, _ARTICLE.format(kind), _markdown(kind))


def register(app: Flask) -> None:
    """Serve the pages."""
    app.register_blueprint(blueprint)


def _markdown(kind: ProblemType) -> str:
    return (
        f"# {kind.title}\n\n`{kind.name}`, HTTP status {kind.status}\n\n"
        f"## Cause\n\n{kind.cause}\n\n## What to do\n\n{kind.cure}\n"
    )


def _page(title: str, content: Markup, text: str) -> Response:
    kinds = ["text/html", "text/markdown", "text/plain"]
    best = request.accept_mimetypes.best_match(kinds, default="text/html")
    body = str(_PAGE.format(title=escape(title), content=content)) if best == "text/html" else text
    return Response(body, content_type=f"{best}; charset=utf-8", headers={"Vary": "Accept"})
