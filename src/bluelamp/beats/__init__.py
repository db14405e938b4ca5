"""Beats of equal workload: which area would lie in which district, beside today's, and how far from equal both are.

A proposal from small areas and the work that each brings. Districts come out whole, near to an equal share, compact
and, where asked, close to today's; who knows the ground decides. How it is found stands in `districting`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import districting, tables
from bluelamp.beats._ground import Ground
from bluelamp.districting import Balance, Bound, Division, Proof, Touching
from bluelamp.errors import BadData, UsageError, count_of
from bluelamp.plane import Plane

START = ("today", "anew")
CHANGES = ("load", "areas")
_LISTED = 5
# Shares that differ by less are one.
_PROVEN = 1e-6

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Work:
    """What each area brings: rows `area_id`, `load`; its unit ("" where nobody said) and what it is, in words."""

    rows: pl.DataFrame
    unit: str
    what: str
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Wanted:
    """What was asked for: how many districts, how equal, how close to today's.

    `most_change` is the greatest share of load (`by_areas`: of areas) that may leave its district of today; from
    'today' as little as possible moves, 'anew' borders are as short as possible. `proof_seconds` is how long the
    best possible balance may be looked for, of few areas; 0 is not at all.
    """

    districts: int
    tolerance: float = 0.05
    most_change: float | None = None
    by_areas: bool = False
    start: str = "anew"
    seed: int = 0
    proof_seconds: float = 0.0


@dataclass(frozen=True)
class Beats:
    """A proposal: tables `beats` and `beat_loads`, and what it was made from."""

    table: pl.DataFrame
    loads: pl.DataFrame
    force_name: str
    work: Work
    wanted: Wanted
    notes: list[str]
    bound: Bound
    proof: Proof | None
    balance: Balance
    today: Balance | None
    least_change: float | None
    changed: float
    border_km: tuple[float | None, float | None]
    boundaries: Mapping[str, str]

    @property
    def is_within(self) -> bool:
        """Say whether every district is within the tolerance."""
        return self.balance.greatest <= self.wanted.tolerance + 1e-9

    @cached_property
    def moved(self) -> pl.DataFrame:
        """Give the areas that would leave their district of today."""
        return self.table.filter("is_moved")

    @property
    def total(self) -> float:
        """Give the work of all areas."""
        return float(self.table["load"].sum() or 0.0)

    @property
    def proven(self) -> float:
        """Give the least greatest deviation that any division of these areas can have, as far as is known."""
        return max(self.bound.deviation, self.proof.bound if self.proof is not None else 0.0)

    def sentences(self) -> list[str]:
        """Say what is proposed, what it changes, and how far from the best it may be."""
        said = [
            f"{count_of(self.table.height, 'area')} with {self._amount(self.total)} in "
            f"{count_of(self.wanted.districts, 'district')}: an equal share is {_number(self.balance.ideal)}. As "
            f"proposed, {_spread(self.balance)}."
        ]
        if self.today is not None:
            now = self.loads.filter(plan="today")
            broken = now.filter(pl.col("pieces") > 1).height
            pieces = f" {_cap(count_of(broken, 'of them is', 'of them are'))} in pieces." if broken else ""
            said.append(
                f"Today's {count_of(now.height, 'district')}: {_spread(self.today)}, of an equal share of "
                f"{_number(self.today.ideal)}.{pieces}"
            )
        said += [*self._on_tolerance(), *self._on_change(), *self._on_ground()]
        return said

    def _amount(self, load: float) -> str:
        return f"{_number(load)} {self.work.unit}" if self.work.unit else f"a load of {_number(load)}"

    def _on_tolerance(self) -> list[str]:
        asked, best = self.wanted.tolerance, self.balance.greatest
        why = {
            "areas": "some areas alone are too heavy for it",
            "empty": "fewer areas than districts have any work",
            "change": "too little may move from today's districts",
        }
        if self.is_within:
            said = [f"Every district is within {asked:.1%} of the equal share; the farthest is {best:.1%} from it."]
        elif self.proven > asked + 1e-6:
            reason = why.get(self.bound.reason, "no division of these areas is")
            if self.bound.deviation <= asked:
                reason = "no division of these areas into whole districts is"
            said = [
                f"{asked:.1%} can't be met: {reason}. The best found is {best:.1%}, and nothing is nearer than "
                f"{self.proven:.1%}."
            ]
        else:
            said = [
                f"{asked:.1%} was not met: the best found is {best:.1%}. Nothing is known to stand in the way, so that "
                "another seed or a wider limit on change may do better."
            ]
        if self.proof is not None:
            said.append(self._on_proof(self.proof))
        return said

    def _on_proof(self, proof: Proof) -> str:
        if proof.deviation is not None and proof.deviation - proof.bound < _PROVEN:
            return f"It is proven that the most equal division of these areas is {proof.bound:.2%} from an equal share."
        met = "" if proof.deviation is None else f"; one of {proof.deviation:.2%} was met"
        return f"In the time given it was proven only that no division is nearer to equal than {self.proven:.2%}{met}."

    def _on_change(self) -> list[str]:
        if self.today is None:
            return []
        moved = float(self.moved["load"].sum() or 0.0) / self.total
        areas = self.moved.height
        least = ""
        if self.least_change is not None and self.is_within and self.least_change > 0:
            least = (
                f" To come within {self.wanted.tolerance:.1%}, {self.least_change:.1%} of the work has to change "
                "district whatever one does."
            )
        limit = self.wanted.most_change
        over = ""
        if limit is not None and self.changed > limit + 1e-9:
            over = (
                f" That is beyond the limit of {limit:.1%}: to make today's districts whole, and as many as asked for, "
                "takes so much."
            )
        return [
            f"{count_of(areas, 'area')} of {self.table.height:,} ({areas / self.table.height:.1%}) with {moved:.1%} of "
            f"the work would change district.{over}{least}"
        ]

    def _on_ground(self) -> list[str]:
        said = []
        before, after = self.border_km
        if after is not None:
            against = "" if not before else f", {_more(after / before)} than today's"
            said.append(f"Borders between the districts are {after:,.1f} km long in all{against}.")
        for column, words, form in (
            ("travel_minutes", "minutes from a district's best-placed area to its work", ".1f"),
            ("distance_km", "km as the crow flies from a district's best-placed area to its work", ".2f"),
        ):
            means = {plan: self._mean(plan, column) for plan in ("today", "proposed")}
            if means["proposed"] is not None:
                against = "" if means["today"] is None else f"; today's {format(means['today'], form)}"
                said.append(f"On average {format(means['proposed'], form)} {words}{against}.")
        return said

    def _mean(self, plan: str, column: str) -> float | None:
        rows = self.loads.filter(pl.col("plan") == plan, pl.col(column).is_not_null(), pl.col("load") > 0)
        if rows.is_empty() or self.loads.filter(plan=plan).select(pl.col(column).is_null().any()).item():
            return None
        return float(np.average(rows[column].to_numpy(), weights=rows["load"].to_numpy()))

    def meanings(self) -> list[str]:
        """Say what a reader might take it for, and it is not."""
        return [
            "Equal work is not equal response: distances and the hours at which work comes differ between districts.",
            "Work is what was recorded, or is forecast from it, and both depend on where officers were sent before.",
            "Within the tolerance many other divisions are about as good. Wards, schools, rivers without a bridge and "
            "partners' borders are not known here; who knows them should change it.",
            "Districts are no pools: how many officers each needs at night is not its share of them. 'bluelamp plan' "
            "works that out for pools.",
        ]

    def lines(self) -> list[str]:
        """Give the districts as lines of a table, and what they say, leave out and do not mean."""
        lines = [
            f"Beats of {self.force_name}: {count_of(self.wanted.districts, 'district')} by {self.work.what}.",
            "",
            f"{'district':<14}{'areas':>7}{'load':>14}{'of equal':>10}{'arriving':>12}{'leaving':>12}{'compact':>9}",
        ]
        for plan in ("today", "proposed"):
            rows = self.loads.filter(plan=plan)
            if rows.height:
                lines.append(f"{plan}:")
            lines += [_line(row) for row in rows.iter_rows(named=True)]
        said = {"": self.sentences(), "To know:": self.notes, "What this does not say:": self.meanings()}
        for head, sentences in said.items():
            lines += ["", *([head] if head else []), *(f"- {each}" for each in sentences)] if sentences else []
        return lines

    def to_geojson(self) -> str:
        """Give the areas with their proposed district as `district`, as `bluelamp import` reads areas."""
        features = [
            {
                "type": "Feature",
                "properties": {
                    "area_id": row["area_id"], "area_name": row["area_name"], "district": row["beat_id"],
                    "today": row["today_id"], "load": row["load"],
                },
                "geometry": json.loads(self.boundaries[row["area_id"]]) if row["area_id"] in self.boundaries else None,
            }
            for row in self.table.iter_rows(named=True)
        ]  # fmt: skip
        return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False)


def _line(row: Mapping[str, Any]) -> str:
    compact = "–" if row["compactness"] is None else f"{row['compactness']:.2f}"
    return (
        f"  {row['beat_id'][:12]:<12}{row['areas']:>7,}{_number(row['load']):>14}{row['deviation']:>+10.1%}"
        f"{_or_dash(row['arriving']):>12}{_or_dash(row['leaving']):>12}{compact:>9}"
    )


def _spread(balance: Balance) -> str:
    high, low = float(balance.deviations.max()), float(balance.deviations.min())
    return (
        f"the heaviest has {high:.1%} more and the lightest {-low:.1%} less (coefficient of variation "
        f"{balance.variation:.3f}, Gini {balance.gini:.3f})"
    )


def _more(ratio: float) -> str:
    change = f"{abs(ratio - 1):.0%}"
    return f"{change} {'longer' if ratio > 1 else 'shorter'}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"


def _or_dash(value: float | None) -> str:
    return "–" if value is None else _number(value)


def _cap(text: str) -> str:
    return text[:1].upper() + text[1:]


def propose_beats(
    areas: pl.DataFrame,
    work: Work,
    wanted: Wanted,
    *,
    force_name: str = "the force",
    today: Mapping[str, str | None] | None = None,
    touching: pl.DataFrame | None = None,
    minutes: pl.DataFrame | None = None,
) -> Beats:
    """Propose districts of equal work.

    `areas` is a table `areas`, of which those of level 'area' count; one row each, in force on one day. `today` is each
    area's district now, its parent where it is left out. `touching` (columns `a`, `b`) says which areas touch; the
    boundaries do where it is left out. `minutes` (`from_id`, `to_id`, `minutes`) are driving times between areas.

    Raises UsageError where what is asked makes no sense (more districts than areas), and BadData where areas have no
    boundary and no file says what they touch, areas are named that the force has not, or there is no work at all.
    """
    import shapely

    lowest = areas.filter(pl.col("level") == "area").unique("area_id", keep="last").sort("area_id")
    ids = lowest["area_id"].to_list()
    number = {area: index for index, area in enumerate(ids)}
    notes = list(work.notes)
    _insist(lowest, work, wanted, touching, minutes, number, today)
    load = _loads(ids, work, notes)
    drawn = lowest["boundary"].null_count() == 0
    shapes = [shapely.from_geojson(each) for each in lowest["boundary"]] if drawn else None
    touch = _find_touching(ids, shapes, touching, number, notes)
    named = dict(lowest.select("area_id", "parent_id").iter_rows()) if today is None else dict(today)
    names = sorted({name for area in ids if (name := named.get(area)) is not None}, key=_in_order)
    now = np.array([names.index(name) if (name := named.get(area)) is not None else -1 for area in ids])
    has_today = len(names) > 1
    if not has_today and (wanted.most_change is not None or wanted.start == "today"):
        raise BadData(
            "The areas lie in no districts today, so that change can't be counted. Give them a district (a property of "
            "the file of areas), or today's with --today FILE; or leave out --most-change and --from today."
        )
    division = districting.propose_districts(
        load, touch, wanted.districts, today=now if has_today else None, tolerance=wanted.tolerance,
        most_moved=wanted.most_change, moved_by=np.ones(len(ids)) if wanted.by_areas else None,
        few_changes=wanted.start == "today", seed=wanted.seed,
    )  # fmt: skip
    bound = districting.least_deviation(
        load, wanted.districts, now if has_today else None, wanted.most_change,
        np.ones(len(ids)) if wanted.by_areas else None,
    )  # fmt: skip
    balance = districting.balance_of(load, division.district, wanted.districts)
    proof = None
    if wanted.proof_seconds and len(ids) <= districting.MOST_AREAS:
        proof = districting.prove_balance(
            load, touch.pairs, wanted.districts, seconds=wanted.proof_seconds, at_most=balance.greatest + 1e-9
        )
    elif wanted.proof_seconds:
        notes.append(
            f"Nothing was proven: that takes too long with more than {districting.MOST_AREAS} areas, and there are "
            f"{len(ids):,}."
        )
    beat_of = _name(division, names)
    table = pl.DataFrame(
        {
            "area_id": ids,
            "area_name": lowest["area_name"],
            "today_id": [names[each] if each >= 0 else None for each in now],
            "beat_id": [beat_of[each] for each in division.district],
            "load": load,
        },
        schema_overrides={"today_id": pl.String},
    ).with_columns(is_moved=(pl.col("today_id") != pl.col("beat_id")).fill_null(value=False) & pl.lit(has_today))
    measured = Ground(load, touch, shapes, _points(lowest), _matrix(minutes, number), ids)
    plans = [measured.describe("proposed", division.district, beat_of)]
    before = None
    inside = now >= 0
    if has_today:
        plans.insert(0, measured.describe("today", now, names))
        before = districting.balance_of(load, now, len(names))
        if not inside.all():
            share = load[~inside].sum() / load.sum()
            outside = [area for area, each in zip(ids, inside, strict=True) if not each]
            notes.append(f"{_listed('area', outside)} in no district today ({share:.1%} of the work).")
    loads = _with_moves(pl.concat(plans, how="vertical_relaxed"), table, has_today)
    least = None
    if has_today and inside.all() and len(names) == wanted.districts:
        least = districting.least_change(districting.balance_of(load, now, len(names)).loads, wanted.tolerance)
    return Beats(
        tables.publish(table, "beats"), tables.publish(loads, "beat_loads"), force_name, work, wanted, notes, bound,
        proof, balance, before, least, division.moved,
        (measured.border_km(now) if has_today and inside.all() else None, measured.border_km(division.district)),
        dict(lowest.filter(pl.col("boundary").is_not_null()).select("area_id", "boundary").iter_rows()),
    )  # fmt: skip


def _insist(
    lowest: pl.DataFrame,
    work: Work,
    wanted: Wanted,
    touching: pl.DataFrame | None,
    minutes: pl.DataFrame | None,
    number: Mapping[str, int],
    today: Mapping[str, str | None] | None,
) -> None:
    if lowest.is_empty():
        raise BadData("There are no areas. 'bluelamp import FORCE areas.geojson' brings them in.")
    if wanted.start not in START:
        raise UsageError(f"--from '{wanted.start}' is neither: today or anew was expected.")
    if touching is None and (without := lowest.filter(pl.col("boundary").is_null())["area_id"].to_list()):
        raise BadData(
            f"{_listed('area', without)} without a boundary, so that nobody can tell what they touch. Give them "
            "one, or a file of who touches whom: --touching FILE, a CSV with the columns a and b."
        )
    problems = []
    for what, rows, columns in (("work", work.rows, ("area_id",)), ("neighbours", touching, ("a", "b")),
                                ("minutes", minutes, ("from_id", "to_id"))):  # fmt: skip
        if rows is not None:
            named = pl.concat([rows[each].cast(pl.String).alias("area_id") for each in columns]).unique().sort()
            strange = [each for each in named.to_list() if each not in number and each != "unknown"]
            if strange:
                problems.append(f"{_listed('area', strange)} named in the {what}, and not among the force's.")
    if today is not None and (strange := sorted(set(today) - set(number))):
        problems.append(f"{_listed('area', strange)} named in today's districts, and not among the force's.")
    bad = work.rows.filter(~(pl.col("load") >= 0) | pl.col("load").is_nan() | pl.col("load").is_infinite())
    if bad.height:
        problems.append(f"{_listed('area', bad['area_id'].to_list())} given a load that is negative or no number.")
    if minutes is not None:
        wrong = minutes.filter(~(pl.col("minutes") >= 0) | ~pl.col("minutes").is_finite() | pl.col("minutes").is_null())
        if wrong.height:
            problems.append(
                f"{count_of(wrong.height, 'driving time')} can't be one, first that from '{wrong['from_id'][0]}' to "
                f"'{wrong['to_id'][0]}'. Minutes from 0 were expected."
            )
    if work.rows["area_id"].is_duplicated().any():
        twice = work.rows.filter(pl.col("area_id").is_duplicated())["area_id"].unique().sort().to_list()
        problems.append(f"{_listed('area', twice)} named more than once in the work. One row an area was expected.")
    if problems:
        raise BadData("These beats can't be worked out yet:", problems)


def _listed(noun: str, codes: Sequence[Any]) -> str:
    more = f" and {len(codes) - _LISTED:,} more" if len(codes) > _LISTED else ""
    are = f"{count_of(len(codes), noun)} ({', '.join(str(each) for each in list(codes)[:_LISTED])}{more})"
    return f"{are} {'is' if len(codes) == 1 else 'are'}"


def _loads(ids: Sequence[str], work: Work, notes: list[str]) -> Floats:
    """Give each area's load; none is nothing, and said."""
    known = dict(work.rows.select("area_id", "load").iter_rows())
    load = np.array([known.get(area) or 0.0 for area in ids], dtype=float)
    lost = known.get("unknown") or 0.0
    if lost > 0:
        notes.append(
            f"{lost / (load.sum() + lost):.1%} of the work is at places that are not known, and belongs to no district."
        )
    idle = [area for area, each in zip(ids, load, strict=True) if each == 0]
    if idle and load.sum() > 0:
        notes.append(f"{_listed('area', idle)} without work; they lie where borders are shortest.")
    return load


def _find_touching(
    ids: Sequence[str],
    shapes: Sequence[Any] | None,
    told: pl.DataFrame | None,
    number: Mapping[str, int],
    notes: list[str],
) -> Touching:
    if told is None:
        assert shapes is not None
        found = districting.find_touching(shapes)
    else:
        pairs = districting.as_pairs([[number[a], number[b]] for a, b in told.select("a", "b").iter_rows()])
        found = Touching(len(ids), pairs, np.full(len(pairs), np.nan))
        if shapes is not None:
            found = districting.measure_borders(found, shapes)
    linked = districting.link_islands(found, shapes)
    for a, b, metres in linked.links:
        way = f"{metres / 1000:,.1f} km" if metres >= 1000 else f"{metres:,.0f} m"
        notes.append(f"{ids[a]} and what hangs on it touch nothing else; {ids[b]}, {way} away, counts as touching it.")
    parts = linked.parts()
    if len(np.unique(parts)) > 1:
        most = np.bincount(parts).argmax()
        apart = [area for area, part in zip(ids, parts, strict=True) if part != most]
        raise BadData(
            f"{_listed('area', apart)} not joined to the rest by what the file of neighbours says, and without "
            "boundaries nobody knows what is nearest. Add a row for each to the file."
        )
    return linked


def _name(division: Division, names: Sequence[str]) -> list[str]:
    """Name districts: those that go on as today's are, and new ones by number, none by a code that is taken."""
    fresh = (code for index in range(1, 10**6) if (code := f"new {index}" if names else f"{index}") not in names)
    return [next(fresh) if each is None else names[each] for each in division.today_of]


def _in_order(code: str) -> tuple[tuple[bool, int, str], ...]:
    """Put codes as people do: 2 before 10."""
    return tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", code))


def _points(lowest: pl.DataFrame) -> Floats | None:
    """Give the areas' centres in metres; none where some are not known."""
    degrees = lowest.select("centre_longitude", "centre_latitude").to_numpy().astype(float)
    return Plane.amid(degrees).flatten(degrees) if np.isfinite(degrees).all() else None


def _matrix(minutes: pl.DataFrame | None, number: Mapping[str, int]) -> Floats | None:
    if minutes is None:
        return None
    found = np.full((len(number), len(number)), np.nan)
    np.fill_diagonal(found, 0.0)
    for start, end, each in minutes.select("from_id", "to_id", "minutes").iter_rows():
        found[number[start], number[end]] = each
    return found


def _with_moves(loads: pl.DataFrame, table: pl.DataFrame, has_today: bool) -> pl.DataFrame:
    moved = table.filter("is_moved")
    coming = moved.group_by("beat_id").agg(arriving=pl.col("load").sum())
    going = moved.group_by(beat_id="today_id").agg(leaving=pl.col("load").sum())
    today = table["today_id"].drop_nulls().unique().to_list()
    is_new = ~pl.col("beat_id").is_in(today)
    proposed = pl.lit(has_today) & (pl.col("plan") == "proposed")
    return (
        loads.join(coming, on="beat_id", how="left", maintain_order="left")
        .join(going, on="beat_id", how="left", maintain_order="left")
        .with_columns(
            arriving=pl.when(proposed).then(pl.col("arriving").fill_null(0.0)),
            leaving=pl.when(proposed & ~is_new).then(pl.col("leaving").fill_null(0.0)),
        )
    )
