"""Draw the medians of one result as bars. `bench/plot.py` runs this in the environment that has matplotlib."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

#: workload and metric of each panel
PANELS = (
    ("A", "p50 ms"),
    ("A", "p99 ms"),
    ("B", "processes/s"),
    ("B", "outside CPU ms"),
    ("D", "p50 ms"),
    ("F", "processes/s"),
)


def main(result: Path, picture: Path) -> None:
    """Draw `result` into `picture`."""
    document = json.loads(result.read_text())
    panels = [(panel, found) for panel in PANELS if (found := _rows(document, *panel))]
    if not panels:
        raise SystemExit("nothing to draw: the result has none of the panels' metrics")
    figure, axes = plt.subplots(len(panels), 1, figsize=(9, 2.6 * len(panels)), squeeze=False)
    for axis, ((workload, metric), rows) in zip(axes[:, 0], panels, strict=True):
        _bars(axis, rows)
        axis.set_title(f"{workload}: {metric}", loc="left", fontsize=10)
    machine = document["machine"]
    figure.suptitle(f"{machine['cores']} cores, {machine['cpu']}, {machine['time'][:10]}", fontsize=9)
    figure.tight_layout()
    figure.savefig(picture, dpi=110)


def _rows(document: dict, workload: str, metric: str) -> list[dict]:
    return [row for row in document["summaries"] if (row["workload"], row["metric"]) == (workload, metric)]


def _bars(axis: plt.Axes, rows: list[dict]) -> None:
    cases = list(dict.fromkeys(row["case"] for row in rows))
    names = list(dict.fromkeys(row["contestant"] for row in rows))
    width = 0.8 / len(names)
    for index, name in enumerate(names):
        found = {row["case"]: row for row in rows if row["contestant"] == name}
        places = [cases.index(case) + index * width for case in found]
        medians = [row["median"] for row in found.values()]
        spread = [
            [row["median"] - row["least"] for row in found.values()],
            [row["most"] - row["median"] for row in found.values()],
        ]
        axis.bar(places, medians, width * 0.9, yerr=spread, label=name, capsize=2, error_kw={"linewidth": 0.8})
    axis.set_yscale("log")
    axis.set_xticks([place + 0.4 - width / 2 for place in range(len(cases))], cases, fontsize=8)
    axis.legend(fontsize=7, ncols=len(names))
    axis.grid(axis="y", alpha=0.3)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
