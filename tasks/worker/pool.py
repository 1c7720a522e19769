"""The worker's pool: Celery's prefork, whose parent sends each message to a child as soon as it has read it.

Celery's own parent waits in its loop until the pipe of an idle child is ready for writing, although that pipe is empty.
And in each iteration it removes every pipe from the kernel's list that it does not watch. Both cost system calls for
every slot, several times a message: with 64 slots two fifths of the parent's CPU time.
"""

from __future__ import annotations

from typing import Any

from celery.concurrency.asynpool import AsynPool
from celery.concurrency.prefork import TaskPool as Prefork
from kombu.asynchronous.hub import Hub
from kombu.utils.compat import fileno


class Pool(AsynPool):
    """Celery's pool of processes, which writes to the pipes of its children at once."""

    def _create_write_handlers(self, hub: Any, **options: Any) -> None:
        # Called for each connection to the broker, always with the hub of the worker.
        _forget_only_what_is_watched(hub)
        super()._create_write_handlers(hub, **options)  # type: ignore[misc]
        # Celery's type stubs have no private members.
        pool: Any = self
        queue_job = pool._quick_put

        def hand_over(job: Any) -> None:
            queue_job(job)
            for pipe in pool._all_inqueues:
                if pipe not in pool._busy_workers and pipe not in pool._active_writes:
                    # The loop calls this for a pipe that is ready; it also writes what does not fit at once.
                    hub.consolidate_callback([pipe])
                    break

        pool._quick_put = hand_over

    def on_job_process_down(self, job: Any, pid_gone: Any) -> None:
        """Do what Celery does, once the pool has read everything that the dead process sent.

        When several processes die at once, Celery reads the pipe of the first one that it noticed, and then checks for
        every job whether its process is alive. The pipe of another dead process may still hold the acknowledgement of
        its job: Celery would destroy that pipe and run the job a second time. So the pool waits until it has removed
        that process: it reads the pipe first, and then checks the job again.
        """
        pool: Any = self
        if all(process.pid != pid_gone for process in pool._pool):
            super().on_job_process_down(job, pid_gone)


def _forget_only_what_is_watched(hub: Any) -> None:
    def remove_writer(pipe: Any) -> None:
        if fileno(pipe) in hub.writers:
            Hub.remove_writer(hub, pipe)

    hub.remove_writer = remove_writer


class TaskPool(Prefork):
    """`prefork` with the pool above."""

    Pool = Pool
