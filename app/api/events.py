"""`/api/process/{correlationId}/events`: what happens in a process, as it happens."""

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

blp = Blueprint("events", __name__, url_prefix="/api/process", description="What happens, as it happens")

_HEADERS = {
    "Cache-Control": "no-cache",
    # nginx would collect the stream
    "X-Accel-Buffering": "no",
}


@blp.route("/<correlation_id>/events")
class Events(MethodView):
    @requires("process:read")
    @blp.doc(parameters=[LAST_EVENT_ID])
    @blp.response(200, EVENT_SCHEMA, content_type=sse.MEDIA_TYPE, description="Events, until the process ends")
    @blp.alt_response(204, description="The client has seen the end: there is nothing to come back for", success=True)
    @blp.alt_response(404, schema=ProblemAnswer, description="No process has this correlation id")
    @blp.alt_response(503, schema=ProblemAnswer, description="Too many streams are open, or the store is away")
    def get(self, correlation_id: str) -> Response:
        """Follow a process as server-sent events

        `started`, `completed` and `failed` for each attempt of each step, `ops` for what ops did, then `end`. Every
        stream begins with everything so far, also one that is resumed: what came before has the same `id` again.
        """
        return follow(find(correlation_id))


def follow(row: ProcessRow) -> Response:
    """The stream of a process, as `Last-Event-ID` lets it begin.

    Raises:
        Problem: too many streams are open.
    """
    way_on = links(row.correlation_id, row.traceability_id)
    if row.status != PENDING and request.headers.get("Last-Event-ID") == end_event(row, way_on).id:
        return Response(status=204)
    read = services().events.phases_of
    feed = Feed(lambda after, most: read(row.correlation_id, after_seq=after, limit=most))
    processes = services().processes
    stream = Stream(lambda: processes.by_id(row.id) or row, feed, way_on)
    if row.status != PENDING:
        return _answer(sse.retry(RETRY_MS) + stream.look())
    return _follow(row, stream)


def _answer(text: str | Iterator[str]) -> Response:
    return Response(text, headers=_HEADERS, mimetype=sse.MEDIA_TYPE)


def _follow(row: ProcessRow, stream: Stream) -> Response:
    hub, settings = services().streams, services().settings
    watcher = hub.open(row.correlation_id, str(row.id))
    if watcher is None:
        raise Problem(
            TOO_MANY_STREAMS,
            f"{settings.max_streams} streams are open already, or this server is stopping",
            headers={"Retry-After": str(settings.retry_after_s)},
            correlationId=row.correlation_id,
        )
    text = stream.follow(hub, watcher, ClientSocket(request.environ), for_s=settings.stream_max_s)
    response = _answer(text)
    response.call_on_close(lambda: hub.close(watcher))
    return response
