"""Draw a result with matplotlib, in the benchmark's own environment: the product does not need matplotlib."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bench.tools import ToolMissing, python_program

SCRIPT = Path(__file__).with_name("draw.py")
#: seconds that drawing may take
DRAW_S = 120.0


def draw(result: Path) -> str:
    """Draw `latest.png` in the folder of a result. Returns a text for the end of the run's last line."""
    picture = result.with_name("latest.png")
    try:
        program = python_program()
    except ToolMissing as error:
        return f"; no plot: {error}"
    done = subprocess.run(
        [str(program), str(SCRIPT), str(result), str(picture)],
        capture_output=True,
        text=True,
        check=False,
        timeout=DRAW_S,
    )
    return f", {picture.name}" if done.returncode == 0 else f"; no plot: {done.stderr[-500:]}"
