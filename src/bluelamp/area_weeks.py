"""What lies ahead of single areas: seven local days of one hour by hour, and those of all areas side by side.

A run publishes demand by area and cover by pool. Whoever looks after one area asks for both, and for what is usual
there. Nothing is forecast here: each figure is one of `coverage`, `forecast` or `demand`, or a sum or mean of such.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from bluelamp import periods, tables

NAMES = ("area_hours", "area_weeks")
DAYS = 7
# What is usual is the mean of as many weeks as the peaks are held against, from as far back.
USUAL_WEEKS, YEAR_WEEKS = 26, 52
_BANDS = [f"incidents_{name}" for name in ("p025", "p10", "p25", "p50", "p75", "p90", "p975")]
_OF_POOL = ["units_required", "units_on_duty", "units_gap", "officers_required", "officers_on_duty", "officers_gap"]


@dataclass(frozen=True)
class Ahead:
    """One run's tables as far as areas are told from them, the role that goes to calls, and its clock.

    `results` are `coverage`, `forecast`, `demand` and `outages`; `origins` are those of incidents that drive the
    forecast, `known_until` the end of the data.
    """

    results: Mapping[str, pl.DataFrame]
    role: str
    origins: Sequence[str]
    known_until: datetime
    time_zone: str

    def days(self) -> list[date]:
        """List the local days that coverage speaks of, in order."""
        hours = self.results["coverage"]["hour_starting"].unique().sort()
        if hours.is_empty():
            return []
        return periods.local_parts(hours, self.time_zone)["day"].unique().sort().to_list()

    def hours_of(self, area_id: str, first: date) -> pl.DataFrame:
        """Give the table `area_hours` of one area in the seven local days from `first`."""
        shown = self._shown(first)
        of_area = shown.filter(level="area", place_id=area_id).select(
            pl.col("place_id").alias("area_id"), "hour_starting", "incidents_mean", *_BANDS, "pool_id", "chance_late",
            "chance_any_late",
        )  # fmt: skip
        of_pools = shown.filter(level="pool").select("hour_starting", "pool_id", *_OF_POOL)
        hours = of_area.join(of_pools, on=["hour_starting", "pool_id"], how="left").sort("hour_starting")
        hours = _with_slot(hours, self.time_zone).join(self._usual(area_id), on=["area_id", "slot"], how="left")
        return tables.publish(
            hours.with_columns(pl.col("usual_weeks").fill_null(0), week_before=self._week_before(area_id, hours)),
            "area_hours",
        )

    def weeks(self, areas: pl.DataFrame, first: date) -> pl.DataFrame:
        """Give the table `area_weeks` of all areas in the seven local days from `first`.

        `areas` says what they are called.
        """
        shown = self._shown(first)
        of_areas = shown.filter(level="area").rename({"place_id": "area_id"})
        gaps = shown.filter(level="pool").select("hour_starting", "pool_id", gap="units_gap")
        hours = _with_slot(of_areas, self.time_zone).join(self._usual(), on=["area_id", "slot"], how="left")
        hours = hours.join(gaps, on=["hour_starting", "pool_id"], how="left")
        late = pl.when(pl.col("chance_late").is_not_null()).then("incidents_mean")
        weeks = hours.group_by("area_id").agg(
            pl.col("pool_id").drop_nulls().unique().sort().str.join("; ").replace("", None).alias("pools"),
            pl.col("incidents_mean").sum(),
            # A sum without some of its hours would pass for a quiet week.
            pl.when(pl.col("usual").is_not_null().all()).then(pl.col("usual").sum()),
            pl.len().cast(pl.Int64).alias("hours"),
            pl.when(pl.col("gap").is_not_null().any()).then((pl.col("gap") < 0).sum().cast(pl.Int64)).alias(
                "hours_short"),
            (-pl.col("gap").min()).clip(0).alias("most_short"),
            pl.when(late.sum() > 0).then((pl.col("chance_late") * late).sum() / late.sum()).alias("chance_late"),
        )  # fmt: skip
        named = areas.filter(pl.col("level") == "area").unique("area_id", keep="last").select(
            "area_id", "area_name", pl.col("parent_id").alias("district_id")
        )  # fmt: skip
        weeks = weeks.join(self._busiest(first), on="area_id", how="left").join(named, on="area_id", how="left")
        return tables.publish(weeks.with_columns(week_from=pl.lit(first)).sort("area_id"), "area_weeks")

    def day_by_day(self, area_id: str, last: date) -> pl.DataFrame:
        """Give the days of one area until `last` as `forecast` has them, in order, each with its local `day`."""
        return self._days(pl.col("area_id") == area_id, None, last)

    def days_before(self, area_id: str, days: int) -> pl.DataFrame:
        """Give what came on the last whole local days before the forecast: `day` and `came`, null where not known."""
        ends = self.results["coverage"]["hour_starting"].min()
        assert isinstance(ends, datetime)
        last = ends.astimezone(periods.zone(self.time_zone)).date() - timedelta(days=1)
        begins = periods.local_days(self.time_zone, last - timedelta(days=days - 1), last)["starts_at"][0]
        seen = self._seen(periods.hours_between(self.time_zone, begins, ends))
        counted = self._counted().filter(pl.col("area_id") == area_id).select("hour_starting", "incidents")
        hours = seen.join(counted, on="hour_starting", how="left")
        hours = hours.with_columns(periods.local_parts(hours["hour_starting"], self.time_zone)["day"])
        return (
            hours.group_by("day")
            .agg(came=pl.when(pl.col("is_seen").all()).then(pl.col("incidents").fill_null(0).sum()))
            .sort("day")
        )

    def _shown(self, first: date) -> pl.DataFrame:
        begins, ends = self._span(first, first + timedelta(days=DAYS - 1))
        inside = pl.col("hour_starting").is_between(begins, ends, closed="left")
        return self.results["coverage"].filter(inside, pl.col("role_code") == self.role)

    def _span(self, first: date, last: date) -> tuple[datetime, datetime]:
        days = periods.local_days(self.time_zone, first, last)
        return days["starts_at"][0], days["ends_at"][-1]

    def _days(self, wanted: pl.Expr, first: date | None, last: date) -> pl.DataFrame:
        days = self.results["forecast"].filter(
            pl.col("level") == "area", pl.col("span") == "day", pl.col("class_code") == "all",
            pl.col("grade_code") == "all", wanted,
        )  # fmt: skip
        days = days.with_columns(periods.local_parts(days["hour_starting"], self.time_zone)["day"])
        return days.filter(pl.col("day") <= last, True if first is None else pl.col("day") >= first).sort(
            "area_id", "day"
        )

    def _busiest(self, first: date) -> pl.DataFrame:
        days = self._days(pl.lit(value=True), first, first + timedelta(days=DAYS - 1))
        most = days.sort(["incidents_mean", "day"], descending=[True, False], maintain_order=True).unique(
            "area_id", keep="first", maintain_order=True
        )
        return most.select(
            "area_id", busiest_day="day", busiest_mean="incidents_mean", busiest_p10="incidents_p10",
            busiest_p90="incidents_p90",
        )  # fmt: skip

    def _counted(self) -> pl.DataFrame:
        """Count the incidents that drive the forecast by area and hour; hours without one have no row."""
        demand = self.results["demand"].filter(pl.col("origin").is_in(list(self.origins)))
        return demand.group_by("area_id", "hour_starting").agg(pl.col("incidents").sum())

    def _seen(self, hours: pl.Series) -> pl.DataFrame:
        """Say of hours whether all that came in them is known: within the data, and outside outages."""
        begins = self.results["demand"]["hour_starting"].min()
        is_seen = (hours >= begins) & (hours < self.known_until) if begins is not None else hours.is_null()
        for since, until in self.results["outages"].select("starts_at", "ends_at").iter_rows():
            is_seen &= ~((hours >= since) & (hours < until))
        return pl.DataFrame({"hour_starting": hours, "is_seen": is_seen})

    def _usual(self, area_id: str | None = None) -> pl.DataFrame:
        """Give the mean count of each hour of the week in its last weeks that were seen, as `usual` and `usual_weeks`,
        by `area_id` and `slot`.

        An hour that the clock repeats is two weeks of its slot.
        """
        begins = self.known_until - timedelta(weeks=YEAR_WEEKS)
        seen = self._seen(periods.hours_between(self.time_zone, begins, self.known_until)).filter("is_seen")
        slots = _with_slot(seen, self.time_zone).group_by("slot").tail(USUAL_WEEKS)
        weeks = slots.group_by("slot").agg(usual_weeks=pl.len().cast(pl.Int64))
        places = self.results["coverage"].filter(level="area").select(area_id="place_id").unique()
        if area_id is not None:
            places = places.filter(area_id=area_id)
        sums = (
            slots.join(self._counted(), on="hour_starting").group_by("area_id", "slot").agg(pl.col("incidents").sum())
        )
        return (
            places.join(weeks, how="cross")
            .join(sums, on=["area_id", "slot"], how="left")
            .select(
                "area_id", "slot", "usual_weeks", usual=pl.col("incidents").fill_null(0) / pl.col("usual_weeks")
            )
        )  # fmt: skip

    def _week_before(self, area_id: str, hours: pl.DataFrame) -> pl.Series:
        before = periods.days_later(hours["hour_starting"], self.time_zone, -DAYS)
        counted = self._counted().filter(pl.col("area_id") == area_id).select("hour_starting", "incidents")
        found = self._seen(before).join(counted, on="hour_starting", how="left", maintain_order="left")
        return found.select(pl.when("is_seen").then(pl.col("incidents").fill_null(0))).to_series()


def _with_slot(hours: pl.DataFrame, time_zone: str) -> pl.DataFrame:
    return hours.with_columns(periods.local_parts(hours["hour_starting"], time_zone)["slot"])
