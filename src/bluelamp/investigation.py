"""Cases to investigators: how many it takes so that no more cases are open than was promised, and none for too long.

Response is a queue of minutes; investigation is a backlog of weeks. Cases are opened as the forecast of incidents says
(each class by the share of its incidents that became cases of the team), bring hours of work, and are worked as hours
are there: what is left is carried into the next week. Besides, cases wait on others (a laboratory, a prosecutor), when
nobody can work on them; they are open all the same. Teams do not help each other.

    work(w) = max(work(w - 1) + opened(w) × hours of a case - investigators × hours a week, 0)
    open(w) = max(work(w) ÷ hours of a case, cases in hand) + opened a week × weeks of waiting on others

A fluid model, path by path (Newell 1982, Applications of Queueing Theory, ch. 2): right where there is a backlog, which
is where the question is asked. Cases in hand are those opened a week × weeks that one investigator works on one.

How old cases get is followed case by case: the oldest goes first, each has one investigator until it is done or must
wait, and those that come back go before others (a queue with several servers and general times, Kendall 1953's G/G/n).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bluelamp import tables
from bluelamp.pools import Floats, gross_of
from bluelamp.simulation import Cover, Jobs, Units, replicate

# Officer-hours of a case where the force has recorded none, as hours × officers elicited from officers of one force
# (M-O-P-D, West Yorkshire context): whole-job effort, an assumption. Other classes lie at the middle of these.
STARTING_HOURS = {
    "anti_social_behaviour": 2.0, "burglary": 4.8, "robbery": 12.6, "public_order": 20.0, "violence": 44.0,
    "sexual": 44.0, "theft": 1.0,
}  # fmt: skip
OTHER_STARTING_HOURS = 8.7
# A starting value counts as so many closed cases with recorded hours.
PRIOR_WEIGHT = 30
# How hours of a case vary about the mean of their class (coefficient of variation) until so many cases tell.
STARTING_CV = 1.0
# Weeks of the record that shares and hours are taken from.
WEEKS = 52
# An open case has so much of its work ahead of it at the least.
LEAST_LEFT = 0.25
# The name of the team that carries cases of which nobody says whose they are.
UNASSIGNED = "unassigned"
_EFFORTS = (1.0, 0.75, 1.25)
_LEVEL = 0.9
# Cases are followed one by one on so many paths that a team opens about so many in a week of them, but on no fewer or
# more paths than these; a case that must wait does so when half of the work is done.
_AGE_CASES, _AGE_PATHS, _DONE_BEFORE = 1000, (8, 30), 0.5
_WEEK = 7 * 24 * 60.0


class AgeTarget(NamedTuple):
    """A promise on age: so great a share of cases is finalised within so many weeks of being opened; `share_waiting`
    of cases must wait on others at some time (an assumption, because records tell only who waits now).
    """

    weeks: float
    share: float = 0.9
    share_waiting: float = 0.35


@dataclass(frozen=True)
class CaseLoad:
    """What the record says of a team's cases, by class: opened for each incident, hours each, and how they stand now.

    By open case, the oldest first: `left` (hours ahead of it) and `waits` (on others now).
    """

    classes: list[str]
    share_opened: Floats
    incidents_a_week: Floats
    hours: Floats
    assumed: Floats  # share of `hours` that rests on starting values
    open_now: int
    hours_left: float
    waiting_weeks: float
    opened_a_week: float
    hours_cv: float = STARTING_CV
    left: Floats = field(default_factory=lambda: np.empty(0))
    waits: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=np.bool_))


def measure_cases(cases: pl.DataFrame, demand: pl.DataFrame, until: datetime) -> dict[str, CaseLoad]:
    """Measure each team's cases of the year before `until`; `demand` is what drives the forecast, by hour and class.

    Hours of a case are those of the whole force, because a team's own are few. Without cases there are no teams.
    """
    known = cases.filter(pl.col("opened_at") < until).with_columns(pl.col("pool_id").fill_null(UNASSIGNED))
    earliest = known["opened_at"].min()
    first_call = demand["hour_starting"].min()
    if not isinstance(earliest, datetime):
        return {}
    since = max(earliest, until - timedelta(weeks=WEEKS))
    if isinstance(first_call, datetime):
        since = max(since, min(first_call, until - timedelta(weeks=1)))
    weeks = max((until - since) / timedelta(weeks=1), 1.0)
    classes = known["class_code"].unique().sort().to_list()
    came = demand.filter(pl.col("hour_starting") >= since, pl.col("hour_starting") < until)
    incidents = _by_class(came.group_by("class_code").agg(pl.col("incidents").sum()), classes)
    closed = known.filter(
        pl.col("closed_at") < until, pl.col("closed_at") >= since, pl.col("officer_hours").is_not_null()
    )
    number = _by_class(closed.group_by("class_code").len(), classes)
    worked = _by_class(closed.group_by("class_code").agg(pl.col("officer_hours").sum()), classes)
    prior = np.array([STARTING_HOURS.get(code, OTHER_STARTING_HOURS) for code in classes])
    hours = (worked + PRIOR_WEIGHT * prior) / (number + PRIOR_WEIGHT)
    found = {}
    for (team,), mine in known.sort("pool_id", "opened_at", "case_id").group_by("pool_id", maintain_order=True):
        opened = _by_class(mine.filter(pl.col("opened_at") >= since).group_by("class_code").len(), classes)
        each = mine["class_code"].replace_strict(classes, hours.tolist(), return_dtype=pl.Float64).to_numpy()
        spent = mine["officer_hours"].fill_null(0.0).to_numpy()
        left = np.maximum(each - spent, LEAST_LEFT * each)
        is_open = (mine["closed_at"].is_null() | (mine["closed_at"] >= until)).to_numpy()
        waits = is_open & mine["waits_on_others"].fill_null(value=False).to_numpy()
        opened_a_week = float(opened.sum()) / weeks
        found[str(team)] = CaseLoad(
            classes,
            np.divide(opened, incidents, out=np.zeros(len(classes)), where=incidents > 0),
            incidents / weeks,
            hours,
            PRIOR_WEIGHT / (number + PRIOR_WEIGHT),
            int(is_open.sum()),
            # What waits now comes back as others begin to wait.
            float(left[is_open & ~waits].sum()),
            float(waits.sum()) / opened_a_week if opened_a_week > 0 else 0.0,
            opened_a_week,
            _spread_of(closed, classes, worked, number),
            left[is_open],
            waits[is_open],
        )
    return found


def _spread_of(closed: pl.DataFrame, classes: Sequence[str], worked: Floats, number: Floats) -> float:
    """Give the coefficient of variation of hours about the mean of their class."""
    if closed.height < PRIOR_WEIGHT:
        return STARTING_CV
    mean = np.divide(worked, number, out=np.ones(len(classes)), where=worked > 0)
    usual = closed["class_code"].replace_strict(classes, mean.tolist(), return_dtype=pl.Float64).to_numpy()
    return float(np.std(closed["officer_hours"].to_numpy() / usual))


def _by_class(rows: pl.DataFrame, classes: Sequence[str]) -> Floats:
    found: Mapping[str, float] = dict(rows.iter_rows())
    return np.array([float(found.get(code, 0)) for code in classes])


class _Sized(NamedTuple):
    """One team, sized. Arrays are weeks × paths; what is told of age is on the paths that cases are followed on."""

    cases: Floats
    work: Floats
    today: float | None
    open_today: Floats | None
    most_open: float
    open_required: Floats
    required: tuple[int, int, int | None]  # by effort; none where more effort alone is what no number is in time with
    gross: int
    assumed: float  # hours of all that rest on starting values
    due: Floats  # cases opened
    in_time_today: Floats | None  # of these, finalised as promised
    in_time: Floats
    of_age: int | None  # investigators whom the target on age asks for; none where none would do
    is_age: bool


def require_investigators(
    loads: Mapping[str, CaseLoad],
    incidents: Floats,
    starts: Sequence[datetime],
    *,
    investigators_today: Mapping[str, float],
    hours_a_week: float,
    most_open: float | None,
    settling_weeks: int,
    abstraction: float,
    age: AgeTarget | None = None,
    seed: int = 0,
) -> pl.DataFrame:
    """Find each team's investigators with whom no more cases are open than `most_open`, and cases are finalised by the
    age target: the table `required_investigators`, with the force ('all') as the sum of its teams.

    `incidents` are those of each class in each week of each path, classes × weeks × paths, in the order of the loads.
    `investigators_today` are those on the strength by team. `hours_a_week` are what one investigator gives to cases in
    a week at work. `most_open` is shared out over teams by the cases they are given; without it, what a team has open
    today is not to be exceeded. Both promises are held from the `settling_weeks`-th week on: the caseload in nine paths
    of ten, the age on average over the cases that are opened then. These are followed until they are as old as that,
    through weeks like those of the paths, with the same investigators.
    """
    weeks = len(starts)
    whole = sum(load.opened_a_week for load in loads.values())
    # Few paths tell the share of many cases.
    paths = int(np.clip(np.ceil(_AGE_CASES * len(loads) / max(whole, 1e-9)), *_AGE_PATHS))
    sized = {}
    for number, (team, load) in enumerate(loads.items()):
        share = load.opened_a_week / whole if whole > 0 else 1 / len(loads)
        limit = float(load.open_now) if most_open is None else most_open * share
        sized[team] = _size(
            load, incidents, investigators_today.get(team), hours_a_week, limit, min(settling_weeks, weeks),
            abstraction, age, np.random.default_rng([seed, number]), paths,
        )  # fmt: skip
    rows = [_rows("all", list(sized.values()), starts, age)]
    if set(sized) != {UNASSIGNED}:
        rows += [_rows(team, [each], starts, age) for team, each in sized.items()]
    return tables.publish(pl.concat(rows), "required_investigators")


def _size(
    load: CaseLoad, incidents: Floats, on_strength: float | None, hours_a_week: float, limit: float, settling: int,
    abstraction: float, age: AgeTarget | None, random: np.random.Generator, paths: int,
) -> _Sized:  # fmt: skip
    opened = load.share_opened[:, None, None] * incidents
    weeks = opened.shape[1]
    by_caseload = [_fewest(load, opened, effort, hours_a_week, limit, settling) for effort in _EFFORTS]
    usual, less = by_caseload[:2]
    more: int | None = by_caseload[2]
    due, in_time, in_time_today, of_age = np.zeros((weeks, 1)), np.zeros((weeks, 1)), None, None
    is_age = False
    at_work = None if on_strength is None else on_strength * (1 - abstraction)
    if age is not None:
        key = int(random.integers(2**62))
        worlds = [_Followed(load, incidents, age, hours_a_week, effort, key, paths) for effort in _EFFORTS]
        found = [world.fewest(settling) for world in worlds]
        of_age = found[0]
        is_age = of_age is not None and of_age > usual
        usual, less = max(usual, found[0] or 0), max(less, found[1] or 0)
        more = None if found[2] is None and of_age is not None else max(by_caseload[2], found[2] or 0)
        due, in_time = worlds[0].count(usual)
        if at_work is not None:
            in_time_today = worlds[0].count(round(at_work))[1]
    work = (opened * load.hours[:, None, None]).sum(axis=0)
    return _Sized(
        cases=opened.sum(axis=0),
        work=work,
        today=on_strength,
        open_today=None if at_work is None else follow(load, opened, at_work * hours_a_week, hours_of_one=hours_a_week),
        most_open=limit,
        open_required=follow(load, opened, usual * hours_a_week, hours_of_one=hours_a_week),
        required=(usual, less, more),
        gross=int(gross_of(np.array(usual), abstraction)),
        assumed=float((opened * load.hours[:, None, None]).sum(axis=(1, 2)) @ load.assumed),
        due=due,
        in_time_today=in_time_today,
        in_time=in_time,
        of_age=of_age,
        is_age=is_age,
    )


def _rows(team: str, sized: Sequence[_Sized], starts: Sequence[datetime], age: AgeTarget | None) -> pl.DataFrame:
    """Tabulate teams together, week by week."""
    weeks = len(starts)
    cases, work, required = (sum(getattr(each, name) for each in sized) for name in ("cases", "work", "open_required"))
    open_today = _all_known([each.open_today for each in sized])
    due, in_time = (sum(getattr(each, name) for each in sized) for name in ("due", "in_time"))
    in_time_today = _all_known([each.in_time_today for each in sized])
    today = [each.today for each in sized]
    assert isinstance(cases, np.ndarray)
    assert isinstance(work, np.ndarray)
    assert isinstance(required, np.ndarray)
    assert isinstance(due, np.ndarray)
    assert isinstance(in_time, np.ndarray)

    def constant(value: float | str | None, dtype: type[pl.DataType] = pl.Float64) -> pl.Series:
        return pl.repeat(value, weeks, dtype=dtype, eager=True)

    def ratio(part: Floats | None, of: Callable[[Floats, Floats], Floats]) -> pl.Series:
        if part is None or age is None:
            return constant(None)
        with np.errstate(divide="ignore", invalid="ignore"):
            return pl.Series(of(part, due)).fill_nan(None)

    return pl.DataFrame(
        {
            "week_starting": starts,
            "pool_id": constant(team, pl.String),
            "cases_opened_mean": cases.mean(axis=1),
            "cases_opened_p10": np.quantile(cases, 0.1, axis=1),
            "cases_opened_p90": np.quantile(cases, 0.9, axis=1),
            "hours_opened_mean": work.mean(axis=1),
            "investigators_today": constant(None if None in today else float(sum(each or 0.0 for each in today))),
            **{
                f"open_today_{name}": constant(None) if open_today is None else pl.Series(of(open_today))
                for name, of in _SPREAD.items()
            },
            "most_open": constant(sum(each.most_open for each in sized)),
            "open_required_mean": required.mean(axis=1),
            "open_required_p90": np.quantile(required, _LEVEL, axis=1),
            **{
                f"investigators_required{name}": constant(_sum([each.required[at] for each in sized]), pl.Int64)
                for at, name in enumerate(("", "_low", "_high"))
            },
            "investigators_required_gross": constant(sum(each.gross for each in sized), pl.Int64),
            "binds": constant("age" if any(each.is_age for each in sized) else "caseload", pl.String),
            "investigators_required_age": constant(_sum([each.of_age for each in sized]), pl.Int64),
            "age_target_weeks": constant(None if age is None else age.weeks),
            "in_time_today": ratio(in_time_today, _share),
            "in_time_required": ratio(in_time, _share),
            "in_time_error": ratio(in_time, _error),
            "share_assumed": constant(float(sum(each.assumed for each in sized) / max(work.sum(), 1e-9))),
        }
    )


_SPREAD: dict[str, Callable[[Floats], Floats]] = {
    "mean": lambda values: np.asarray(values.mean(axis=1)),
    "p10": lambda values: np.asarray(np.quantile(values, 0.1, axis=1)),
    "p90": lambda values: np.asarray(np.quantile(values, 0.9, axis=1)),
}


def _share(part: Floats, whole: Floats) -> Floats:
    return np.asarray(part.sum(axis=1) / whole.sum(axis=1))


def _error(part: Floats, whole: Floats) -> Floats:
    """Give the standard error of a share of sums over paths, by week (delta method)."""
    paths = whole.shape[1]
    if paths < 2:
        return np.full(len(whole), np.nan)
    rest = (part - _share(part, whole)[:, None] * whole) / whole.mean(axis=1)[:, None]
    return np.asarray(rest.std(axis=1, ddof=1) / np.sqrt(paths))


def _sum(parts: Sequence[int | None]) -> int | None:
    return None if None in parts else sum(each or 0 for each in parts)


def _all_known(parts: Sequence[Floats | None]) -> Floats | None:
    known = [each for each in parts if each is not None]
    return np.asarray(sum(known)) if len(known) == len(parts) else None


# ---- how old cases get ----


class _Followed:
    """Cases of some paths, drawn once and followed one by one with any number of investigators (common numbers)."""

    def __init__(
        self, load: CaseLoad, incidents: Floats, age: AgeTarget, hours_a_week: float, effort: float, seed: int,
        paths: int = _AGE_PATHS[1],
    ) -> None:  # fmt: skip
        self.age, self.weeks = age, incidents.shape[1]
        # Whoever is opened last has to turn as old as the target: later weeks are like those of the paths.
        self.followed = self.weeks + int(np.ceil(age.weeks))
        incidents = incidents[:, np.arange(self.followed) % self.weeks]
        chosen = np.linspace(0, incidents.shape[2] - 1, min(paths, incidents.shape[2])).round().astype(np.int64)
        # Weeks of an investigator for each hour of a case.
        self.pace = effort / hours_a_week
        brought = (load.share_opened * load.hours) @ incidents.mean(axis=(1, 2))
        self.least = int(np.ceil(self.pace * brought - 1e-9))
        self.runs: list[Jobs] = []
        self.last: list[NDArray[np.int64]] = []  # of each new case the job that ends it
        self.opened: list[Floats] = []  # when each new case is opened, in weeks
        self.alone: list[Floats] = []  # weeks that each new case takes if it never waits for an investigator
        for path in chosen:
            self._draw(load, incidents[:, :, path], np.random.default_rng([seed, int(path)]))
        self.most = max(len(jobs) for jobs in self.runs) + 1

    def _draw(self, load: CaseLoad, incidents: Floats, random: np.random.Generator) -> None:
        count = np.minimum(load.share_opened, 1.0)[:, None]
        number = random.binomial(np.floor(incidents + random.random(incidents.shape)).astype(np.int64), count)
        # More cases than incidents: some are opened without one.
        number += random.poisson(np.maximum(load.share_opened - 1.0, 0.0)[:, None] * incidents)
        code, week = (np.repeat(each.ravel(), number.ravel()) for each in np.indices(incidents.shape))
        opened = week + random.random(len(week))
        order = np.argsort(opened, kind="stable")
        code, opened = code[order], opened[order]
        variance = np.log1p(load.hours_cv**2)
        hours = load.hours[code] * np.exp(np.sqrt(variance) * random.standard_normal(len(code)) - variance / 2)
        standing = len(load.left)
        work = np.concatenate([load.left, hours]) * self.pace
        waits_now = np.concatenate([load.waits, np.zeros(len(hours), dtype=np.bool_)])
        mean_wait = load.waiting_weeks / self.age.share_waiting
        wait = mean_wait * random.standard_exponential(len(work))
        will_wait = (random.random(len(work)) < self.age.share_waiting) & (wait > 0)
        will_wait[:standing] = False
        back = np.flatnonzero(will_wait)
        first = np.where(will_wait, _DONE_BEFORE * work, work)
        ready = np.concatenate([np.where(load.waits, wait[:standing], 0.0), opened])
        self.runs.append(
            Jobs.of(
                ready=_WEEK * np.concatenate([ready, wait[back]]),
                first_minutes=_WEEK * np.concatenate([first, (work - first)[back]]),
                # What comes back goes before what was never looked at.
                priority=np.concatenate([np.where(waits_now, 0, 1), np.zeros(len(back), dtype=np.int64)]),
                parent=np.concatenate([np.full(len(work), -1), back]),
            )
        )
        last = np.arange(len(work))
        last[back] = len(work) + np.arange(len(back))
        self.last.append(last[standing:])
        self.opened.append(opened)
        self.alone.append((work + np.where(will_wait, wait, 0.0))[standing:])

    def count(self, investigators: int) -> tuple[Floats, Floats]:
        """Give the cases opened in each week of each path, and those of them finalised as promised, weeks × paths."""
        due = np.stack([self._by_week(opened) for opened in self.opened], axis=1)
        in_time = np.zeros_like(due)
        if investigators:
            units = Units.of(np.zeros(investigators))
            outcomes = replicate(self.runs, units, Cover.of([0]), hours=int(self.followed * _WEEK / 60))
            for path, (outcome, last, opened) in enumerate(zip(outcomes, self.last, self.opened, strict=True)):
                took = np.nan_to_num(outcome.left[last], nan=np.inf) / _WEEK - opened
                in_time[:, path] = self._by_week(opened[took <= self.age.weeks])
        return due, in_time

    def _by_week(self, opened: Floats) -> Floats:
        return np.bincount(opened.astype(np.int64), minlength=self.followed)[: self.weeks].astype(np.float64)

    def share(self, investigators: int, settling: int) -> float:
        """Give the share finalised as promised of the cases that are opened from the settling week on; 1 of none."""
        due, in_time = (float(each[settling - 1 :].sum()) for each in self.count(investigators))
        return in_time / due if due > 0 else 1.0

    def fewest(self, settling: int) -> int | None:
        """Give the fewest investigators with whom the target is met, by halving; none where it never is.

        They work the hours that come at the least: fewer keep a promise for some weeks, and then never again.
        """
        alone = np.concatenate(self.alone)
        if not len(alone):
            return 0
        if np.count_nonzero(alone <= self.age.weeks) < self.age.share * len(alone):
            return None
        low, high, step = max(self.least - 1, 0), max(self.least, 1), 1
        while self.share(high, settling) < self.age.share and high < self.most:
            low, high, step = high, high + step, 2 * step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.share(middle, settling) >= self.age.share else (middle, high)
        return high


# ---- how many are open ----


def follow(
    load: CaseLoad, opened: Floats, hours_a_week: float, effort: float = 1.0, hours_of_one: float | None = None
) -> Floats:
    """Give the cases open at the end of each week of each path, weeks × paths, where so many hours are worked a week.

    `opened` are cases by class, week and path; each takes `effort` times its hours. Where `hours_of_one` investigator a
    week are given, no fewer are open than those in somebody's hands, each with one investigator (Little 1961).
    """
    hours = load.hours * effort
    work = (opened * hours[:, None, None]).sum(axis=0)
    cases: Floats = opened.sum(axis=0)
    mean_hours = work.sum() / max(cases.sum(), 1e-9)
    left = np.full(cases.shape[1], load.hours_left * effort)
    usual = cases.mean(axis=0)
    in_hand = 0.0 if hours_of_one is None else usual * mean_hours / hours_of_one
    found = np.empty_like(cases)
    for week in range(len(cases)):
        left = np.maximum(left + work[week] - hours_a_week, 0.0)
        found[week] = np.maximum(left / max(mean_hours, 1e-9), in_hand) + load.waiting_weeks * usual
    return found


def _fewest(
    load: CaseLoad, opened: Floats, effort: float, hours_a_week: float, most_open: float, settling_weeks: int
) -> int:
    """Give the fewest investigators, by halving; as many as bring the work to nothing where the limit can't be met."""

    def holds(number: int) -> bool:
        late = follow(load, opened, number * hours_a_week, effort, hours_a_week)[settling_weeks - 1 :]
        return bool(np.all(np.quantile(late, _LEVEL, axis=1) <= most_open))

    work = (opened * load.hours[:, None, None]).sum(axis=0)
    enough = int(np.ceil(effort * (work.max() + load.hours_left) / hours_a_week)) + 1
    low, high = -1, enough
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
