"""What an attempt came to, as the metric `step_attempts_total` counts it."""

from __future__ import annotations

from enum import StrEnum

from store.event_rows import BPMN_ERROR, COMPLETED, FAILED, LOST


class Result(StrEnum):
    """The result of one attempt."""

    #: the engine accepted the completion
    COMPLETED = COMPLETED
    #: the outcome is a BPMN error
    BPMN_ERROR = BPMN_ERROR
    #: the failure was reported
    FAILED = FAILED
    #: another worker has the task, or it is gone: the outcome was discarded
    LOST = LOST
    #: the outcome is written and was not reported: the next attempt or the reconciler reports it
    UNDELIVERED = "undelivered"
    #: the handler did not run, because the database or the engine was unavailable
    PUT_OFF = "put_off"
    #: the message came twice
    DUPLICATE = "duplicate"
    #: the lock may have expired while the message was in its queue
    EXPIRED = "expired"
    #: no handler is declared here
    UNHANDLED = "unhandled"
    #: its worker process was killed or ran over its time limit
    KILLED = "killed"
