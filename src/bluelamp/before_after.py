"""Before and after: what changed where something was done, beyond a place left alone, and in the ring about it.

The counts go into the weighted displacement difference (`displacement`). Ground is cut so that nothing counts twice:
the treated place first, then its ring, then what is left of the control, then the ring about that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from bluelamp import boundaries, displacement, geography, incidents, tables
from bluelamp.errors import UsageError, count_of, did_you_mean
from bluelamp.occurrences import Occurrences
from bluelamp.plane import Plane

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

PARTS = ("treated", "control", "ring", "ring_control")
ESTIMATES = ("local", "displaced", "total")
# Which estimate holds which place against which control.
_HELD = (("local", "treated", "control"), ("displaced", "ring", "ring_control"))
# What the parts of the table are called.
WORDS = {
    "treated": "treated place", "control": "control", "ring": "ring", "ring_control": "control of the ring",
    "local": "treated − control", "displaced": "ring − its control", "total": "in all",
}  # fmt: skip
MEANINGS = (
    "Counts are of what was recorded. Where something was done, more is reported, and officers find more.",
    "Chance is not all: an event, a closed pub or a rule of recording in one of the places looks just like an effect.",
    "A place chosen because it was bad gets better by itself (regression to the mean); a control as bad as it was then "
    "guards against that, and a quiet one does not.",
    "Crime may move to other hours, other classes or beyond the ring, which this does not look at.",
)
# Fewer than these, and the bell curve by which the interval is drawn does not fit counts well.
_FEW = 10
# Places that differ by more than this in what they had before can hardly be expected to change by as many.
_UNLIKE = 2.0
# Weeks that vary by more than this many times what chance alone would make them vary.
_CLUMPED = 1.5
_FEWEST_WEEKS = 8
# A treated place that rose so before the change was perhaps chosen because it had; one chance in twenty.
_ROSE = 1.645
_OVERLAP = 0.01
# Offences are recorded up to weeks after they happened.
_RECORDED_LATE = timedelta(days=28)
# Where so many come in a day, a day without any is a hole in the record.
_BUSY = 8.0

Period = tuple[date, date]
Words = Sequence[str]


@dataclass(frozen=True)
class BeforeAfter:
    """The table `before_after`, and what it was made from."""

    table: pl.DataFrame
    of: Occurrences
    before: Period
    after: Period
    notes: list[str]
    unlike: bool

    def row(self, part: str) -> dict[str, Any]:
        """Give one row of the table; empty where there is none of the part."""
        rows = self.table.filter(part=part)
        return rows.row(0, named=True) if rows.height else {}

    def sentences(self) -> list[str]:
        """Say what changed, and how sure that is."""
        treated, control, local, total = (self.row(part) for part in ("treated", "control", "local", "total"))
        went = [
            f"from {row['before']:,} to {row['after']:,} {self.of.kind}"
            + ("" if row["ratio"] is None else f" ({_percent(row['ratio'])})")
            for row in (treated, control)
        ]
        said = [f"The treated place went {went[0]}, the control {went[1]}."]
        if days_of(self.before) != days_of(self.after):
            said.append(
                f"The periods are {count_of(days_of(self.before), 'day')} and {count_of(days_of(self.after), 'day')} "
                "long: differences are in counts of the one after, and percentages are for as many days."
            )
        said.append(f"Beyond its control, the treated place changed by {_told(local)}{_share(local)}.")
        if ring := self.row("displaced"):
            said += [
                f"Its ring changed by {_told(ring)}{_share(ring)} beyond its own control: above 0 may have moved "
                "there, below 0 may have been prevented there too.",
                f"Together that is {_told(total)}.",
            ]
        said.append(_verdict(total, self.unlike))
        return said

    def lines(self) -> list[str]:
        """Give the counts as lines of a table, and what they say, leave out and do not mean."""
        lines = [
            f"Before and after: {self.of.what}, {' to '.join(map(str, self.before))} against "
            f"{' to '.join(map(str, self.after))}.",
            "",
            f"{'':22}{'before':>8}{'after':>8}{'change':>10}{'95 % interval':>22}",
        ]
        for part in (*PARTS, *ESTIMATES):
            if row := self.row(part):
                counts = "".join("" if row[name] is None else f"{row[name]:,}".rjust(8) for name in ("before", "after"))
                between = f"{row['difference_low']:+,.1f} to {row['difference_high']:+,.1f}"
                lines.append(f"{WORDS[part]:22}{counts:16}{row['difference']:+10,.1f}{between:>22}")
        said = {"": self.sentences(), "To know:": self.notes, "What this does not say:": list(MEANINGS)}
        for head, sentences in said.items():
            lines += ["", *([head] if head else []), *(f"- {each}" for each in sentences)] if sentences else []
        return lines


def days_of(period: Period) -> int:
    """Give the days of a period, both ends included."""
    return (period[1] - period[0]).days + 1


def _told(row: Mapping[str, Any]) -> str:
    return f"{row['difference']:+,.1f} (95 % interval {row['difference_low']:+,.1f} to {row['difference_high']:+,.1f})"


def _percent(ratio: float) -> str:
    return f"{round(100 * (ratio - 1)):+,d} %"


def _share(row: Mapping[str, Any]) -> str:
    if row["ratio"] is None:
        return ""
    return f", or by {_percent(row['ratio'])} ({_percent(row['ratio_low'])} to {_percent(row['ratio_high'])})"


def _verdict(total: Mapping[str, Any], unlike: bool) -> str:
    if unlike:
        return (
            "No verdict by the difference: a place and its control had so unlike counts before that they would hardly "
            "have changed by as many. Go by the percentages, or choose a control that had about as many."
        )
    if total["difference_high"] < 0:
        return "That is fewer than chance alone makes likely, if both places would otherwise have changed by as many."
    if total["difference_low"] > 0:
        return "That is more than chance alone makes likely, if both places would otherwise have changed by as many."
    return "That may be chance: the interval holds 0, no change, as well as what would be worth having."


def compare_periods(
    of: Occurrences,
    *,
    treated: Words,
    control: Words,
    before: Period,
    after: Period,
    ring_metres: float | None = None,
    ring_control: Words = (),
    by_size: bool = False,
) -> BeforeAfter:
    """Compare two periods of local days, both ends included, in a treated place, a control and a ring about it.

    Places are ids of areas, or files of boundaries; several make one place. `of` reaches over both periods, and as far
    back before the first as it is long, if it can be seen whether the treated place was chosen in a bad spell. Without
    `ring_control`, the ring about the control, equally wide, is the ring's. `by_size` divides by how many times as
    large a control is as its place.

    Raises UsageError for periods or places that can't be compared, NoInput where a file is not there.
    """
    _insist(before, after, treated, control, ring_metres, ring_control)
    ground = _Ground.of(of, treated, control, ring_metres, ring_control, after[1])
    earlier = before[0] - timedelta(days=days_of(before)), before[0] - timedelta(days=1)
    placed = of.rows.with_columns(part=ground.parts)
    counts = {
        part: (_count(placed, part, before), _count(placed, part, after), _count(placed, part, earlier))
        for part in ground.known
    }
    sizes = ground.sizes(by_size)
    periods = (days_of(before) / days_of(after), 1.0)
    four = [counts.get(part, (0, 0, 0)) for part in PARTS]
    weighed = displacement.weigh(
        *((each[0], each[1]) for each in four), periods=periods, sizes=[sizes[part] for part in PARTS],
    )  # fmt: skip
    changes = {
        part: displacement.change((counts[part][0], counts[part][1]), periods=periods, size=sizes[part])
        for part in ground.known
    }
    estimates = {"local": weighed.local, "displaced": weighed.displaced, "total": weighed.total}
    if ring_metres is None:
        del estimates["displaced"]
    ratios = {part: displacement.relative(counts[part][:2], periods=periods) for part in ground.known}
    ratios |= {
        name: displacement.relative(counts[part][:2], counts[held][:2], periods=periods)
        for name, part, held in _HELD
        if part in counts
    }
    rows: list[dict[str, Any]] = [
        {
            "part": part, "area_km2": ground.square_km.get(part), "before": counts.get(part, (None, None))[0],
            "after": counts.get(part, (None, None))[1], "size": sizes.get(part) if part in counts else None,
            "difference": each.estimate, "standard_error": each.standard_error,
            "difference_low": each.interval[0], "difference_high": each.interval[1], "z": each.z,
        }
        | _ratio_columns(ratios.get(part))
        for part, each in (changes | estimates).items()
    ]  # fmt: skip
    table = pl.DataFrame(rows, schema=tables.table("before_after").polars_schema)
    notes = [*of.notes, *ground.notes, *_on_counts(counts, sizes), *_on_clumps(placed, before)]
    if of.rows.filter(pl.col("day") < before[0]).height:
        notes += _on_choice(counts)
    notes += [*_on_seasons(before, after), *_on_what_is_known(of, before, after)]
    unlike = any(_is_unlike(counts, sizes, part, held) for _, part, held in _HELD if part in counts)
    return BeforeAfter(tables.publish(table, "before_after"), of, before, after, notes, unlike)


def _ratio_columns(ratio: displacement.Ratio | None) -> dict[str, float]:
    if ratio is None:
        return {}
    return {"ratio": ratio.estimate, "ratio_low": ratio.interval[0], "ratio_high": ratio.interval[1]}


def _insist(
    before: Period, after: Period, treated: Words, control: Words, ring_metres: float | None, ring_control: Words
) -> None:
    problems = [
        f"The period {name} ends on {period[1]}, before it begins on {period[0]}."
        for name, period in (("before", before), ("after", after))
        if period[1] < period[0]
    ]
    if not problems and before[1] >= after[0]:
        problems.append(f"The period before ends on {before[1]}, and the one after begins on {after[0]}: they overlap.")
    if not treated:
        problems.append("No treated place is named: an area's id, or a file of boundaries.")
    if not control:
        problems.append(
            "No control is named: a place like the treated one that was left alone. Without it nobody can tell what "
            "would have come anyway."
        )
    if ring_metres is not None and not 0 < ring_metres <= 20_000:
        problems.append(f"A ring of {ring_metres:,.0f} m is none: more than 0 and up to 20,000 was expected.")
    if ring_control and ring_metres is None:
        problems.append("A control of the ring is named, and no ring. Say how wide it is.")
    if problems:
        raise UsageError("These periods can't be compared:", problems)


def _count(placed: pl.DataFrame, part: str, period: Period) -> int:
    return placed.filter(pl.col("part") == part, pl.col("day").is_between(*period)).height


# ---- ground ----


@dataclass(frozen=True)
class _Ground:
    """Which part each row lies in, and how large each part is."""

    parts: pl.Series
    known: tuple[str, ...]
    square_km: dict[str, float]
    notes: list[str]

    @classmethod
    def of(
        cls, of: Occurrences, treated: Words, control: Words, ring_metres: float | None, ring_control: Words, day: date
    ) -> _Ground:
        areas = of.areas
        now = geography.areas_on(areas, day) if areas.height else areas
        files = [word for word in (*treated, *control, *ring_control) if _is_file(word)]
        _insist_on_places([*treated, *control, *ring_control], of, now, day)
        has_drawn = now["boundary"].is_not_null().any()
        if not files and ring_metres is None:
            return cls._by_name(of, areas, now, treated, control, day)
        if not has_drawn and len(files) < len([*treated, *control, *ring_control]):
            raise UsageError(
                "The areas have no boundaries, so that no ring can be drawn about them and no file laid over them. "
                "Import boundaries, or give every place as a file."
            )
        return cls._by_point(of, now, treated, control, ring_metres, ring_control)

    @classmethod
    def _by_name(
        cls, of: Occurrences, areas: pl.DataFrame, now: pl.DataFrame, treated: Words, control: Words, day: date
    ) -> _Ground:
        """Go by the area that each counts in, so that those without a point count too."""
        both = sorted(set(_lowest(now, treated)) & set(_lowest(now, control)))
        if both:
            raise UsageError(f"Treated and control share areas: {', '.join(both)}. A control is a place left alone.")
        area = of.rows["area_id"]
        if areas.height:
            logs = of.rows.with_columns(
                incident_id="occurrence_id",
                received_at="at",
                place_token=pl.lit(None, pl.String),
                origin=pl.lit("public"),
            )
            area = incidents.place_incidents(
                logs, areas, day, of.settings.force.time_zone, border_metres=of.settings.areas.border_metres
            ).incidents["area_id"]
        part_of = dict.fromkeys(_lowest(now, treated), "treated") | dict.fromkeys(_lowest(now, control), "control")
        sizes = {
            part: float(now.filter(pl.col("area_id").is_in(_lowest(now, words)))["area_km2"].sum())
            for part, words in (("treated", treated), ("control", control))
        }
        parts = area.replace_strict(part_of, default=None, return_dtype=pl.String)
        return cls(parts, PARTS[:2], {part: size for part, size in sizes.items() if size}, [])

    @classmethod
    def _by_point(
        cls, of: Occurrences, now: pl.DataFrame, treated: Words, control: Words, ring_metres: float | None,
        ring_control: Words,
    ) -> _Ground:  # fmt: skip
        import shapely

        notes: list[str] = []
        shapes = [_shape_of(words, now, notes) for words in (treated, control, ring_control)]
        plane = Plane.amid(shapely.get_coordinates(shapes[0]))
        place, other, other_ring = (plane.flatten_shape(each) for each in shapes)
        common = shapely.area(shapely.intersection(place, other))
        if common > _OVERLAP * min(shapely.area(place), shapely.area(other)):
            raise UsageError(
                f"Treated place and control share {common / 1e6:,.3f} km² of ground. A control is a place left alone: "
                "take what both share out of one of them."
            )
        cut = {"treated": place}
        if ring_metres is not None:
            cut["ring"] = shapely.difference(shapely.buffer(place, ring_metres), place)
            rest = shapely.union(place, cut["ring"])
            cut["control"] = shapely.difference(other, rest)
            if shapely.area(cut["control"]) < (1 - _OVERLAP) * shapely.area(other):
                lost = 1 - shapely.area(cut["control"]) / shapely.area(other)
                notes.append(f"{lost:.0%} of the control lies in the ring about the treated place, and counts there.")
            around = other_ring if ring_control else shapely.buffer(other, ring_metres)
            cut["ring_control"] = shapely.difference(around, shapely.union(rest, other))
        else:
            cut["control"] = shapely.difference(other, place)
        empty = [part for part in PARTS if part in cut and cut[part].is_empty]
        if empty:
            raise UsageError(
                f"Nothing is left of the {' and the '.join(WORDS[each] for each in empty)} once the "
                "treated place and its ring are taken out. Choose a narrower ring, or a control farther away."
            )
        parts, without_point = _lie_in(of.rows, cut, plane)
        if without_point:
            share = without_point / of.rows.height
            notes.append(f"{count_of(without_point, of.noun)} ({share:.1%}) without a point count nowhere.")
        known = tuple(part for part in PARTS if part in cut)
        return cls(parts, known, {part: shapely.area(cut[part]) / 1e6 for part in known}, notes)

    def sizes(self, by_size: bool) -> dict[str, float]:
        """Give what the counts of each part are divided by: 1, or how many times as large as its place a control is."""
        if not by_size:
            return dict.fromkeys(PARTS, 1.0)
        if any(part not in self.square_km for part in self.known):
            raise UsageError("The size of a place is not known, because its areas have no boundaries. Leave sizes out.")
        found = {part: self.square_km.get(part, 1.0) for part in PARTS}
        return {
            "treated": 1.0, "control": found["control"] / found["treated"],
            "ring": 1.0, "ring_control": found["ring_control"] / found["ring"],
        }  # fmt: skip


def _is_file(word: str) -> bool:
    return boundaries.is_one(word)


def _insist_on_places(words: Words, of: Occurrences, now: pl.DataFrame, day: date) -> None:
    known = now["area_id"].to_list() if now.height else of.rows["area_id"].drop_nulls().unique().sort().to_list()
    problems = [
        f"'{word}' is neither an area in force on {day} nor a file of boundaries.{did_you_mean(word, known)}"
        for word in words
        if not _is_file(word) and word not in known
    ]
    if problems:
        raise UsageError("These places are not known:", problems)


def _lowest(now: pl.DataFrame, words: Words) -> list[str]:
    """Give the areas of lowest level that ids stand for: a district is all of its areas."""
    if now.is_empty():
        return list(words)
    lowest = now.filter(pl.col("level") == "area")
    inside = pl.col("area_id").is_in(list(words)) | pl.col("parent_id").is_in(list(words))
    return lowest.filter(inside)["area_id"].to_list()


def _shape_of(words: Words, now: pl.DataFrame, notes: list[str]) -> BaseGeometry:
    import shapely

    centre = now.select(pl.col("centre_longitude", "centre_latitude").mean()).row(0)
    near = None if None in centre else (float(centre[0]), float(centre[1]))
    shapes = []
    for word in words:
        if _is_file(word):
            ground, more = geography.read_ground(word, near)
            shapes.append(ground)
            notes += more
    drawn = now.filter(pl.col("area_id").is_in([word for word in words if not _is_file(word)]))["boundary"].drop_nulls()
    shapes += list(shapely.from_geojson(drawn.to_numpy())) if drawn.len() else []
    return shapely.union_all(shapes)


def _lie_in(rows: pl.DataFrame, cut: Mapping[str, BaseGeometry], plane: Plane) -> tuple[pl.Series, int]:
    """Say which part each row lies in, the first of those that hold it, and how many rows have no point."""
    import shapely

    degrees = rows.select(pl.col("longitude", "latitude").fill_null(float("nan"))).to_numpy()
    xy = plane.flatten(degrees)
    found = np.full(rows.height, "", dtype="<U12")
    for part, shape in cut.items():
        shapely.prepare(shape)
        found[(found == "") & shapely.intersects_xy(shape, xy[:, 0], xy[:, 1])] = part
    parts = pl.Series("part", found.tolist(), dtype=pl.String).replace({"": None})
    return parts, int((~np.isfinite(degrees).all(axis=1)).sum())


# ---- what a reader should know ----


def _on_counts(counts: Mapping[str, tuple[int, int, int]], sizes: Mapping[str, float]) -> list[str]:
    notes = []
    few = [WORDS[part] for part, each in counts.items() if min(each[:2]) < _FEW]
    if few:
        notes.append(
            f"Fewer than {_FEW} were counted in one of the periods in the {' and the '.join(few)}: the interval is "
            "rough. Take longer periods, or more places."
        )
    for _, part, held in _HELD:
        if part in counts and _is_unlike(counts, sizes, part, held):
            own, other = (counts[each][0] / sizes[each] for each in (part, held))
            notes.append(
                f"Before, the {WORDS[part]} had {own:,.0f} and the {WORDS[held]} "
                f"{other:,.0f}{' (weighed by size)' if sizes[held] != 1 else ''}. The difference takes it that both "
                "would have changed by as many."
            )
    return notes


def _is_unlike(counts: Mapping[str, Any], sizes: Mapping[str, float], part: str, held: str) -> bool:
    """Say whether a place and its control had counts before that differ by more than twice."""
    low, high = sorted(counts[each][0] / sizes[each] for each in (part, held))
    return bool(high > _UNLIKE * low)


def _on_clumps(placed: pl.DataFrame, before: Period) -> list[str]:
    """Say whether weeks before vary by more than chance makes counts vary, because then the interval is narrow."""
    weeks = days_of(before) // 7
    if weeks < _FEWEST_WEEKS:
        return []
    since = before[1] - timedelta(days=7 * weeks - 1)
    inside = placed.filter(pl.col("day").is_between(since, before[1]), pl.col("part").is_in(["treated", "control"]))
    week = ((inside["day"] - since).dt.total_days() // 7).to_numpy()
    ratios = []
    for part in ("treated", "control"):
        each = np.bincount(week[(inside["part"] == part).to_numpy()], minlength=weeks)
        if each.mean() >= 1:
            ratios.append(float(each.var(ddof=1) / each.mean()))
    worst = max(ratios, default=0.0)
    if worst <= _CLUMPED:
        return []
    return [
        f"Weeks before vary {worst:.1f} times as much as counts vary by chance alone, so that the interval should be "
        f"about {worst**0.5:.1f} times as wide."
    ]


def _on_choice(counts: Mapping[str, tuple[int, int, int]]) -> list[str]:
    """Say whether the treated place rose before the change, beyond its control: such places fall back by themselves."""
    own, other = ((counts[part][2], counts[part][0]) for part in ("treated", "control"))
    rose = displacement.weigh(own, other).local
    if rose.z is None or rose.z <= _ROSE:
        return []
    return [
        f"In as long a time before that, the treated place had {own[0]:,} and the control {other[0]:,}: it had risen "
        f"by {rose.estimate:+,.0f} beyond its control. A place that is chosen after a bad spell falls back by itself "
        "(regression to the mean), and some of the difference may be that."
    ]


def _on_seasons(before: Period, after: Period) -> list[str]:
    """Say where the periods are of other seasons, which the control must then share."""
    middle = [period[0] + (period[1] - period[0]) / 2 for period in (before, after)]
    apart = abs((middle[0].timetuple().tm_yday - middle[1].timetuple().tm_yday + 182) % 365 - 182)
    if apart <= 31:
        return []
    return ["The periods are of other seasons: the difference is right only if both places have the same seasons."]


def _on_what_is_known(of: Occurrences, before: Period, after: Period) -> list[str]:
    """Say where a period is not known whole: it reaches beyond the record, or into its last weeks, or over a hole."""
    if of.known is None:
        return []
    notes, (first, last) = [], of.known
    if before[0] < first or after[1] > last:
        notes.append(
            f"The {of.kind} reach from {first} to {last}, and the periods from {before[0]} to {after[1]}: one of them "
            "is not known whole."
        )
    elif of.kind == "offences" and last - after[1] < _RECORDED_LATE:
        notes.append(
            f"Offences are recorded later than they happen, and the period after ends "
            f"{count_of((last - after[1]).days, 'day')} before the last one known: some of it may be missing yet. "
            "Compare again in a month."
        )
    for name, period in (("before", before), ("after", after)):
        inside = of.rows.filter(pl.col("day").is_between(max(period[0], first), min(period[1], last)))
        days = days_of((max(period[0], first), min(period[1], last)))
        empty = days - inside["day"].n_unique()
        if empty > 0 and inside.height >= _BUSY * (days - empty):
            notes.append(
                f"{count_of(empty, 'day')} of the period {name} {'has' if empty == 1 else 'have'} none anywhere in the "
                "force: the record has a hole there."
            )
    return notes
