"""What beats are made from: the force's areas, the work that each brings, and files of neighbours and driving times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from bluelamp import geography, periods, reading, redrawn
from bluelamp import settings as settings_
from bluelamp.beats import Beats, Wanted, Work, propose_beats
from bluelamp.errors import BadData, NoInput, UsageError, count_of, did_you_mean, one_of
from bluelamp.pools import holds_at
from bluelamp.store import Store

SOURCES = ("forecast", "demand")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DEMAND_WEEKS = 52


def read_beats(
    folder: Path | str,
    wanted: Wanted,
    *,
    source: str = "forecast",
    hours: str | None = None,
    weekdays: str | None = None,
    load: Path | None = None,
    today: Path | None = None,
    touching: Path | None = None,
    minutes: Path | None = None,
    run_id: str | None = None,
    on: date,
) -> Beats:
    """Propose beats from what a force's folder and these files hold.

    `source` is 'forecast' (officer-hours of the run's coming weeks) or 'demand' (of its last 52 weeks); `hours`, such
    as 22-06, and `weekdays`, such as fri,sat, choose local hours by when they begin. `load` is a CSV with `area_id` and
    `load` instead, for the areas in force `on` that day. `today` (`area_id`, `district`), `touching` (`a`, `b`) and
    `minutes` (`from_id`, `to_id`, `minutes`) are CSV files, too. Raises what `propose_beats` raises, UsageError and
    NoInput for what is asked wrongly or is not there, and BadData for a file that is no such CSV.
    """
    settings = settings_.read(folder)
    if load is not None:
        if hours or weekdays or run_id:
            raise UsageError(
                "--load gives each area's work as it is, so that --hours, --weekdays and --run have nothing to choose "
                "from. Leave them or the file out."
            )
        rows = _read_csv(load, {"area_id": pl.String, "load": pl.Float64})
        work = Work(rows, "", f"the load in {load.name}")
        areas = geography.areas_on(redrawn.that_hold(Store(folder).read("areas")), on)
    else:
        areas, work = _work_of_run(folder, source, hours, weekdays, settings, run_id)
    given = None
    if today is not None:
        given = dict(_read_csv(today, {"area_id": pl.String, "district": pl.String}).iter_rows())
    return propose_beats(
        areas, work, wanted, force_name=settings.force.name, today=given,
        touching=None if touching is None else _read_csv(touching, {"a": pl.String, "b": pl.String}),
        minutes=None if minutes is None else _read_csv(
            minutes, {"from_id": pl.String, "to_id": pl.String, "minutes": pl.Float64}
        ),
    )  # fmt: skip


def _work_of_run(
    folder: Path | str,
    source: str,
    hours: str | None,
    weekdays: str | None,
    settings: settings_.Settings,
    run_id: str | None,
) -> tuple[pl.DataFrame, Work]:
    if source not in SOURCES:
        raise UsageError(f"--by '{source}' is neither: {one_of(SOURCES)} was expected.{did_you_mean(source, SOURCES)}")
    chosen, days = _hours_of(hours), _weekdays_of(weekdays)
    store, zone = Store(folder).snapshot(), settings.force.time_zone
    if source == "forecast":
        found = store.result(
            "forecast", run_id,
            (pl.col("level") == "area") & (pl.col("span") == "hour") & (pl.col("class_code") == "all")
            & (pl.col("grade_code") == "all"),
        ).rename({"officer_hours_mean": "officer_hours"})  # fmt: skip
    else:
        found = store.result("demand", run_id).filter(pl.col("origin").is_in(list(settings.demand.origins)))
    if found.is_empty():
        raise NoInput(f"The run has no {source} by area and hour. 'bluelamp plan {folder}' makes one.")
    if source == "demand":
        last = found["hour_starting"].max()
        found = found.filter(pl.col("hour_starting") > pl.lit(last) - timedelta(weeks=_DEMAND_WEEKS))
    first, last = (found.select(each).item() for each in (pl.col("hour_starting").min(), pl.col("hour_starting").max()))
    every = periods.hours_between(zone, first, last + timedelta(hours=1))
    parts = periods.local_parts(every, zone).with_columns(hour_starting=every)
    wanted = parts.filter(
        pl.col("hour").is_in([hour for hour in range(24) if holds_at(*chosen, hour)]), pl.col("weekday").is_in(days)
    )
    weeks = len(every) / 168
    rows = (
        found.join(wanted.select("hour_starting"), on="hour_starting", how="semi")
        .group_by("area_id").agg(load=pl.col("officer_hours").sum() / weeks).sort("area_id")
    )  # fmt: skip
    when = "" if chosen == (0, 24) else f" from {chosen[0]:02}:00 to {chosen[1]:02}:00"
    on_days = "" if len(days) == 7 else f" on {', '.join(WEEKDAYS[day - 1].capitalize() for day in days)}"
    what = "forecast officer-hours" if source == "forecast" else "officer-hours of demand"
    local = [each.astimezone(periods.zone(zone)).date() for each in (first, last)]
    areas = geography.areas_on(
        redrawn.that_hold(reading.read_used(store, "areas", run_id)), local[0 if source == "forecast" else 1]
    )
    return areas, Work(rows, "officer-hours a week", f"{what}{when}{on_days}, {local[0]} to {local[1]}")


def _hours_of(text: str | None) -> tuple[int, int]:
    if text is None:
        return 0, 24
    begin, dash, end = text.partition("-")
    if dash and begin.strip().isdigit() and end.strip().isdigit():
        found = int(begin), int(end)
        if found[0] <= 23 and found[1] <= 24 and found[0] != found[1]:
            return found
    raise UsageError(f"--hours '{text}' is no span of hours; one such as 22-06 was expected, from one hour to another.")


def _weekdays_of(text: str | None) -> Sequence[int]:
    if text is None:
        return range(1, 8)
    asked = [each.strip().lower()[:3] for each in text.split(",")]
    strange = [each for each in asked if each not in WEEKDAYS]
    if strange:
        raise UsageError(
            f"--weekdays '{text}' names no weekday '{strange[0]}'; some of {', '.join(WEEKDAYS)} were expected."
        )
    return sorted({WEEKDAYS.index(each) + 1 for each in asked})


def _read_csv(path: Path, columns: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    """Read columns of a CSV file; numbers that are none are told by row."""
    try:
        text = pl.read_csv(path, infer_schema=False)
    except FileNotFoundError:
        raise NoInput(f"There is no file '{path}'.") from None
    except (pl.exceptions.PolarsError, IsADirectoryError, UnicodeDecodeError) as error:
        raise BadData(f"{path.name} can't be read as CSV: {str(error).splitlines()[0]}.") from None
    missing = [each for each in columns if each not in text.columns]
    if missing:
        raise BadData(
            f"{path.name} has no column {one_of(missing)}. It has {', '.join(text.columns[:20])}; "
            f"{', '.join(columns)} were expected."
        )
    found = text.select(
        pl.col(name).str.strip_chars().cast(kind, strict=False) if kind.is_numeric() else pl.col(name).str.strip_chars()
        for name, kind in columns.items()
    )
    problems = []
    for name, kind in columns.items():
        unread = found[name].is_null() & text[name].is_not_null() & (text[name].str.strip_chars() != "")
        if kind.is_numeric() and unread.any():
            rows = unread.arg_true()
            problems.append(f"'{name}' is no number in {count_of(len(rows), 'row')}, first at row {rows[0] + 2}.")
    if found[next(iter(columns))].is_null().any():
        problems.append(f"'{next(iter(columns))}' is empty in some rows.")
    if problems:
        raise BadData(f"{path.name} can't be used yet:", problems)
    return found
