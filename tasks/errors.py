"""What the tasks raise."""

from __future__ import annotations

from errors import CeleryCamundaError


class TaskError(CeleryCamundaError):
    """Something is wrong with a message or with the broker."""


class BrokerUnavailable(TaskError):
    """The broker did not take the message.

    Every function of :mod:`tasks.broker.publish` raises it. The row is written already: the reconciler sends the
    message again, or the engine offers the task again.
    """


class UnknownVersion(TaskError):
    """The step message has a version that this worker does not know.

    :meth:`tasks.broker.step_message.StepMessage.load` raises it; `run_step` unlocks the task for another worker.
    """


class AttemptFailed(TaskError):
    """The attempt of a step failed; the message names exception and place.

    :func:`tasks.steps.run.run_step` raises it when the failure is written and reported, only so that Flower shows the
    task as failed.
    """


class RefusedAddress(TaskError):
    """The host of a webhook has an address that no webhook may be sent to.

    :mod:`tasks.webhooks.addresses` raises it; the delivery fails, and is tried again.
    """


class RefusedUrl(TaskError, ValueError):
    """A webhook may not be sent to this URL. The message says why and never quotes the query.

    :mod:`tasks.webhooks.urls` raises it; the API answers 422 and names the field.
    """


class HandlerInterrupted(BaseException):
    """The handler or delivery that runs in a thread has to end.

    No subclass of `Exception`, as KeyboardInterrupt is none: a handler must not catch it by mistake.
    """


class TimeLimitPassed(HandlerInterrupted):
    """The handler ran longer than its time limit.

    :class:`tasks.interruption.InterruptibleCalls` raises it in the thread of the handler, wherever that is; the
    attempt fails.
    """


class WorkerEnds(HandlerInterrupted):
    """The grace period of the worker has expired.

    :class:`tasks.interruption.InterruptibleCalls` raises it in the thread of the handler, wherever that is; the
    task is unlocked, and the attempt does not count.
    """


class GivenUp(HandlerInterrupted):
    """The thread was given up while its handler hung: the attempt is not its own any more.

    :meth:`tasks.interruption.InterruptibleCalls.run` raises it when the handler ends after all; the thread ends.
    """
