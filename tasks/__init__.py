"""The Celery app: `celery -A tasks worker`, `celery -A tasks beat`, `celery -A tasks flower`."""

from celery import Celery

app = Celery(
    "celery-camunda",
    config_source="celeryconfig",
    include=[
        "tasks.start",
        "tasks.poll",
        "tasks.step",
        "tasks.progress",
        "tasks.settle",
        "tasks.ending",
        "tasks.reconcile",
        "tasks.worker",
    ],
)
