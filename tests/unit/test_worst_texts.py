"""What comes from outside is read in a time that grows with its length, whatever it holds."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from camunda_bridge.json_form import json_form
from telemetry.logs.redaction import redactor
from tests.unit.test_prefer import preferred

#: length of the texts, in characters; what takes the square of it, takes many seconds of CPU time
LENGTH = 65_536
#: most CPU time for one text, in seconds
MOST_S = 0.05

READERS: dict[str, Callable[[str], object]] = {
    "the header Prefer": preferred,
    "a text that is redacted": redactor().redact_text,
    "a text of a variable": json_form,
}
WORST = {
    "quotes": '"',
    "backslashes": "\\",
    "quotes and backslashes": '"\\',
    "backslashes and quotes": '\\"',
    "quoted pairs": '"a\\",',
    "commas": ",",
    "semicolons": "a;",
    "equal signs": "=",
    "spaces": " ",
    "names of secrets": "password",
    "secrets without an end": 'password="\\"',
    "logins without an end": "://" + ":" * 600,
    "schemes": "://",
    "halves of surrogates": "\\ud83d",
}


@pytest.mark.parametrize("text", WORST.values(), ids=WORST.keys())
@pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
def test_worst_texts_are_read_at_once(read: Callable[[str], object], text: str) -> None:
    given = (text * (LENGTH // len(text) + 1))[:LENGTH]
    # The first call compiles and caches.
    read(text)

    def measured() -> float:
        begun = time.process_time()
        read(given)
        return time.process_time() - begun

    # Other processes can only make it look slower.
    assert min(measured() for _ in range(3)) < MOST_S
