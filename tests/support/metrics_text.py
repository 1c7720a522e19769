"""Read `/metrics` as Prometheus does."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.request import Request, urlopen

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families


class Scrape:
    """One scrape."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families: dict[str, Metric] = {family.name: family for family in text_string_to_metric_families(text)}
        self.samples = [sample for family in self.families.values() for sample in family.samples]

    @classmethod
    def of(cls, url: str, *, token: str = "", accept: str = "text/plain") -> Scrape:
        """Scrape an exporter or a web server."""
        headers = {"Accept": accept, **({"Authorization": f"Bearer {token}"} if token else {})}
        with urlopen(Request(url, headers=headers), timeout=10) as answer:
            return cls(answer.read().decode())

    def value(self, name: str, **labels: str) -> float:
        """The sum of all series with this name and these labels; 0 if there is none."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == f"celery_camunda_{name}" and labels.items() <= sample.labels.items()
        )

    def labels(self, name: str, label: str) -> set[str]:
        """The values of one label of a metric."""
        return {s.labels[label] for s in self.samples if s.name == f"celery_camunda_{name}" and label in s.labels}


def total(scrapes: Iterable[Scrape], name: str, **labels: str) -> float:
    """The sum over several scrapes."""
    return sum(scrape.value(name, **labels) for scrape in scrapes)
