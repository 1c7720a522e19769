"""Celery's settings, all from `settings/`. Times are in seconds, as Celery counts them."""

from __future__ import annotations

from kombu import Exchange, Queue

from settings import get_settings
from tasks.broker import transport
from tasks.broker.start_priority import HIGHEST, LOWEST, STARTS_QUEUE
from tasks.processes import registry

_settings = get_settings()
transport.register()


def _queue(name: str) -> Queue:
    # Without acknowledgement: it would cost two more round trips a message, and what a dying worker takes with it comes
    # back anyhow. The engine offers a step again, `reconcile` sends a start again, the next tick does the rest.
    return Queue(name, Exchange(name), routing_key=name, no_ack=True)


broker_url = _settings.celery_redis_url
result_backend = _settings.celery_redis_url

# JSON only: pickle would run whatever a message says.
task_serializer = result_serializer = event_serializer = "json"
accept_content = result_accept_content = ["json"]
timezone = "UTC"
enable_utc = True

task_queues = [
    _queue("settling"),
    _queue("polls"),
    *map(_queue, registry.queues),
    _queue("webhooks"),
    _queue(STARTS_QUEUE),
]
task_default_queue = STARTS_QUEUE
# A misspelt queue name stops the sender instead of filling a queue that nobody reads.
task_create_missing_queues = False
task_routes = {
    "start_process": {"queue": STARTS_QUEUE},
    "poll": {"queue": "polls"},
    "reconcile": {"queue": "settling"},
    "purge": {"queue": "settling"},
    "follow": {"queue": "settling"},
    "close_instance": {"queue": "settling"},
    "report_killed": {"queue": "settling"},
    "webhooks": {"queue": "settling"},
    "deliver_webhook": {"queue": "webhooks"},
}

_socket_limits = {
    "socket_connect_timeout": 2.0,
    "socket_timeout": 5.0,
    "socket_keepalive": True,
    "health_check_interval": 25,
}
broker_transport_options = {
    **_socket_limits,
    "queue_order_strategy": "tasks.broker.queue_order:UnderWayFirst",
    # Only starts have priorities: a worker reads one list of every other queue (`tasks.broker.transport`). Flower and
    # `celery purge` look at all of these.
    "priority_steps": list(range(LOWEST, HIGHEST + 1)),
}
result_backend_transport_options = {"retry_policy": {"max_retries": 2, "interval_start": 0.1, "interval_max": 0.5}}
redis_socket_connect_timeout = _socket_limits["socket_connect_timeout"]
redis_socket_timeout = _socket_limits["socket_timeout"]
redis_socket_keepalive = True
redis_backend_health_check_interval = 25
redis_retry_on_timeout = True
broker_connection_timeout = 2.0
# A worker outlives any absence of Redis and comes back within seconds of its return.
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
broker_channel_error_retry = True
broker_pool_limit = 10
# Whoever waits for an answer must not wait for a broker that is away: the row is written, `reconcile` sends it again.
task_publish_retry = False

task_ignore_result = True
task_store_errors_even_if_ignored = False
result_expires = _settings.result_expires_s
task_acks_late = False
task_track_started = False
# Shown in Flower under the topic's name; arguments may hold what nobody should read there.
task_send_sent_event = False
worker_send_task_events = True

# Threads: a slot that waits for a partner costs 100 KiB, and a process of Celery's own pool 40 MiB.
worker_pool = {"threads": "tasks.worker.pool:TaskPool", "prefork": "prefork"}[_settings.worker_pool]
worker_concurrency = _settings.worker_concurrency
# A message must not wait behind a busy slot while another worker idles.
worker_disable_prefetch = True
worker_prefetch_multiplier = 1
# A handler's own limit is kept by tasks/steps/middleware/time_limit.py. With `--pool prefork` this is the net for
# everything else that a task does: a handler may have used its whole time, wait for the database, and then for the
# engine as long as a lock lasts.
task_time_limit = max(_settings.step_time_limit_s, *(step.time_limit_s or 0 for _, step in registry.steps()), 0) + (
    2 * _settings.db_hold_s + (_settings.lock_duration_ms + _settings.steps_in_place_ms) // 1000 + 60
)
worker_cancel_long_running_tasks_on_connection_loss = False
worker_hijack_root_logger = False
worker_redirect_stdouts = False

beat_scheduler = "tasks.beat.scheduler:TickScheduler"
beat_max_loop_interval = 1
beat_schedule = {
    name: {"task": name, "schedule": interval_ms / 1000}
    for name, interval_ms in (
        ("poll", _settings.poll_interval_ms),
        ("reconcile", _settings.reconcile_interval_ms),
        *([("purge", _settings.purge_interval_ms)] if _settings.retention_days else []),
        *([("webhooks", _settings.callback_interval_ms)] if _settings.callback_hosts else []),
    )
}
