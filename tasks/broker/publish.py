"""Every message that this project sends. Each has a name by which Flower shows the process or step.

The messages are Celery's own (protocol 2, made by `app.amqp.as_task_v2`), put into the queue's Redis list in the form
of kombu's virtual transport, over a connection that stays open. `app.send_task` would look up a producer, a channel and
an exchange and make a new Redis client for each message: three times the CPU time, and every step sends one.
"""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import redis

from store.webhooks import Claim
from tasks import app
from tasks.broker.start_priority import STARTS_QUEUE, list_of
from tasks.broker.step_message import StepMessage
from tasks.errors import BrokerUnavailable
from tasks.processes import registry
from tasks.runtime import KEY_PREFIX, broker_now, runtime

#: what an unavailable broker raises
BROKER_ERRORS = (redis.RedisError, OSError)


#: seconds after which a tick counts as lost: a worker took it and was killed before it began
TICK_WAITS_S = 10
#: the queue of webhooks
WEBHOOKS_QUEUE = "webhooks"


#: header of a message: when it was sent, in seconds since the epoch. The age of a queue is that of its first message
SENT_AT = "sent_at"


def send_start(
    process_id: uuid.UUID,
    *,
    process_key: str,
    correlation_id: str,
    priority: int = 0,
    countdown_s: float = 0,
    traceparent: str | None = None,
) -> None:
    """Enqueue the start of a process; the row's id is the Celery task id. `priority`: that of the row.

    `traceparent` is in the message only: a start that the reconciler sends again has none.

    Raises:
        BrokerUnavailable: the reconciler sends the start again.
    """
    _send(
        "start_process",
        [str(process_id), *([traceparent] if traceparent else [])],
        queue=STARTS_QUEUE,
        priority=priority,
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
    priority: int = 0,
    traceparent: str | None = None,
    sent_at: float | None = None,
) -> None:
    """Put a start back before the others of its priority. It keeps its age: `sent_at`, in seconds since the epoch.

    Raises:
        BrokerUnavailable: the reconciler sends the start again.
    """
    _send(
        "start_process",
        [process_id, *([traceparent] if traceparent else [])],
        queue=STARTS_QUEUE,
        priority=priority,
        task_id=process_id,
        shadow=shadow,
        argsrepr=argsrepr,
        first=True,
        sent_at=sent_at,
    )


def send_step(message: StepMessage) -> None:
    """Enqueue one attempt of a step.

    Raises:
        BrokerUnavailable: the lock expires and the engine offers the task again.
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
    """Enqueue a look for the next steps of an instance, to be made `countdown_s` seconds from now.

    Raises:
        BrokerUnavailable: the next poll finds the steps.
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
    """Enqueue the report of an attempt whose worker process was killed, as failed.

    Raises:
        BrokerUnavailable: the lock expires and the engine offers the task again.
    """
    _send(
        "report_killed",
        [body, text],
        queue="settling",
        shadow=f"report killed {body['topic']}",
        argsrepr=f"({body['businessKey']})",
    )


def send_close(process_id: uuid.UUID, *, process_key: str, correlation_id: str) -> None:
    """Enqueue the deletion of the instance of a process that ops ended.

    Raises:
        BrokerUnavailable: the reconciler deletes it.
    """
    _send(
        "close_instance",
        [str(process_id)],
        queue="settling",
        shadow=f"delete instance {process_key}",
        argsrepr=f"({correlation_id})",
    )


def send_delivery(claim: Claim) -> None:
    """Enqueue one attempt to deliver a webhook.

    Raises:
        BrokerUnavailable: the claim expires and beat's next tick sends the delivery again.
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
    """Enqueue beat's task of this name; False, and nothing is sent, while one waits in its queue already.

    So ticks do not pile up while no worker consumes their queue. They have no expiry time, as Celery's messages can
    have: a worker would compare its clock with beat's.

    Raises:
        BrokerUnavailable: the tick was not sent.
    """
    try:
        if not runtime().redis.set(tick_waits(name), "1", nx=True, ex=TICK_WAITS_S):
            return False
    except BROKER_ERRORS as error:
        raise BrokerUnavailable(f"tick {name} was not accepted by the broker: {error}") from error
    _send(name, [], queue=app.conf.task_routes[name]["queue"])
    return True


def _send(
    name: str,
    args: list[Any],
    *,
    queue: str,
    priority: int = 0,
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
            "priority": priority,
            "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
        },
    }
    try:
        text = json.dumps(envelope, separators=(",", ":"))
        # Workers pop from the right.
        (runtime().redis.rpush if first else runtime().redis.lpush)(list_of(priority) if priority else queue, text)
    except BROKER_ERRORS as error:
        raise BrokerUnavailable(f"{name} was not accepted by the broker: {error}") from error
