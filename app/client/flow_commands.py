"""Commands of `flask process` for topics (pause, resume, limit) and for the data of a process, through the API."""

from __future__ import annotations

import json
from typing import Any

import click

from app.client.commands import Caller, calls_the_api
from app.client.reply import Reply


@click.command("topics")
@calls_the_api
def topics(caller: Caller) -> None:
    """List all topics with their pauses and their current limits."""
    _show_all(caller, caller.api.get("topics"))


@click.command("pause")
@click.argument("topics", nargs=-1, required=True, metavar="TOPIC...")
@click.option("--reason", help="It is shown with each topic.")
@calls_the_api
def pause(caller: Caller, topics: tuple[str, ...], reason: str | None) -> None:
    """Pause topics, all or none: their tasks are not fetched, locked steps still end."""
    _show_all(caller, caller.api.post("topics", "pause", body={"topics": list(topics), "reason": reason}))


@click.command("resume")
@click.argument("topics", nargs=-1, required=True, metavar="TOPIC...")
@calls_the_api
def resume(caller: Caller, topics: tuple[str, ...]) -> None:
    """Resume topics, all or none: their tasks are fetched again."""
    _show_all(caller, caller.api.post("topics", "resume", body={"topics": list(topics)}))


@click.command("limit")
@click.argument("topic")
@click.option(
    "--max-concurrency",
    metavar="N",
    help="How many steps may run at once; 0: no limit, `code`: the limit that the code declares.",
)
@click.option("--rate", help="Such as 5/second; `none`: no limit, `code`: the limit that the code declares.")
@calls_the_api
def limit(caller: Caller, topic: str, max_concurrency: str | None, rate: str | None) -> None:
    """Limit how many steps of a topic run at once or begin in a time, on all workers together."""
    body: dict[str, Any] = {}
    if max_concurrency is not None:
        if max_concurrency != "code" and not max_concurrency.isdecimal():
            raise click.BadParameter("must be a number, or `code`", param_hint="--max-concurrency")
        body["maxConcurrency"] = None if max_concurrency == "code" else int(max_concurrency)
    if rate is not None:
        body["rate"] = None if rate == "code" else rate
    if not body:
        raise click.UsageError("give --max-concurrency, --rate, or both")
    _show(caller, caller.api.post("topics", topic, "limits", body=body))


@click.command("export")
@click.argument("correlation_id")
@calls_the_api
def export(caller: Caller, correlation_id: str) -> None:
    """Print all data of a process, as JSON."""
    reply = caller.api.get(correlation_id, "data")
    if reply.is_problem:
        caller.end_with(reply)
    caller.show(reply.body, json.dumps(reply.body, ensure_ascii=False, indent=2))


@click.command("erase")
@click.argument("correlation_id")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@calls_the_api
def erase(caller: Caller, correlation_id: str, yes: bool) -> None:
    """Delete all data of an ended process; this cannot be undone."""
    if not yes:
        click.confirm(f"Delete all data of {correlation_id}?", abort=True, err=True)
    reply = caller.api.delete(correlation_id, "data")
    if reply.is_problem:
        caller.end_with(reply)
    body = reply.body
    counts = f"{body['events']} events, {body['webhooks']} webhooks, {body['engineInstances']} instances"
    caller.show(body, f"deleted, recorded as erasure:{body['erasureId']}: {counts}")


def _show(caller: Caller, reply: Reply) -> None:
    if reply.is_problem:
        caller.end_with(reply)
    caller.show(reply.body, _line(reply.body))


def _show_all(caller: Caller, reply: Reply) -> None:
    if reply.is_problem:
        caller.end_with(reply)
    caller.show(reply.body, "\n".join(_line(topic) for topic in reply.body["topics"]))


def _line(topic: dict[str, Any]) -> str:
    parts = []
    if topic["paused"]:
        parts.append(f"paused since {topic['pausedAt']} by {topic['changedBy']}")
        parts += [topic["reason"]] if topic["reason"] else []
    if topic["maxConcurrency"] is not None:
        parts.append(f"at most {topic['maxConcurrency']} at once, {topic['inFlight']} now")
    if topic["rate"] is not None:
        parts.append(f"at most {topic['rate']}")
    return f"{topic['topic']}: {'; '.join(parts) or 'no pause, no limit'}"


COMMANDS = (topics, pause, resume, limit, export, erase)
