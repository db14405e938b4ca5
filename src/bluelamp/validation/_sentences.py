"""What a validation says: a table of shares and minutes, how far it may be trusted, and what is likely to be wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from bluelamp import periods
from bluelamp.errors import count_of
from bluelamp.validation._held import FITTED, HELD_OUT
from bluelamp.validation._rungs import enough

WEEKS_WORDS = {FITTED: "fitted on", HELD_OUT: "held out"}
VERDICT_WORDS = {
    "within_5": "within 5%",
    "within_10": "within 10%",
    "unclear": "not told apart",
    "untrue": "UNTRUE",
    "too_few": "too few",
}
MEASURE_WORDS = {
    "response": "response",
    "dispatch": "receipt to sending",
    "travel": "journey",
    "waiting": "logs waiting",
    "unit_hours": "unit-hours",
}
STATISTIC_WORDS = {
    "median": "median, minutes",
    "p90": "90th percentile, minutes",
    "share_in_target": "share in target",
    "mean": "mean at the hour",
    "travel": "on the way",
    "work": "at work",
    "break": "at refreshments",
    "briefing": "in briefing",
    "free": "free",
}
RUNG_WORDS = {
    "as_before": "the weeks before, taken as they were,",
    "erlang_c": "Erlang C hour by hour",
    "mol": "the load carried from hour to hour (MOL)",
    "priorities": "MOL with priorities",
    "simulation": "the event simulation",
}
_ALL = "all"
_TRUE = ("within_5", "within_10")
# A share of time that units spent outside any duty on record, and a ratio of hours, from which a cause is named.
_UNKNOWN = 0.05
_FAR = 0.15
_ASSUMED = 0.10


def tabulate(table: pl.DataFrame) -> list[str]:
    """Lay out the rows of the force as text: held-out weeks first, those that were fitted on after them."""
    head = ["weeks", "grade", "what", "recorded", "simulated", "difference", "95% interval", "verdict"]
    body = [
        [
            WEEKS_WORDS[row["weeks"]],
            row["grade_code"],
            f"{MEASURE_WORDS[row['measure']]}, {STATISTIC_WORDS[row['statistic']]}",
            number_words(row, "recorded"),
            number_words(row, "simulated"),
            difference_words(row),
            interval_words(row),
            VERDICT_WORDS[row["verdict"]],
        ]
        for row in rows_told(table)
    ]
    widths = [max(len(each[column]) for each in [head, *body]) for column in range(len(head))]
    return [
        "  ".join(
            cell.rjust(width) if column in (3, 4, 5) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(each, widths, strict=True))
        ).rstrip()
        for each in [head, *body]
    ]


def rows_told(table: pl.DataFrame) -> list[dict[str, Any]]:
    """Give the rows of the force in the order of reading: weeks, measure, grade."""
    measures = list(MEASURE_WORDS)
    statistics = list(STATISTIC_WORDS)
    own = table.filter(pl.col("level") == "force")
    graded = own["grade_code"].n_unique() > 2
    return sorted(
        (
            row
            for row in own.iter_rows(named=True)
            # One grade alone is 'all' again.
            if graded or row["grade_code"] == _ALL
        ),
        key=lambda row: (
            row["weeks"] != HELD_OUT,
            measures.index(row["measure"]),
            row["grade_code"] != _ALL,
            row["grade_code"],
            statistics.index(row["statistic"]),
        ),
    )


def number_words(row: Mapping[str, Any], name: str) -> str:
    """Write a figure as its measure is read: shares in per cent."""
    value = row[name]
    if value is None:
        return "never"
    if row["statistic"] == "share_in_target":
        return f"{100 * value:.1f}%"
    return f"{value:,.0f}" if row["measure"] == "unit_hours" else f"{value:.1f}"


def difference_words(row: Mapping[str, Any]) -> str:
    """Write the difference relative to what was recorded; points for shares."""
    if row["difference"] is None:
        return ""
    if row["statistic"] == "share_in_target":
        return f"{100 * row['difference']:+.1f} points"
    return f"{100 * row['difference'] / row['recorded']:+.1f}%" if row["recorded"] else f"{row['difference']:+.1f}"


def interval_words(row: Mapping[str, Any]) -> str:
    """Write the interval of the difference in the same terms."""
    if row["difference_low"] is None or row["difference_high"] is None:
        return ""
    scale = 100.0 if row["statistic"] == "share_in_target" or row["recorded"] else 1.0
    base = 1.0 if row["statistic"] == "share_in_target" else abs(row["recorded"]) or 1.0
    return f"{scale * row['difference_low'] / base:+.1f} to {scale * row['difference_high'] / base:+.1f}"


def say(table: pl.DataFrame, rungs: pl.DataFrame, about: Mapping[str, Any]) -> list[str]:
    """Say how far the model may be trusted here: the verdict first, then why, then on what it rests."""
    held = table.filter(pl.col("weeks") == HELD_OUT)
    return [
        *(
            [f"A fault was planted: {about['fault'].replace('_', ' ')}. Nothing of this is kept."]
            if about["fault"]
            else []
        ),
        _verdict(held, about),
        *_causes(held, about),
        *_hours(held),
        *_rung(rungs, about),
        _weeks(table, about),
        *_fitted_weeks(table),
        *_whole_minutes(about),
        *_units(about),
        *about["notes"],
    ]


def judge_grades(held: pl.DataFrame) -> dict[str, str]:
    """Say for each grade of the force whether its response is 'true', 'untrue', 'unclear' or has 'too_few'."""
    rows = held.filter((pl.col("level") == "force") & (pl.col("measure") == "response"))
    grades = [grade for grade in sorted(set(rows["grade_code"])) if grade != _ALL]
    found = {}
    for grade in grades if len(grades) > 1 else [_ALL]:
        verdicts = rows.filter(pl.col("grade_code") == grade)["verdict"].to_list()
        told = [each for each in verdicts if each != "too_few"]
        if not told:
            found[grade] = "too_few"
        elif "untrue" in told:
            found[grade] = "untrue"
        else:
            found[grade] = "unclear" if "unclear" in told else "true"
    return found


def verdict_of(held: pl.DataFrame, about: Mapping[str, Any]) -> str:
    """Give the verdict in one word: 'trusted', 'in_part', 'delays_only', 'not_trusted' or 'untold'.

    'delays_only' where what came true is fitted delays: the records do not tell who was free.
    """
    found = _verdict_of_rows(held)
    return "delays_only" if found in ("trusted", "in_part") and not about["tells_who_is_free"] else found


def _verdict_of_rows(held: pl.DataFrame) -> str:
    grades = judge_grades(held)
    hours = _untrue_hours(held)
    told = {grade: each for grade, each in grades.items() if each != "too_few"}
    if not told:
        return "untold"
    if all(each == "true" for each in told.values()) and not hours:
        return "trusted"
    if any(each == "true" for each in told.values()):
        return "in_part"
    return "not_trusted" if "untrue" in told.values() else "untold"


def _untrue_hours(held: pl.DataFrame) -> list[str]:
    rows = held.filter(
        (pl.col("level") == "force") & (pl.col("measure") == "unit_hours")
        & pl.col("statistic").is_in(["travel", "work"])
        & (pl.col("verdict") == "untrue")
    )  # fmt: skip
    return [STATISTIC_WORDS[each] for each in rows["statistic"]]


def _graded(grades: Iterable[str]) -> str:
    names = list(grades)
    if names == [_ALL]:
        return "the response of all incidents"
    return ("grade " if len(names) == 1 else "grades ") + _listed(names)


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _verdict(held: pl.DataFrame, about: Mapping[str, Any]) -> str:
    found, grades = verdict_of(held, about), judge_grades(held)
    by = {
        kind: [grade for grade, each in grades.items() if each == kind]
        for kind in ("true", "untrue", "unclear", "too_few")
    }
    if found == "delays_only":
        return (
            f"On weeks that it had not seen the simulation shows {_graded(by['true'])} as recorded, but by delays "
            "that were fitted, not by units: nobody pressed when most were free again. It may be trusted for how "
            "things are with the units that there are, not for what more or fewer would change."
        )
    if found == "trusted":
        few = f" There are too few of {_graded(by['too_few'])} to tell." if by["too_few"] else ""
        rows = held.filter((pl.col("level") == "force") & (pl.col("measure") == "response"))
        told = rows.filter(pl.col("grade_code").is_in(by["true"]) & (pl.col("verdict") != "too_few"))
        near = "5%" if (told["verdict"] == "within_5").all() else "10%"
        return (
            "The simulation may be trusted here: on weeks that it had not seen, median, 90th percentile and share in "
            f"target of {_graded(by['true'])} came within {near} of what was recorded.{few}"
        )
    if found == "in_part":
        hours = _untrue_hours(held)
        no = [
            *([f"{_graded(by['untrue'])} (untrue)"] if by["untrue"] else []),
            *([f"{_graded(by['unclear'])} (the weeks are too few to tell)"] if by["unclear"] else []),
            *([f"units' hours {_listed(hours)}"] if hours else []),
            *([f"{_graded(by['too_few'])} (too few)"] if by["too_few"] else []),
        ]
        return f"The simulation may be trusted for {_graded(by['true'])}, not for {_listed(no)}."
    if found == "untold":
        return "Whether the simulation may be trusted can't be told: the weeks held out have too few incidents."
    worst = held.filter(
        (pl.col("level") == "force") & (pl.col("measure") == "response") & (pl.col("verdict") == "untrue")
    ).with_columns(
        size=(pl.col("difference").abs() / pl.col("recorded")).fill_null(float("inf"))
    ).sort("size", descending=True).row(0, named=True)  # fmt: skip
    grade = "all incidents" if worst["grade_code"] == _ALL else f"grade {worst['grade_code']}"
    return (
        f"The simulation is not to be trusted here: of {grade}, response ({STATISTIC_WORDS[worst['statistic']]}) was "
        f"{number_words(worst, 'recorded')} as recorded and {number_words(worst, 'simulated')} as simulated."
    )


def _causes(held: pl.DataFrame, about: Mapping[str, Any]) -> list[str]:
    """Name what is likely to be wrong, from what the records and the replay disagree on."""
    if verdict_of(held, about) == "trusted":
        return []
    rows = held.filter((pl.col("level") == "force") & (pl.col("measure") == "unit_hours"))
    hours = {row["statistic"]: (row["recorded"], row["simulated"]) for row in rows.iter_rows(named=True)}
    recorded, simulated = (sum(each[place] for each in hours.values()) for place in (0, 1))
    found = []
    is_known = about["units_known_by"] == "booked"
    if (is_known and about["unknown_units_share"] > _UNKNOWN) or simulated < (1 - _FAR) * recorded:
        words = f"{simulated / max(recorded, 1e-9):.0%} of the unit-hours that units pressed were on duty in the replay"
        if is_known and about["unknown_units_share"] > _UNKNOWN:
            words += f", and {about['unknown_units_share']:.0%} of that time lies outside any booking"
        found.append(f"Likely cause: duties are missing. {words}. Complete 'unit_crews'.")
    work = hours.get("work", (0.0, 0.0))
    ratio = work[1] / work[0] if work[0] else 1.0
    if ratio > 1 + _FAR:
        found.append(
            f"Likely cause: service times are too long. Units were at work {ratio:.1f} times as long in the replay as "
            "they pressed; look at the minutes of each job, and for work that is counted twice."
        )
    elif ratio < 1 - _FAR and not found:
        found.append(
            f"Likely cause: service times are too short, or work is missing. Units were at work for "
            f"{100 * ratio:.0f}% of the time that they pressed."
        )
    travel = _row(held, "travel", "median")
    if travel is not None and travel["verdict"] == "untrue" and not found:
        found.append("Likely cause: journeys. Those of the weeks held out took another time than those fitted on.")
    waits = _row(held, "dispatch", "p90")
    if waits is not None and waits["verdict"] == "untrue" and not found:
        longer = (waits["difference"] or 1.0) > 0
        found.append(
            "Likely cause: fewer units could be sent than were on duty, or more was sent for than the records show."
            if not longer
            else "Likely cause: units that could be sent are not all on record, or logs were held back less than here."
        )
    if about["assumed_ends"] > _ASSUMED:
        found.append(
            f"{100 * about['assumed_ends']:.0f}% of presses have an end that a rule assumed, because no clear was "
            "pressed: how long units were busy is mostly not known here."
        )
    return found


def _row(held: pl.DataFrame, measure: str, statistic: str) -> dict[str, Any] | None:
    rows = held.filter(level="force", measure=measure, statistic=statistic, grade_code=_ALL)
    return rows.row(0, named=True) if rows.height else None


def _hours(held: pl.DataFrame) -> list[str]:
    rows = held.filter(level="hour", measure="response", statistic="median", grade_code=_ALL)
    told = rows.filter(pl.col("verdict") != "too_few")
    if told.is_empty():
        return []
    untrue = told.filter(pl.col("verdict") == "untrue").sort("place_id")["place_id"].to_list()
    near = told.filter(pl.col("verdict").is_in(_TRUE)).height
    words = f"By hour of the day, the median response is within 10% in {near} of {told.height} hours"
    return [f"{words}; untrue at {_listed(untrue)}." if untrue else f"{words}, and in no hour untrue."]


def _rung(rungs: pl.DataFrame, about: Mapping[str, Any]) -> list[str]:
    if rungs.is_empty():
        return []
    best = enough(rungs)
    errors = []
    for rung, words in RUNG_WORDS.items():
        some = rungs.filter(
            (pl.col("rung") == rung) & (pl.col("grade_code") != _ALL) & (pl.col("verdict") != "too_few")
        )
        if some.height:
            worst = some.sort(pl.col("difference").abs(), descending=True).row(0, named=True)
            of = f" (grade {worst['grade_code']})" if rungs["grade_code"].n_unique() > 2 else ""
            errors.append(f"{words} {100 * worst['difference']:+.1f}{of}")
    if not errors:
        return []
    told = f"Furthest from the recorded share in target, in points: {'; '.join(errors)}."
    if not about["tells_who_is_free"]:
        return [f"No rung can be chosen here: each needs to know who is free. {told}"]
    if best is None:
        return [f"No rung of the ladder gives every grade's share in target within 5% here. {told}"]
    return [f"The cheapest rung that is enough here for every grade's share in target is {RUNG_WORDS[best]}. {told}"]


def _weeks(table: pl.DataFrame, about: Mapping[str, Any]) -> str:
    zone = periods.zone(about["time_zone"])
    days = [
        datetime.fromisoformat(about[name]).astimezone(zone).date() for name in ("fit_from", "held_from", "held_to")
    ]
    told = table.filter(level="force", measure="dispatch", statistic="median", grade_code=_ALL)
    counts = dict.fromkeys(WEEKS_WORDS, 0) | dict(told.select("weeks", "incidents").iter_rows())

    def span(first: date, until: date) -> str:
        last = until - timedelta(days=1)
        return f"{first.day} {first:%b %Y} to {last.day} {last:%b %Y}"

    return (
        f"Held out: {span(days[1], days[2])}, {count_of(counts[HELD_OUT], 'incident')} that units went to; nothing was "
        f"fitted on them. Fitted on: {span(days[0], days[1])}, {count_of(counts[FITTED], 'incident')}: handling, "
        "journeys, who helps whom, and how near the end of a duty units are sent. "
        f"{count_of(about['replications'], 'replication')}."
    )


def _fitted_weeks(table: pl.DataFrame) -> list[str]:
    fitted = table.filter(pl.col("weeks") == FITTED)
    found = _verdict_of_rows(fitted)
    if fitted.filter(pl.col("measure") == "response").is_empty() or found == "untold":
        return []
    words = {"trusted": "fits them", "in_part": "fits them in part", "not_trusted": "does not even fit them"}[found]
    return [f"The weeks that were fitted on are shown beside, and prove nothing: the replay {words}."]


def _whole_minutes(about: Mapping[str, Any]) -> list[str]:
    if not about["is_whole_minutes"]:
        return []
    return ["Times are recorded in whole minutes: a figure that is less than one minute off counts as within 10%."]


def _units(about: Mapping[str, Any]) -> list[str]:
    duties = count_of(about["units_on_duty"], "duty", "duties")
    if about["units_known_by"] == "booked":
        return [f"Units on duty are known from the crews that booked on: {duties}."]
    if about["units_known_by"] == "pressed":
        return [
            f"Units on duty are inferred from their presses, which show when they are free: {duties}, each from its "
            "first press to its last."
        ]
    if about["units_known_by"] == "rostered":
        return [
            "Units on duty are those that the duty sheet makes, hour by hour: nobody booked on. Who came home late, "
            "and who rode with whom, is not known."
        ]
    return [
        "Units on duty are inferred, not known: each from its first press to its last, drawn out to a usual duty "
        f"({duties}). Units that stood ready and were never sent are not among them."
    ]
