"""`python -m dev.screenshots`: take the pictures of Flower and the monitor for README and guides.

It needs headless Chromium. It starts a stack of its own, onboards some users with different results, and leaves some
starts in their queue.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.ui import WebDriverWait

from dev.browser import PATIENCE_S, headless
from dev.environment import ROOT
from dev.http_json import post_json
from dev.stack import Stack
from store.database import Database
from store.models import event_log, process_store

#: the folder of the guides' pictures
FOLDER = ROOT / "docs" / "images"
HIDE_SCROLLBARS = "--hide-scrollbars"
#: the sizes of the two windows, in pixels
TASKS_SIZE, QUEUES_SIZE = (1560, 960), (1560, 780)
#: pages of the monitor: name of the picture -> path, an element that a complete page has, and the size of the window
MONITOR = {
    "monitor-process": ("/order-4715", "#diagram .is-failed", (1300, 1260)),
    "monitor-list": ("", "tbody tr", (1300, 900)),
    "monitor-insight": ("/insight?span=15min", "#waits canvas", (1300, 1080)),
}
#: the beginnings of user ids, which decide the answers of the partner stub
KINDS = ("user", "user", "user", "reject", "fail")
#: starts that are left in their queue
LEFT = 7
#: earlier processes, for the charts: how many began in each minute
EARLIER = (1, 3, 2, 4, 3, 6, 4, 2, 5, 3)


def photograph_tasks(driver: WebDriver, url: str, to: Path, *, wanted: str = "", search: str = "") -> str:
    """Take a picture of Flower's list of tasks, and return its text. Waits until the text contains `wanted`."""
    driver.set_window_size(*TASKS_SIZE)
    driver.get(f"{url}/tasks")
    if search:
        field = (By.CSS_SELECTOR, "input[type=search]")
        WebDriverWait(driver, PATIENCE_S).until(lambda _: driver.find_element(*field)).send_keys(search)
    return _photograph(driver, to, lambda text: wanted in text)


def photograph_queues(driver: WebDriver, url: str, to: Path, *, wanted: str = "") -> str:
    """Take a picture of Flower's list of queues, and return its text. Waits until the text contains `wanted`."""
    driver.set_window_size(*QUEUES_SIZE)
    driver.get(f"{url}/broker")
    return _photograph(driver, to, lambda text: wanted in text)


def photograph_monitor(driver: WebDriver, url: str, folder: Path) -> None:
    """Take a picture of each page of :data:`MONITOR` when it is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (path, selector, size) in MONITOR.items():
        driver.set_window_size(*size)
        driver.get(f"{url}/monitor{path}")
        complete = expected_conditions.presence_of_element_located((By.CSS_SELECTOR, selector))
        WebDriverWait(driver, PATIENCE_S).until(complete)
        time.sleep(1)  # until the diagram is drawn
        driver.save_screenshot(str(folder / f"{name}.png"))


def _photograph(driver: WebDriver, to: Path, is_there: Callable[[str], bool]) -> str:
    def rows(_: WebDriver) -> str:
        text = " ".join(row.text for row in driver.find_elements(By.CSS_SELECTOR, "table tbody tr"))
        return text if text and is_there(text) else ""

    found = WebDriverWait(driver, PATIENCE_S, ignored_exceptions=[StaleElementReferenceException]).until(rows)
    to.parent.mkdir(parents=True, exist_ok=True)
    driver.save_screenshot(str(to))
    return found


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m dev.screenshots", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--to", type=Path, default=FOLDER, help="folder of the pictures")
    parser.add_argument("--engine-url", help="root of the REST API of a running engine; by default one is started")
    options = parser.parse_args()
    settings: dict[str, object] = {"POLL_INTERVAL_MS": 10_000, "RECONCILE_INTERVAL_MS": 60_000}
    if options.engine_url:
        settings["CAMUNDA_BASE_URL"] = options.engine_url
    with (
        tempfile.TemporaryDirectory() as folder,
        Stack(Path(folder), settings=settings) as stack,
        headless(HIDE_SCROLLBARS) as driver,
    ):
        _run_earlier(stack)
        for number, kind in enumerate(KINDS, 4711):
            _start(stack, f"order-{number}", kind)
        url = stack.environment.flower_url
        time.sleep(2)  # workers send their events to Flower a few times a second
        photograph_tasks(driver, url, options.to / "flower-tasks.png", wanted="order-4714")
        photograph_monitor(driver, stack.url, options.to)
        for name in ("worker", "control"):
            stack[name].kill()
        for number in range(LEFT):
            _start(stack, f"order-{4720 + number}", "user", wait_s=0)
        photograph_queues(driver, url, options.to / "flower-queues.png", wanted=f"starts {LEFT}")
    print(f"written to {options.to}")


def _run_earlier(stack: Stack) -> None:
    """Run the processes of :data:`EARLIER`, then move the times of each back to its minute."""
    minutes = [minute for minute, number in enumerate(EARLIER) for _ in range(number)]
    ids = [f"order-{4600 + number}" for number in range(len(minutes))]
    for number, correlation_id in enumerate(ids):
        _start(stack, correlation_id, "reject" if number % 9 == 4 else "user")
    database = Database(stack.environment.get("DATABASE_URL"), pool_size=1, timeout_ms=30_000)
    with database.write() as connection:
        for correlation_id, minute in zip(ids, minutes, strict=True):
            back = timedelta(minutes=len(EARLIER) - minute)
            for table, names in (
                (process_store, ("started_at", "finished_at")),
                (event_log, ("created_at", "updated_at")),
            ):
                of_it = table.c.correlation_id == correlation_id
                for row in connection.execute(sa.select(table.c.seq, *(table.c[name] for name in names)).where(of_it)):
                    times = {name: moment - back for name, moment in zip(names, row[1:], strict=True) if moment}
                    connection.execute(sa.update(table).where(table.c.seq == row.seq).values(times))
    database.dispose()


def _start(stack: Stack, correlation_id: str, kind: str, *, wait_s: int = 20) -> None:
    variables = {
        "userId": f"{kind}-{uuid.uuid4()}",
        "email": "ada@example.org",
        "firstName": "Ada",
        "lastName": "Lovelace",
        "dateOfBirth": "1990-12-10",
        "country": "GB",
    }
    body = {"processKey": "onboard-user", "correlationId": correlation_id, "variables": variables}
    post_json(f"{stack.url}/api/process/start", body, PATIENCE_S, {"Prefer": f"wait={wait_s}"})


if __name__ == "__main__":
    main()
