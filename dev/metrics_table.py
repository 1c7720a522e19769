"""`python -m dev.metrics_table`: update the list of metrics in the guide from the code; a test compares the two."""

from __future__ import annotations

from dev.environment import ROOT
from telemetry.metrics.declared import catalogue

PATH = ROOT / "docs" / "guides" / "monitoring.md"
BEGIN, END = "<!-- metrics: begin -->\n", "<!-- metrics: end -->\n"


def table() -> str:
    """The list, as Markdown."""
    lines = ["| metric | kind | labels | what it says |", "|---|---|---|---|"]
    for metric in catalogue():
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        lines.append(f"| `{metric.name}` | {metric.type} | {labels} | {metric.documentation} |")
    return "\n".join(lines) + "\n"


def rewritten(text: str) -> str:
    """The text of the guide with the present list."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


if __name__ == "__main__":
    PATH.write_text(rewritten(PATH.read_text()))
