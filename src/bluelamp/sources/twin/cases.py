"""Cases: what becomes of crimes that are investigated, worked day by day by the teams that carry them.

A share of each class of incident is given to the investigators of its district. A team works on the oldest cases first,
each for so many hours a day at most; some cases must wait for somebody else when a part of the work is done. Nobody is
added when a team falls behind, so that its cases grow old.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import periods
from bluelamp.sources.twin.incidents import spread

Numbers = NDArray[np.float64]
WholeNumbers = NDArray[np.int64]

_DAY = 86400
_WORKED_BY = ("public", "partner")
_WORKING_DAYS = 5


class Carried(NamedTuple):
    """What is known of cases: `cases` as the records system has them at the cut; `truth`, a row a case; `weeks`, a row
    a team and week, before the cut and in the weeks to come.
    """

    cases: pl.DataFrame
    truth: pl.DataFrame
    weeks: pl.DataFrame


def carry_cases(
    calls: pl.DataFrame,
    team_of_area: dict[str, str],
    investigators: dict[str, int],
    what: dict[str, Any],
    share_at_work: float,
    until: int,
    ends: int,
    random: np.random.Generator,
) -> Carried:
    """Draw the cases of numbered calls and let teams carry them up to `ends`; the record is cut at `until` (epoch s).

    `investigators` are those on the strength by team, of whom `share_at_work` are there. How often incidents become
    cases is set so that these bring `what["pressure"]` times the hours that there are.
    """
    found = calls.filter(
        pl.col("origin").is_in(list(_WORKED_BY)), pl.col("class_code").is_in(list(what["share"])),
        pl.col("true_area_id").is_not_null(),
    ).unique("drawn", keep="first", maintain_order=True)  # fmt: skip
    codes = found["class_code"]
    share, hours_mean = (
        codes.replace_strict(what[name], return_dtype=pl.Float64).to_numpy() for name in ("share", "hours")
    )
    began = int(found["received_at"].min() or until)  # type: ignore[arg-type]
    a_day = share_at_work * what["hours_a_week"] / _WORKING_DAYS
    there = sum(investigators.values()) * a_day * _WORKING_DAYS * (ends - began) / (7 * _DAY)
    share = np.minimum(share * what["pressure"] * there / max(float((share * hours_mean).sum()), 1e-9), 1.0)
    chosen = np.flatnonzero(random.random(found.height) < share)
    cases = found[chosen].select("incident_id", "class_code", "received_at", "true_area_id")
    size = cases.height
    hours = spread(hours_mean[chosen], what["hours_cv"], random)
    waits = np.where(
        random.random(size) < what["share_waiting"], random.exponential(7 * what["weeks_waiting"], size), 0
    )
    given = np.rint(3600 * spread(np.full(size, what["given_after_hours"]), 1.0, random)).astype(np.int64)
    cases = cases.with_columns(
        opened=pl.col("received_at") + pl.Series(given),
        pool_id=pl.col("true_area_id").replace_strict(team_of_area),
        hours=pl.Series(hours), waits=pl.Series(waits), recorded=pl.Series(random.random(size) >= what["unrecorded"]),
        minute=pl.Series(random.integers(0, 60, size)),
    ).filter(pl.col("opened") < ends).sort("opened", "incident_id")  # fmt: skip
    first = began - began % _DAY
    worked = [
        _carry(mine, team, investigators[team] * a_day, what, first, until, ends)
        for (team,), mine in sorted(cases.group_by("pool_id", maintain_order=True))
        if isinstance(team, str)
    ]
    done = pl.concat([each for each, _ in worked]).sort("opened", "incident_id").with_columns(
        case_id=pl.format("INV-{}", pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(7))
    )  # fmt: skip
    weeks = pl.concat([each for _, each in worked])
    return Carried(_as_recorded(done, until), _as_it_was(done, until), weeks)


def _carry(
    cases: pl.DataFrame, team: str, hours_a_day: float, what: dict[str, Any], first: int, until: int, ends: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Let one team work on its cases, the oldest first, day by day from `first` to `ends`."""
    opened, hours, waits = (cases[name].to_numpy() for name in ("opened", "hours", "waits"))
    done, done_at_cut = np.zeros(len(opened)), np.zeros(len(opened))
    # Work up to this, and then the case waits or is finished.
    stop = np.where(waits > 0, what["done_before_waiting"] * hours, hours)
    back = np.zeros(len(opened))
    finished = np.full(len(opened), -1, dtype=np.int64)
    waits_at_cut = np.zeros(len(opened), dtype=np.bool_)
    open_at, worked_on, days = [], [], np.arange(first, ends, _DAY)
    live = np.empty(0, dtype=np.int64)
    came = 0
    for day in days:
        if day - _DAY < until <= day:
            done_at_cut[:], waits_at_cut = done, back > day
        upto = int(np.searchsorted(opened, day + _DAY // 3))
        live = np.concatenate([live[finished[live] < 0], np.arange(came, upto)])
        came = upto
        given = 0.0
        # The day of 1 January 1970 was a Thursday.
        if (day // _DAY + 3) % 7 < _WORKING_DAYS and len(live):
            able = live[back[live] <= day]
            want = np.minimum(stop[able] - done[able], what["hours_a_day_on_one"])
            part = np.clip(hours_a_day - (np.cumsum(want) - want), 0.0, want)
            done[able] += part
            given = float(part.sum())
            reached = able[done[able] >= stop[able] - 1e-9]
            is_over = stop[reached] >= hours[reached]
            finished[reached[is_over]] = day
            pausing = reached[~is_over]
            back[pausing], stop[pausing] = day + _DAY * (1 + waits[pausing]), hours[pausing]
        # At midnight: those that came since the morning are open, too.
        open_at.append(int(np.searchsorted(opened, day + _DAY)) - int((finished >= 0).sum()))
        worked_on.append(given)
    # Closed in the afternoon of the day, at one minute or another.
    closed = pl.Series(finished + 16 * 3600) + cases["minute"] * 60
    cases = cases.with_columns(
        closed=pl.when(pl.Series(finished >= 0)).then(closed), done_at_cut=pl.Series(done_at_cut),
        waits_at_cut=pl.Series(waits_at_cut),
    )  # fmt: skip
    return cases, _by_week(cases, team, days, open_at, worked_on, until)


def _by_week(
    cases: pl.DataFrame, team: str, days: WholeNumbers, open_at: list[int], worked: list[float], until: int
) -> pl.DataFrame:
    def week(at: pl.Expr) -> pl.Expr:
        return (at - until).floordiv(7 * _DAY)

    by_day = pl.DataFrame({"at": days, "open_at_end": open_at, "hours_worked": worked})
    opened = cases.group_by(week=week(pl.col("opened"))).agg(
        cases_opened=pl.len().cast(pl.Int64), hours_opened=pl.col("hours").sum()
    )
    return (
        by_day.group_by(week=week(pl.col("at")), maintain_order=True)
        .agg(pl.col("open_at_end").last(), pl.col("hours_worked").sum(), pl.len())
        .filter(pl.col("len") == 7)
        .join(opened, on="week", how="left", maintain_order="left")
        .select(
            pl.lit(team).alias("pool_id"),
            ((pl.col("week") * 7 * _DAY + until) * 1_000_000).cast(periods.INSTANT).alias("week_starting"),
            pl.col("cases_opened", "hours_opened").fill_null(0), "hours_worked", "open_at_end",
        )
    )  # fmt: skip


def _as_recorded(done: pl.DataFrame, until: int) -> pl.DataFrame:
    """Give the cases as the records system has them at `until`."""
    is_closed = pl.col("closed") < until
    spent = pl.when(is_closed).then("hours").otherwise("done_at_cut")
    return done.filter(pl.col("opened") < until).select(
        "case_id", "class_code", opened_at=_instant("opened"), closed_at=pl.when(is_closed).then(_instant("closed")),
        pool_id="pool_id", waits_on_others=pl.col("waits_at_cut") & ~is_closed.fill_null(value=False),
        officer_hours=pl.when("recorded").then(spent.round(2)),
    )  # fmt: skip


def _as_it_was(done: pl.DataFrame, until: int) -> pl.DataFrame:
    return done.select(
        "case_id", "incident_id", "class_code", "pool_id", opened_at=_instant("opened"),
        finalised_at=_instant("closed"), officer_hours="hours", weeks_waiting=pl.col("waits") / 7,
        is_open_at_cut=(pl.col("opened") < until) & (pl.col("closed") >= until).fill_null(value=True),
    )  # fmt: skip


def _instant(name: str) -> pl.Expr:
    return (pl.col(name) * 1_000_000).cast(periods.INSTANT)
