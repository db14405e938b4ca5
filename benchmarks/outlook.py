"""The outlook by month against others, on the one long public record at hand: Toronto's offences, 2014 to 2021.

    python benchmarks/outlook.py --data ../shared/data --peers PYTHON      all of it; some minutes
    python benchmarks/outlook.py --data ../shared/data                     without statsforecast; a minute
    … --days        also with the forecast by day in its first year, as `bluelamp plan` has it; a minute an origin

Rolling origins, each half-year from 2016 on; months 1–12, 13–24, 25–36 and 37–48 ahead are scored apart, for the
force, its classes, its districts (neighbourhoods by quarters of longitude and halves of latitude) and each class in
each district. Nothing in the method was tuned on Toronto: what its guesses lean on comes from 24 counties of Maryland,
by year, 1975 to 2020 (docs/decisions/0020-four-years-by-month.md).

The score is twice the mean pinball loss at seven quantiles over the mean count (a CRPS read off seven points); those
who give no ranges of their own get normal ones from their errors in the history. Every figure is given for all months
and for those before the pandemic (March 2020).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import measure
import numpy as np
import polars as pl
from report import say_table

from bluelamp import forecast, outlook, periods, tables

HERE = Path(__file__).parent
ZONE = "America/Toronto"
NAMES = ("p025", "p10", "p25", "p50", "p75", "p90", "p975")
LEVELS = np.array(outlook.LEVELS)
# The standard normal at those levels.
NORMAL = np.array([-1.95996, -1.28155, -0.67449, 0.0, 0.67449, 1.28155, 1.95996])
PANDEMIC = date(2020, 3, 1)
BANDS = ((1, 12), (13, 24), (25, 36), (37, 48))
KINDS = ("force", "class", "district", "district and class")
ORIGINS = [date(year, month, 1) for year in range(2016, 2022) for month in (1, 7)][:-1]
OURS, BY_DAY, LAST_YEAR, MEAN = "outlook", "outlook, from days", "same month last year", "mean of 12 months"


def main() -> None:
    """Forecast, score, and print what was found."""
    asked = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    asked.add_argument("--data", type=Path, required=True, help="folder with toronto/offences.csv.gz")
    asked.add_argument("--peers", type=Path, help="a Python that has statsforecast and pandas; left out without it")
    asked.add_argument("--days", action="store_true", help="the outlook that begins with the forecast by day, too")
    asked.add_argument("--json", action="store_true", help="one last line for machines")
    options = asked.parse_args()
    source = options.data / "toronto" / "offences.csv.gz"
    about = measure.machine(measure.keep_to_cores(2))
    about.append(("data", f"toronto/offences.csv.gz, SHA-256 {hashlib.sha256(source.read_bytes()).hexdigest()}"))
    packages = ("bluelamp", "polars", "numpy")
    about.append(("versions", ", ".join(f"{name} {each}" for name, each in measure.versions(packages))))
    print("Outlook by month: Toronto, major offences, 2014 to 2021")
    for what, words in about:
        print(f"  {what:<14}  {words}")
    demand, areas = read_toronto(source)
    came = count_months(demand, areas)
    seconds: dict[str, float] = {}
    found = [*look_ahead(demand, areas, seconds), *go_on_as_before(came)]
    if options.days:
        found += look_ahead(demand, areas, seconds, with_days=True)
    if options.peers:
        measure.note("statsforecast")
        found.append(ask_peers(came, options.peers, seconds))
    scored = score(pl.concat(found), came)
    for without, words in ((False, "all months"), (True, "months before the pandemic alone")):
        say_scores(scored.filter(~pl.col("is_pandemic")) if without else scored, words)
    say_table("CPU seconds for all origins", ("method", "s"), [(name, f"{each:.1f}") for name, each in seconds.items()])
    say_where_we_lose(scored)
    if options.json:
        rows = summarise(scored).select("kind", "band", "method", "scrps", "wape", "inside_80", "inside_95").to_dicts()
        print(json.dumps({"outlook": rows}))


def read_toronto(source: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give offences as `demand`, and neighbourhoods in eight districts as `areas`."""
    rows = pl.read_csv(source, infer_schema_length=0).with_columns(
        pl.col("lon", "lat").cast(pl.Float64, strict=False), pl.col("neighbourhood").fill_null("unknown")
    )
    wall = pl.col("occurrence_date").str.to_datetime("%Y/%m/%d") + pl.duration(
        hours=pl.col("occurrence_hour").cast(pl.Int64)
    )
    local = wall.dt.replace_time_zone(ZONE, ambiguous="earliest", non_existent="null")
    demand = (
        rows.select(
            hour_starting=local.dt.convert_time_zone("UTC"),
            area_id="neighbourhood",
            class_code="offence",
            grade_code=pl.lit("none"),
        )
        .drop_nulls("hour_starting")
        .group_by("hour_starting", "area_id", "class_code", "grade_code")
        .agg(incidents=pl.len().cast(pl.Int64))
    )
    middle = rows.group_by(area_id="neighbourhood").agg(pl.col("lon", "lat").mean()).drop_nulls().sort("area_id")
    quarter, half = ((pl.col(name).rank("ordinal") - 1) * parts // pl.len() for name, parts in (("lon", 4), ("lat", 2)))
    return demand, middle.select("area_id", parent_id=pl.format("{} of {}", quarter, half), level=pl.lit("area"))


def _series(district: str | pl.Expr, code: str | pl.Expr) -> pl.Expr:
    return pl.format("{} | {}", *(pl.lit(each) if isinstance(each, str) else each for each in (district, code)))


def count_months(demand: pl.DataFrame, areas: pl.DataFrame) -> pl.DataFrame:
    """Count every series by month: kind, series, month, incidents."""
    rows = demand.join(areas.select("area_id", district="parent_id"), on="area_id", how="left").with_columns(
        pl.col("district").fill_null("unknown"),
        month=pl.col("hour_starting").dt.convert_time_zone(ZONE).dt.date().dt.truncate("1mo"),
    )
    parts = []
    for kind, district, code in (
        ("force", "all", "all"), ("class", "all", pl.col("class_code")), ("district", pl.col("district"), "all"),
        ("district and class", pl.col("district"), pl.col("class_code")),
    ):  # fmt: skip
        counted = rows.group_by("month", series=_series(district, code)).agg(pl.col("incidents").sum())
        grid = counted.select("series").unique().join(rows.select("month").unique(), how="cross")
        parts.append(
            grid.join(counted, on=["series", "month"], how="left").select(
                pl.lit(kind).alias("kind"), "series", "month", pl.col("incidents").fill_null(0)
            )
        )
    return pl.concat(parts).sort("kind", "series", "month")


# ---- Forecasting ----


def look_ahead(
    demand: pl.DataFrame, areas: pl.DataFrame, seconds: dict[str, float], *, with_days: bool = False
) -> Iterator[pl.DataFrame]:
    """Give the outlook from each origin; with days, its first year has the means of the forecast by day."""
    method = BY_DAY if with_days else OURS
    for origin in ORIGINS:
        measure.note(f"{method}, {origin}")
        starts: datetime = periods.local_days(ZONE, origin, origin)["starts_at"][0]
        began = time.process_time()
        by_day = tables.empty("forecast")
        if with_days:
            by_day = forecast.make_forecast(
                demand, areas, tables.empty("events"), tables.empty("outages"), tables.empty("service_times"),
                force_id="all", time_zone=ZONE, forecast_from=starts, paths=2, path_days=1, days=366, country="CA",
                subdivision="ON",
            ).table  # fmt: skip
        found = outlook.make_outlook(
            demand, areas, tables.empty("outages"), by_day, tables.empty("stated_changes"),
            force_id="all", time_zone=ZONE, forecast_from=starts,
        ).table  # fmt: skip
        seconds[method] = seconds.get(method, 0.0) + time.process_time() - began
        yield found.filter(~pl.col("is_history"), pl.col("span") == "month").select(
            pl.lit(method).alias("method"), _series(pl.col("area_id"), pl.col("class_code")).alias("series"),
            pl.lit(origin).alias("origin"), "month",
            *(pl.col(f"incidents_{name}").cast(pl.Float64).alias(name) for name in NAMES),
        )  # fmt: skip


def go_on_as_before(came: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Give the naive methods: the same month last year, and the mean of the last twelve, with normal ranges whose
    variance grows with the years by their errors a year ahead in the history.
    """
    for (series,), rows in came.group_by("series", maintain_order=True):
        counts, months = rows["incidents"].to_numpy().astype(float), rows["month"].to_list()
        for origin in ORIGINS:
            known = counts[: months.index(origin)]
            years = 1 + np.arange(48) // 12
            means = np.convolve(known, np.ones(12) / 12, "valid")
            errors = {LAST_YEAR: known[12:] - known[:-12], MEAN: known[12:] - means[: len(known) - 12]}
            for method, middle in ((LAST_YEAR, np.tile(known[-12:], 4)), (MEAN, np.full(48, means[-1]))):
                spread = np.sqrt(np.mean(errors[method] ** 2) * years)
                found = np.maximum(middle[:, None] + spread[:, None] * NORMAL, 0.0)
                ahead = [_later(origin, place) for place in range(48)]
                yield pl.DataFrame({"method": method, "series": series, "origin": origin, "month": ahead}).with_columns(
                    pl.Series(name, found[:, place]) for place, name in enumerate(NAMES)
                )


def _later(month: date, by: int) -> date:
    years, place = divmod(month.month - 1 + by, 12)
    return date(month.year + years, place + 1, 1)


def ask_peers(came: pl.DataFrame, python: Path, seconds: dict[str, float]) -> pl.DataFrame:
    """Give what statsforecast says of the same series from the same origins."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "series.csv", Path(folder) / "forecasts.csv"
        came.select("series", "month", "incidents").write_csv(source)
        cost = measure.run([python, HERE / "outlook_peers.py", source, target, *map(str, ORIGINS)])
        seconds |= json.loads(cost.output.splitlines()[-1])
        return pl.read_csv(target, try_parse_dates=True).select(
            "method", "series", pl.col("origin").cast(pl.Date), pl.col("month").cast(pl.Date), *NAMES
        )


# ---- Scoring and telling ----


def score(found: pl.DataFrame, came: pl.DataFrame) -> pl.DataFrame:
    """Hold each forecast against what came."""
    lead = (pl.col("month").dt.year() - pl.col("origin").dt.year()) * 12 + (
        pl.col("month").dt.month() - pl.col("origin").dt.month() + 1
    )
    y = pl.col("incidents")
    pinball = pl.mean_horizontal(
        pl.max_horizontal(float(level) * (y - pl.col(name)), (float(level) - 1) * (y - pl.col(name)))
        for level, name in zip(LEVELS, NAMES, strict=True)
    )
    return found.join(came, on=["series", "month"]).with_columns(
        band=((lead - 1) // 12).cast(pl.Int64), loss=2 * pinball, error=(y - pl.col("p50")).abs(),
        in_80=y.is_between("p10", "p90"), in_95=y.is_between("p025", "p975"), is_pandemic=pl.col("month") >= PANDEMIC,
    )  # fmt: skip


def summarise(scored: pl.DataFrame) -> pl.DataFrame:
    """Give the scores of each kind of series, band of months ahead and method."""
    return scored.group_by("kind", "band", "method").agg(
        scrps=pl.col("loss").sum() / pl.col("incidents").sum(), wape=pl.col("error").sum() / pl.col("incidents").sum(),
        inside_80=pl.col("in_80").mean(), inside_95=pl.col("in_95").mean(), origins=pl.col("origin").n_unique(),
        months=pl.len(),
    ).sort("kind", "band", "scrps")  # fmt: skip


def say_scores(scored: pl.DataFrame, words: str) -> None:
    """Print a table for each kind of series."""
    found = summarise(scored)
    for kind in KINDS:
        rows = []
        for band, (first, last) in enumerate(BANDS):
            some = found.filter(pl.col("kind") == kind, pl.col("band") == band)
            rows += [
                (f"months {first}–{last}: {row['method']}", f"{row['scrps']:.3f}", f"{row['wape']:.1%}",
                 f"{row['inside_80']:.0%}", f"{row['inside_95']:.0%}", str(row["origins"]))
                for row in some.iter_rows(named=True)
            ]  # fmt: skip
        say_table(f"{kind}, {words}", ("", "sCRPS", "WAPE", "inside 80%", "inside 95%", "origins"), rows)


def say_where_we_lose(scored: pl.DataFrame) -> None:
    """Print, from the figures of this run, where another method scores better, and where ranges are too narrow."""
    said = []
    for some, words in ((scored, "in all months"), (scored.filter(~pl.col("is_pandemic")), "before the pandemic")):
        for (kind, band), rows in summarise(some).group_by("kind", "band", maintain_order=True):
            first, last = BANDS[band]
            where = f"{kind}, months {first}–{last}, {words}"
            own, best = rows.filter(pl.col("method") == OURS).row(0, named=True), rows.row(0, named=True)
            if best["method"] not in (OURS, BY_DAY):
                said.append(f"{where}: {best['method']} scores {best['scrps']:.3f}, we {own['scrps']:.3f}.")
            if own["inside_80"] < 0.75:
                said.append(f"{where}: the 80% range held {own['inside_80']:.0%} of the time.")
    print("\nWhere we lose\n")
    for sentence in said or ["Nowhere, by the figures of this run."]:
        print(f"  - {sentence}")


if __name__ == "__main__":
    sys.exit(main())
