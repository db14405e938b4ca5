"""Cases to investigators: how many it takes so that no more cases are open than was promised.

Response is a queue of minutes; investigation is a backlog of weeks. Cases are opened as the forecast of incidents says
(each class by the share of its incidents that became cases), bring hours of work, and are worked as hours are there:
what is left is carried into the next week. Besides, cases wait on others (a laboratory, a prosecutor), when nobody can
work on them; they are open all the same.

    work(w) = max(work(w - 1) + opened(w) × hours of a case - investigators × hours a week, 0)
    open(w) = work(w) ÷ hours of a case + opened a week × weeks of waiting on others

A fluid model, path by path (Newell 1982, Applications of Queueing Theory, ch. 2): right where there is a backlog, which
is where the question is asked; with nothing to carry over, the cases that are in somebody's hands are not in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from bluelamp import tables
from bluelamp.pools import Floats, gross_of

# Officer-hours of a case where the force has recorded none, as hours × officers elicited from officers of one force
# (M-O-P-D, West Yorkshire context): whole-job effort, an assumption. Other classes lie at the middle of these.
STARTING_HOURS = {
    "anti_social_behaviour": 2.0, "burglary": 4.8, "robbery": 12.6, "public_order": 20.0, "violence": 44.0,
    "sexual": 44.0, "theft": 1.0,
}  # fmt: skip
OTHER_STARTING_HOURS = 8.7
# A starting value counts as so many closed cases with recorded hours.
PRIOR_WEIGHT = 30
# Weeks of the record that shares and hours are taken from.
WEEKS = 52
# An open case has so much of its work ahead of it at the least.
LEAST_LEFT = 0.25
_EFFORTS = (1.0, 0.75, 1.25)
_LEVEL = 0.9


@dataclass(frozen=True)
class CaseLoad:
    """What the record says of cases, by class: opened for each incident, hours each, and how they stand now."""

    classes: list[str]
    share_opened: Floats
    incidents_a_week: Floats
    hours: Floats
    assumed: Floats  # share of `hours` that rests on starting values
    open_now: int
    hours_left: float
    waiting_weeks: float
    opened_a_week: float


def measure_cases(cases: pl.DataFrame, demand: pl.DataFrame, until: datetime) -> CaseLoad:
    """Measure the cases of the year before `until`; `demand` is what drives the forecast, by hour and class."""
    known = cases.filter(pl.col("opened_at") < until)
    earliest = known["opened_at"].min()
    first_call = demand["hour_starting"].min()
    assert isinstance(earliest, datetime)
    since = max(earliest, until - timedelta(weeks=WEEKS))
    if isinstance(first_call, datetime):
        since = max(since, min(first_call, until - timedelta(weeks=1)))
    weeks = max((until - since) / timedelta(weeks=1), 1.0)
    classes = known["class_code"].unique().sort().to_list()
    recent = known.filter(pl.col("opened_at") >= since)
    opened = _by_class(recent.group_by("class_code").len(), classes)
    came = demand.filter(pl.col("hour_starting") >= since, pl.col("hour_starting") < until)
    incidents = _by_class(came.group_by("class_code").agg(pl.col("incidents").sum()), classes)
    closed = known.filter(
        pl.col("closed_at") < until, pl.col("closed_at") >= since, pl.col("officer_hours").is_not_null()
    )
    number = _by_class(closed.group_by("class_code").len(), classes)
    worked = _by_class(closed.group_by("class_code").agg(pl.col("officer_hours").sum()), classes)
    prior = np.array([STARTING_HOURS.get(code, OTHER_STARTING_HOURS) for code in classes])
    hours = (worked + PRIOR_WEIGHT * prior) / (number + PRIOR_WEIGHT)
    standing = known.filter(pl.col("closed_at").is_null() | (pl.col("closed_at") >= until))
    each = standing["class_code"].replace_strict(classes, hours.tolist(), return_dtype=pl.Float64).to_numpy()
    spent = standing["officer_hours"].fill_null(0.0).to_numpy()
    waits = standing["waits_on_others"].fill_null(value=False).to_numpy()
    # Nobody can say of a case that waits how much is left of it when it comes back: as much as of the others.
    left = np.where(waits, 0.0, np.maximum(each - spent, LEAST_LEFT * each))
    opened_a_week = float(opened.sum()) / weeks
    return CaseLoad(
        classes,
        np.divide(opened, incidents, out=np.zeros(len(classes)), where=incidents > 0),
        incidents / weeks,
        hours,
        PRIOR_WEIGHT / (number + PRIOR_WEIGHT),
        standing.height,
        float(left.sum()),
        float(waits.sum()) / opened_a_week if opened_a_week > 0 else 0.0,
        opened_a_week,
    )


def _by_class(rows: pl.DataFrame, classes: Sequence[str]) -> Floats:
    found: Mapping[str, float] = dict(rows.iter_rows())
    return np.array([float(found.get(code, 0)) for code in classes])


def require_investigators(
    load: CaseLoad,
    incidents: Floats,
    starts: Sequence[datetime],
    *,
    investigators_today: float | None,
    hours_a_week: float,
    most_open: float | None,
    settling_weeks: int,
    abstraction: float,
) -> pl.DataFrame:
    """Find the investigators with whom no more than `most_open` cases are open, as the table `required_investigators`.

    `incidents` are those of each class in each week of each path, classes × weeks × paths, in the order of `load`.
    `hours_a_week` are what one investigator gives to cases in a week at work. The promise is held from the
    `settling_weeks`-th week on, in nine paths of ten; without one, what is open today is not to be exceeded.
    """
    opened = load.share_opened[:, None, None] * incidents
    cases = opened.sum(axis=0)
    limit = float(load.open_now) if most_open is None else most_open
    needed = [
        _fewest(load, opened, effort, hours_a_week, limit, min(settling_weeks, len(starts))) for effort in _EFFORTS
    ]
    required = follow(load, opened, needed[0] * hours_a_week)
    weeks = len(starts)
    today: dict[str, Floats | None] = dict.fromkeys(("open_today_mean", "open_today_p10", "open_today_p90"))
    if investigators_today is not None:
        as_is = follow(load, opened, investigators_today * (1 - abstraction) * hours_a_week)
        today = dict(zip(today, (as_is.mean(axis=1), *np.quantile(as_is, [0.1, 0.9], axis=1)), strict=True))
    work = (opened * load.hours[:, None, None]).sum(axis=0)
    brought = (opened * load.hours[:, None, None]).sum(axis=(1, 2))
    low, high = np.quantile(cases, [0.1, 0.9], axis=1)
    return tables.publish(
        pl.DataFrame(
            {
                "week_starting": starts,
                "cases_opened_mean": cases.mean(axis=1),
                "cases_opened_p10": low,
                "cases_opened_p90": high,
                "hours_opened_mean": work.mean(axis=1),
                "investigators_today": pl.repeat(investigators_today, weeks, dtype=pl.Float64, eager=True),
                **{
                    name: pl.repeat(None, weeks, dtype=pl.Float64, eager=True) if values is None else values
                    for name, values in today.items()
                },
                "most_open": np.full(weeks, limit),
                "open_required_mean": required.mean(axis=1),
                "open_required_p90": np.quantile(required, _LEVEL, axis=1),
                **{
                    f"investigators_required{name}": np.full(weeks, number)
                    for name, number in zip(("", "_low", "_high"), needed, strict=True)
                },
                "investigators_required_gross": np.full(weeks, gross_of(np.array(needed[0]), abstraction)),
                "share_assumed": np.full(weeks, float(brought @ load.assumed / max(brought.sum(), 1e-9))),
            }
        ),
        "required_investigators",
    )


def follow(load: CaseLoad, opened: Floats, hours_a_week: float, effort: float = 1.0) -> Floats:
    """Give the cases open at the end of each week of each path, weeks × paths, where so many hours are worked a week.

    `opened` are cases by class, week and path; each takes `effort` times its hours.
    """
    hours = load.hours * effort
    work = (opened * hours[:, None, None]).sum(axis=0)
    cases: Floats = opened.sum(axis=0)
    mean_hours = work.sum() / max(cases.sum(), 1e-9)
    left = np.full(cases.shape[1], load.hours_left * effort)
    waiting = load.waiting_weeks * cases.mean(axis=0)
    found = np.empty_like(cases)
    for week in range(len(cases)):
        left = np.maximum(left + work[week] - hours_a_week, 0.0)
        found[week] = left / max(mean_hours, 1e-9) + waiting
    return found


def _fewest(
    load: CaseLoad, opened: Floats, effort: float, hours_a_week: float, most_open: float, settling_weeks: int
) -> int:
    """Give the fewest investigators, by halving; as many as bring the work to nothing where the limit can't be met."""

    def holds(number: int) -> bool:
        late = follow(load, opened, number * hours_a_week, effort)[settling_weeks - 1 :]
        return bool(np.all(np.quantile(late, _LEVEL, axis=1) <= most_open))

    work = (opened * load.hours[:, None, None]).sum(axis=0)
    enough = int(np.ceil(effort * (work.max() + load.hours_left) / hours_a_week)) + 1
    low, high = -1, enough
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
