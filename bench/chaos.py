"""The mixed load under random kills and stops of every part, for longer than tests/chaos/test_mixed_load.py.

    python -m bench.chaos --processes 2000 --seconds 900 --seed 7

It prints every mismatch and one line of figures. Its exit code is 1 if there is a mismatch.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from bench.mixed_load import PARTS, SETTINGS, MixedLoad
from dev.stack import Stack


def main() -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--processes", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=900.0, help="seconds for which processes start and parts fail")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="seed of the random inputs and faults")
    parser.add_argument("--folder", type=Path, help="folder that keeps databases and logs")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(given.folder or Path(folder), settings=SETTINGS, parts=PARTS, engine_on_disk=True)
        with stack:
            load = MixedLoad(stack, processes=given.processes, seconds=given.seconds, seed=given.seed, log=print)
            report = load.run()
    for mismatch in report.mismatches:
        print(mismatch)
    print(report)
    print(", ".join(f"{name}: {number}" for name, number in sorted(report.faults.items())))
    return 1 if report.mismatches else 0


if __name__ == "__main__":
    sys.exit(main())
