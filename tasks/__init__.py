"""The Celery app: `celery -A tasks worker`, `celery -A tasks beat`, `celery -A tasks flower`."""

from celery import Celery

from settings import settings_or_exit

# A setting that cannot be used stops every process here, by name, before it touches anything.
settings_or_exit()

app = Celery(
    "celery-camunda",
    config_source="celeryconfig",
    include=[
        "tasks.start",
        "tasks.poll",
        "tasks.step",
        "tasks.progress",
        "tasks.killed",
        "tasks.settle",
        "tasks.ending",
        "tasks.reconcile",
        "tasks.purge",
        "tasks.webhooks.delivering",
        "tasks.worker",
        "tasks.exporting",
    ],
)
