"""`/api/process/topics`: pause, resume and limit the steps of a topic, on all workers together."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from flask_smorest import Blueprint

from app.parsing import StrictParser
from app.responses.problem import Problem
from app.responses.problem_types import UNKNOWN_TOPIC
from app.schemas.problems import ProblemAnswer
from app.schemas.topics import (
    LimitsRequest,
    PauseRequest,
    PauseSeveralRequest,
    ResumeSeveralRequest,
    TopicAnswer,
    TopicsAnswer,
)
from app.security.auth import current_actor, requires
from service import topics
from service.topics import TopicView
from tasks.webhooks.documents import rfc3339

blp = Blueprint("topics", __name__, url_prefix="/api/process/topics", description="Pause and limit the steps of topics")
blp.ARGUMENTS_PARSER = StrictParser()


@blp.route("")
class Topics(MethodView):
    @requires("process:read")
    @blp.response(200, TopicsAnswer)
    def get(self) -> dict[str, Any]:
        """List all topics with their pauses and their current limits"""
        return {"topics": [_document(view) for view in topics.views()]}


@blp.route("/pause")
class PauseSeveral(MethodView):
    @requires("process:admin")
    @blp.arguments(PauseSeveralRequest)
    @blp.response(200, TopicsAnswer)
    @blp.alt_response(404, schema=ProblemAnswer, description="One of the topics is not known here; none was paused")
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Pause several topics, all or none; a repeated call gets the same answer"""
        _find_all(body["topics"])
        topics.pause(body["topics"], body["reason"], actor=current_actor())
        return {"topics": [_document(view) for view in _find_all(body["topics"])]}


@blp.route("/resume")
class ResumeSeveral(MethodView):
    @requires("process:admin")
    @blp.arguments(ResumeSeveralRequest)
    @blp.response(200, TopicsAnswer)
    @blp.alt_response(404, schema=ProblemAnswer, description="One of the topics is not known here; none was resumed")
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Resume several topics, all or none; a repeated call gets the same answer"""
        _find_all(body["topics"])
        topics.resume(body["topics"], actor=current_actor())
        return {"topics": [_document(view) for view in _find_all(body["topics"])]}


@blp.route("/<topic>/pause")
class Pause(MethodView):
    @requires("process:admin")
    @blp.arguments(PauseRequest, required=False)
    @blp.response(200, TopicAnswer)
    @blp.alt_response(404, schema=ProblemAnswer, description="No such topic is known here")
    def post(self, body: dict[str, Any], topic: str) -> dict[str, Any]:
        """Pause a topic: its tasks are not fetched, locked steps still end; a repeated call gets the same answer"""
        _find(topic)
        topics.pause([topic], body["reason"], actor=current_actor())
        return _document(_find(topic))


@blp.route("/<topic>/resume")
class Resume(MethodView):
    @requires("process:admin")
    @blp.response(200, TopicAnswer)
    @blp.alt_response(404, schema=ProblemAnswer, description="No such topic is known here")
    def post(self, topic: str) -> dict[str, Any]:
        """Resume a topic: its tasks are fetched again, the oldest first; a repeated call gets the same answer"""
        _find(topic)
        topics.resume([topic], actor=current_actor())
        return _document(_find(topic))


@blp.route("/<topic>/limits")
class Limits(MethodView):
    @requires("process:admin")
    @blp.arguments(LimitsRequest)
    @blp.response(200, TopicAnswer)
    @blp.alt_response(404, schema=ProblemAnswer, description="No such topic is known here")
    def post(self, body: dict[str, Any], topic: str) -> dict[str, Any]:
        """Limit how many steps of a topic run at once or begin in a time, on all workers together"""
        _find(topic)
        names = {"maxConcurrency": "max_concurrency", "rate": "rate"}
        topics.limit(topic, {names[name]: value for name, value in body.items()}, actor=current_actor())
        return _document(_find(topic))


def _find(topic: str) -> TopicView:
    return _find_all([topic])[0]


def _find_all(names: list[str]) -> list[TopicView]:
    known = {view.state.topic: view for view in topics.views()}
    for name in names:
        if name not in known:
            raise Problem(UNKNOWN_TOPIC, f"no process has a step with the topic {name[:255]!r}")
    return [known[name] for name in names]


def _document(view: TopicView) -> dict[str, Any]:
    state, row = view.state, view.state.said
    return {
        "topic": state.topic,
        "processKey": state.process_key,
        "paused": state.is_paused,
        "pausedAt": rfc3339(row.paused_at) if row and row.paused_at else None,
        "reason": row.reason if row else None,
        "maxConcurrency": state.max_concurrency,
        "rate": state.rate,
        "inFlight": view.in_flight,
        "changedBy": row.actor if row else None,
        "changedAt": rfc3339(row.updated_at) if row else None,
    }
