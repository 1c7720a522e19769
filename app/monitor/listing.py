"""`/monitor`: the list of processes, newest first. Its filters are in its URL."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, redirect, render_template, request, url_for
from marshmallow import EXCLUDE, Schema, ValidationError, fields, pre_load, validate
from webargs.fields import DelimitedList
from werkzeug.wrappers import Response as BaseResponse

from app.responses import cursors
from app.responses.problem import Problem
from app.responses.problem_types import INVALID_FIELDS
from app.schemas.fields import QueryBoolean
from app.security.auth import requires
from service.catalogue import all_processes
from store.finding import Search, Traits
from store.overview import INCIDENT, REJECTED, Filters, OverviewStore
from store.process_rows import ERROR, STARTERS, STATUSES
from tasks.runtime import runtime

#: rows of a page
ROWS = 50
#: names of the filters in the URL
_NAMES = (
    *("q", "status", "incident", "processKey", "startedAfter", "startedBefore", "text"),
    *("batchId", "applicationId", "errorCode", "failedStep", "startedBy"),
)
#: names of the filters that the form hides until they are used
_MORE = ("batchId", "applicationId", "errorCode", "failedStep", "startedBy")
#: kind of the counters -> its filters in the URL
_KINDS = {
    **{status: {"status": status} for status in STATUSES},
    INCIDENT: {"incident": "true"},
    REJECTED: {"status": ERROR, "incident": "false"},
}
_ZONE = re.compile(r"(Z|[+-]\d\d:\d\d)$")


class ListFilters(Schema):
    """The filters in the URL of a list."""

    class Meta:
        unknown = EXCLUDE

    statuses = DelimitedList(fields.String(validate=validate.OneOf(STATUSES)), data_key="status")
    incident = QueryBoolean()
    batch_id = fields.String(data_key="batchId", validate=validate.Length(1, 200))
    application_id = fields.String(data_key="applicationId", validate=validate.Length(1, 200))
    error_code = fields.String(data_key="errorCode", validate=validate.Length(1, 200))
    failed_step = fields.String(data_key="failedStep", validate=validate.Length(1, 200))
    started_by = fields.String(data_key="startedBy", validate=validate.OneOf(STARTERS))
    process_key = fields.String(data_key="processKey", validate=validate.Length(1, 200))
    started_after = fields.AwareDateTime(data_key="startedAfter", format="iso")
    started_before = fields.AwareDateTime(data_key="startedBefore", format="iso")
    text = fields.String(validate=validate.Length(1, 200))
    q = fields.String(validate=validate.Length(1, 200))

    @pre_load
    def tidy(self, data: dict[str, str], **_: Any) -> dict[str, str]:
        """Drop empty fields, which forms send too, and read times without a zone, as browsers send them, as UTC."""
        given = {name: value.strip() for name, value in data.items() if value.strip()}
        for name in ("startedAfter", "startedBefore"):
            if name in given and not _ZONE.search(given[name]):
                given[name] += "Z" if "T" in given[name] else "T00:00Z"
        return given


def add_to(blueprint: Blueprint) -> None:
    """Add the page and the view for its script."""
    blueprint.add_url_rule("", "processes", page)
    blueprint.add_url_rule("/list/rows", "rows", rows)
    blueprint.add_url_rule("/list/find", "find", find)


@requires("process:read")
def page() -> str:
    """The page of the list."""
    return render_template("monitor/list.html", keys=[process.key for process in all_processes()], **_content())


@requires("process:read")
def rows() -> str:
    """The part of the list that changes, for the page's script."""
    return render_template("monitor/_rows.html", **_content())


@requires("process:read")
def find() -> BaseResponse:
    """The page of the process that the search field finds; the list if it finds none or several."""
    given = request.args.get("q", "").strip()
    if not given:
        return redirect(url_for("monitor.processes"))
    found = OverviewStore(runtime().database).page(_filters({"q": given}), limit=1)
    if len(found.rows) == 1 and found.next_before is None:
        return redirect(url_for("monitor.process", correlation_id=found.rows[0].correlation_id))
    return redirect(url_for("monitor.processes", q=given))


def _content() -> dict[str, Any]:
    given = {name: value for name in _NAMES if (value := _given(name))}
    filters = _filters(given)
    cursor = request.args.get("cursor")
    overview = OverviewStore(runtime().database)
    page = overview.page(filters, limit=ROWS, before_seq=cursors.read(cursor))
    rest = _without_kind(given)
    return {
        "page": page,
        "standings": overview.standings([row.correlation_id for row in page.rows]),
        "filters": given,
        "statuses": STATUSES,
        "query": urlencode(given),
        "kinds": _kinds(given, overview.counts(filters)),
        "without_status": urlencode(rest),
        "is_any_kind": rest == given,
        "has_more": any(name in given for name in _MORE),
        "next_cursor": None if page.next_before is None else cursors.write(page.next_before),
        "is_cut": overview.is_cut(filters),
        "is_first": cursor is None,
        "cursor": cursor,
    }


def _given(name: str) -> str:
    """A filter in the URL; the form sends each chosen status by itself."""
    values = request.args.getlist(name) if name == "status" else [request.args.get(name, "")]
    return ",".join(value.strip() for value in values if value.strip())


def _without_kind(given: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in given.items() if name not in ("status", "incident")}


def _kinds(given: dict[str, str], counts: dict[str, int]) -> list[dict[str, Any]]:
    """The counters: name, number, query of the list with this kind alone, and whether the list has it."""
    rest = _without_kind(given)
    return [
        {
            "name": kind,
            "number": number,
            "query": urlencode({**rest, **_KINDS[kind]}),
            "is_shown": given == {**rest, **_KINDS[kind]},
        }
        for kind, number in counts.items()
    ]


def _filters(given: dict[str, str]) -> Filters:
    try:
        loaded = ListFilters().load(given)
        loaded["statuses"] = tuple(dict.fromkeys(loaded.get("statuses", ())))
        names = ("statuses", "incident", "batch_id", "application_id", "error_code", "failed_step", "started_by")
        traits = Traits(**{name: loaded.pop(name) for name in names if name in loaded})
        return Filters(search=Search(text=loaded.pop("q", None)), traits=traits, **loaded)
    except ValidationError as error:
        raise Problem(INVALID_FIELDS, "errors names each wrong field", errors=error.messages_dict) from None
