"""The Celery app: `celery -A tasks worker`, `celery -A tasks beat`, `celery -A tasks flower`."""

from celery import Celery

from settings import settings_or_exit

# A setting that cannot be used stops every process here, by name, before it touches anything.
settings_or_exit()

app = Celery(
    "celery-camunda",
    config_source="celeryconfig",
    include=[
        "tasks.starts.start",
        "tasks.fetching.poll",
        "tasks.steps.run",
        "tasks.fetching.next_step",
        "tasks.steps.killed",
        "tasks.settling.settle",
        "tasks.settling.closing",
        "tasks.settling.reconcile",
        "tasks.settling.purge",
        "tasks.webhooks.delivering",
        "tasks.worker.bootsteps",
        "tasks.worker.exporting",
    ],
)
