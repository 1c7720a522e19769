"""Declares all metrics of the project; docs/guides/monitoring.md lists them, and a test compares the two.

Most metrics are counted in the process where the event happens. Metrics of the class :class:`Scraped` are read from
Redis and the store at each scrape, by the process that is scraped.

Labels have few values: processes and topics of this installation, kinds of calls, states. They never contain ids or
texts of a caller.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily

# Without `_created` series, which would double the number of series and aren't in the shared files.
disable_created_metrics()

M = TypeVar("M", Counter, Histogram)

#: prefix of every name
NAMESPACE = "celery_camunda"

#: a registry without the metrics of the library itself, which in a worker would be about its parent process
REGISTRY = CollectorRegistry()

#: seconds; the highest bounds are in the range of a client's wait (`SYNC_TIMEOUT_MS`)
WAIT_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20, 25)
#: seconds; a handler may run for minutes
STEP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
#: seconds; longer calls end in a time-out
CALL_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
#: seconds; a wait for the database ends after `DB_TIMEOUT_MS`
WRITE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2)
#: external tasks in one answer of the engine; the first bucket counts empty answers
FETCH_BUCKETS = (0, 1, 2, 5, 10, 20, 50, 100)


def _counter(name: str, documentation: str, *labels: str) -> Counter:
    return _with_cached_series(Counter(name, documentation, labels, namespace=NAMESPACE, registry=REGISTRY))


def _histogram(name: str, documentation: str, *labels: str, buckets: Iterable[float]) -> Histogram:
    metric = Histogram(name, documentation, labels, namespace=NAMESPACE, registry=REGISTRY, buckets=tuple(buckets))
    return _with_cached_series(metric)


_series_of: list[Any] = []


def _with_cached_series(metric: M) -> M:
    # The library builds texts from the labels and takes a lock to find a series, which is most of the cost of counting.
    _series_of.append(cache(metric.labels))
    vars(metric)["labels"] = _series_of[-1]
    return metric


def forget_series() -> None:
    """Clear the cache of series; needed after the metrics were cleared."""
    for series in _series_of:
        series.cache_clear()


def _gauge(name: str, documentation: str) -> Gauge:
    # The sum over living processes, because a dead one no longer has anything open.
    return Gauge(name, documentation, (), namespace=NAMESPACE, registry=REGISTRY, multiprocess_mode="livesum")


# -- the facade
HTTP_REQUESTS = _counter("http_requests_total", "Requests answered.", "method", "route", "status")
HTTP_SECONDS = _histogram(
    "http_request_seconds", "Time from a request to the beginning of its answer.", "route", buckets=WAIT_BUCKETS
)
PROBLEMS = _counter("problems_total", "Error answers, by the last part of their problem type.", "type")
STARTS = _counter("starts_total", "Starts that were `accepted`, or `joined` an earlier start.", "process", "outcome")
STARTS_REFUSED = _counter("starts_refused_total", "Starts that were refused, by problem type.", "reason")
START_ANSWERS = _counter(
    "start_answers_total",
    "Answers to accepted or joined starts, by HTTP status: 202 before the end of the process, others with its end.",
    "process",
    "status",
)
START_WAIT = _histogram(
    "start_wait_seconds",
    "How long clients of accepted starts waited for an answer with the end (`sync`) or for 202 (`async`).",
    "process",
    "answer",
    buckets=WAIT_BUCKETS,
)
WAITING = _gauge("waiting_requests", "Requests that are waiting for the end of a process.")
STREAMS = _gauge("open_streams", "Open event streams.")

# -- processes
ENDED = _counter(
    "processes_ended_total",
    "Processes that ended, by status (`ok`, `error`, `cancelled`); after an `error` a retry may end a process again.",
    "process",
    "status",
)
REOPENED = _counter(
    "processes_reopened_total", "Processes with an open incident that a retry set back to `pending`.", "process"
)
INCIDENTS = _counter("incidents_total", "Processes in which an incident opened.", "process")

# -- steps
STEP_ATTEMPTS = _counter(
    "step_attempts_total",
    "Attempts of steps: `completed`, `bpmn-error`, `failed`; `lost`: the task has another attempt or no longer "
    "exists; `undelivered`: the outcome is not delivered yet; `killed`: its thread was given up, or its child process "
    "died. Not begun: "
    "`duplicate`, `expired`, `unhandled`, `put_off`.",
    "topic",
    "outcome",
)
STEP_SECONDS = _histogram(
    "step_duration_seconds",
    "How long handlers ran, by outcome.",
    "topic",
    "outcome",
    buckets=STEP_BUCKETS,
)
STEP_QUEUED = _histogram(
    "step_queued_seconds",
    "Time from the fetch of an external task to the beginning of its attempt.",
    "process",
    buckets=WAIT_BUCKETS,
)
FETCHED = _histogram(
    "fetched_tasks",
    "External tasks in one fetch: a `poll`, or a `follow` of one process; le=0 counts empty fetches.",
    "kind",
    buckets=FETCH_BUCKETS,
)
LOCK_EXTENSIONS = _counter(
    "lock_extensions_total",
    "Extensions of locks of running handlers: `extended`; `lost`: another token has the task; `failed`: tried again.",
    "outcome",
)
CHILDREN_LOST = _counter(
    "worker_children_lost_total",
    "Threads of workers that were given up because a handler hung beyond its `time_limit`; of a prefork worker, child "
    "processes that died while they ran a step: `killed`, or after the `time_limit`.",
    "reason",
)

# -- ticks, repairs and rounds
TICKS = _counter("ticks_total", "Ticks that did their work: `poll`, `reconcile` and housekeeping.", "tick")
TICKS_SENT = _counter("beat_ticks_sent_total", "Ticks that beat sent.", "tick")
REPAIRS = _counter(
    "reconciler_repairs_total",
    "Repairs of the reconciler: `start_sent_again`, `end_found`, `incident_found`, `incident_resolved`, "
    "`instance_lost`, `instance_deleted` (the row had ended already), `attempt_...` with the phase that it found.",
    "kind",
)
ROUND_FAILURES = _counter(
    "round_failures_total",
    "Parts of rounds of the reconciler and of housekeeping that failed, by kind of error.",
    "part",
    "error",
)
ROWS_PUT_OFF = _counter(
    "rows_put_off_total",
    "Rows that failed in a part of a round and were postponed, by kind of error.",
    "part",
    "error",
)

# -- engine, database and webhooks
ENGINE_CALLS = _counter(
    "engine_calls_total",
    "Requests to the engine's REST API, by kind and HTTP status; `away` when no answer came.",
    "call",
    "status",
)
ENGINE_SECONDS = _histogram(
    "engine_call_seconds", "Duration of requests to the engine, answered or not.", "call", buckets=CALL_BUCKETS
)
WRITE_WAIT = _histogram(
    "database_write_wait_seconds",
    "How long writing transactions waited before they began: for the write lock or a connection. On SQLite, "
    "transactions of several statements wait for the lock of the database too.",
    buckets=WRITE_BUCKETS,
)
WRITE_SECONDS = _histogram(
    "database_write_seconds", "Duration of writing transactions, from their begin to the commit.", buckets=WRITE_BUCKETS
)
DATABASE_AWAY = _counter("database_away_total", "Statements that failed because the database was unavailable.")
WEBHOOK_ATTEMPTS = _counter(
    "webhook_attempts_total",
    "Attempts to deliver a webhook: `delivered`; `retry`: another attempt follows; `failed`: the last attempt failed; "
    "`spared`: postponed without a request, because the receiver is slow.",
    "outcome",
)
WEBHOOK_SECONDS = _histogram("webhook_seconds", "How long receivers took to answer.", buckets=CALL_BUCKETS)


@dataclass(frozen=True, slots=True)
class Scraped:
    """A gauge that is read at each scrape."""

    name: str
    documentation: str
    labels: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """The name in Prometheus, with the prefix."""
        return f"{NAMESPACE}_{self.name}"

    def family(self, values: Iterable[tuple[tuple[str, ...], float]]) -> GaugeMetricFamily:
        """The gauge with its values; `values`: pairs of label values and value."""
        family = GaugeMetricFamily(self.full_name, self.documentation, labels=self.labels)
        for labels, value in values:
            family.add_metric(labels, value)
        return family


# -- read at each scrape, from Redis
PART_UP = Scraped("part_up", "1 if the gauges of this part could be read, else 0: `broker`, `database`.", ("part",))
QUEUE_MESSAGES = Scraped("queue_messages", "Messages in a queue.", ("queue",))
QUEUE_AGE = Scraped(
    "queue_oldest_message_seconds", "Age of the next message of a queue; 0 when it is empty.", ("queue",)
)
WORKER_SLOTS = Scraped("worker_slots", "Slots of a live worker.", ("worker",))
WORKER_RUNNING = Scraped("worker_steps_running", "Steps that a live worker is running.", ("worker",))
WORKER_STUCK = Scraped(
    "worker_threads_stuck", "Threads of a live worker that hang beyond their time limit and were given up.", ("worker",)
)
SLOTS_FREE = Scraped("step_slots_free", "Slots of all live workers, minus the steps that are running or queued.")
BACKLOG = Scraped("engine_backlog", "1 while ready tasks are left in the engine because no slot is free.")
STARTS_PAUSED = Scraped("starts_gate_closed", "1 while the starts queue is paused.")
# -- and from the store
PROCESSES_PENDING = Scraped("processes_pending", "Processes that have not ended (status `pending`).", ("process",))
INCIDENTS_OPEN = Scraped("incidents_open", "Processes with an open incident.", ("process",))
WEBHOOKS_PENDING = Scraped("webhooks_pending", "Pending webhook deliveries.")
MAINTENANCE = Scraped("maintenance", "1 while the service is in maintenance: no process and no step begins.")
TOPICS_PAUSED = Scraped("topics_paused", "1 while a topic is paused: its tasks wait in the engine.", ("topic",))


@dataclass(frozen=True, slots=True)
class Described:
    """One metric, for the guide and for the tests of dashboard and alerts."""

    name: str
    type: str
    documentation: str
    labels: tuple[str, ...]

    @property
    def series(self) -> tuple[str, ...]:
        """The names of the series, as queries use them."""
        if self.type == "histogram":
            return (f"{self.name}_bucket", f"{self.name}_sum", f"{self.name}_count")
        return (self.name,)


def catalogue() -> list[Described]:
    """All metrics, in the order of their declaration."""
    found = []
    for value in globals().values():
        if isinstance(value, Counter | Gauge | Histogram):
            (metric,) = value.describe()
            # The library stores the name of a counter without its suffix `_total`.
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            found.append(Described(name, metric.type, metric.documentation, tuple(value._labelnames)))
        elif isinstance(value, Scraped):
            found.append(Described(value.full_name, "gauge", value.documentation, value.labels))
    return found
