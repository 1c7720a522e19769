"""`/monitor/incidents`: the open incidents in groups by their cause, each to be retried or cancelled as a whole."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.utils import redirect
from werkzeug.wrappers import Response as BaseResponse

from app.monitor.actions import changes, document_of, loaded, text_of
from app.operations.bulk import cancel_many, retry_many
from app.responses.problem import Problem
from app.schemas.bulk import BulkCancelRequest, BulkRetryRequest
from app.schemas.incidents import IncidentsQuery
from app.security.auth import requires
from app.views import incidents_document
from service.catalogue import all_processes
from service.incidents import grouped
from store.process_rows import ERROR

#: processes that one form changes; the page then offers to go on
_LIMIT = 200


def add_to(blueprint: Blueprint) -> None:
    """Add the page and the views that its forms send to."""
    blueprint.add_url_rule("/incidents", "incidents", page)
    blueprint.add_url_rule("/incidents/retry", "retry_group", retry_group, methods=["POST"])
    blueprint.add_url_rule("/incidents/cancel", "cancel_group", cancel_group, methods=["POST"])


@requires("process:read")
def page() -> str:
    """The page."""
    return _page()


@requires("process:admin")
@changes
def retry_group() -> BaseResponse:
    """Retry the processes of a group, with changed variables if the form has some."""
    return _change("retried", lambda: _retry(document_of("variables")))


@requires("process:admin")
@changes
def cancel_group() -> BaseResponse:
    """Cancel the processes of a group."""
    return _change("cancelled", _cancel)


def _retry(variables: Any) -> dict[str, Any]:
    return retry_many(loaded(BulkRetryRequest(), **_selection(), variables=variables or None))


def _cancel() -> dict[str, Any]:
    return cancel_many(loaded(BulkCancelRequest(), **_selection(), status=ERROR, reason=text_of("reason")))


def _selection() -> dict[str, Any]:
    return {"group": text_of("group") or "", "dryRun": False, "limit": _LIMIT, "cursor": text_of("cursor")}


def _change(word: str, act: Any) -> BaseResponse:
    try:
        done = act()
    except Problem as problem:
        return Response(_page(refused=problem), problem.kind.status, problem.headers)
    if not done["processes"] and not done["stopped"]:
        return redirect(url_for("monitor.incidents"), 303)
    return Response(_page(done=done, word=word, form=request.form, again=request.endpoint))


def _page(**more: Any) -> str:
    given = {name: value for name, value in request.args.to_dict().items() if value.strip()}
    query = loaded(IncidentsQuery(), **given)
    found = incidents_document(grouped(process_key=query.get("processKey"), step=query.get("step")))
    keys = [process.key for process in all_processes()]
    return render_template("monitor/incidents.html", found=found, filters=query, keys=keys, **more)
