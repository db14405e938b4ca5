"""Crosswalks: which class and origin each of a feed's codes has, by rules that a force can read, check and change.

A rule speaks of codes one by one, of patterns of codes (`ASB*`), or of words in the description. The most exact one
decides: a code, then its part before the separator, then the pattern with the most letters, then the first rule whose
words are found. A crosswalk stands inside a column map, or in a file of its own that has versions: `ours.toml`,
`ours.v2.toml`, … A change is the next version, so that a figure can always be followed back to the one that made it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bluelamp import settings
from bluelamp.errors import BadSettings, NoInput, TryAgain, did_you_mean, one_of

Origin = Literal[
    "public", "partner", "mandatory_internal", "officer_initiated", "directed", "administrative", "unknown"
]
UNMAPPED = "unknown"
_VERSION = re.compile(r"^(?P<stem>.+?)(?:\.v(?P<number>[1-9]\d{0,8}))?\.toml$")


@lru_cache(maxsize=1)
def classes() -> dict[str, str]:
    """List the classes of incident: code and title."""
    text = (files("bluelamp.sources") / "classes.toml").read_text(encoding="utf-8")
    return {code: str(title) for code, title in tomllib.loads(text).items()}


class CodeRule(BaseModel):
    """What some codes mean: a class and an origin."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    class_code: str = Field(alias="class", description="Class, one of sources/classes.toml")
    origin: Origin = Field(description="Who made the work")
    codes: tuple[str, ...] = Field(
        (), min_length=1, description="The feed's own codes, one by one; case is not regarded"
    )
    patterns: tuple[str, ...] = Field(
        (), min_length=1, description="Patterns of codes: * stands for any letters, ? for one, such as ASB*"
    )
    words: tuple[str, ...] = Field(
        (),
        min_length=1,
        description="Regular expressions looked for in the code and its description together, in small letters",
    )
    nsir: str | None = Field(None, description="Category of the National Standard for Incident Recording, in words")
    hocr: str | None = Field(None, description="Code of the Home Office Counting Rules")
    nibrs: str | None = Field(None, description="Offence code of NIBRS (US)")
    note: str | None = Field(None, description="Why the rule is as it is")

    @field_validator("class_code")
    @classmethod
    def _is_a_class(cls, value: str) -> str:
        if value not in classes():
            raise ValueError(f"not a class of sources/classes.toml.{did_you_mean(value, classes())}")
        return value

    @field_validator("words")
    @classmethod
    def _can_be_looked_for(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            try:
                pl.Series([""]).str.contains(each)
            except pl.exceptions.ComputeError as error:
                said = str(error).partition("\nerror: ")[2].partition("\n")[0] or "it is too large"
                raise ValueError(f"'{each}' is not a regular expression: {said}") from None
        return value

    @model_validator(mode="after")
    def _speaks_of_codes(self) -> CodeRule:
        if not (self.codes or self.patterns or self.words):
            raise ValueError("some of 'codes', 'patterns' and 'words' were expected; the rule speaks of no code")
        return self

    @property
    def meaning(self) -> tuple[str, str]:
        """Class and origin."""
        return self.class_code, self.origin


class Crosswalk(BaseModel):
    """One version of a crosswalk, as its file says it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field(min_length=1, description="What the crosswalk is, in words")
    version: int = Field(ge=1, description="Number of this version; a file NAME.v2.toml holds version 2")
    made_on: date = Field(description="Day on which this version was made")
    scheme: str = Field(min_length=1, description="What the codes are: whose list, which edition")
    author: str | None = Field(None, description="Who made it, and who agreed")
    notes: tuple[str, ...] = Field((), description="What a reader should know, such as how certain a meaning is")
    rules: tuple[CodeRule, ...] = Field(description="What the codes mean; the first rule is number 1")

    @model_validator(mode="after")
    def _gives_each_code_once(self) -> Crosswalk:
        if problems := codes_given_twice(self.rules):
            raise ValueError("; ".join(problems))
        return self


def codes_given_twice(rules: Sequence[CodeRule]) -> list[str]:
    """Say which codes or patterns stand in a crosswalk more than once."""
    problems = []
    for kind in ("codes", "patterns"):
        seen: set[str] = set()
        for value in (value for rule in rules for value in getattr(rule, kind)):
            if value.lower() in seen:
                problems.append(f"{kind[:-1]} '{value}' stands in the crosswalk twice")
            seen.add(value.lower())
    return problems


# ---- Which rule a code falls under ----


def classify(codes: pl.DataFrame, rules: Sequence[CodeRule], separator: str | None = None) -> pl.DataFrame:
    """Say for each row with `code` and `description` which rule decides (`rule`, from 1) and `by` what.

    `by` is code, part (of the code, before `separator`), pattern or words; both are empty where no rule speaks of it.
    Rows keep their order.
    """
    listed = {code.lower(): number for number, rule in enumerate(rules, 1) for code in rule.codes}
    patterns = sorted(
        ((_as_regex(each), number, each) for number, rule in enumerate(rules, 1) for each in rule.patterns),
        key=lambda found: (-len(re.sub(r"[*?]", "", found[2])), found[1]),
    )
    words = [(_any_of(rule.words), number) for number, rule in enumerate(rules, 1) if rule.words]
    code, nothing = pl.col("_code"), pl.lit(None, dtype=pl.Int64)

    def look_up(text: pl.Expr) -> pl.Expr:
        return text.replace_strict(listed, default=None, return_dtype=pl.Int64) if listed else nothing

    def first_found(text: pl.Expr, wanted: Sequence[tuple[str, int]]) -> pl.Expr:
        return pl.coalesce(
            *(pl.when(text.str.contains(regex)).then(pl.lit(number, pl.Int64)) for regex, number in wanted), nothing
        )

    tries = {"code": look_up(code)}
    if separator is not None:
        parts = code.str.split(separator)
        # Codes have few parts: without the last one, then without the last two.
        shorter = (parts.list.head(parts.list.len() - less).list.join(separator) for less in (1, 2))
        tries["part"] = pl.coalesce(*(look_up(each) for each in shorter))
    if patterns:
        tries["pattern"] = first_found(code, [(regex, number) for regex, number, _ in patterns])
    if words:
        tries["words"] = first_found(pl.col("_text"), words)
    said = [pl.col("code").str.to_lowercase().alias("_code")]
    if words:
        said.append(_words_of_both().alias("_text"))
    keys = codes.select(said)
    left, decided = keys.unique(), []
    # Few codes get as far as words, which are the slowest to look for.
    for by, rule in tries.items():
        found = left.with_columns(rule=rule, by=pl.lit(by))
        decided.append(found.filter(pl.col("rule").is_not_null()))
        left = found.filter(pl.col("rule").is_null()).drop("rule", "by")
    meaning = pl.concat(decided)
    return codes.hstack(
        keys.join(meaning, on=keys.columns, how="left", nulls_equal=True, maintain_order="left").select("rule", "by")
    )


def meanings(mapped: pl.DataFrame, rules: Sequence[CodeRule]) -> pl.DataFrame:
    """Add `class_code` and `origin` to rows with `rule`, empty where no rule decides."""
    of_rule = pl.DataFrame(
        [(number, *rule.meaning) for number, rule in enumerate(rules, 1)],
        schema={"rule": pl.Int64, "class_code": pl.String, "origin": pl.String},
        orient="row",
    )
    return mapped.join(of_rule, on="rule", how="left", maintain_order="left")


def claims(codes: pl.DataFrame, rules: Sequence[CodeRule]) -> pl.DataFrame:
    """List the rules that speak of each row (`claimed_by`, from 1): by its code or a pattern, else by words.

    Words are a fallback, and no claim on a code that is listed.
    """
    code = pl.col("code").str.to_lowercase()
    text = _words_of_both()
    by_code: list[pl.Expr] = []
    by_words: list[pl.Expr] = []
    for number, rule in enumerate(rules, 1):
        of_codes = [code.is_in([each.lower() for each in rule.codes])] if rule.codes else []
        of_codes += [code.str.contains(_as_regex(each)) for each in rule.patterns]
        of_words = [text.str.contains(_any_of(rule.words))] if rule.words else []
        for found, told in ((of_codes, by_code), (of_words, by_words)):
            if found:
                told.append(pl.when(pl.any_horizontal(found)).then(pl.lit(number, pl.Int64)))
    none = pl.lit([], dtype=pl.List(pl.Int64))
    first, second = (pl.concat_list(told).list.drop_nulls() if told else none for told in (by_code, by_words))
    return codes.with_columns(claimed_by=pl.when(first.list.len() > 0).then(first).otherwise(second))


def _words_of_both() -> pl.Expr:
    """Code and description together, as words are looked for in them."""
    both = pl.concat_str(pl.col("code", "description").fill_null(""), separator=" ")
    return both.str.to_lowercase().str.replace_all("_", " ", literal=True)


def _any_of(words: Sequence[str]) -> str:
    """Join regular expressions to one that finds any of them, in a fraction of the time."""
    return "|".join(f"(?:{each})" for each in words)


def _as_regex(pattern: str) -> str:
    """Write a pattern of codes as a regular expression of the whole code in small letters."""
    parts = {"*": ".*", "?": "."}
    return "^" + "".join(parts.get(letter, re.escape(letter)) for letter in pattern.lower()) + "$"


# ---- Files and versions ----


@lru_cache(maxsize=1)
def shipped_crosswalks() -> dict[str, str]:
    """List the shipped crosswalks by file name, with their titles."""
    found = {}
    for source in sorted((files("bluelamp.sources") / "codes").iterdir(), key=lambda each: each.name):
        if source.name.endswith(".toml"):
            found[source.name[:-5]] = str(tomllib.loads(source.read_text(encoding="utf-8"))["title"])
    return found


class CrosswalkFile(BaseModel):
    """A crosswalk with where it came from: the name that asked for it, that of its file, the SHA-256 of its text."""

    model_config = ConfigDict(frozen=True)

    asked: str
    name: str
    sha256: str
    crosswalk: Crosswalk

    @property
    def is_pinned(self) -> bool:
        """Whether it was asked for by its version, so that a newer one would not be used."""
        return _version_named(Path(self.asked)) is not None

    @property
    def record(self) -> dict[str, Any]:
        """What a batch keeps of it."""
        return {"name": self.name, "version": self.crosswalk.version, "sha256": self.sha256}


def read_crosswalk(name: str, folder: Path | str = ".") -> CrosswalkFile:
    """Read a shipped crosswalk by its name, or a file by its path relative to `folder`: the newest version of it.

    A name that says a version (`codes/ours.v2.toml`) is that version alone. Raises BadSettings with every mistake in
    the file at once, and NoInput where there is none.
    """
    if name in shipped_crosswalks():
        source = files("bluelamp.sources") / "codes" / f"{name}.toml"
        return _parsed(source.read_bytes(), name, name)
    path = newest_version(Path(folder, name))
    if path is None:
        known = shipped_crosswalks()
        raise NoInput(
            f"There is no crosswalk '{name}' in '{folder}'.{did_you_mean(name, known)} Shipped is {one_of(known)}; one "
            "of your own is named by its path, such as codes/ours.toml."
        )
    found = _parsed(path.read_bytes(), name, str(Path(name).with_name(path.name)))
    number = _version_named(path)
    if number is not None and number != found.crosswalk.version:
        raise BadSettings(
            f"{path} says version = {found.crosswalk.version}, its name version {number}. Make them the same."
        )
    return found


def _parsed(content: bytes, asked: str, where: str) -> CrosswalkFile:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadSettings(f"{where} is not UTF-8 text. Save it as UTF-8 and try again.") from None
    crosswalk = parse_crosswalk(text, where)
    return CrosswalkFile(asked=asked, name=where, sha256=hashlib.sha256(content).hexdigest(), crosswalk=crosswalk)


def parse_crosswalk(text: str, where: str = "The crosswalk") -> Crosswalk:
    """Read a crosswalk from TOML text. Raises BadSettings with every mistake at once."""
    try:
        return Crosswalk.model_validate(settings.read_toml(text, where))
    except ValidationError as error:
        raise settings.refusal(where, [_sentence(dict(each)) for each in error.errors()]) from None


def _sentence(error: dict[str, Any]) -> str:
    place = [str(part) for part in error["loc"]]
    if len(place) > 1 and place[1].isdigit():
        place[1] = str(int(place[1]) + 1)
    name = ".".join(place)
    model: type[BaseModel] = CodeRule if place[:1] == ["rules"] and len(place) > 1 else Crosswalk
    known = {found.alias or field: found.description or "" for field, found in model.model_fields.items()}
    if error["type"] == "extra_forbidden":
        return f"'{name}' is not a setting of a crosswalk.{did_you_mean(place[-1], known)}"
    if error["type"] == "missing":
        return f"'{name}' is missing. It holds: {known.get(place[-1], 'a setting')}."
    said = settings.words_of(error)
    stop = "" if said.endswith("?") else "."
    return f"'{name}': {said}{stop}" if name else f"{said[0].upper()}{said[1:]}{stop}"


def _version_named(path: Path) -> int | None:
    found = _VERSION.match(path.name)
    return int(found["number"]) if found is not None and found["number"] else None


def newest_version(path: Path) -> Path | None:
    """Give the file of the newest version of a crosswalk, if any; a path that names a version is that one alone."""
    found = _VERSION.match(path.name)
    if found is None or found["number"]:
        return path if path.is_file() else None
    versions = [path] if path.is_file() else []
    if path.parent.is_dir():
        for each in path.parent.iterdir():
            other = _VERSION.match(each.name)
            if other is not None and other["stem"] == found["stem"] and other["number"] and each.is_file():
                versions.append(each)
    return max(versions, key=lambda each: _version_named(each) or 0, default=None)


def version_before(file: CrosswalkFile, folder: Path | str) -> Crosswalk | None:
    """Give the version before the one that was read, where its file is there. Raises BadSettings where it is broken."""
    number = file.crosswalk.version - 1
    path = _file_of(Path(folder, file.asked), number) if number else None
    if path is None or not path.is_file():
        return None
    return _parsed(path.read_bytes(), file.asked, path.name).crosswalk


def _file_of(path: Path, version: int) -> Path | None:
    """Give the file of a version, from the name of any; nothing where that is no name for a crosswalk."""
    found = _VERSION.match(path.name)
    if found is None:
        return None
    return path.with_name(f"{found['stem']}.v{version}.toml" if version > 1 else f"{found['stem']}.toml")


def write_version(path: Path, crosswalk: Crosswalk) -> Path:
    """Write a version of a crosswalk beside the ones before, whole or not at all, and give its path.

    `path` is the name without a version. Nothing is written over: raises TryAgain where that version is there.
    """
    target = _file_of(path, crosswalk.version)
    if target is None:
        raise BadSettings(f"'{path}' is no name for a crosswalk; one such as codes/ours.toml was expected.")
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        beside.write_text(crosswalk_as_toml(crosswalk), encoding="utf-8")
        os.link(beside, target)
    except FileExistsError:
        raise TryAgain(
            f"{target.name} is there already: somebody else saved that version. Look at it and make the change again."
        ) from None
    finally:
        beside.unlink(missing_ok=True)
    return target


def crosswalk_as_toml(crosswalk: Crosswalk) -> str:
    """Write a crosswalk as the text of its file."""
    lines = [
        f"title = {_quoted(crosswalk.title)}",
        f"version = {crosswalk.version}",
        f"made_on = {crosswalk.made_on.isoformat()}",
        f"scheme = {_quoted(crosswalk.scheme)}",
    ]
    if crosswalk.author is not None:
        lines.append(f"author = {_quoted(crosswalk.author)}")
    if crosswalk.notes:
        lines += ["notes = [", *(f"  {_quoted(each)}," for each in crosswalk.notes), "]"]
    for rule in crosswalk.rules:
        lines += ["", "[[rules]]"]
        for name, value in rule.model_dump(by_alias=True, exclude_defaults=True).items():
            given = f"[{', '.join(map(_quoted, value))}]" if isinstance(value, tuple) else _quoted(value)
            lines.append(f"{name} = {given}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    # JSON's strings are TOML's basic strings, DEL apart.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


# ---- Changing one ----


def changed_rules(
    rules: Sequence[CodeRule],
    codes: Mapping[str, tuple[str, str]],
    of_rules: Mapping[int, tuple[str, str]],
) -> tuple[CodeRule, ...]:
    """Give the rules with another class and origin for some codes, or for whole rules (by their number, from 1).

    A code goes to the first rule that has its new meaning and lists codes, else to a rule of its own at the end; it
    leaves the rule that listed it, and a rule that then speaks of nothing goes. Raises BadSettings for a class or an
    origin that there is not.
    """
    changed = [
        _made_of(rule.model_dump(by_alias=True, exclude_defaults=True), of_rules[number])
        if number in of_rules
        else rule
        for number, rule in enumerate(rules, 1)
    ]
    moved = {code.lower() for code in codes}
    kept = [
        rule.model_copy(update={"codes": tuple(c for c in rule.codes if c.lower() not in moved)}) for rule in changed
    ]
    for code, meaning in codes.items():
        place = next((at for at, rule in enumerate(kept) if rule.meaning == meaning and changed[at].codes), None)
        if place is None:
            kept.append(_made_of({"codes": (code,)}, meaning))
            changed.append(kept[-1])
        else:
            kept[place] = kept[place].model_copy(update={"codes": (*kept[place].codes, code)})
    return tuple(rule for rule in kept if rule.codes or rule.patterns or rule.words)


def _made_of(values: Mapping[str, Any], meaning: tuple[str, str]) -> CodeRule:
    try:
        return CodeRule.model_validate({**values, "class": meaning[0], "origin": meaning[1]})
    except ValidationError as error:
        raise settings.refusal("The change", [_sentence(dict(each)) for each in error.errors()]) from None


def crosswalk_schema() -> dict[str, Any]:
    """Give the published JSON Schema of a crosswalk file."""
    return Crosswalk.model_json_schema(by_alias=True)
