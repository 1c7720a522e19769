"""`/api/process/{correlationId}/events`: the events of a process, sent as they happen."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, request
from flask.views import MethodView
from flask_smorest import Blueprint

from app.api.process import find
from app.openapi.spec import LAST_EVENT_ID
from app.responses.links import links
from app.responses.problem import Problem
from app.responses.problem_types import TOO_MANY_STREAMS
from app.schemas.problems import ProblemAnswer
from app.security.auth import requires
from app.services import services
from app.streams import sse
from app.streams.client_socket import ClientSocket
from app.streams.document import EVENT_SCHEMA
from app.streams.feed import Feed, end_event
from app.streams.stream import RETRY_MS, Stream
from store.process_rows import PENDING, ProcessRow

blp = Blueprint("events", __name__, url_prefix="/api/process", description="Events of a process, as they happen")

_HEADERS = {
    "Cache-Control": "no-cache",
    # nginx must not buffer the stream
    "X-Accel-Buffering": "no",
}


@blp.route("/<correlation_id>/events")
class Events(MethodView):
    @requires("process:read")
    @blp.doc(parameters=[LAST_EVENT_ID])
    @blp.response(200, EVENT_SCHEMA, content_type=sse.MEDIA_TYPE, description="Events, until the process ends")
    @blp.alt_response(204, description="The client has received the `end`; no more events follow", success=True)
    @blp.alt_response(404, schema=ProblemAnswer, description="No process has this correlation id")
    @blp.alt_response(503, schema=ProblemAnswer, description="Too many open streams, or the database is unavailable")
    def get(self, correlation_id: str) -> Response:
        """Follow a process as server-sent events

        The stream has `started`, `completed` and `failed` for each attempt of each step, `ops` for each act of ops, and
        `end` at the end of the process. Every stream begins with all events so far, also after a reconnect. A repeated
        event has the same `id`.
        """
        return follow(find(correlation_id))


def follow(row: ProcessRow) -> Response:
    """The stream of a process; 204 if `Last-Event-ID` shows that the client has received the end.

    Raises:
        Problem: too many streams are open.
    """
    paths = links(row.correlation_id, row.traceability_id)
    if row.status != PENDING and request.headers.get("Last-Event-ID") == end_event(row, paths).id:
        return Response(status=204)
    read = services().events.phases_of
    feed = Feed(lambda after, most: read(row.correlation_id, after_seq=after, limit=most))
    processes = services().processes
    stream = Stream(lambda: processes.by_id(row.id) or row, feed, paths)
    if row.status != PENDING:
        return _answer(sse.retry(RETRY_MS) + stream.read())
    return _follow(row, stream)


def _answer(text: str | Iterator[str]) -> Response:
    return Response(text, headers=_HEADERS, mimetype=sse.MEDIA_TYPE)


def _follow(row: ProcessRow, stream: Stream) -> Response:
    hub, settings = services().streams, services().settings
    watcher = hub.open(row.correlation_id, str(row.id))
    if watcher is None:
        raise Problem(
            TOO_MANY_STREAMS,
            f"{settings.max_streams} streams are open, which is the limit, or this server is stopping",
            headers={"Retry-After": str(settings.retry_after_s)},
            correlationId=row.correlation_id,
        )
    text = stream.follow(hub, watcher, ClientSocket(request.environ), for_s=settings.stream_max_s)
    response = _answer(text)
    response.call_on_close(lambda: hub.close(watcher))
    return response
