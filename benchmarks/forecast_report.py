"""The forecast's tables: who won where, by how much, and how sure that is.

Two methods are compared on exactly the origins, places and weeks that both have. Of an opponent's variants (sums of its
hours or its own daily fit; its own spread or one of several) the one counts that turned out best there.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import measure
import polars as pl
from forecast_speed import power
from report import COST_HEAD, Bar, cost_row, say_table

from bluelamp.backtest import HORIZONS, LEVELS, NAIVE, SPANS, _summary
from bluelamp.backtest._trial import horizon_of

if TYPE_CHECKING:
    from forecast_speed import Speed

    from forecast import Found

OURS = "pooled"
SEED = 1
SLOT_MEANS = tuple(name for name in NAIVE if name.startswith("slot_mean"))
STATSFORECAST = ("AutoETS", "MSTL", "AutoTheta", "SeasonalWindowAverage", "CrostonSBA", "TSB")
LEVEL_WORDS = {"force": "force", "district": "district", "area": "area", "area_class": "area × class"}
# How much lower our score must be than the best of statsforecast's, and than Prophet's: in per cent, by hour.
BELOW_STATSFORECAST = {"force": 1.0, "district": 5.0, "area": 3.0}
BELOW_PROPHET = {"Prophet": 9.0, "Prophet, configured": 2.0}
COVERAGE = {80: (78.0, 85.0), 95: (93.0, 97.0)}


# ---- comparisons ----


@dataclass(frozen=True)
class Difference:
    """How much lower (below nought) or higher our score is than an opponent's, at the same origins and places."""

    method: str
    value: float
    low: float | None
    high: float | None
    ours: float
    theirs: float
    origins: int
    places: int
    variant: str = ""
    theirs_as_said: float | None = None  # with the opponent's own spread, where it has one

    @property
    def verdict(self) -> str:
        """What the interval says; weeks of one origin are too much alike to say anything."""
        if self.origins < 2:
            return "one origin"
        if self.high is not None and self.high < 0:
            return "won"
        if self.low is not None and self.low > 0:
            return "LOST"
        return "not told apart"

    def __str__(self) -> str:
        return f"{per_cent(self.value)} {self.interval}".rstrip()

    @property
    def on(self) -> str:
        """On how many origins it stands."""
        return f"{self.origins} origin{'s' if self.origins > 1 else ''}"

    @property
    def interval(self) -> str:
        """The 95% interval; nothing where there are too few weeks for one."""
        if self.low is None or self.high is None:
            return ""
        return f"({100 * self.low:+.1f} to {100 * self.high:+.1f})"


def per_cent(value: float) -> str:
    """Write a share with its sign."""
    return f"{100 * value:+.1f}%"


def compare(own: pl.DataFrame, other: pl.DataFrame, method: str, score: str = "crps") -> Difference | None:
    """Compare scores of one level and span, only where both have them; `other` may have variants.

    Of variants the one counts that is best where they are compared.
    """
    on = ["origin", "place", "week"]
    mine = own.group_by(on).agg(mine=pl.col(score).sum(), came=pl.col("incidents").sum())
    variants = [name for name in ("by", "spread") if name in other.columns]
    theirs = other.group_by([*on, *variants]).agg(theirs=pl.col(score).sum())
    both = theirs.join(mine, on=on).sort(*on, *variants)
    if both.is_empty() or not both["came"].sum():
        return None
    best: tuple[object, ...] = ()
    said = None
    if variants:
        totals = both.group_by(variants).agg(pl.col("theirs").sum()).sort("theirs", *variants)
        best = totals.select(variants).row(0)
        as_said = totals.filter(pl.col("spread").is_null())
        said = as_said["theirs"][0] if as_said.height and score == "crps" else None
        both = both.filter(pl.col(name).eq_missing(pl.lit(value)) for name, value in zip(variants, best, strict=True))
    weekly = both.select(week_starting=pl.col("origin") + pl.duration(weeks=pl.col("week")), own="mine", other="theirs")
    low, high = _summary._interval(weekly, SEED)
    came, ours, others = (float(both[name].sum()) for name in ("came", "mine", "theirs"))
    return Difference(
        method, ours / others - 1, low, high, ours / came, others / came, both["origin"].n_unique(),
        both["place"].n_unique(), _variant(best, score), None if said is None else said / came,
    )  # fmt: skip


def _variant(best: tuple[object, ...], score: str) -> str:
    if not best:
        return ""
    by, spread = best
    if score != "crps":
        return f"its {by}"
    return f"its {by}, {'its own spread' if spread is None else f'spread {spread:g}'}"


def hardest(differences: Sequence[Difference], names: Sequence[str], origins: int = 0) -> Difference | None:
    """Give the difference to the opponent that is hardest to beat, of those with at least half of so many origins."""
    able = [each for each in differences if each.method in names and 2 * each.origins >= origins]
    return max(able, key=lambda each: each.value, default=None)


def differences(found: Found, level: str, span: str, score: str = "crps") -> list[Difference]:
    """Compare the default with every naive method and every opponent at a level and a sum."""
    assert found.own is not None
    here = found.own.filter(level=level, span=span)
    own = here.filter(method=OURS)
    given = [(name, here.filter(method=name)) for name in NAIVE]
    if found.peers is not None:
        peers = found.peers.filter(level=level, span=span)
        given += [(name, peers.filter(method=name)) for name in peers["method"].unique(maintain_order=True)]
    made = [compare(own, other, name, score) for name, other in given if not other.is_empty()]
    return [each for each in made if each is not None]


# ---- a force ----


def say_force(found: Found, lost: list[str]) -> dict[str, Bar]:
    """Print all that was found of a force, and give its bars; adds to `lost` where the default was beaten."""
    name = found.force.name
    print(f"\n==== {name}: {found.force.words} ====\n")
    if found.refused:
        print(f"  {found.refused}")
        return {}
    print(f"  demand, outages and events, SHA-256: {found.fingerprint}")
    for note in [found.about, *found.notes]:
        if note:
            print(f"  {note}")
    bars: dict[str, Bar] = {}
    if found.own is not None:
        bars |= _say_accuracy(found, lost)
    if found.touched:
        _say_ablation(found)
    if found.truth:
        _say_truth(found)
    return bars


def _say_accuracy(found: Found, lost: list[str]) -> dict[str, Bar]:
    assert found.own is not None
    name = found.force.name
    own = found.own.filter(method=OURS)
    origins = own["origin"].n_unique()
    levels = [level for level in LEVELS if level in own["level"].unique()]
    by = {(level, span): differences(found, level, span) for level in levels for span in SPANS}
    for level in levels:
        rows = [
            (
                f"by {span}: {each.method}", f"{each.origins}", f"{each.places}", f"{each.ours:.4f}",
                f"{each.theirs:.4f}", "" if each.theirs_as_said is None else f"{each.theirs_as_said:.4f}",
                per_cent(each.value), each.interval, each.verdict, each.variant,
            )
            for span in SPANS
            for each in by[level, span]
        ]  # fmt: skip
        head = ("sCRPS, lower is better", "origins", "places", "ours", "theirs", "with their own spread", "difference",
                "95%", "", "what is theirs")  # fmt: skip
        say_table(f"{name}, {LEVEL_WORDS[level]}", head, rows)
    for (level, span), found_here in by.items():
        lost += [
            f"{name}, {LEVEL_WORDS[level]} by {span}, against {each.method}: {each} on {each.on}"
            for each in found_here
            if each.verdict == "LOST"
        ]
    _say_horizons(found, levels)
    wape = differences(found, "force", "day", "absolute")
    rows = [
        (each.method, f"{each.origins}", f"{each.ours:.4f}", f"{each.theirs:.4f}", per_cent(each.value), each.interval,
         each.verdict, each.variant)
        for each in wape
    ]  # fmt: skip
    say_table(f"{name}: a day of the force, WAPE", ("", "origins", "ours", "theirs", "difference", "95%", "", ""), rows)
    lost += [
        f"{name}, WAPE of a day of the force, against {each.method}: {each} on {each.on}"
        for each in wape
        if each.value > 0
    ]
    bars = _accuracy_bars(name, by, wape, origins)
    bars |= _say_coverage(name, own, levels)
    if found.costs is not None:
        _say_costs(found)
    return bars


def _accuracy_bars(
    name: str, by: Mapping[tuple[str, str], list[Difference]], wape: list[Difference], origins: int
) -> dict[str, Bar]:
    bars: dict[str, Bar] = {}

    def add(key: str, words: str, bar: float, found: Difference | None, value: float | None) -> None:
        told = "nobody to compare with" if found is None else f"{found.method}, {found.on}: {found}"
        bars[f"{name}_{key}"] = Bar(f"{name}: {words} ({told})", "%", bar, value)

    for level in (level for level, span in by if span == "hour"):
        here, words = by[level, "hour"], LEVEL_WORDS[level]
        best = hardest(here, SLOT_MEANS, origins)
        high = None if best is None or best.high is None else 100 * best.high
        add(
            f"{level}_hour_against_slot_mean_upper_end",
            f"{words} by hour, upper end against the best slot mean",
            0,
            best,
            high,
        )
        others = [(STATSFORECAST, BELOW_STATSFORECAST.get(level), "statsforecast", "the best of statsforecast")]
        if level == "force":
            others += [((peer,), below, peer.lower().replace(", ", "_"), peer) for peer, below in BELOW_PROPHET.items()]
        for methods, below, key, told in others:
            best = hardest(here, methods)
            if below is not None and any(each.method in (*STATSFORECAST, *BELOW_PROPHET) for each in here):
                add(f"{level}_hour_against_{key}", f"{words} by hour, against {told}", -below, best,
                    None if best is None else 100 * best.value)  # fmt: skip
    # Below every opponent that was there at two midnights or more.
    best = hardest(wape, [each.method for each in wape], 4)
    add("force_day_wape", "WAPE of a day of the force, against the best of all", 0, best,
        None if best is None else 100 * best.value)  # fmt: skip
    return bars


def _say_horizons(found: Found, levels: Sequence[str]) -> None:
    """Print how the default does from near to far against the slot means, for which every day is kept."""
    assert found.own is not None
    horizon = pl.col("day").map_elements(horizon_of, return_dtype=pl.String)
    rows = []
    for level in levels:
        for span in ("hour", "day"):
            here = found.own.filter(level=level, span=span).with_columns(horizon=horizon)
            cells = []
            for each in HORIZONS[1:]:
                some = here.filter(horizon=each)
                own = some.filter(method=OURS)
                made = [compare(own, some.filter(method=name), name) for name in SLOT_MEANS]
                best = hardest([one for one in made if one is not None], SLOT_MEANS, own["origin"].n_unique())
                cells.append("" if best is None else f"{best} {best.method.removeprefix('slot_mean_')}")
            rows.append((f"{LEVEL_WORDS[level]} by {span}", *cells))
    head = ("against the best slot mean (its weeks last)", "day 1", "days 2–7", "days 8–28", "days 29–56")
    say_table(f"{found.force.name}: near and far, difference of sCRPS", head, rows)


def _say_coverage(name: str, own: pl.DataFrame, levels: Sequence[str]) -> dict[str, Bar]:
    told = own.group_by("level", "span").agg(pl.col("cells", "incidents", "expected", "^inside_.*$", "^even_.*$").sum())
    rows, of_staffing = [], []
    for level in levels:
        for span in SPANS:
            row = told.filter(level=level, span=span).row(0, named=True)
            shares = [100 * row[f"inside_{width}"] / row["cells"] for width in COVERAGE]
            if level in ("force", "district"):
                of_staffing.append(shares)
            even = [100 * row[f"even_{width}"] / row["cells"] for width in COVERAGE]
            rows.append((f"{LEVEL_WORDS[level]} by {span}", *(f"{each:.1f}%" for each in (*shares, *even)),
                         per_cent(row["expected"] / row["incidents"] - 1)))  # fmt: skip
    head = ("", "80%", "95%", "80% evenly", "95% evenly", "bias")
    say_table(f"{name}: how often what came lay inside the interval, and bias", head, rows)
    print(
        "\n  Intervals end at whole numbers, so that small counts lie inside more often than they say. 'Evenly'"
        "\n  shares out what equals an end (randomised PIT): a forecast that is right has 80% and 95 % there."
    )
    bars = {}
    for number, (width, (least, most)) in enumerate(COVERAGE.items()):
        found = [shares[number] for shares in of_staffing]
        words = f"{name}: coverage of the {width}% interval, force and districts, all sums"
        bars[f"{name}_coverage_{width}_lowest"] = Bar(f"{words}, lowest", "%", least, min(found), at_least=True)
        bars[f"{name}_coverage_{width}_highest"] = Bar(f"{words}, highest", "%", most, max(found))
    return bars


def _say_costs(found: Found) -> None:
    assert found.costs is not None
    rows = []
    for (method, by), some in found.costs.group_by("method", "by", maintain_order=True):
        seconds = some["seconds"]
        rows.append((f"{method}, by {str(by)[:-1]}", f"{some.height}", f"{some.select('level', 'place').n_unique()}",
                     f"{some['origin'].n_unique()}", f"{seconds.median():.3f}", f"{seconds.sum():.1f}"))  # fmt: skip
    head = ("CPU seconds of a fit and its forecast", "fits", "series", "origins", "median", "in all")
    say_table(f"{found.force.name}: what the opponents cost", head, rows)


def _say_ablation(found: Found) -> None:
    rows_of_own = found.own if found.own is not None else found.blind
    assert rows_of_own is not None
    assert found.blind is not None
    own = rows_of_own.filter(method=OURS)
    rows = []
    for what, touched in found.touched.items():
        blind = found.blind.filter(method=what)
        level = touched["level"][0]
        scopes = [
            (f"{LEVEL_WORDS[level]}s touched, their days" if level == "area" else "force, its days", level, touched),
            ("force, all days", "force", None),
        ]
        for words, level_here, only in scopes:
            for span in ("hour", "day"):
                sides = [each.filter(level=level_here, span=span) for each in (own, blind)]
                if only is not None:
                    sides = [each.join(only, on=["origin", "level", "place", "day"], how="semi") for each in sides]
                made = compare(*sides, what)
                if made is not None:
                    days = sides[1].select("origin", "day").n_unique()
                    rows.append((f"{what}: {words}, by {span}", f"{made.origins}", f"{days}", f"{made.ours:.4f}",
                                 f"{made.theirs:.4f}", per_cent(made.value), made.interval, made.verdict))  # fmt: skip
    head = ("sCRPS of the default", "origins", "days", "with", "without", "difference", "95%", "")
    say_table(f"{found.force.name}: what knowing of them is worth", head, rows)


def _say_truth(found: Found) -> None:
    rates, effects, ideal = (found.truth[name] for name in ("rates", "effects", "ideal"))
    by_day = rates.group_by("origin", "method", "day").agg(pl.col("rate", "true").sum())
    rows = []
    for method in dict.fromkeys([OURS, *NAIVE]):
        cells = [
            float((some["rate"] - some["true"]).abs().sum()) / float(some["true"].sum())
            for some in (rates.filter(method=method), by_day.filter(method=method))
        ]
        some = rates.filter(method=method)
        bias = float(some["rate"].sum()) / float(some["true"].sum()) - 1
        rows.append((method, f"{some['origin'].n_unique()}", *(f"{100 * each:.2f}%" for each in cells), per_cent(bias)))
    head = ("mean distance from the true rate of the force", "origins", "by hour", "by day", "bias")
    say_table(f"{found.force.name}: against the truth", head, rows)
    if found.own is not None:
        rows = []
        for span in ("hour", "shift", "day"):
            best = ideal.filter(span=span)
            here = found.own.filter(level="force", span=span)
            made = {name: compare(here.filter(method=name), best, name) for name in (OURS, *NAIVE)}
            cells = [per_cent(each.value) if each else "" for each in made.values()]
            rows.append((f"force by {span}", f"{made[OURS].theirs:.4f}" if made[OURS] else "", *cells))
        head = ("sCRPS above that of whoever knows the true rates", "theirs", OURS, *NAIVE)
        say_table(f"{found.force.name}: what is left to win", head, rows)
    rows = [
        (f"{kind}: {name}", f"{hours:.0f}", f"{true:.3f}", f"{made:.3f}", f"{made - true:+.3f}")
        for kind, name, hours, true, made in effects.iter_rows()
    ]
    head = ("times what the weeks beside it have", "hours", "truly", "forecast", "off by")
    say_table(f"{found.force.name}: what holidays and events of the coming year do", head, rows)


# ---- speed ----


def say_speed(speed: Speed) -> dict[str, Bar]:
    """Print what a forecast costs, and give the bars."""
    rows = [cost_row("the forecast", speed.whole), cost_row("starting alone", [speed.start])]
    say_table(f"Speed: {speed.words}", COST_HEAD, rows)
    bars = {}
    whole = measure.middle(speed.whole)
    bars["speed_seconds"] = Bar(f"speed: {speed.words}", "s", 30, whole.seconds)
    bars["speed_gigabytes"] = Bar("speed: its peak memory", "GB", 2, whole.gigabytes)
    if speed.peers:
        rows = [("pooled (the whole process, shared out)", f"{speed.series:,}", f"{speed.of_a_series:.4f}", "1")]
        for name, seconds in speed.peers.items():
            middle = statistics.mean(seconds)
            rows.append((name, f"{len(seconds)}", f"{middle:.4f}", f"{middle / speed.of_a_series:,.1f}"))
        say_table("CPU seconds a series, of the same series", ("", "series", "mean", "times ours"), rows)
    for name, least in (("AutoETS", 50), ("Prophet", 500)):
        ratio = statistics.mean(speed.peers[name]) / speed.of_a_series if name in speed.peers else None
        words = f"speed: CPU of {name} over ours, a series"
        bars[f"speed_cpu_ratio_{name.lower()}"] = Bar(words, "×", least, ratio, at_least=True)
    rows = []
    for axis, points in speed.curves.items():
        costs = [(size, max(cost.cpu_seconds - speed.start.cpu_seconds, 1e-3)) for size, cost in points]
        for (size, cost), (_, without_start) in zip(points, costs, strict=True):
            rows.append((f"{size:,} {axis}", f"{cost.seconds:.1f}", f"{cost.cpu_seconds:.1f}", f"{without_start:.1f}",
                         f"{cost.gigabytes:.2f}"))  # fmt: skip
        slope, last = (power(costs), power(costs[-2:])) if len(costs) > 1 else (None, None)
        if slope is not None:
            rows.append((f"  grows with the power of {slope:.2f}; over the last step {last:.2f}", "", "", "", ""))
        bars[f"speed_power_of_{axis}"] = Bar(f"speed: CPU grows with {axis} to the power of", "", 1.1, slope)
    say_table("How the cost grows", ("", "wall s", "CPU s", "less starting", "peak GB"), rows)
    return bars


def say_where_we_lose(bars: Mapping[str, Bar], lost: Sequence[str]) -> None:
    """Print bars that are missed, and every comparison that was lost."""
    print("\nWhere we lose\n")
    for each in bars.values():
        if not each.is_met:
            value = "not measured" if each.value is None else f"{each.value:.2f} {each.unit}".rstrip()
            print(f"  bar missed: {each.words}: {value}")
    for words in lost:
        print(f"  {words}")
    if not lost and all(each.is_met for each in bars.values()):
        print("  Nowhere, in what was measured here.")
