"""`python -m dev.docs.flower_pictures`: take the pictures of Flower that the operating guide shows.

Starts a stack of its own on free ports, has some processes run, and opens Flower in headless Chromium.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from dev.environment import ROOT
from dev.http_json import post_json
from dev.stack import Stack

FOLDER = ROOT / "docs" / "assets"
#: seconds that a page may take
PATIENCE_S = 60.0
#: seconds between two looks at a page that fills itself
LOOK_S = 0.5

ARGUMENTS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")
SIZE = (1900, 1150)

#: page -> its path, and what it must show before it is taken
PAGES = {
    "tasks": ("/tasks", "onboard-user.prepare-response"),
    "queues": ("/broker", "steps.onboard-user"),
}
#: what is searched for among the tasks: without it most rows are ticks
SEARCH = "onboard-user"


def main() -> int:
    """Take every picture; its files are written below docs/assets."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder)) as stack, browser() as driver:
        run_some_processes(stack)
        for name, (path, text) in PAGES.items():
            take(driver, stack.environment.flower_url + path, text, FOLDER / f"flower-{name}.png")
    return 0


def run_some_processes(stack: Stack) -> None:
    """Users whose processes end well, in a business error, and who are still on their way."""
    for number, kind in enumerate(["reject", "user", "slow-20000ms"]):
        variables = {
            "userId": f"{kind}-{number}",
            "email": "ada@example.org",
            "firstName": "Ada",
            "lastName": "Lovelace",
            "dateOfBirth": "1990-12-10",
            "country": "GB",
        }
        body = {"processKey": "onboard-user", "correlationId": f"signup-{4711 + number}", "variables": variables}
        # The end of the slow one is not waited for: its step shall be seen running.
        timeout_s = 3.0 if kind.startswith("slow") else PATIENCE_S
        post_json(f"{stack.url}/api/process/start", body, timeout_s)


def take(driver: webdriver.Chrome, url: str, text: str, path: Path) -> None:
    """Open a page, wait until it shows `text`, and write its picture."""
    driver.get(url)
    for field in driver.find_elements(By.CSS_SELECTOR, "input[type=search]"):
        field.send_keys(SEARCH)
    WebDriverWait(driver, PATIENCE_S, LOOK_S).until(lambda page: text in page.find_element(By.TAG_NAME, "body").text)
    # The tables sort and lay themselves out once their rows are there.
    time.sleep(LOOK_S)
    driver.save_screenshot(str(path))
    print(path.relative_to(ROOT))


@contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    """Chromium without a window."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for argument in ARGUMENTS:
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    driver.set_window_size(*SIZE)
    try:
        yield driver
    finally:
        driver.quit()


if __name__ == "__main__":
    sys.exit(main())
