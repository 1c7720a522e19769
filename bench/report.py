"""The output of a run: its table and its files."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.samples import REFERENCE, Samples
from dev.environment import ROOT

RESULTS = Path(__file__).with_name("results")

#: title of each workload
TITLES = {
    "A": "latency of a start until its answer",
    "B": "throughput, closed loop",
    "C": "requests waiting at once in one web process",
    "D": "growth",
    "E": "idle",
    "F": "real steps: each waits 200 ms on HTTP",
    "G": "a database 2 ms away",
}


def table(samples: Samples) -> str:
    """The table of all cases: medians, the spread over the rounds, and ratios to the bare loop."""
    lines: list[str] = []
    last = ""
    for workload, case in samples.cases():
        if workload != last:
            lines += ["", f"{workload}  {TITLES[workload]}"]
            last = workload
        lines += ["", f"  {case}", *_case(samples, workload, case)]
    if samples.remarks:
        lines += ["", "Remarks", *(f"  - {remark}" for remark in samples.remarks)]
    return "\n".join(lines)


def machine() -> dict[str, Any]:
    """The machine and the time of this run."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memoryGiB": round(pages / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "java": _first_line(["java", "-version"]),
        "node": _first_line(["node", "--version"]),
        "commit": _first_line(["git", "-C", str(ROOT), "describe", "--always", "--dirty"]),
        "load": os.getloadavg(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def write(samples: Samples, name: str, about: dict[str, Any]) -> Path:
    """Write `results/<name>.json`. Returns its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({**about, **samples.document()}, indent=1) + "\n")
    return path


def _case(samples: Samples, workload: str, case: str) -> list[str]:
    metrics = [metric for metric in samples.metrics(workload, case) if not metric.startswith("cpu ")]
    rows = [
        [contestant, *(_cell(samples, workload, case, contestant, metric) for metric in metrics)]
        for contestant in samples.contestants(workload, case)
    ]
    lines = _aligned([["", *metrics], *rows])
    for contestant in samples.contestants(workload, case):
        parts = []
        for metric in samples.metrics(workload, case):
            median = samples.median(workload, case, contestant, metric)
            if metric.startswith("cpu ") and median is not None:
                parts.append(f"{metric.removeprefix('cpu ')} {median:.2f}")
        if parts:
            lines.append(f"    CPU ms a process, {contestant}: {', '.join(parts)}")
    return lines


def _cell(samples: Samples, workload: str, case: str, contestant: str, metric: str) -> str:
    values = samples.values(workload, case, contestant, metric)
    median = samples.median(workload, case, contestant, metric)
    if median is None:
        return "-"
    text = _number(median)
    if len(values) > 1:
        text += f" [{_number(min(values))}..{_number(max(values))}]"
    ratio = samples.ratio(workload, case, contestant, metric)
    if ratio is not None and contestant != REFERENCE:
        text += f" {_number(ratio)}x"
    return text


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["    " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except OSError:
        return ""
    return (done.stdout + done.stderr).partition("\n")[0].strip()


def print_progress(text: str) -> None:
    """Print a line of progress on standard error."""
    print(text, file=sys.stderr, flush=True)
