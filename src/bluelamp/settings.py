"""A force's settings: `force.toml`, read with its mistakes named all at once.

The published JSON Schema is made from these classes (`bluelamp doctor --settings-schema`, docs/reference/settings.md).
"""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bluelamp import periods
from bluelamp.errors import BadSettings, NoInput, did_you_mean

FILE_NAME = "force.toml"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ForcePart(_Part):
    """Who the force is and which clock it lives by."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", description="Short code of the force")
    name: str = Field(min_length=1, description="Name that people use")
    time_zone: str = Field(description="IANA time zone, such as Europe/London")
    country: str | None = Field(None, description="ISO 3166 country code for public holidays, such as GB")
    subdivision: str | None = Field(None, description="Subdivision for public holidays, such as ENG or CA")

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, value: str) -> str:
        try:
            periods.zone(value)
        except BadSettings as error:
            # pydantic gathers ValueErrors, so that this mistake is told together with the others.
            raise ValueError(error.summary) from None
        return value


class AreasPart(_Part):
    """Where the areas come from."""

    file: str | None = Field(None, description="GeoJSON of the areas, relative to the force's folder")
    id_property: str = Field("area_id", description="Property that holds the area's code")
    name_property: str = Field("area_name", description="Property that holds its name")
    district_property: str | None = Field("district", description="Property that holds its district's code")
    kind_property: str | None = Field("kind", description="Property that holds urban or rural")
    from_points: bool = Field(False, description="Derive approximate areas from incidents that name their area")


class SourcePart(_Part):
    """How one extract is read."""

    map: str = Field(
        "bluelamp", description="A shipped column map, or the path of a map file relative to the force's folder"
    )
    file: str | None = Field(None, description="The extract, relative to the force's folder")


class DemandPart(_Part):
    """Which incidents make demand."""

    origins: tuple[str, ...] = Field(
        ("public", "partner", "mandatory_internal", "unknown"),
        description="Origins that drive the forecast; officer-initiated work is kept apart",
    )
    outage_share: float = Field(
        0.25, ge=0, lt=1, description="A local day with less than this share of its usual incidents is masked"
    )
    declared_outages: tuple[tuple[date, date], ...] = Field(
        (), description="Days, first and last, that the force knows to be broken"
    )


class ForecastPart(_Part):
    """How demand is forecast."""

    method: str = Field("slot_mean", description="Forecasting method")
    weeks: int = Field(52, ge=2, le=520, description="Weeks of history that the method learns from")
    paths: int = Field(500, ge=10, le=20_000, description="Joint sample paths")
    path_days: int = Field(56, ge=1, le=56, description="Days ahead by hour with joint paths")
    days: int = Field(365, ge=1, le=366, description="Days ahead in all; beyond the paths as quantiles and day sums")
    seed: int = Field(1, ge=0, lt=2**63, description="Seed of everything drawn by chance")


class CrewingPart(_Part):
    """Officers in a unit during certain hours."""

    from_hour: int = Field(ge=0, le=23, description="Local hour at which it begins")
    to_hour: int = Field(ge=0, le=24, description="Local hour at which it ends; it may run past midnight")
    crew_size: int = Field(ge=1, le=8, description="Officers in a unit")


class StaffingPart(_Part):
    """How officers are found from demand."""

    method: str = Field("mol", description="Staffing method that coverage is made with")
    role: str = Field("response", description="Role that answers incidents")
    crew_size: int = Field(1, ge=1, le=8, description="Officers in a unit, where no crewing row says otherwise")
    crewing: tuple[CrewingPart, ...] = Field((), description="Crew sizes by hour of the day")
    abstraction: float = Field(
        0.3, ge=0, lt=0.95, description="Share of rostered officers who are away: leave, sickness, training, court"
    )
    utilisation: float = Field(
        0.6, gt=0, le=1, description="Share of time that units may be committed (workload method)"
    )
    target: Literal["average"] = Field("average", description="The target holds on average over the forecast")


class Settings(_Part):
    """All of force.toml."""

    force: ForcePart
    areas: AreasPart = AreasPart.model_validate({})
    sources: dict[str, SourcePart] = Field(default_factory=dict, description="Extracts by table name")
    demand: DemandPart = DemandPart.model_validate({})
    forecast: ForecastPart = ForecastPart.model_validate({})
    staffing: StaffingPart = StaffingPart.model_validate({})


def read(folder: Path | str) -> Settings:
    """Read a force's settings.

    Raises NoInput where there is no force in the folder and BadSettings with every mistake in force.toml.
    """
    path = Path(folder) / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise NoInput(
            f"There is no force in '{folder}': {FILE_NAME} is missing. 'bluelamp init {folder} --from FILE' makes one."
        ) from None
    except UnicodeDecodeError:
        raise BadSettings(f"{path} is not UTF-8 text. Save it as UTF-8 and try again.") from None
    return parse(text, str(path))


def parse(text: str, where: str = FILE_NAME) -> Settings:
    """Read settings from TOML text. Raises BadSettings with every mistake at once."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"{where} is not TOML: {error}. Put that line right and try again.") from None
    return from_values(values, where)


def from_values(values: dict[str, Any], where: str = "The settings") -> Settings:
    """Check settings given as nested values. Raises BadSettings with every mistake at once."""
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems = [_sentence(dict(each)) for each in error.errors()]
    verb = "One thing" if len(problems) == 1 else f"{len(problems)} things"
    raise BadSettings(f"{where} can't be used yet. {verb} to put right:", problems)


def _sentence(error: dict[str, Any]) -> str:
    place = [str(part) for part in error["loc"]]
    name = ".".join(place)
    if error["type"] == "extra_forbidden":
        return f"'{name}' is not a setting.{did_you_mean(place[-1], _known(place[:-1]))}"
    if error["type"] == "missing":
        return f"'{name}' is missing. It holds: {_description(place)}."
    given = error.get("input")
    said = error["msg"].removeprefix("Value error, ").rstrip(".")
    return f"'{name}' is {given!r}: {said[0].lower()}{said[1:]}. It holds: {_description(place)}."


def _model_at(place: list[str]) -> type[BaseModel] | None:
    model: Any = Settings
    for part in place:
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return None
        found = model.model_fields.get(part)
        model = found.annotation if found else None
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None


def _known(place: list[str]) -> list[str]:
    model = _model_at(place)
    return list(model.model_fields) if model else []


def _description(place: list[str]) -> str:
    model = _model_at(place[:-1])
    found = model.model_fields.get(place[-1]) if model else None
    inner = found.annotation if found else None
    doc = inner.__doc__ if isinstance(inner, type) and issubclass(inner, BaseModel) else None
    return (found.description if found and found.description else doc or "a setting").rstrip(".")


def json_schema() -> dict[str, Any]:
    """Give the published JSON Schema of force.toml."""
    return Settings.model_json_schema()
