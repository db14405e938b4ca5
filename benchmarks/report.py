"""What every benchmark prints: tables for people, and one last line for machines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import measure
from measure import Cost

COST_HEAD = ("whole process", "wall s", "from–to", "CPU s", "peak GB", "rows/s", "others' share")


@dataclass(frozen=True)
class Bar:
    """A figure that must not be exceeded (or, with `at_least`, be reached), and what it was."""

    words: str
    unit: str
    bar: float
    value: float | None
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        """Whether it was measured and held."""
        if self.value is None:
            return False
        return self.value >= self.bar if self.at_least else self.value <= self.bar


def say_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: words to the left, figures to the right."""
    widths = [max(len(row[place]) for row in [head, *rows]) for place in range(len(head))]
    print(f"\n{title}\n")
    for row in [head, ["-" * width for width in widths], *rows]:
        words, *figures = (
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print(f"  {'  '.join([words, *figures])}".rstrip())


def say_bars(bars: Mapping[str, Bar], remark: str = "") -> None:
    """Print each bar, and whether it is met."""
    rows = []
    for each in bars.values():
        value = "not measured" if each.value is None else f"{each.value:.{0 if each.unit == 'ms' else 2}f} {each.unit}"
        bar = f"{'≥' if each.at_least else '≤'} {each.bar:g} {each.unit}"
        rows.append((each.words, value.rstrip(), bar.rstrip(), "met" if each.is_met else "NOT MET"))
    say_table(f"Bars{remark}", ("", "value", "bar", ""), rows)


def say_for_machines(bars: Mapping[str, Bar]) -> None:
    """Print the bars as one line of JSON."""
    values = {
        name: {"value": None if each.value is None else round(each.value, 3), "bar": each.bar, "met": each.is_met}
        for name, each in bars.items()
    }
    print(json.dumps({"bars": values}))


def cost_row(words: str, costs: Sequence[Cost], rows: int | None = None) -> tuple[str, ...]:
    """Give the row of a table under `COST_HEAD`: the middle of several runs of one command."""
    cost = measure.middle(costs)
    spread = f"{min(each.seconds for each in costs):.1f}–{max(each.seconds for each in costs):.1f}"
    return (
        words,
        f"{cost.seconds:.2f}",
        spread if len(costs) > 1 else "",
        f"{cost.cpu_seconds:.2f}",
        f"{cost.gigabytes:.2f}",
        f"{rows / cost.seconds:,.0f}" if rows else "",
        f"{cost.others:.0%}",
    )
