"""What a sergeant asks of one area, in sentences: how much, when most, is it covered, how late, how right were we."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from bluelamp import peaks, periods
from bluelamp.errors import count_of
from bluelamp.web.wording import percent

_SHIFT_HOURS = 4
LEAST_LATE = 0.0005
Row = Mapping[str, Any]


def say_day(day: date) -> str:
    """Say a day: 'Friday 27 November'."""
    return f"{day:%A} {day.day} {day:%B}"


def say_hour(at: datetime, time_zone: str) -> str:
    """Say an hour by the force's clock: 'Friday 27 November, 22:00'."""
    local = at.astimezone(periods.zone(time_zone))
    return f"{say_day(local.date())}, {periods.as_read(at, time_zone, '%H:%M')}"


def say_week(
    week: Row, hours: pl.DataFrame, found_peaks: pl.DataFrame, pools: Mapping[str, str], zone: str
) -> list[str]:
    """Say one row of `area_weeks`, with its hours, its peaks and the names of its pools."""
    days = count_of(week["hours"], "hour") if week["hours"] < 160 else "seven days"
    usual = "" if week["usual"] is None else f"; {week['usual']:,.0f} are usual"
    said = [f"In these {days} {week['incidents_mean']:,.0f} incidents are expected{usual}."]
    said.append(
        f"Busiest day: {say_day(week['busiest_day'])}, {_count(week['busiest_mean'])} expected; four times in five "
        f"{week['busiest_p10']} to {week['busiest_p90']}."
    )
    said.append(_say_busiest_hours(hours, found_peaks, zone))
    said += _say_cover(week, hours, pools, zone)
    return said


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _say_busiest_hours(hours: pl.DataFrame, found_peaks: pl.DataFrame, zone: str) -> str:
    whole = found_peaks.filter(counted="incidents", measure="incidents", scope="week").sort("rank")
    if whole.height:
        row = whole.row(0, named=True)
        usual = "" if row["usual"] is None else f"; usual {_count(row['usual'])}"
        return (
            f"Busiest shift: {peaks.say_when(row['starts_at'], row['ends_at'], zone)}, {_count(row['expected'])} "
            f"expected; four times in five {row['p10']} to {row['p90']}{usual}."
        )
    sums = hours["incidents_mean"].rolling_sum(_SHIFT_HOURS, min_samples=min(_SHIFT_HOURS, hours.height))
    last = sums.arg_max()
    assert last is not None
    begins = hours["hour_starting"][max(last - _SHIFT_HOURS + 1, 0)]
    ends = hours["hour_starting"][last] + timedelta(hours=1)
    return (
        f"Busiest four hours: {say_hour(begins, zone)} to {periods.as_read(ends, zone, '%H:%M')}, {_count(sums[last])} "
        "expected."
    )


def _say_cover(week: Row, hours: pl.DataFrame, pools: Mapping[str, str], zone: str) -> list[str]:
    covering = [each for each in (week["pools"] or "").split("; ") if each]
    if not covering:
        return ["No pool covers this area in these days."]
    named = " and ".join(f"{pools.get(each, each)} ({each})" for each in covering)
    if week["hours_short"] is None:
        said = [f"It is covered by {named}. No duties were given, so that what is on duty is not known."]
    elif week["hours_short"] == 0:
        said = [f"It is covered by {named}, which {_plural(covering, 'is', 'are')} short in no hour."]
    else:
        worst = hours.sort("units_gap", "hour_starting", nulls_last=True).row(0, named=True)
        officers = ""
        if worst["officers_gap"] is not None and worst["officers_gap"] < 0:
            officers = f" ({count_of(-worst['officers_gap'], 'officer')})"
        said = [
            f"It is covered by {named}: short in {week['hours_short']} of {count_of(week['hours'], 'hour')}, most on "
            f"{say_hour(worst['hour_starting'], zone)}, when {worst['pool_id']} lacks "
            f"{count_of(-worst['units_gap'], 'unit')}{officers}."
        ]
    if week["chance_late"] is not None:
        said.append(_say_late(week, hours, zone))
    return said


def _plural(many: Sequence[object], one: str, more: str) -> str:
    return one if len(many) == 1 else more


def _say_late(week: Row, hours: pl.DataFrame, zone: str) -> str:
    # Not the highest chance: an hour in which hardly any call comes would have it.
    late = hours.with_columns(late=pl.col("incidents_mean") * pl.col("chance_late")).sort(
        ["late", "hour_starting"], descending=[True, False], nulls_last=True
    )
    worst = late.row(0, named=True)
    if week["chance_late"] < LEAST_LATE:
        return "Hardly any call here is expected to be reached after its target."
    return (
        f"Over these days {_percent(week['chance_late'])} of calls here are expected to be reached after their "
        f"target. The hour with most of them: {say_hour(worst['hour_starting'], zone)}, when the chance is "
        f"{_percent(worst['chance_late'])}."
    )


def _percent(share: float) -> str:
    return percent(share, 1 if share < 0.1 else 0)


def say_how_right(spot: Row | None, level: Row | None, filed: Row | None, folder: str, places: int) -> list[str]:
    """Say how right the forecast has been, and of which places and times each score is.

    `spot` is the area's row of `backtest_weak_spots`, `level` that of all areas in `backtest_summary`, `filed` that of
    the district in `scoreboard_scores`; None where there is none. `places` are the areas that were ranked.
    """
    said = []
    if spot is not None:
        said.append(
            f"This area, its days, on the force's own past: {spot['incidents']:,} incidents came where "
            f"{spot['expected']:,.0f} were expected ({_more_or_fewer(spot['bias'])}); "
            f"{percent(spot['coverage_80'], 0)} of days lay within the range that should hold 80%. Of "
            f"{count_of(places, 'area')} it did worse in {count_of(spot['rank'] - 1, 'other')}."
        )
    if level is not None:
        said.append(
            f"All areas together, their days: {_off_by(level)} (sCRPS), {_against(level)}; "
            f"{percent(level['coverage_80'], 0)} lay within the range that should hold 80%."
        )
    if spot is None and level is None:
        said.append(
            f"Not tried on the force's own past yet: 'bluelamp backtest {folder}' scores every area, its days and "
            "hours."
        )
    if filed is not None:
        said.append(
            f"Filed before the fact and scored since, the district {filed['area_id']}, its days: "
            f"{_off_by(filed)}; {percent(filed['coverage_80'], 0)} of {count_of(filed['forecasts'], 'day')} lay within "
            "the range that should hold 80%."
        )
    else:
        said.append("No forecast that was filed before the fact has been scored for this area's district yet.")
    return said


def _more_or_fewer(bias: float | None) -> str:
    if bias is None:
        return "nothing came"
    if abs(bias) < 0.005:
        return "as many"
    return f"{percent(abs(bias), 0)} too {'many' if bias > 0 else 'few'}"


def _off_by(scores: Row) -> str:
    return "nothing came" if scores["scrps"] is None else f"off by {percent(scores['scrps'], 0)} of what came"


def _against(level: Row) -> str:
    if level["difference"] is None or level["against"] is None:
        return "with nothing simpler tried beside it"
    low, high = level["difference_low"], level["difference_high"]
    if low is not None and high is not None and low <= 0 <= high:
        return f"not told apart from {level['against']}"
    better = "better" if level["difference"] < 0 else "worse"
    return f"{percent(abs(level['difference']))} {better} than {level['against']}"
