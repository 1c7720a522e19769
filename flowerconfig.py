"""Flower's settings: `celery -A tasks flower` reads this file from the working folder."""

from settings import get_settings

_settings = get_settings()

address = _settings.flower_host
port = _settings.flower_port
# user:password; production refuses to start without it
basic_auth = [_settings.flower_basic_auth] if _settings.flower_basic_auth else []

max_tasks = _settings.flower_max_tasks
# A name such as `onboard-user.prepare-response (order-4711)` says what a task is; its message says more than is shown.
# When it was started is left out: workers do not tell it of a task that ends at once.
# `result` marks an attempt that ended in a business error, `exception` says why one failed.
tasks_columns = "name,args,state,result,exception,received,runtime,worker,uuid"
