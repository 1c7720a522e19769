"""A headless Chromium, for pictures and for tests; `get_log("browser")` returns its warnings and errors."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from selenium import webdriver

#: seconds that a page, and a script in it, may take on a busy machine
PATIENCE_S = 60

_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


class ToolMissing(Exception):
    """Chromium or its driver is not installed."""


@contextmanager
def headless(*arguments: str, size: tuple[int, int] = (1400, 2400)) -> Iterator[webdriver.Chrome]:
    """Run a browser with a profile of its own.

    Args:
        arguments: further command-line arguments.
        size: width and height of the window, in pixels.

    Raises:
        ToolMissing: the browser or its driver is not on PATH.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = _program("chromium", "google-chrome", "chrome")
        own = (f"--window-size={size[0]},{size[1]}", f"--user-data-dir={profile}")
        for argument in (*_ARGUMENTS, *own, *arguments):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(_program("chromedriver")))
        try:
            driver.set_page_load_timeout(PATIENCE_S)
            driver.set_script_timeout(PATIENCE_S)
            yield driver
        finally:
            driver.quit()


def _program(*names: str) -> str:
    for name in names:
        if found := shutil.which(name):
            return found
    raise ToolMissing(f"{names[0]} is missing; on Debian: apt-get install chromium chromium-driver")
