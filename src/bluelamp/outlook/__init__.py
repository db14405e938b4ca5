"""Demand to outlook: what four years may bring, month by month and class by class.

The force's months are one series; what classes have of them, districts of those, and a district of a class, are others
about it (`_levels`). In each path they are put together from the top down,

    force × share of the class × share of the district in the class,

and counts are Poisson in each district and class, so that classes and districts add up to the force in every path, to
the last incident. Paths are scaled so that their mean is what is expected: for months that `forecast` knows whole, the
sum of its days; beyond, where the series are heading, with what the two differed by fading out by half in each year.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import periods, tables
from bluelamp.errors import BadData, count_of
from bluelamp.outlook._levels import MONTHS_A_YEAR, Fan, Floats, Grid, Integers, make_grid, spread_fans
from bluelamp.pools import UNKNOWN_AREA

__all__ = ["MONTHS", "Outlook", "make_outlook"]

MONTHS = 48
LEVELS = (0.025, 0.10, 0.25, 0.50, 0.75, 0.90, 0.975)
_NAMES = ("p025", "p10", "p25", "p50", "p75", "p90", "p975")
_OF_SHARES = tuple(_NAMES.index(name) for name in ("p025", "p10", "p50", "p90", "p975"))
# A month of which less was seen is not shown scaled up; one of which still less was seen is not learnt from either.
_LEAST_SHOWN, _LEAST_LEARNT = 0.5, 0.02
# So many incidents that were due and did not come: the class or place was not there yet.
_NOT_THERE = 10.0
# What the outlook and `forecast` differ by in a month counts half a year later.
_FADING = 0.5
# Walks and growths are believed as the records of 24 counties over 46 years say (decision 0020).
_WHOLE = make_grid(
    walks=((0.001, 0.1), (0.003, 0.5), (0.01, 0.3), (0.03, 0.1)),
    growths=((0.03, 0.8, 0.2), (0.06, 0.3, 0.65), (0.12, 0.3, 0.15)),
    shocks=(0.0003, 0.001, 0.004), seasons=(0.03, 0.1),
)  # fmt: skip
_PARTS = make_grid(
    walks=((0.0005, 0.25), (0.003, 0.25), (0.01, 0.3), (0.03, 0.2)),
    growths=((0.01, 0.5, 0.5), (0.06, 0.3, 0.4), (0.12, 0.6, 0.1)),
    shocks=(0.0003, 0.003), seasons=(0.01, 0.06),
)  # fmt: skip
_CELLS = make_grid(
    walks=((0.001, 0.4), (0.01, 0.4), (0.04, 0.2)), growths=((0.01, 0.5, 1.0),), shocks=(0.001, 0.01), seasons=(0.01,)
)
# One key word for each kind of series drawn, so that more of one never changes another.
_FORCE, _CLASS, _DISTRICT, _CELL, _COUNTS, _CHANGES = range(6)


@dataclass(frozen=True)
class Outlook:
    """The published table, and what a planner should know beside it."""

    table: pl.DataFrame  # `forecast_months`
    notes: list[str]


def make_outlook(
    demand: pl.DataFrame,
    areas: pl.DataFrame,
    outages: pl.DataFrame,
    forecast: pl.DataFrame,
    changes: pl.DataFrame,
    *,
    force_id: str,
    time_zone: str,
    forecast_from: datetime,
    data_until: datetime | None = None,
    months: int = MONTHS,
    paths: int = 500,
    seed: int = 1,
) -> Outlook:
    """Look `months` whole calendar months ahead, from the first that begins at or after `forecast_from`.

    `demand` holds the origins that drive the forecast; only hours before `data_until` and outside `outages` are used.
    `forecast` gives days of districts by class for as far as it goes; it may be empty. `changes` is the table
    `stated_changes`. Raises BadData where there is nothing to learn from.
    """
    known = _lay_out(demand, areas, outages, force_id, time_zone, forecast_from, data_until, months)
    factors = _Factors(_read_changes(changes, known), known)
    fans = _spread(known, known.counts / factors.past)
    expected = _meet(fans.expected(), forecast, known)
    drawn = _draw_counts(fans, expected, factors, paths, seed)
    rows = _rows(known, factors, expected * factors.coming, drawn)
    return Outlook(tables.publish(rows, "forecast_months"), _tell(known, fans, factors, rows))


# ---- what is known ----


@dataclass(frozen=True)
class _Known:
    """Incidents by month, and how much of each month was seen."""

    force_id: str
    time_zone: str
    district_ids: list[str]
    class_codes: list[str]
    history: list[date]  # first days of months
    coming: list[date]
    counts: Floats  # districts × classes × history
    exposure: Floats  # history: incidents that the hours seen usually have
    full: Floats  # history and coming: incidents that the whole months usually have

    @property
    def share_seen(self) -> Floats:
        """Share of each month of the history that was seen."""
        found: Floats = np.clip(self.exposure / self.full[: len(self.history)], 0.0, 1.0)
        return found

    @property
    def shown(self) -> Floats:
        """The same where it is enough to scale a month up by; else not a number."""
        found: Floats = np.where(self.share_seen >= _LEAST_SHOWN, self.share_seen, np.nan)
        return found

    @property
    def gap(self) -> int:
        """Whole months between history and future."""
        return _months_between(self.history[-1], self.coming[0]) - 1


def _months_between(first: date, last: date) -> int:
    return (last.year - first.year) * MONTHS_A_YEAR + last.month - first.month


def _later(month: date, by: int) -> date:
    years, place = divmod(month.month - 1 + by, MONTHS_A_YEAR)
    return date(month.year + years, place + 1, 1)


def _lay_out(
    demand: pl.DataFrame, areas: pl.DataFrame, outages: pl.DataFrame, force_id: str, time_zone: str,
    forecast_from: datetime, data_until: datetime | None, months: int,
) -> _Known:  # fmt: skip
    until = min(data_until or forecast_from, forecast_from)
    past = demand.filter(pl.col("hour_starting") < until)
    for begins, ends in outages.select("starts_at", "ends_at").iter_rows():
        past = past.filter(~pl.col("hour_starting").is_between(begins, ends, closed="left"))
    if past.is_empty():
        raise BadData(
            f"There is no demand before {until:%Y-%m-%d %H:%M} UTC outside outages to look ahead from. Import "
            "incidents."
        )
    earliest: datetime = past["hour_starting"].min()  # type: ignore[assignment]
    where = periods.zone(time_zone)
    first = earliest.astimezone(where).date().replace(day=1)
    last = (until - timedelta(microseconds=1)).astimezone(where).date().replace(day=1)
    today = forecast_from.astimezone(where).date()
    start = today if today.day == 1 else _later(today.replace(day=1), 1)
    every = [_later(first, number) for number in range(_months_between(first, start) + months)]
    history = every[: _months_between(first, last) + 1]

    bounds = periods.local_days(time_zone, first, _later(every[-1], 1))["starts_at"]
    hours = periods.hours_between(time_zone, bounds[0], bounds[-1])
    local = periods.local_parts(hours, time_zone)
    slot, day = local["slot"].to_numpy(), local["day"]
    month = ((day.dt.year() - first.year) * MONTHS_A_YEAR + day.dt.month() - first.month).to_numpy()
    is_seen = ((hours >= earliest) & (hours < until)).to_numpy()
    for begins, ends in outages.select("starts_at", "ends_at").iter_rows():
        is_seen &= ~hours.is_between(begins, ends, closed="left").to_numpy()

    placed = _place(past, areas, force_id).join(
        pl.DataFrame({"hour_starting": hours, "slot": slot, "month": month}), on="hour_starting"
    )
    by_slot = np.zeros(168)
    np.add.at(by_slot, placed["slot"].to_numpy(), placed["incidents"].to_numpy())
    seen_hours = np.bincount(slot[is_seen], minlength=168)
    usual = np.where(seen_hours > 0, by_slot / np.maximum(seen_hours, 1), by_slot.sum() / max(seen_hours.sum(), 1))
    summed = placed.group_by("district", "class_code", "month").agg(pl.col("incidents").sum())
    districts, classes = (sorted(summed[name].unique()) for name in ("district", "class_code"))
    counts = np.zeros((len(districts), len(classes), len(history)))
    where_is = [summed[name].replace_strict(ids, range(len(ids)), return_dtype=pl.Int64).to_numpy()
                for name, ids in (("district", districts), ("class_code", classes))]  # fmt: skip
    counts[where_is[0], where_is[1], summed["month"].to_numpy()] = summed["incidents"].to_numpy()
    exposure = np.bincount(month[is_seen], usual[slot[is_seen]], minlength=len(every)).astype(np.float64)[
        : len(history)
    ]
    full = np.bincount(month, usual[slot], minlength=len(every)).astype(np.float64)
    return _Known(force_id, time_zone, districts, classes, history, every[-months:], counts, exposure, full)


def _place(demand: pl.DataFrame, areas: pl.DataFrame, force_id: str) -> pl.DataFrame:
    """Give demand by hour, district and class."""
    lowest = areas.filter(pl.col("level") == "area").unique("area_id", keep="last")
    district = lowest.select("area_id", district=pl.col("parent_id").fill_null(force_id))
    return (
        demand.join(district, on="area_id", how="left")
        .with_columns(pl.col("district").fill_null(UNKNOWN_AREA))
        .group_by("hour_starting", "district", "class_code")
        .agg(pl.col("incidents").sum())
    )


# ---- stated changes ----


def _read_changes(changes: pl.DataFrame, known: _Known) -> pl.DataFrame:
    """Give changes in order of month. Raises BadData, naming them all, for ranges that do not hold their factor."""
    problems = []
    for number, row in enumerate(changes.iter_rows(named=True), start=1):
        low, high = row["factor_low"], row["factor_high"]
        if (low is None) != (high is None) or (low is not None and not low <= row["factor"] <= high):
            problems.append(
                f"Row {number}, '{row['change']}': 'factor_low' and 'factor_high' come together, with the factor "
                "between them; or leave both empty."
            )
    if problems:
        raise BadData("The stated changes can't be used yet:", problems)
    return changes.sort("change", "class_code", "month")


class _Factors:
    """What stated changes do to classes, against the end of the history."""

    def __init__(self, changes: pl.DataFrame, known: _Known) -> None:
        months = known.history + known.coming
        shape = (len(known.class_codes), len(months))
        self.known, end = known, len(known.history) - 1
        self.acts: list[tuple[str, Floats, Floats]] = []  # change, log factor and its deviation: classes × months
        self.unknown: list[str] = []
        for (change, code), rows in changes.group_by("change", "class_code", maintain_order=True):
            log, deviation = np.zeros(shape), np.zeros(shape)
            touched = np.array([code in ("all", each) for each in known.class_codes])
            if not touched.any():
                self.unknown.append(f"'{change}' ({code})")
            for row in rows.iter_rows(named=True):
                holds = np.outer(touched, [month >= row["month"] for month in months])
                log[holds] = np.log(row["factor"])
                # An 80% range of a normal is 2.563 deviations wide.
                deviation[holds] = np.log((row["factor_high"] or 1.0) / (row["factor_low"] or 1.0)) / 2.563
            self.acts.append((str(change), log - log[:, [end]], deviation - deviation[:, [end]]))
        self.log = np.sum([log for _, log, _ in self.acts], axis=0) if self.acts else np.zeros(shape)

    @property
    def past(self) -> Floats:
        """Factors of the history, classes × months."""
        found: Floats = np.exp(self.log[:, : len(self.known.history)])
        return found

    @property
    def coming(self) -> Floats:
        """Factors of the coming months, classes × months."""
        found: Floats = np.exp(self.log[:, len(self.known.history) :])
        return found

    def draw(self, paths: int, seed: int) -> Floats:
        """Draw factors of the coming months, paths × classes × months; one doubt for each change in each path."""
        doubt = np.zeros((paths, *self.coming.shape))
        normal: dict[str, Floats] = {}
        for number, (change, _, deviation) in enumerate(self.acts):
            of_path = normal.setdefault(change, _chance(seed, _CHANGES, number).standard_normal(paths))
            doubt += of_path[:, None, None] * deviation[:, len(self.known.history) :]
        found: Floats = self.coming * np.exp(doubt)
        return found

    def names(self, code: str, month: int) -> str | None:
        """Name the changes that act on a class, or on any, in a coming month."""
        place = len(self.known.history) + month
        chosen = [code in ("all", each) for each in self.known.class_codes]
        acting = sorted({change for change, log, _ in self.acts if log[chosen, place].any()})
        return "; ".join(acting) or None


# ---- where it is heading ----


@dataclass(frozen=True)
class _Fans:
    """Fans of the force, of classes in it, of districts in it and of districts in classes, and what they stand on."""

    force: Fan
    classes: list[Fan]
    districts: list[Fan]
    cells: list[Fan]  # districts × classes, in that order
    full: Floats  # coming: incidents that the months have at a log level of nought
    class_share: Floats
    cell_share: Floats  # districts × classes: of the class
    late: dict[str, date]  # classes that were not there from the beginning

    def expected(self) -> Floats:
        """Give what is expected along the middle of the fans, districts × classes × coming months."""
        classes, districts, cells = (
            np.stack([each.centre for each in fans]) for fans in (self.classes, self.districts, self.cells)
        )
        found = self.rates(self.force.centre[None], classes[None], districts[None], cells[None])
        return np.stack([next(found)[0] for _ in self.classes], axis=1)

    def rates(self, force: Floats, classes: Floats, districts: Floats, cells: Floats) -> Iterator[Floats]:
        """Give incidents of one class after another, paths × districts × months, from log levels: paths × months, and
        paths × classes, districts or cells × months.
        """
        whole = self.full * np.exp(force)
        mix = _as_shares(np.log(self.class_share)[:, None] + classes)
        count = len(self.classes)
        for place in range(count):
            inside = _as_shares(np.log(self.cell_share[:, place])[:, None] + districts + cells[:, place::count])
            yield (whole * mix[:, place])[:, None] * inside

    def draw(self, paths: int, seed: int) -> Iterator[Floats]:
        """Draw rates of one class after another, paths × districts × months."""
        force = self.force.draw(paths, _chance(seed, _FORCE, 0))
        parts = (
            np.stack([each.draw(paths, _chance(seed, what, number)) for number, each in enumerate(fans)], axis=1)
            for what, fans in ((_CLASS, self.classes), (_DISTRICT, self.districts), (_CELL, self.cells))
        )
        return self.rates(force, *parts)


def _as_shares(log: Floats) -> Floats:
    """Turn logs into shares that add up to 1 along the second axis but one."""
    whole = np.exp(log - log.max(axis=-2, keepdims=True))
    found: Floats = whole / whole.sum(axis=-2, keepdims=True)
    return found


def _spread(known: _Known, seen: Floats) -> _Fans:
    districts, classes, _ = seen.shape
    told = known.share_seen >= _LEAST_LEARNT
    if not seen[:, :, told].any():
        told = known.exposure > 0
    exposure = np.where(told, known.exposure, 0.0)
    seen = np.where(told, seen, 0.0)
    whole, by_class, by_district = seen.sum(axis=(0, 1)), seen.sum(axis=0), seen.sum(axis=1)
    rate = float(whole.sum() / exposure.sum())

    def fans(came: Floats, due: Floats, grid: Grid) -> list[Fan]:
        return spread_fans(
            came, due, np.maximum(known.share_seen, _LEAST_LEARNT), grid,
            first_month=known.history[0].month - 1, gap=known.gap, ahead=len(known.coming),
        )  # fmt: skip

    begins = _begin(by_class, whole)
    class_due, class_share = _due(by_class, whole, begins)
    district_due, district_share = _due(by_district, whole, _begin(by_district, whole))
    # What a district should have of a class, were all classes spread alike.
    cells = seen.reshape(districts * classes, -1)
    alike = (by_district[:, None] * by_class / np.maximum(whole, 1e-9)).reshape(cells.shape)
    cell_due, cell_ratio = _due(cells, alike, _begin(cells, alike), lean=2.0)
    return _Fans(
        force=fans(whole[None], rate * exposure[None], _WHOLE)[0],
        classes=fans(by_class, class_due, _PARTS),
        districts=fans(by_district, district_due, _PARTS),
        cells=fans(cells, cell_due, _CELLS),
        full=rate * known.full[-len(known.coming) :],
        class_share=class_share,
        cell_share=cell_ratio.reshape(districts, classes) * district_share[:, None],
        late={code: known.history[month] for code, month in zip(known.class_codes, begins, strict=True) if month},
    )


def _begin(came: Floats, alike: Floats) -> Integers:
    """Give the month from which each series is there: its first with an incident, where more were due before it than
    chance would keep away; else the first of all.
    """
    first = (came > 0).argmax(axis=1)
    upto = np.cumsum(np.broadcast_to(alike, came.shape), axis=1)
    before = np.where(first > 0, np.take_along_axis(upto, np.maximum(first - 1, 0)[:, None], axis=1)[:, 0], 0.0)
    due = came.sum(axis=1) / np.maximum(upto[:, -1] - before, 1e-9) * before
    found: Integers = np.where(due > _NOT_THERE, first, 0)
    return found


def _due(came: Floats, alike: Floats, begins: Integers, lean: float = 0.0) -> tuple[Floats, Floats]:
    """Give what is due in each month, and each series' ratio to what it would have were all alike."""
    there = np.where(np.arange(came.shape[1]) >= begins[:, None], alike, 0.0)
    ratio = np.maximum((came.sum(axis=1) + lean) / np.maximum(there.sum(axis=1) + lean, 1e-9), 1e-9)
    return there * ratio[:, None], ratio


def _meet(expected: Floats, forecast: pl.DataFrame, known: _Known) -> Floats:
    """Let months that `forecast` knows whole be the sums of its days; what they differ by on average fades after."""
    days = forecast.filter(
        pl.col("level") == "district", pl.col("span") == "day", pl.col("grade_code") == "all",
        pl.col("class_code") != "all",
    ).with_columns(day=pl.col("hour_starting").dt.convert_time_zone(known.time_zone).dt.date())  # fmt: skip
    by_month = days.group_by("area_id", "class_code", month=pl.col("day").dt.truncate("1mo")).agg(
        pl.col("incidents_mean").sum()
    )
    is_whole = days.group_by(month=pl.col("day").dt.truncate("1mo")).agg(days=pl.col("day").n_unique()).filter(
        pl.col("days") == pl.col("month").dt.month_end().dt.day()
    )["month"]  # fmt: skip
    met = sum(month in set(is_whole) for month in known.coming)
    if not met:
        return expected
    summed = np.zeros((*expected.shape[:2], met))
    for district, code, month, mean in by_month.filter(pl.col("month").is_in(known.coming[:met])).iter_rows():
        if district in known.district_ids and code in known.class_codes:
            summed[known.district_ids.index(district), known.class_codes.index(code), known.coming.index(month)] = mean
    apart = np.log((summed.sum(axis=2) + 0.5) / (expected[:, :, :met].sum(axis=2) + 0.5))
    years = np.arange(1, expected.shape[2] - met + 1) / MONTHS_A_YEAR
    return np.concatenate([summed, expected[:, :, met:] * np.exp(apart[:, :, None] * _FADING**years)], axis=2)


# ---- paths, and rows ----


def _chance(seed: int, what: int, number: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed, (what << 32) + number]))


def _draw_counts(fans: _Fans, expected: Floats, factors: _Factors, paths: int, seed: int) -> Integers:
    """Draw counts, paths × districts × classes × months; the mean of their rates is what is expected."""
    changed = factors.draw(paths, seed)
    found = np.zeros((paths, *expected.shape), dtype=np.int32)
    for place, rates in enumerate(fans.draw(paths, seed)):
        scale = expected[:, place] / np.maximum(rates.mean(axis=0), 1e-12)
        found[:, :, place] = _chance(seed, _COUNTS, place).poisson(rates * scale * changed[:, [place]])
    return found


def _rows(known: _Known, factors: _Factors, expected: Floats, drawn: Integers) -> pl.DataFrame:
    """Lay out history and coming months, and years, of districts and the force, by class and all together."""
    unchanged = expected / factors.coming
    parts = []
    for place in range(-1, len(known.district_ids)):
        level, area = ("district", known.district_ids[place]) if place >= 0 else ("force", known.force_id)
        inside = [place] if place >= 0 else list(range(len(known.district_ids)))
        counted, mean, bare = (each[inside].sum(axis=0) for each in (known.counts, expected, unchanged))
        paths = drawn[:, inside].sum(axis=1)
        for size, span in ((1, "month"), (MONTHS_A_YEAR, "year")):
            parts += _place_rows(known, factors, level, area, span, size, counted, mean, bare, paths)
    return pl.concat(parts, how="diagonal")


def _place_rows(
    known: _Known, factors: _Factors, level: str, area: str, span: str, size: int, counted: Floats, mean: Floats,
    bare: Floats, paths: Integers,
) -> list[pl.DataFrame]:  # fmt: skip
    """Give the rows of one place, by sums of so many months; `counted`, `mean` and `bare` are classes × months."""
    codes, place = ["all", *known.class_codes], {"level": level, "area_id": area, "span": span}
    # Years are counted from the first coming month on, and back from the last that is shown: one that has just begun
    # would leave its whole year unknown.
    end = len(known.history) if size == 1 else int(np.flatnonzero(known.shown > 0).max(initial=-1)) + 1
    start = end % size
    usual, exposure = (_sums(each[start:end], size) for each in (known.full, known.exposure))
    share_seen = np.clip(exposure / np.maximum(usual, 1e-9), 0.0, 1.0)
    # Every month is scaled up by itself, and a year with one that can't be has no sum.
    scaled = _with_all(_sums((counted / known.shown)[:, start:end], size))
    past = {
        "share_seen": np.broadcast_to(share_seen, scaled.shape),
        "incidents_observed": scaled,
        "share_observed": scaled / np.where(scaled[0] > 0, scaled[0], np.nan),
    }
    mean, bare = (_with_all(_sums(each, size)) for each in (mean, bare))
    drawn = _with_all(_sums(paths, size), axis=1)
    quantiles, shares = _quantiles(drawn), _quantiles(drawn / np.maximum(drawn[:, :1], 1))
    coming = {
        "incidents_mean": mean,
        "share_mean": mean / np.maximum(mean[0], 1e-12),
        **{f"incidents_{name}": each for name, each in zip(_NAMES, quantiles, strict=True)},
        **{f"share_{_NAMES[each]}": shares[each] for each in _OF_SHARES},
        "change_factor": np.where(bare > 0, mean / np.maximum(bare, 1e-12), 1.0),
    }
    months = range(size - 1, mean.shape[1] * size, size)
    names = [factors.names(code, month) for code in codes for month in months]
    return [
        _frame(place, codes, known.history[start:end:size], past).with_columns(is_history=pl.lit(True)),
        _frame(place, codes, known.coming[::size][: len(months)], coming).with_columns(
            is_history=pl.lit(False), changes=pl.Series(names, dtype=pl.String)
        ),
    ]


def _frame(
    place: dict[str, str], codes: list[str], months: list[date], columns: dict[str, NDArray[Any]]
) -> pl.DataFrame:
    """Lay out classes × months as rows."""
    return pl.DataFrame(
        {
            "class_code": pl.Series(codes, dtype=pl.String)[np.repeat(np.arange(len(codes)), len(months))],
            "month": months * len(codes),
            **{name: values.ravel() for name, values in columns.items()},
        },
        schema_overrides={"month": pl.Date},
        nan_to_null=True,
    ).with_columns(pl.lit(value).alias(name) for name, value in place.items())


def _sums(values: NDArray[Any], size: int) -> NDArray[Any]:
    """Sum the last axis by so many months; what is left over at its end is left out."""
    whole = values.shape[-1] // size * size
    found: NDArray[Any] = values[..., :whole].reshape(*values.shape[:-1], -1, size).sum(axis=-1)
    return found


def _with_all(values: NDArray[Any], axis: int = 0) -> NDArray[Any]:
    return np.concatenate([values.sum(axis=axis, keepdims=True), values], axis=axis)


def _quantiles(drawn: NDArray[Any]) -> NDArray[Any]:
    """Give the smallest values that are not exceeded in at least that share of the paths, levels × months."""
    ordered = np.sort(drawn, axis=0)
    return ordered[[max(int(np.ceil(round(level * len(drawn), 9))) - 1, 0) for level in LEVELS]]


def _tell(known: _Known, fans: _Fans, factors: _Factors, rows: pl.DataFrame) -> list[str]:
    """Say what the outlook stands on, and how wide it is."""
    months = len(known.history)
    if fans.force.has_trend:
        notes = [f"The outlook by month stands on {months} months of history, with a trend that fades out."]
    else:
        notes = [
            f"The outlook by month stands on {count_of(months, 'month')} of history. That is less than two years, so "
            "that it has no trend, and its ranges are as wide as other forces' records make them."
        ]
    year = rows.filter(
        pl.col("level") == "force", pl.col("span") == "year", pl.col("class_code") == "all", ~pl.col("is_history")
    ).sort("month")
    if year.height:
        last = year.row(-1, named=True)
        low, high = (last[name] / max(last["incidents_mean"], 1e-9) - 1 for name in ("incidents_p10", "incidents_p90"))
        notes.append(
            f"Four times in five, the force's incidents in year {year.height} of the outlook should lie between "
            f"{low:+.0%} and {high:+.0%} of what is expected, if the future surprises as the past did."
        )
    stepped = [("demand of the whole force", fans.force)] + [
        (f"the share of class '{code}'", fan) for code, fan in zip(known.class_codes, fans.classes, strict=True)
    ]
    for what, fan in stepped:
        told = [f"{'rose' if size > 0 else 'fell'} by {abs(np.expm1(size)):.0%} about {known.history[month]:%b %Y}"
                for month, size in fan.steps]  # fmt: skip
        if told:
            notes.append(f"By month, {what} {', '.join(told)}: taken for a step, not for a trend.")
    notes += [f"Class '{code}' was first recorded in {month:%b %Y}; its outlook stands on what came since."
              for code, month in fans.late.items()]  # fmt: skip
    if factors.acts:
        named = ", ".join(sorted({f"'{change}'" for change, _, _ in factors.acts}))
        notes.append(f"Stated changes multiply the outlook by month, and not the forecast by hour: {named}.")
    if factors.unknown:
        notes.append(f"Stated changes of a class without an incident do nothing: {', '.join(factors.unknown)}.")
    return notes
