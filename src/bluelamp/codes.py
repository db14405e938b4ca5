"""A force's codes: what its crosswalk makes of them, what another one would, and putting one to use.

The commands and the page about codes call these. Incidents keep their code, so that those that are stored can be mapped
again by a new version: docs/decisions/0009-codes-have-versions.md.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from bluelamp import intake, settings, sources, tables
from bluelamp.errors import BadSettings, NoInput, UsageError, count_of
from bluelamp.intake import Imported
from bluelamp.store import Store

_LISTED = 25
Meaning = tuple[str, str]


@dataclass(frozen=True)
class InUse:
    """The crosswalk that a force's incidents are mapped by: its rules, and where they come from."""

    column_map: sources.ColumnMap
    map_name: str

    @property
    def rules(self) -> tuple[sources.CodeRule, ...]:
        """Its rules; the first is number 1."""
        return self.column_map.crosswalk

    @property
    def decides(self) -> tuple[str, ...]:
        """What it decides of an incident: class and origin, less what the column map takes from the extract."""
        return tuple(name for name in ("class_code", "origin") if name not in self.column_map.columns)

    @property
    def version(self) -> int:
        """Its version; a crosswalk inside a column map is older than any in a file."""
        file = self.column_map.crosswalk_read
        return 0 if file is None else file.crosswalk.version

    @property
    def words(self) -> str:
        """What it is, in a few words."""
        file = self.column_map.crosswalk_read
        if file is None:
            return f"the crosswalk in the column map '{self.map_name}'"
        return f"{file.name}, version {self.version} of {file.crosswalk.made_on}"


def in_use(folder: Path | str, crosswalk: str | None = None) -> InUse:
    """Give the crosswalk that incidents are mapped by, or another one in its place.

    Raises NoInput where there is no force or no such file, BadSettings for mistakes in it, and UsageError where the
    column map has no crosswalk or none that decides anything: then the extract gives classes itself.
    """
    said = settings.read(folder)
    map_name = said.sources["incidents"].map if "incidents" in said.sources else "bluelamp"
    column_map = intake.read_map(folder, map_name, said)
    if crosswalk is not None:
        column_map = column_map.mapped_by(sources.read_crosswalk(crosswalk, folder))
    if not column_map.crosswalk and column_map.crosswalk_read is None:
        raise UsageError(
            f"The column map '{map_name}' has no crosswalk, so that the extract's own classes are taken. Where it has "
            'codes, name a crosswalk in force.toml under [sources.incidents]: crosswalk_file = "codes/ours.toml".'
        )
    used = InUse(column_map, map_name)
    if not used.decides:
        raise UsageError(
            f"The column map '{map_name}' takes classes and origins from columns of the extract, so that its crosswalk "
            "decides nothing. Take those columns out of the map to have it decide."
        )
    return used


def count_codes(folder: Path | str) -> pl.DataFrame:
    """Count the force's current incidents by `code` and `description`, and by the `stored_class` and `stored_origin`
    that they were given when they came. Raises NoInput where there is none.
    """
    counted = (
        Store(folder)
        .scan("incidents")
        .group_by(
            code="opening_code", description="opening_description", stored_class="class_code", stored_origin="origin"
        )
        .agg(incidents=pl.len().cast(pl.Int64))
        .collect()
        .sort(
            ["incidents", "code", "description", "stored_class", "stored_origin"],
            descending=[True, False, False, False, False],
            nulls_last=True,
        )
    )
    if counted.is_empty():
        raise NoInput(f"There are no incidents in '{folder}' yet. 'bluelamp import {folder}' brings them.")
    return counted


# ---- The check ----


@dataclass(frozen=True)
class Check:
    """What a crosswalk makes of a force's codes.

    `codes`: `code`, `description` (the commonest), `incidents`, `rule`, `by`, `class_code`, `origin`, `nsir`,
    `claimed_by` (rules that give it another meaning and lost) and, where no rule speaks of it, `suggested_class` and
    `suggested_origin`. A code whose descriptions fall under several rules has a row for each,
    and so it has for each origin or class that the extract itself gives. `rules`: `rule`,
    `class_code`, `origin`, `nsir`, `listed` (codes, patterns and words), `incidents`, `share`.
    """

    title: str
    incidents: int
    stored_otherwise: int  # incidents that were given another class or origin when they came
    demand_origins: tuple[str, ...]
    codes: pl.DataFrame
    rules: pl.DataFrame
    decides: tuple[str, ...]  # what the crosswalk says of an incident; the rest the extract does

    @property
    def left(self) -> int:
        """Incidents whose code no rule speaks of."""
        return int(self.unmapped["incidents"].sum())

    @property
    def drive_demand(self) -> int:
        """Incidents whose origin drives the forecast."""
        driving = pl.col("origin").is_in(list(self.demand_origins))
        return int(self.codes.filter(driving)["incidents"].sum())

    @property
    def unmapped(self) -> pl.DataFrame:
        """The codes that no rule speaks of."""
        return self.codes.filter(pl.col("rule").is_null())

    def to_dict(self) -> dict[str, Any]:
        """Give it for machines."""
        return {
            "crosswalk": self.title,
            "incidents": self.incidents,
            "unmapped": self.left,
            "drive_demand": self.drive_demand,
            "stored_otherwise": self.stored_otherwise,
            "rules": self.rules.to_dicts(),
            "codes": self.codes.to_dicts(),
        }

    def to_csv(self) -> str:
        """Give the codes as CSV; a cell that a spreadsheet would calculate is made text."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.codes.columns)
        claimed_by = pl.col("claimed_by").list.eval(pl.element().cast(pl.String)).list.join(" ")
        for row in self.codes.with_columns(claimed_by).iter_rows():
            writer.writerow(["" if value is None else _harmless(value) for value in row])
        return out.getvalue()

    def lines(self) -> list[str]:
        """Say it to a reader."""
        left = (
            self.unmapped.group_by("code", "description", "suggested_class", "suggested_origin", maintain_order=True)
            .agg(pl.col("incidents").sum())
            .sort("incidents", descending=True, maintain_order=True)
        )
        lines = [
            f"{count_of(self.incidents, 'incident')} with {count_of(self.codes['code'].n_unique(), 'code')}, mapped by "
            f"{self.title}.",
            f"{self._with_share(self.incidents - self.left)} fall under a rule; "
            f"{self._with_share(self.drive_demand)} drive demand.",
            *self._not_applied(),
            "",
            "Rules, most incidents first",
        ]
        used = self.rules.filter(pl.col("incidents") > 0).sort("incidents", "rule", descending=[True, False])
        lines += [
            f"  {row['incidents']:>9,} ({row['share']:.1%}) rule {row['rule']}: {self._meaning(row)}: "
            f"{self._commonest(row['rule'])}"
            for row in used.iter_rows(named=True)
        ]
        idle = self.rules.filter(pl.col("incidents") == 0)
        if idle.height:
            # What a rule says of what the extract decides is nothing.
            told = self.decides[0]
            named = ", ".join(f"{number} ({name})" for number, name in idle.select("rule", told).iter_rows())
            lines += ["", f"{count_of(idle.height, 'rule')} that map nothing: {named}."]
        if left.height:
            lines += ["", "Codes that no rule speaks of; they count as unknown"]
            lines += [self._left(row) for row in left.head(_LISTED).iter_rows(named=True)]
            if left.height > _LISTED:
                lines.append(f"  and {left.height - _LISTED:,} more; --csv lists all.")
        claimed = self.codes.filter(pl.col("claimed_by").list.len() > 0)
        if claimed.height:
            lines += [
                "",
                "Codes that several rules claim with different meanings; the most exact decides, of words the first",
            ]
            lines += [self._claimed(row) for row in claimed.head(_LISTED).iter_rows(named=True)]
            if claimed.height > _LISTED:
                lines.append(f"  and {claimed.height - _LISTED:,} more; --csv lists all.")
        return lines

    def _not_applied(self) -> list[str]:
        if not self.stored_otherwise:
            return []
        verb = "is" if self.stored_otherwise == 1 else "are"
        return [
            f"{self._with_share(self.stored_otherwise)} {verb} stored with another meaning; --apply maps them again "
            "by the crosswalk in use."
        ]

    def _commonest(self, rule: int) -> str:
        codes = self.codes.filter(pl.col("rule") == rule)["code"].unique(maintain_order=True).to_list()
        shown = ", ".join("no code" if code is None else code for code in codes[:4])
        return shown if len(codes) <= 4 else f"{shown} and {len(codes) - 4} more"

    def _meaning(self, row: Mapping[str, Any]) -> str:
        """Class and origin of a rule; one that the extract gives is said to be that, as the page says it."""
        kinds = {"class_code": "class", "origin": "origin"}
        told = (row[name] if name in self.decides else f"{kind} as the extract says" for name, kind in kinds.items())
        return ", ".join(told)

    def _with_share(self, incidents: int) -> str:
        return f"{incidents:,} ({incidents / self.incidents:.1%})"

    def _left(self, row: Mapping[str, Any]) -> str:
        hint = row["suggested_class"]
        guess = f"; its words suggest {hint}, {row['suggested_origin']}" if hint is not None else ""
        return f"  {row['incidents']:>9,} {_named(row)}{guess}"

    def _claimed(self, row: Mapping[str, Any]) -> str:
        others = ", ".join(
            f"rule {number} ({self._meaning(self.rules.row(number - 1, named=True))})" for number in row["claimed_by"]
        )
        decides = f"rule {row['rule']} ({self._meaning(row)}) by its {row['by']}"
        return f"  {row['incidents']:>9,} {_named(row)}: {decides}, not {others}"


def _named(row: Mapping[str, Any]) -> str:
    code = "no code" if row["code"] is None else row["code"]
    return code if row["description"] is None else f"{code} ({row['description'][:60]})"


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def check(folder: Path | str, crosswalk: str | None = None) -> Check:
    """Say what the crosswalk in use, or another one, makes of the force's incidents. Raises as `in_use` does."""
    return check_counted(count_codes(folder), in_use(folder, crosswalk), settings.read(folder).demand.origins)


def check_counted(counted: pl.DataFrame, used: InUse, demand_origins: Sequence[str]) -> Check:
    """Do the same for codes that were counted by `count_codes`."""
    rules = used.rules
    of_rules = pl.DataFrame(
        [
            (number, *rule.meaning, rule.nsir, len(rule.codes) + len(rule.patterns) + len(rule.words))
            for number, rule in enumerate(rules, 1)
        ],
        schema={
            "rule": pl.Int64, "class_code": pl.String, "origin": pl.String, "nsir": pl.String, "listed": pl.Int64
        },
        orient="row",
    )  # fmt: skip
    mapped = sources.claims(sources.classify(counted, rules, used.column_map.crosswalk_separator), rules)
    stored = {"class_code": pl.col("stored_class"), "origin": pl.col("stored_origin")}
    given = sources.meanings(mapped, rules).with_columns(
        pl.col(name).fill_null(sources.UNMAPPED) if name in used.decides else stored[name].alias(name)
        for name in stored
    )
    otherwise = pl.any_horizontal(pl.col(name) != stored[name] for name in stored)
    codes = (
        given.sort("incidents", descending=True, maintain_order=True)
        .group_by("code", "rule", "by", "class_code", "origin", maintain_order=True)
        .agg(
            pl.col("description").first(), pl.col("incidents").sum(),
            claimed_by=pl.col("claimed_by").explode().unique(maintain_order=True).drop_nulls(),
        )
        .join(of_rules.select("rule", "nsir"), on="rule", how="left", maintain_order="left")
        .sort("incidents", "code", "origin", descending=[True, False, False], nulls_last=True)
    )  # fmt: skip
    meaning = {number: rule.meaning for number, rule in enumerate(rules, 1)}
    # A rule that says the same is no rival.
    rivals = [
        [each for each in claimed if rule is not None and meaning[each] != meaning[rule]]
        for claimed, rule in codes.select("claimed_by", "rule").iter_rows()
    ]
    guesses = [
        _suggest(code, description) if rule is None else None
        for code, description, rule in codes.select("code", "description", "rule").iter_rows()
    ]
    codes = codes.with_columns(
        claimed_by=pl.Series(rivals, dtype=pl.List(pl.Int64)),
        suggested_class=pl.Series([guess and guess[0] for guess in guesses], dtype=pl.String),
        suggested_origin=pl.Series([guess and guess[1] for guess in guesses], dtype=pl.String),
    ).select(
        "code", "description", "incidents", "rule", "by", "class_code", "origin", "nsir", "claimed_by",
        "suggested_class", "suggested_origin",
    )  # fmt: skip
    total = int(counted["incidents"].sum())
    by_rule = codes.group_by("rule").agg(pl.col("incidents").sum())
    ruled = (
        of_rules.join(by_rule, on="rule", how="left", maintain_order="left")
        .with_columns(pl.col("incidents").fill_null(0))
        .with_columns(share=pl.col("incidents") / max(total, 1))
    )
    stored_otherwise = int(given.filter(otherwise)["incidents"].sum())
    return Check(used.words, total, stored_otherwise, tuple(demand_origins), codes, ruled, used.decides)


def _suggest(code: str | None, description: str | None) -> Meaning | None:
    guess = sources.guess_class(f"{code or ''} {description or ''}")
    return None if guess[0] == sources.UNMAPPED else guess


# ---- A change, its effect, and the next version ----


@dataclass(frozen=True)
class Change:
    """What is to be changed: class and origin of codes, and of whole rules by their number, in a certain version."""

    version: int
    codes: Mapping[str, Meaning]
    rules: Mapping[int, Meaning]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is changed."""
        return not self.codes and not self.rules


def effect(before: Check, after: Check) -> dict[str, Any]:
    """Say what a change does to incidents: by class and origin before and after, unmapped, and driving demand."""
    key = ["class_code", "origin"]
    was, will = (each.codes.group_by(key).agg(pl.col("incidents").sum()) for each in (before, after))
    moved = (
        was.join(will.rename({"incidents": "after"}), on=key, how="full", coalesce=True)
        .rename({"incidents": "before"})
        .with_columns(pl.col("before", "after").fill_null(0))
        .filter(pl.col("before") != pl.col("after"))
        .sort(key)
    )
    return {
        "incidents": before.incidents,
        "moved": moved.to_dicts(),
        "unmapped": {"before": before.left, "after": after.left},
        "drive_demand": {"before": before.drive_demand, "after": after.drive_demand},
    }


def changed(used: InUse, change: Change) -> InUse:
    """Give the crosswalk as it would be after a change.

    Raises UsageError where the change was made to another version than the one in use, BadSettings where it can't be.
    """
    if change.version != used.version:
        raise UsageError(
            f"The crosswalk is now {used.words}; the change was made to version {change.version}. Look at it and make "
            "the change again."
        )
    unknown = sorted(number for number in change.rules if not 1 <= number <= len(used.rules))
    if unknown:
        raise BadSettings(f"There is no rule {unknown[0]}; there are {len(used.rules)}. Look at the crosswalk again.")
    rules = sources.changed_rules(used.rules, change.codes, change.rules)
    return replace(used, column_map=used.column_map.model_copy(update={"crosswalk": rules}))


def save(folder: Path | str, change: Change, *, today: date, author: str | None = None) -> Path:
    """Write the crosswalk with a change as its next version, put it to use for imports, and give its path.

    A crosswalk inside a column map becomes version 1 of a file, `codes/NAME.toml`, which force.toml then names; stored
    incidents stay as they are until `apply`. Raises as `changed` does, and UsageError where force.toml names one
    version and no other.
    """
    used = in_use(folder)
    rules = changed(used, change).rules
    file = used.column_map.crosswalk_read
    if file is None or file.name in sources.shipped_crosswalks():
        base = file.crosswalk if file is not None else None
        name = f"codes/{Path(used.map_name).stem if file is None else file.name}.toml"
        if sources.newest_version(Path(folder, name)) is not None:
            raise UsageError(
                f"'{name}' is there already and is not in use. Put it to use in force.toml under [sources.incidents]: "
                f'crosswalk_file = "{name}"; or move it away.'
            )
        named = _naming_crosswalk(Path(folder), name)
        first = {"made_on": today, "author": author, "rules": rules}
        crosswalk = _first_version(used.column_map, base).model_copy(update=first)
        path = sources.write_version(Path(folder, name), crosswalk)
        _replace(Path(folder, settings.FILE_NAME), named)
        return path
    if file.is_pinned:
        raise UsageError(
            f"'{file.asked}' names one version, so that a next one would not be used. Name it without the version, and "
            "the newest is."
        )
    made = {"version": used.version + 1, "made_on": today, "rules": rules, "author": author or file.crosswalk.author}
    return sources.write_version(Path(folder, file.asked), file.crosswalk.model_copy(update=made))


def _first_version(column_map: sources.ColumnMap, shipped: sources.Crosswalk | None) -> sources.Crosswalk:
    """Give version 1 of a file as it is before any change: the shipped crosswalk, or the one inside the column map."""
    if shipped is not None:
        return shipped.model_copy(update={"version": 1, "author": None})
    return sources.Crosswalk(
        title=column_map.title,
        version=1,
        made_on=date.min,
        scheme=f"Codes of '{column_map.title}'",
        author=None,
        notes=(),
        rules=column_map.crosswalk,
    )


def unedited(folder: Path | str) -> Path | None:
    """Give the file of the crosswalk in use where it still says what it was copied from: the version before it, or what
    its first version was made of. Nothing where it says more, or is in no file of the force's own. Raises as `in_use`.
    """
    used = in_use(folder)
    file = used.column_map.crosswalk_read
    if file is None or file.name in sources.shipped_crosswalks():
        return None
    if used.version > 1:
        before = sources.version_before(file, folder)
    else:
        name = Path(file.asked).stem
        shipped = sources.read_crosswalk(name).crosswalk if name in sources.shipped_crosswalks() else None
        own = intake.read_map(folder, used.map_name)
        before = _first_version(own, shipped) if shipped is not None or own.crosswalk_read is None else None
    if before is None:
        return None
    is_copy = before.model_copy(update={"version": used.version, "made_on": file.crosswalk.made_on}) == file.crosswalk
    return Path(folder, file.name) if is_copy else None


def _naming_crosswalk(folder: Path, name: str) -> str:
    """Give the text of force.toml with a line that names a crosswalk for incidents; everything else stays as it is.

    Raises UsageError, with the line to write, where it has no section to put it in.
    """
    text = (folder / settings.FILE_NAME).read_text(encoding="utf-8-sig")
    line = f'crosswalk_file = "{name}"'
    section = re.search(r"^\[sources\.incidents\][ \t]*(?:#[^\n]*)?\n(?:[^\[\n][^\n]*\n?|\n)*", text, re.MULTILINE)
    if section is not None:
        head, _, body = section[0].partition("\n")
        others = re.sub(r"^crosswalk_file[ \t]*=[^\n]*\n?", "", body, flags=re.MULTILINE)
        put = f"{text[: section.start()]}{head}\n{line}\n{others}{text[section.end() :]}"
        if _says(put) == _says(text, crosswalk_file=name):
            return put
    raise UsageError(f"Write this line into force.toml under [sources.incidents], then save again: {line}")


def _says(text: str, **changed: str) -> dict[str, Any] | None:
    """Read what force.toml says, with some of what it says of incidents otherwise; nothing where it is no TOML."""
    try:
        values = settings.read_toml(text, settings.FILE_NAME)
    except BadSettings:
        return None
    values["sources"]["incidents"] |= changed
    return values


def _replace(path: Path, text: str) -> None:
    """Write a file anew, whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


# ---- Putting it to use for what is stored ----


def apply(folder: Path | str) -> Imported | None:
    """Map the stored incidents again by the crosswalk in use, as one batch; nothing where nothing would change.

    Every version of an incident that is mapped otherwise comes in again, in the order in which they came, so that a
    late extract that reissues an old one still turns nothing back. Rows that came by another column map stay as they
    are, and so does what the column map takes from the extract. Raises as `in_use` does, and TryAgain while another
    process writes.
    """
    used = in_use(folder)
    store = Store(folder)
    if _mapped_again(store, used).is_empty():
        return None
    record = used.column_map.crosswalk_record
    assert record is not None
    notes = [f"Mapped again by {used.words}."]
    with store.writing(
        "incidents",
        source_name=record["name"] or used.map_name,
        source_sha256=record["sha256"],
        map_name=used.map_name,
        notes={"crosswalk": record, "notes": notes},
    ) as writer:
        # Read again behind the writer's lock: an import may have come between.
        writer.revise(_mapped_again(store, used))
    return Imported(writer.batch, pl.DataFrame(schema=intake.RULES_SHAPE), notes)


def _mapped_again(store: Store, used: InUse) -> pl.DataFrame:
    """Give, as the crosswalk maps them now, all versions of the incidents that would otherwise be as an earlier one
    had them.
    """
    definition = tables.table("incidents")
    versions = store.history("incidents")
    batches = store.batches("incidents")
    is_ours = versions["batch_id"].is_in(batches.filter(pl.col("map_name") == used.map_name)["batch_id"].to_list())
    codes = versions.select(code="opening_code", description="opening_description")
    found = sources.meanings(
        sources.classify(codes, used.rules, used.column_map.crosswalk_separator), used.rules
    ).select(pl.col(used.decides).fill_null(sources.UNMAPPED))
    mapped = versions.select(definition.columns).with_columns(
        pl.when(is_ours).then(found[name]).otherwise(pl.col(name)).alias(name) for name in found.columns
    )
    is_other = pl.any_horizontal(mapped[name] != versions[name] for name in found.columns)
    otherwise = mapped.with_columns(_is_other=pl.select(is_other).to_series()).with_row_index("_position")
    key = list(definition.key)
    current = otherwise.sort(definition.version, "_position", nulls_last=False).unique(key, keep="last")
    # A version that the store has not held in this form would be news when a late extract brings it.
    news = otherwise.filter("_is_other").join(versions, on=definition.columns, how="anti", nulls_equal=True)
    wanted = pl.concat([current.filter("_is_other").select(key), news.select(key)]).unique()
    return mapped.join(wanted, on=key, how="semi", maintain_order="left").unique(keep="last", maintain_order=True)
