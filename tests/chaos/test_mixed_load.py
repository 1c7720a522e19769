"""Mixed inputs under random kills and stops of every part: each process ends as its input determines."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.mixed_load import PARTS, SETTINGS, MixedLoad
from dev.stack import Stack

PROCESSES = 300
#: seconds for which processes are started and parts fail; after that, all processes have two minutes to end
BREAK_S = 100.0
SEED = 20261127


@pytest.mark.timeout(420)
def test_every_process_ends_as_its_input_determines_and_every_answer_agrees(tmp_path: Path) -> None:
    with Stack(tmp_path / "stack", settings=SETTINGS, parts=PARTS, engine_on_disk=True) as stack:
        report = MixedLoad(stack, processes=PROCESSES, seconds=BREAK_S, seed=SEED, log=print).run()

    assert not report.mismatches, "\n".join([str(report), *report.mismatches])
    assert report.faults.total() >= 10
