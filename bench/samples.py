"""The measured values: a flat list of numbers, and their medians and spread over the rounds."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

#: the contestant that ratios refer to
REFERENCE = "bare"


@dataclass(frozen=True, slots=True)
class Sample:
    """One number of one round.

    Attributes:
        workload: letter of the workload.
        case: the variant of the workload, for example "16 clients".
        contestant: name of the contestant.
        metric: name of the metric, with its unit.
        value: the number.
        round: number of the round, from 1.
    """

    workload: str
    case: str
    contestant: str
    metric: str
    value: float
    round: int = 1


@dataclass(slots=True)
class Samples:
    """All numbers of a run, and remarks for the reader."""

    items: list[Sample] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def put(self, workload: str, case: str, contestant: str, round_: int, metrics: dict[str, float]) -> None:
        """Add numbers by metric."""
        self.items += [
            Sample(workload, case, contestant, metric, float(value), round_) for metric, value in metrics.items()
        ]

    def remark(self, text: str) -> None:
        """Add a remark for the reader of the table; a second call with the same text adds nothing."""
        if text not in self.remarks:
            self.remarks.append(text)

    def cases(self) -> list[tuple[str, str]]:
        """Workloads and cases, sorted by workload, then in the order of their first measurement."""
        return sorted(_unique((item.workload, item.case) for item in self.items), key=lambda pair: pair[0])

    def contestants(self, workload: str, case: str) -> list[str]:
        """The contestants of a case."""
        return _unique(item.contestant for item in self.items if (item.workload, item.case) == (workload, case))

    def metrics(self, workload: str, case: str) -> list[str]:
        """The metrics of a case."""
        return _unique(item.metric for item in self.items if (item.workload, item.case) == (workload, case))

    def values(self, workload: str, case: str, contestant: str, metric: str) -> list[float]:
        """The numbers of all rounds."""
        wanted = (workload, case, contestant, metric)
        return [item.value for item in self.items if (item.workload, item.case, item.contestant, item.metric) == wanted]

    def median(self, workload: str, case: str, contestant: str, metric: str) -> float | None:
        """The median of the rounds; None without a number."""
        values = self.values(workload, case, contestant, metric)
        return statistics.median(values) if values else None

    def ratio(self, workload: str, case: str, contestant: str, metric: str, reference: str = REFERENCE) -> float | None:
        """The median of the ratios to another contestant within each round; None if either is missing.

        The speed of the machine changes over the run, but hardly within one round.
        """
        ratios = []
        for number in {item.round for item in self.items}:
            ours = self._of_round(workload, case, contestant, metric, number)
            theirs = self._of_round(workload, case, reference, metric, number)
            if ours is not None and theirs:
                ratios.append(ours / theirs)
        return statistics.median(ratios) if ratios else None

    def document(self) -> dict[str, Any]:
        """All numbers and remarks for a JSON file, summaries first."""
        summaries = [
            self._summary(workload, case, contestant, metric)
            for workload, case in self.cases()
            for contestant in self.contestants(workload, case)
            for metric in self.metrics(workload, case)
            if self.values(workload, case, contestant, metric)
        ]
        return {"summaries": summaries, "remarks": self.remarks, "samples": [asdict(item) for item in self.items]}

    def _summary(self, workload: str, case: str, contestant: str, metric: str) -> dict[str, Any]:
        values = self.values(workload, case, contestant, metric)
        return {
            "workload": workload,
            "case": case,
            "contestant": contestant,
            "metric": metric,
            "median": statistics.median(values),
            "least": min(values),
            "most": max(values),
            "ratioToBare": self.ratio(workload, case, contestant, metric),
        }

    def _of_round(self, workload: str, case: str, contestant: str, metric: str, number: int) -> float | None:
        wanted = (workload, case, contestant, metric, number)
        for item in self.items:
            if (item.workload, item.case, item.contestant, item.metric, item.round) == wanted:
                return item.value
        return None


def _unique(items: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(items))
