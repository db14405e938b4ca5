"""The data page: what came in and when, what each rule did, what is set aside and how to mend it.

Each function makes one table of kind 'account' from what the store keeps of its imports. The page, the command `data`
and the addresses below /tables show these.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import polars as pl

from bluelamp import periods, tables
from bluelamp.errors import count_of

# A table comes daily when it was imported on this many days, and on half of the days from the first to the last.
_ENOUGH_DAYS = 3
STALE_AFTER_HOURS = 24.0
_ERASED = "erased"
_COUNTS = ("read", "accepted", "updated", "unchanged", "duplicate", "quarantined")


def describe_received(
    batches: pl.DataFrame,
    current: pl.DataFrame,
    of_days: pl.DataFrame,
    left_out: Mapping[str, str],
    time_zone: str,
    now: datetime,
) -> pl.DataFrame:
    """Say of each table what came into it, when, and what its absence leaves out: the table `received`.

    `current` has `table_name`, `rows`, `first_at` and `last_at` of the rows that a table has now, `of_days` its rows by
    local day (`table_name`, `day`, `rows`); `left_out` has a sentence for every table that may be imported.
    """
    latest = batches.sort("sequence").group_by("table_name", maintain_order=True).last()
    counted = batches.group_by("table_name").agg(
        batches=pl.len(), rows_read=pl.col("rows_read").sum(), rows_set_aside=pl.col("rows_quarantined").sum()
    )
    said = latest.select(
        "table_name", latest_batch_id="batch_id", latest_source="source_name", latest_map="map_name",
        latest_at="committed_at", hours_since=(pl.lit(now) - pl.col("committed_at")).dt.total_seconds() / 3600,
    )  # fmt: skip
    together = (
        pl.DataFrame({"table_name": list(left_out), "left_out": list(left_out.values())})
        .join(counted, on="table_name", how="left")
        .join(said, on="table_name", how="left")
        .join(current, on="table_name", how="left")
        .join(_days_without_rows(of_days), on="table_name", how="left")
        .join(_rhythm(batches, time_zone, now), on="table_name", how="left")
        .with_columns(
            pl.col("rows", "rows_read", "rows_set_aside", "batches").fill_null(0),
            pl.col("comes_daily").fill_null(value=False),
        )
        .with_columns(
            is_stale=(pl.col("comes_daily") & (pl.col("hours_since") > STALE_AFTER_HOURS)).fill_null(value=False),
            left_out=pl.when(pl.col("rows") == 0).then("left_out"),
            # A clock that was put back must not make an import lie in the future.
            hours_since=pl.col("hours_since").clip(lower_bound=0),
        )
    )
    return tables.publish(together, "received")


def _days_without_rows(of_days: pl.DataFrame) -> pl.DataFrame:
    """Count the days between a table's first and last of which no row speaks; null where most are such days."""
    spans = of_days.group_by("table_name").agg(
        days=pl.len(), span=(pl.col("day").max() - pl.col("day").min()).dt.total_days() + 1
    )
    without = pl.col("span") - pl.col("days")
    is_dense = pl.col("days") * 2 >= pl.col("span")
    return spans.select("table_name", days_without_rows=pl.when(is_dense).then(without))


def _rhythm(batches: pl.DataFrame, time_zone: str, now: datetime) -> pl.DataFrame:
    """Say which tables come daily, since when, and on how many days nothing came though it does."""
    today = now.astimezone(periods.zone(time_zone)).date()
    days = _with_day(batches, time_zone).select("table_name", "day").unique()
    spans = days.group_by("table_name").agg(
        first=pl.col("day").min(),
        days=pl.len(),
        before_today=(pl.col("day") < today).sum(),
        span=(pl.col("day").max() - pl.col("day").min()).dt.total_days() + 1,
    )
    comes_daily = (pl.col("days") >= _ENOUGH_DAYS) & (pl.col("days") * 2 >= pl.col("span"))
    passed = (pl.lit(today) - pl.col("first")).dt.total_days()
    return spans.select(
        "table_name", comes_daily=comes_daily,
        days_without_import=pl.when(comes_daily).then(passed - pl.col("before_today")),
    )  # fmt: skip


def _with_day(batches: pl.DataFrame, time_zone: str) -> pl.DataFrame:
    return batches.with_columns(day=pl.col("committed_at").dt.convert_time_zone(time_zone).dt.date())


def count_days(
    batches: pl.DataFrame, of_days: pl.DataFrame, received: pl.DataFrame, time_zone: str, now: datetime
) -> pl.DataFrame:
    """Count by table and local day the rows that speak of it and the rows imported on it: the table `received_days`.

    Days without either have a row where one was to be expected: the table has rows on most days, or comes daily.
    """
    today = now.astimezone(periods.zone(time_zone)).date()
    came = _with_day(batches, time_zone).group_by("table_name", "day").agg(
        batches=pl.len(), **{f"rows_{each}": pl.col(f"rows_{each}").sum() for each in _COUNTS}
    )  # fmt: skip
    dense = received.filter(pl.col("days_without_rows").is_not_null())["table_name"]
    daily = received.filter("comes_daily")["table_name"]
    keys = ["table_name", "day"]
    spoken = _every_day(of_days.filter(pl.col("table_name").is_in(dense.implode())))
    until = pl.DataFrame(
        {"table_name": daily, "day": pl.Series([today - timedelta(days=1)] * len(daily), dtype=pl.Date)}
    )
    coming = _every_day(pl.concat([came.filter(pl.col("table_name").is_in(daily.implode())).select(keys), until]))
    together = (
        pl.concat([of_days.select(keys), came.select(keys), spoken, coming])
        .unique()
        .join(of_days, on=keys, how="left")
        .join(came, on=keys, how="left")
        .join(spoken.with_columns(is_spoken_of=pl.lit(value=True)), on=keys, how="left")
        .join(coming.with_columns(is_due=pl.lit(value=True)), on=keys, how="left")
        .with_columns(pl.col("batches", *(f"rows_{each}" for each in _COUNTS)).fill_null(0))
    )
    has_times = pl.col("table_name").is_in(of_days["table_name"].unique().implode())
    flagged = together.with_columns(
        rows=pl.when(has_times).then(pl.col("rows").fill_null(0)),
        is_empty=pl.col("is_spoken_of").fill_null(value=False) & pl.col("rows").is_null(),
        is_missing=pl.col("is_due").fill_null(value=False) & (pl.col("batches") == 0),
    )
    return tables.publish(flagged, "received_days")


def _every_day(days: pl.DataFrame) -> pl.DataFrame:
    """Give every day from each table's first to its last."""
    spans = days.group_by("table_name").agg(day=pl.date_ranges(pl.col("day").min(), pl.col("day").max()).first())
    return spans.explode("day").select("table_name", pl.col("day").cast(pl.Date)).drop_nulls()


def count_rules(batches: pl.DataFrame, committed_rules: pl.DataFrame, of_intervals: Sequence[str]) -> pl.DataFrame:
    """Add up what each rule did to the rows of each table: the table `rules_applied`.

    `of_intervals` names the rules of committed time that are told of intervals; the others are told of presses.
    """
    shape = {"table_name": pl.String, "rule": pl.String, "kind": pl.String, "rows": pl.Int64, "words": pl.String}
    told = [
        {"table_name": table_name, **rule}
        for table_name, notes in batches.sort("sequence").select("table_name", "notes").iter_rows()
        for rule in json.loads(notes or "{}").get("rules", ())
    ]
    read = batches.group_by("table_name").agg(pl.col("rows_read").sum(), batches=pl.len())
    all_read = [
        f"{count_of(rows, 'row')} read in {count_of(imports, 'import')}"
        for rows, imports in read.select("rows_read", "batches").iter_rows()
    ]
    read = read.with_columns(share_of=pl.Series(all_read, dtype=pl.String))
    intake = (
        pl.DataFrame(told, schema=shape)
        .group_by("table_name", "rule")
        # An older Bluelamp may have said it in other words.
        .agg(pl.col("kind", "words").last(), pl.col("rows").sum())
        .join(read, on="table_name", how="left")
        .select(*shape, "share_of", share=pl.col("rows") / pl.col("rows_read"), stage=pl.lit("intake"))
    )
    is_of_intervals = pl.col("rule").is_in(list(of_intervals))
    pressed = committed_rules.select(
        pl.lit("unit_status").alias("table_name"), "rule", "kind", "rows", "words",
        pl.when(is_of_intervals).then(pl.lit("intervals")).otherwise(pl.lit("presses")).alias("share_of"), "share",
        stage=pl.lit("committed_time"),
    ).with_columns(pl.col("share_of") + " of the latest run")  # fmt: skip
    return tables.publish(pl.concat([intake, pressed]), "rules_applied")


def group_set_aside(
    quarantined: pl.DataFrame, batches: pl.DataFrame, rules: Mapping[str, tuple[str, str]], folder: str
) -> pl.DataFrame:
    """Group the rows that were set aside by table, field and reason, with how to mend them: the table `set_aside`.

    `quarantined` is the table of that name with `batch_id`; of its rows only where they stood is told, because what a
    row holds may be anybody's. `rules` gives each reason's words and what to change; nothing where it is to stay out.
    """
    about = batches.select("batch_id", "sequence", "committed_at")
    newest = batches.group_by("table_name").agg(newest=pl.col("batch_id").sort_by("sequence").last())
    rows = quarantined.join(about, on="batch_id", how="left").join(newest, on="table_name", how="left")
    is_last = pl.col("sequence") == pl.col("sequence").max()
    grouped = rows.group_by("table_name", "field", "reason_code").agg(
        rows=pl.len(),
        rows_latest=(pl.col("batch_id") == pl.col("newest")).sum(),
        latest_file=pl.col("file_name").filter(is_last).first(),
        first_row=pl.col("row_number").filter(is_last).min(),
        latest_at=pl.col("committed_at").max(),
    )
    words = {code: each for code, (each, _) in rules.items()}
    mend = {code: each or None for code, (_, each) in rules.items()}
    commands = [
        # A file of an archive is imported with the archive.
        shlex.join(["bluelamp", "import", folder, file.partition("/")[0], "--table", name]) if mend.get(code) else None
        for name, file, code in grouped.select("table_name", "latest_file", "reason_code").iter_rows()
    ]
    return tables.publish(
        grouped.with_columns(
            words=pl.col("reason_code").replace_strict(words, default=pl.col("reason_code"), return_dtype=pl.String),
            mend=pl.col("reason_code").replace_strict(mend, default=None, return_dtype=pl.String),
            command=pl.Series(commands, dtype=pl.String),
        ),
        "set_aside",
    )


def part_erased(set_aside: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """Part `set_aside` into the reasons that somebody can mend and words about rows kept out because of an erasure.

    The words are empty where there are none: they are no fault, and nothing is to be mended.
    """
    is_erased = pl.col("reason_code") == _ERASED
    rows = int(set_aside.filter(is_erased)["rows"].sum())
    words = f"{count_of(rows, 'row')} of erased persons or incidents came again and stayed out." if rows else ""
    return set_aside.filter(~is_erased), words


def as_lines(account: Mapping[str, pl.DataFrame], time_zone: str) -> list[str]:
    """Say an account in lines for people to read; times are those of the force's own clock."""
    zone = periods.zone(time_zone)

    def when(at: datetime | None) -> str:
        return "" if at is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M}"

    received = account["received"]
    said = ["What came in"]
    given = received.filter(pl.col("batches") > 0)
    width = max((len(name) for name in given["table_name"]), default=0)
    for row in given.iter_rows(named=True):
        span = f", {when(row['first_at'])} to {when(row['last_at'])}" if row["first_at"] else ""
        flags = [f"{count_of(row['days_without_rows'], 'day')} without rows"] if row["days_without_rows"] else []
        if row["days_without_import"]:
            flags.append(f"{count_of(row['days_without_import'], 'day')} without an import")
        flags += ["stale: it comes daily"] if row["is_stale"] else []
        latest = f"latest import {when(row['latest_at'])}{''.join(f'; {flag}' for flag in flags)}"
        said.append(f"  {row['table_name']:<{width}}  {count_of(row['rows'], 'row')}{span}; {latest}")
    missing = received.filter(pl.col("left_out").is_not_null())
    said += _section(
        "Not given", [f"{name}: {words}" for name, words in missing.select("table_name", "left_out").rows()]
    )
    to_mend, kept_out = part_erased(account["set_aside"])
    aside = [
        f"{row['table_name']}, {row['field']}: {count_of(row['rows'], 'row')} ({row['rows_latest']:,} in the latest "
        f"import), such as row {row['first_row']} of {row['latest_file']}: {row['words']}."
        + (f" {row['mend']} Then: {row['command']}" if row["mend"] else "")
        for row in to_mend.iter_rows(named=True)
    ]
    said += _section("Set aside, and how to mend it", aside)
    said += _section("Kept out", [kept_out] if kept_out else [])
    orphans = [
        f"{name}, {field}: {count_of(rows, 'row')} of {naming:,} ({share:.1%}) without the row of '{other}' they name"
        for name, field, other, rows, naming, share in account["orphans"].iter_rows()
    ]
    said += _section("Keys", orphans)
    rules = account["rules_applied"].sort("table_name", "stage", "rows", descending=[False, True, True])
    touched = [
        f"{name}: {count_of(rows, 'row')} ({share:.1%} of the {share_of}) {words}"
        for name, rows, share, share_of, words in rules.select(
            "table_name", "rows", "share", "share_of", "words"
        ).iter_rows()
    ]
    title = "What each rule did (a row that came again counts each time)"
    return said + _section(title, touched)


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", title, *(f"  {line}" for line in lines)] if lines else []
