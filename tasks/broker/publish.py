"""Every message that this project sends, each under a name that says in Flower what it is about.

The messages are Celery's own (protocol 2, made by `app.amqp.as_task_v2`), put into the queue's Redis list in the form
of kombu's virtual transport, over a connection that is kept. `app.send_task` would look up a producer, a channel and an
exchange and make a new Redis client for each of them: three times the CPU time, and every step sends one.
"""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import redis

from store.webhooks import Claim
from tasks import app
from tasks.broker.step_message import StepMessage
from tasks.errors import BrokerUnavailable
from tasks.processes import registry
from tasks.runtime import KEY_PREFIX, broker_now, runtime

#: what a broker that is away raises
BROKER_ERRORS = (redis.RedisError, OSError)


#: seconds after which a tick counts as lost that a worker has taken and not begun: it was killed
TICK_WAITS_S = 10
#: the queue of webhooks
WEBHOOKS_QUEUE = "webhooks"


#: header of a message that says when it was sent, in seconds since the epoch; a queue's age is that of its first one
SENT_AT = "sent_at"


def send_start(
    process_id: uuid.UUID,
    *,
    process_key: str,
    correlation_id: str,
    countdown_s: float = 0,
    traceparent: str | None = None,
) -> None:
    """Enqueue the start of a process; the row's id is the Celery task id.

    `traceparent` travels in the message alone: a start that `reconcile` sends again has none.

    Raises:
        BrokerUnavailable: the message was not taken; `reconcile` sends it again.
    """
    _send(
        "start_process",
        [str(process_id), *([traceparent] if traceparent else [])],
        queue="starts",
        task_id=str(process_id),
        shadow=f"start {process_key}",
        argsrepr=f"({correlation_id})",
        countdown=countdown_s or None,
    )


def send_start_again(
    process_id: str,
    *,
    shadow: str | None,
    argsrepr: str | None,
    traceparent: str | None = None,
    sent_at: float | None = None,
) -> None:
    """Put a start back at the head of its queue, where it is as old as it was: `sent_at`, in seconds since the epoch.

    Raises:
        BrokerUnavailable: the message was not taken; `reconcile` sends it again.
    """
    _send(
        "start_process",
        [process_id, *([traceparent] if traceparent else [])],
        queue="starts",
        task_id=process_id,
        shadow=shadow,
        argsrepr=argsrepr,
        first=True,
        sent_at=sent_at,
    )


def send_step(message: StepMessage) -> None:
    """Enqueue one attempt of a step.

    Raises:
        BrokerUnavailable: the message was not taken; the lock runs out and the engine offers the task again.
    """
    task = message.task
    found = registry.find(task.topic)
    if found is None:
        raise LookupError(f"no handler for topic {task.topic!r}")
    process, _ = found
    _send(
        "run_step",
        [message.dump()],
        queue=process.queue,
        task_id=str(uuid.uuid4()),
        shadow=task.topic,
        argsrepr=f"({task.business_key})",
    )


def send_follow(
    instance_id: str,
    process_key: str,
    business_key: str,
    *,
    tries: int,
    countdown_s: float,
    traceparent: str | None = None,
) -> None:
    """Look again for the next steps of an instance, after an asynchronous continuation; its span is `traceparent`'s.

    Raises:
        BrokerUnavailable: the message was not taken; the next poll finds the steps.
    """
    _send(
        "follow",
        [instance_id, process_key, business_key, tries, *([traceparent] if traceparent else [])],
        queue="settling",
        shadow=f"follow {process_key}",
        argsrepr=f"({business_key})",
        countdown=countdown_s,
    )


def send_killed(body: dict[str, Any], text: str) -> None:
    """Have the attempt of a step message reported as failed, whose worker process was killed.

    Raises:
        BrokerUnavailable: the message was not taken; the lock runs out and the engine offers the task again.
    """
    _send(
        "report_killed",
        [body, text],
        queue="settling",
        shadow=f"report killed {body['topic']}",
        argsrepr=f"({body['businessKey']})",
    )


def send_close(process_id: uuid.UUID, *, process_key: str, correlation_id: str) -> None:
    """Have the instance of a row deleted that was ended from outside.

    Raises:
        BrokerUnavailable: the message was not taken; `reconcile` does it.
    """
    _send(
        "close_instance",
        [str(process_id)],
        queue="settling",
        shadow=f"delete instance {process_key}",
        argsrepr=f"({correlation_id})",
    )


def send_delivery(claim: Claim) -> None:
    """Have one attempt made to deliver a webhook.

    Raises:
        BrokerUnavailable: the message was not taken; the claim runs out and beat's tick sends it again.
    """
    _send(
        "deliver_webhook",
        [str(claim.id), claim.token, claim.correlation_id],
        queue=WEBHOOKS_QUEUE,
        shadow="deliver webhook",
        argsrepr=f"({claim.correlation_id})",
    )


def tick_waits(name: str) -> str:
    """The key in Redis that is set while a tick of this name waits in its queue; the tick deletes it when it begins."""
    return f"{KEY_PREFIX}tick-waits:{name}"


def send_tick(name: str) -> bool:
    """Have beat's task of this name run once; False, and nothing is sent, while one of them waits already.

    So ticks do not pile up while no worker reads their queue. They do not expire, as messages of Celery's can: a
    worker would compare its clock with beat's.

    Raises:
        BrokerUnavailable: the message was not taken.
    """
    try:
        if not runtime().redis.set(tick_waits(name), "1", nx=True, ex=TICK_WAITS_S):
            return False
    except BROKER_ERRORS as error:
        raise BrokerUnavailable(f"tick {name} was not taken by the broker: {error}") from error
    _send(name, [], queue=app.conf.task_routes[name]["queue"])
    return True


def _send(
    name: str,
    args: list[Any],
    *,
    queue: str,
    task_id: str | None = None,
    first: bool = False,
    sent_at: float | None = None,
    **options: Any,
) -> None:
    task_id = task_id or str(uuid.uuid4())
    message = app.amqp.as_task_v2(
        task_id, name, tuple(args), {}, kwargsrepr="", ignore_result=True, root_id=task_id, **options
    )
    body = json.dumps(message.body, ensure_ascii=False, separators=(",", ":")).encode()
    envelope = {
        "body": base64.b64encode(body).decode("ascii"),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {**message.headers, SENT_AT: sent_at or broker_now()},
        "properties": {
            **message.properties,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
        },
    }
    try:
        text = json.dumps(envelope, separators=(",", ":"))
        # Workers take from the right.
        (runtime().redis.rpush if first else runtime().redis.lpush)(queue, text)
    except BROKER_ERRORS as error:
        raise BrokerUnavailable(f"{name} was not taken by the broker: {error}") from error
