"""Every metric of the project, declared once: docs/guides/monitoring.md lists them, tests hold them against each other.

Those of the first kind are counted where things happen, in whichever process that is. Those of the second kind, class
:class:`Scraped`, are read from Redis and the store by whoever is asked for metrics, and only then.

Labels have few values: processes and topics of this installation, kinds of calls, states. No id, no text of a caller.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily

# When a series began is a series more for each, and files tell it of none.
disable_created_metrics()

M = TypeVar("M", Counter, Histogram)

#: what every name begins with
NAMESPACE = "celery_camunda"

#: nothing of the library's own: in the worker they would tell of a parent that does no work
REGISTRY = CollectorRegistry()

#: seconds; the last bounds are those of a client's wait (`SYNC_TIMEOUT_MS`)
WAIT_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20, 25)
#: seconds; a handler may take minutes
STEP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
#: seconds; a time-out ends what takes longer
CALL_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
#: seconds; a wait for the database is over after `DB_TIMEOUT_MS`
TURN_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2)
#: external tasks in one answer of the engine; the first bucket counts the empty ones
FETCH_BUCKETS = (0, 1, 2, 5, 10, 20, 50, 100)


def _counter(name: str, documentation: str, *labels: str) -> Counter:
    return _quick(Counter(name, documentation, labels, namespace=NAMESPACE, registry=REGISTRY))


def _histogram(name: str, documentation: str, *labels: str, buckets: Iterable[float]) -> Histogram:
    metric = Histogram(name, documentation, labels, namespace=NAMESPACE, registry=REGISTRY, buckets=tuple(buckets))
    return _quick(metric)


_series_of: list[Any] = []


def _quick(metric: M) -> M:
    # The library finds a series by texts that it makes of the labels, under a lock: most of what counting costs.
    _series_of.append(cache(metric.labels))
    vars(metric)["labels"] = _series_of[-1]
    return metric


def forget_series() -> None:
    """The metrics were cleared: their series are looked up anew."""
    for series in _series_of:
        series.cache_clear()


def _gauge(name: str, documentation: str) -> Gauge:
    # The sum over processes that live: what a dead one had open is closed.
    return Gauge(name, documentation, (), namespace=NAMESPACE, registry=REGISTRY, multiprocess_mode="livesum")


# -- the facade
HTTP_REQUESTS = _counter("http_requests_total", "Requests answered.", "method", "route", "status")
HTTP_SECONDS = _histogram(
    "http_request_seconds", "Time until the answer of a request began.", "route", buckets=WAIT_BUCKETS
)
PROBLEMS = _counter("problems_total", "Error answers, by the last part of their problem type.", "type")
STARTS = _counter("starts_total", "Starts that were `accepted`, or `joined` a start before them.", "process", "outcome")
STARTS_REFUSED = _counter("starts_refused_total", "Starts that were refused, by problem type.", "reason")
START_ANSWERS = _counter(
    "start_answers_total",
    "Answers to starts that were accepted or joined: 202 is asynchronous, every other status told the end.",
    "process",
    "status",
)
START_WAIT = _histogram(
    "start_wait_seconds",
    "How long the caller of an accepted start waited for an answer that told the end (`sync`) or for 202 (`async`).",
    "process",
    "answer",
    buckets=WAIT_BUCKETS,
)
WAITING = _gauge("waiting_requests", "Requests that wait for the end of a process now.")
STREAMS = _gauge("open_streams", "Event streams that are open now.")

# -- processes
ENDED = _counter(
    "processes_ended_total",
    "Processes that ended `ok`, in `error` or `cancelled`; one in `error` may be tried again and end again.",
    "process",
    "status",
)
REOPENED = _counter("processes_reopened_total", "Processes in error that are being tried again.", "process")
INCIDENTS = _counter("incidents_total", "Processes that came to stand still on an incident.", "process")

# -- steps
STEP_ATTEMPTS = _counter(
    "step_attempts_total",
    "Attempts of steps: `completed`, `bpmn-error`, `failed`; `lost` to another attempt; `undelivered`, whose "
    "outcome the engine or the store has not taken yet; `killed` with their worker process. Not begun: `duplicate`, "
    "`expired`, `unhandled`, `put_off`.",
    "topic",
    "outcome",
)
STEP_SECONDS = _histogram(
    "step_duration_seconds",
    "How long handlers ran, by what came of it.",
    "topic",
    "outcome",
    buckets=STEP_BUCKETS,
)
STEP_QUEUED = _histogram(
    "step_queued_seconds",
    "From the fetch of an external task until its handler could begin.",
    "process",
    buckets=WAIT_BUCKETS,
)
FETCHED = _histogram(
    "fetched_tasks",
    "External tasks that one fetch brought: beat's `poll`, or the `follow` of one process; le=0 counts the empty ones.",
    "kind",
    buckets=FETCH_BUCKETS,
)
LOCK_EXTENSIONS = _counter(
    "lock_extensions_total",
    "Locks of running handlers: `extended`, `lost` to another attempt, `failed` for the moment.",
    "outcome",
)
CHILDREN_LOST = _counter(
    "worker_children_lost_total",
    "Worker processes that died with a step: `killed`, or over its `time_limit`.",
    "reason",
)

# -- ticks and repairs
TICKS = _counter(
    "ticks_total", "Ticks of beat that a worker carried out: `poll`, `reconcile` and housekeeping.", "tick"
)
TICKS_SENT = _counter("beat_ticks_sent_total", "Ticks that this beat has put into the queue.", "tick")
REPAIRS = _counter(
    "reconciler_repairs_total",
    "What the reconciler mended between rows and engine: `start_sent_again`, `end_found`, `incident_found`, "
    "`incident_resolved`, `instance_lost`, `instance_deleted` after an end from outside, `attempt_...` whose outcome "
    "it found.",
    "kind",
)

ROUND_FAILURES = _counter(
    "round_failures_total",
    "Parts of the reconciler's and housekeeping's rounds that did not come to their end, by kind of error.",
    "part",
    "error",
)
ROWS_PUT_OFF = _counter(
    "rows_put_off_total",
    "Rows that one part of a round failed for and put off, while it went on with the others, by kind of error.",
    "part",
    "error",
)

# -- the parts we speak to
ENGINE_CALLS = _counter(
    "engine_calls_total",
    "Calls of the engine's REST API, by kind and HTTP status; `away` when no answer came.",
    "call",
    "status",
)
ENGINE_SECONDS = _histogram(
    "engine_call_seconds", "How long the engine took to answer, or not to.", "call", buckets=CALL_BUCKETS
)
WRITE_WAIT = _histogram(
    "database_write_wait_seconds",
    "What a transaction that writes waited before it began: for its turn or a connection; on SQLite, where it is more "
    "than one statement, for the lock too.",
    buckets=TURN_BUCKETS,
)
WRITE_SECONDS = _histogram(
    "database_write_seconds", "How long such a transaction took from then to its commit.", buckets=TURN_BUCKETS
)
DATABASE_AWAY = _counter("database_away_total", "Blocks of statements that found the database away or too busy.")
WEBHOOK_ATTEMPTS = _counter(
    "webhook_attempts_total",
    "Attempts to deliver a webhook: `delivered`, `retry` later, `failed` for good, `spared` a slow receiver.",
    "outcome",
)
WEBHOOK_SECONDS = _histogram("webhook_seconds", "How long receivers took to answer.", buckets=CALL_BUCKETS)


@dataclass(frozen=True, slots=True)
class Scraped:
    """A gauge that is read when somebody asks."""

    name: str
    documentation: str
    labels: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """The name that Prometheus sees."""
        return f"{NAMESPACE}_{self.name}"

    def family(self, values: Iterable[tuple[tuple[str, ...], float]]) -> GaugeMetricFamily:
        """As it is shown, with a value for each tuple of the labels' values."""
        family = GaugeMetricFamily(self.full_name, self.documentation, labels=self.labels)
        for labels, value in values:
            family.add_metric(labels, value)
        return family


# -- read at scrape time, from Redis
PART_UP = Scraped("part_up", "1 when the gauges of this part could be read: `broker`, `database`.", ("part",))
QUEUE_MESSAGES = Scraped("queue_messages", "Messages that wait in a queue.", ("queue",))
QUEUE_AGE = Scraped(
    "queue_oldest_message_seconds", "Age of the message that a queue gives out next; 0 when it is empty.", ("queue",)
)
WORKER_SLOTS = Scraped("worker_slots", "Steps that a live worker runs at once.", ("worker",))
WORKER_RUNNING = Scraped("worker_steps_running", "Steps that a live worker has taken.", ("worker",))
SLOTS_FREE = Scraped("step_slots_free", "Slots of all live workers less the steps that run or are queued.")
BACKLOG = Scraped("engine_backlog", "1 while ready tasks were left in the engine for lack of free slots.")
STARTS_PAUSED = Scraped("starts_gate_closed", "1 while no worker reads the queue of starts.")
# -- and from the store
PROCESSES_PENDING = Scraped("processes_pending", "Processes that have not ended.", ("process",))
INCIDENTS_OPEN = Scraped("incidents_open", "Processes that stand still on an incident.", ("process",))
WEBHOOKS_PENDING = Scraped("webhooks_pending", "Webhooks that are still to be delivered.")
TOPICS_PAUSED = Scraped("topics_paused", "1 while ops have paused a topic: its steps wait in the engine.", ("topic",))


@dataclass(frozen=True, slots=True)
class Described:
    """One metric, for the guide and the checks of dashboard and alerts."""

    name: str
    type: str
    documentation: str
    labels: tuple[str, ...]

    @property
    def series(self) -> tuple[str, ...]:
        """The names that a query may use."""
        if self.type == "histogram":
            return (f"{self.name}_bucket", f"{self.name}_sum", f"{self.name}_count")
        return (self.name,)


def catalogue() -> list[Described]:
    """Every metric, in the order in which it is declared above."""
    found = []
    for value in globals().values():
        if isinstance(value, Counter | Gauge | Histogram):
            (metric,) = value.describe()
            # The library keeps a counter's name without the end that it shows.
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            found.append(Described(name, metric.type, metric.documentation, tuple(value._labelnames)))
        elif isinstance(value, Scraped):
            found.append(Described(value.full_name, "gauge", value.documentation, value.labels))
    return found
