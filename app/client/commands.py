"""The commands of `flask process` that call the API."""

from __future__ import annotations

import functools
import json
import logging
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from app.client import exit_codes, shown
from app.client.api import ApiClient
from app.client.errors import ApiUnreachable, DeadlineExceeded, RequestRefused
from app.client.exit_codes import ExitCode
from app.client.following import follow
from app.client.quiet import QuietTeller
from app.client.reply import Reply
from settings import get_settings
from store.process_rows import STARTERS, STATUSES

Command = Callable[..., None]


class Caller:
    """Calls the API for a command, and prints the answers."""

    def __init__(self, url: str | None, key: str | None, *, as_json: bool) -> None:
        settings = get_settings()
        # Hide urllib3's log line for each retry; the command prints the final result.
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        self.api = ApiClient(url or settings.client_url, settings.process_api_key if key is None else key)
        self.as_json = as_json

    def show(self, document: Any, text: str) -> None:
        """Print the document as JSON with `--json`, otherwise the text."""
        click.echo(shown.as_json(document) if self.as_json else text)

    def end_with(self, reply: Reply) -> NoReturn:
        """Print a process or a problem, and exit with its exit code."""
        if reply.is_problem:
            if self.as_json:
                click.echo(shown.as_json(reply.body))
            click.echo(shown.problem(reply), err=True)
            raise SystemExit(exit_codes.of_problem(reply.status, reply.body.get("type")))
        self.show(reply.body, shown.process(reply.body))
        raise SystemExit(exit_codes.of_process(reply.body))

    def wait(self, reply: Reply, correlation_id: str, until: float) -> Reply:
        """Poll until the process ends, or until `until` (seconds of the monotonic clock); returns the last answer."""
        while reply.status == 202 and (left := until - time.monotonic()) > 0:
            asked_at = time.monotonic()
            reply = self.status(correlation_id, wait_s=max(1, round(left)))
            # If the server answers at once instead of waiting, poll only once a second.
            time.sleep(max(0.0, min(left, 1.0 - (time.monotonic() - asked_at))) if reply.status == 202 else 0.0)
        return reply

    def status(self, correlation_id: str, *, wait_s: int = 0) -> Reply:
        """The status of a process; of one that runs, also where it stands."""
        return self.api.get("status", correlation_id, query={"active": "true"}, wait_s=wait_s)

    def watch(self, correlation_id: str, timeout_s: float | None) -> NoReturn:
        """Print each event until the process ends, and exit with the exit code of its status.

        While no event comes, standard error has what the process waits for.
        """
        with QuietTeller(self.api, correlation_id, _say) as teller:
            for event in follow(self.api, correlation_id, timeout_s=timeout_s, lost=_lost):
                teller.heard()
                document = {"id": event.id, "event": event.name, "data": event.data}
                self.show(document, shown.event(event))
                if event.name == "end":
                    if not self.as_json:
                        self.end_with(self.status(correlation_id))
                    raise SystemExit(exit_codes.of_process(event.data))
        raise AssertionError("follow() ended without an end event")


def _lost(why: str) -> None:
    _say(f"stream lost, opening it again: {why}")


def _say(line: str) -> None:
    click.echo(line, err=True)


def calls_the_api(command: Command) -> Command:
    """Decorate a command: add the common options, pass a :class:`Caller`, and turn exceptions into exit codes."""

    @click.option("--url", help="Root URL of the server; default: PROCESS_API_URL, or the server on this machine.")
    @click.option("--api-key", help="API key or token. Prefer PROCESS_API_KEY: `ps` shows options to other users.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @functools.wraps(command)
    def called(*, url: str | None, api_key: str | None, as_json: bool, **options: Any) -> None:
        try:
            command(Caller(url, api_key, as_json=as_json), **options)
        except ApiUnreachable as error:
            click.echo(str(error), err=True)
            raise SystemExit(ExitCode.UNAVAILABLE) from None
        except DeadlineExceeded as error:
            click.echo(str(error), err=True)
            raise SystemExit(ExitCode.PENDING) from None
        except RequestRefused as error:
            Caller(url, api_key, as_json=as_json).end_with(error.reply)

    return called


def json_object(_: click.Context, __: click.Parameter, text: str | None) -> dict[str, Any] | None:
    """Callback of an option: its JSON object, from the text, a file (`@file`) or standard input (`@-`).

    Raises:
        click.BadParameter: it cannot be read, or is not a JSON object.
    """
    if text is None:
        return None
    try:
        if text.startswith("@"):
            text = sys.stdin.read() if text == "@-" else Path(text[1:]).read_text("utf-8")
        value = json.loads(text)
    except (OSError, ValueError) as error:
        raise click.BadParameter(str(error)) from None
    if not isinstance(value, dict):
        raise click.BadParameter("must be a JSON object")
    return value


@click.command("start")
@click.argument("process_key", metavar="KEY")
@click.option("--variables", default="{}", callback=json_object, help="JSON, @file, or @- for standard input.")
@click.option(
    "--correlation-id",
    "--idempotency-key",
    "correlation_id",
    help="Makes the start idempotent; default: a new one.",
)
@click.option("--priority", type=int, help="Waiting starts of a higher priority begin first (0).")
@click.option("--wait", "wait_s", default=25, type=click.IntRange(0), help="Seconds to wait for the end (25).")
@click.option("--watch", "watches", is_flag=True, help="Print its events, as `watch` does, instead of waiting.")
@calls_the_api
def start(
    caller: Caller,
    process_key: str,
    variables: dict[str, Any],
    correlation_id: str | None,
    priority: int | None,
    wait_s: int,
    watches: bool,
) -> None:
    """Start the process KEY and wait for its result."""
    until = time.monotonic() + wait_s
    correlation_id = correlation_id or str(uuid.uuid4())
    body: dict[str, Any] = {"processKey": process_key, "variables": variables, "correlationId": correlation_id}
    if priority is not None:
        body["priority"] = priority
    reply = caller.api.post("start", body=body, wait_s=0 if watches else wait_s)
    # The answer is a problem too if the process has ended with an error; its events can still be printed.
    if watches and (not reply.is_problem or exit_codes.reports_end(reply.body.get("type"))):
        click.echo(correlation_id, err=True)
        caller.watch(correlation_id, None)
    caller.end_with(caller.wait(reply, correlation_id, until))


@click.command("status")
@click.argument("correlation_id")
@click.option("--wait", "wait_s", default=0, type=click.IntRange(0), help="Seconds to wait for the end (0).")
@calls_the_api
def status(caller: Caller, correlation_id: str, wait_s: int) -> None:
    """Print the status of a process, and what it waits for."""
    until = time.monotonic() + wait_s
    reply = caller.status(correlation_id, wait_s=wait_s)
    caller.end_with(caller.wait(reply, correlation_id, until))


@click.command("watch")
@click.argument("correlation_id")
@click.option("--timeout", "timeout_s", type=click.IntRange(1), help="Seconds after which to stop watching.")
@calls_the_api
def watch(caller: Caller, correlation_id: str, timeout_s: int | None) -> None:
    """Print the events of a process until it ends; a lost connection is opened again.

    After three seconds without an event, standard error has what the process waits for.
    """
    caller.watch(correlation_id, timeout_s)


@click.command("cancel")
@click.argument("correlation_id")
@click.option("--reason", help="The message of the process's error.")
@calls_the_api
def cancel(caller: Caller, correlation_id: str, reason: str | None) -> None:
    """Cancel a process; the exit code is 0 if it is cancelled."""
    end_well_with(caller, caller.api.post(correlation_id, "cancel", body={"reason": reason} if reason else {}))


@click.command("retry")
@click.argument("correlation_id")
@click.option("--variables", callback=json_object, help="Variables that it gets before: JSON, @file, or @-.")
@calls_the_api
def retry(caller: Caller, correlation_id: str, variables: dict[str, Any] | None) -> None:
    """Retry the open incidents of a process; the exit code is 0 if they are retried."""
    body = {} if variables is None else {"variables": variables}
    end_well_with(caller, caller.api.post(correlation_id, "retry", body=body))


def _narrowed(command: Command) -> Command:
    """Add the options that narrow a list; the command gets them as parameters of the API."""
    for option in reversed(
        [
            click.option(
                "--status", type=click.Choice(STATUSES), multiple=True, help="Only this status; may be repeated."
            ),
            click.option("--process", "processKey", metavar="KEY", help="Only processes with this key."),
            click.option(
                "--incident/--no-incident",
                default=None,
                help="Only with an open incident, or only without; `--status error --no-incident`: business errors.",
            ),
            click.option("--batch", "batchId", metavar="ID", help="Only processes with this batch id."),
            click.option("--application", "applicationId", metavar="ID", help="Only with this application id."),
            click.option("--error-code", "errorCode", metavar="CODE", help="Only with this code of their error."),
            click.option("--failed-step", "failedStep", metavar="STEP", help="Only with an incident at this step."),
            click.option(
                "--started-by", "startedBy", type=click.Choice(STARTERS), help="Started by the API, or in the engine."
            ),
            click.option(
                "--since", "startedAfter", metavar="TIME", help="Started at this time or later: 2026-01-01T00:00:00Z."
            ),
            click.option("--before", "startedBefore", metavar="TIME", help="Started before this time."),
            click.option("--count", is_flag=True, help="Also print how many match, up to 1,000."),
            click.option("--limit", default=50, type=click.IntRange(1, 500), help="How many to list, at most (50)."),
            click.option("--cursor", help="The `nextCursor` of a list; continues it."),
        ]
    ):
        command = option(command)
    return calls_the_api(command)


@click.command("list")
@click.option(
    "--identifier", metavar="NAME:VALUE", help="Only processes with this identifier; NAME:VALUE* for a beginning."
)
@_narrowed
def list_processes(caller: Caller, identifier: str | None, **narrowing: Any) -> None:
    """List processes, newest first."""
    _list(caller, {"identifier": identifier}, narrowing)


@click.command("find")
@click.argument("text")
@_narrowed
def find(caller: Caller, text: str, **narrowing: Any) -> None:
    """Find processes by an identifier or a correlation id, newest first.

    TEXT is the beginning of a correlation id, of the value of any identifier, or of NAME:VALUE of one identifier.
    The exit code is 6 if there is no such process.
    """
    if not _list(caller, {"q": text}, narrowing, identifiers=True):
        raise SystemExit(ExitCode.NOT_FOUND)


def _list(caller: Caller, search: dict[str, Any], narrowing: dict[str, Any], *, identifiers: bool = False) -> int:
    """Print a page of processes; returns their number."""
    query = {**search, **narrowing, "status": ",".join(narrowing["status"]) or None}
    query["count"] = "true" if narrowing["count"] else None
    if narrowing["incident"] is not None:
        query["incident"] = str(narrowing["incident"]).lower()
    reply = caller.api.get("status", "all", query=query)
    if reply.is_problem:
        caller.end_with(reply)
    found: list[dict[str, Any]] = reply.body["processes"]
    if found or caller.as_json:
        caller.show(reply.body, shown.table(found, identifiers=identifiers))
    if not caller.as_json and (number := reply.body.get("count")) is not None:
        click.echo(f"{number} processes match" if number <= 1_000 else "more than 1,000 processes match", err=True)
    if not caller.as_json and (more := reply.body["nextCursor"]):
        click.echo(f"more with --cursor {more}", err=True)
    if not caller.as_json and reply.body.get("truncated"):
        click.echo("too many begin with this text, so some may be missing: search for a longer one", err=True)
    return len(found)


def end_well_with(caller: Caller, reply: Reply) -> None:
    """Print the process; the exit code is 0, whatever its status is, because the operation succeeded."""
    if reply.is_problem:
        caller.end_with(reply)
    caller.show(reply.body, shown.process(reply.body))


COMMANDS = (start, status, watch, cancel, retry, list_processes, find)
