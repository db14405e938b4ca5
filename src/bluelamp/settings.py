"""A force's settings: `force.toml`, read with its mistakes named all at once.

The published JSON Schema is made from these classes (`bluelamp doctor --settings-schema`, docs/reference/settings.md).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import holidays
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from bluelamp import access, extensions, geography, periods, tables
from bluelamp.errors import BadSettings, NoInput, did_you_mean, one_of

FILE_NAME = "force.toml"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _member_of(family: str) -> AfterValidator:
    def is_known(name: str) -> str:
        known = extensions.members(family)
        if name not in known:
            raise ValueError(f"there is no such {family} method. Known are {one_of(known)}.{did_you_mean(name, known)}")
        return name

    return AfterValidator(is_known)


def _in_order(value: tuple[int, ...]) -> tuple[int, ...]:
    if list(value) != sorted(set(value)) or not all(0 <= each <= 23 for each in value):
        raise ValueError("hours from 0 to 23, each later than the one before, were expected")
    return value


def _known_crs(name: str) -> str:
    try:
        geography.insist_on_crs(name)
    except BadSettings as error:
        # pydantic gathers ValueErrors, so that this mistake is told together with the others.
        raise ValueError(error.summary) from None
    return name


Crs = Annotated[str, AfterValidator(_known_crs)]  # the name of a coordinate system that there is


ShiftStarts = Annotated[tuple[int, ...], AfterValidator(_in_order)]  # local hours of the day, in order


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

    @field_validator("country")
    @classmethod
    def _has_holidays(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                holidays.country_holidays(value)
            except NotImplementedError:
                # To list them all is to load them all, which takes longer than a short command does.
                known = holidays.list_supported_countries()
                told = did_you_mean(value.upper(), known)
                raise ValueError(f"there is no calendar of public holidays for it.{told}") from None
        return value

    @field_validator("subdivision")
    @classmethod
    def _lies_in_country(cls, value: str | None, others: ValidationInfo) -> str | None:
        country = others.data.get("country")
        if value is not None and country is not None:
            try:
                holidays.country_holidays(country, subdiv=value)
            except NotImplementedError:
                known = holidays.list_supported_countries()[country]
                raise ValueError(f"it is no subdivision of '{country}'. Known are {one_of(known)}") from None
        return value


class DefaultPointPart(_Part):
    """A point that logs without a place are put at, such as a police station's."""

    name: str = Field(min_length=1, description="Name that people use")
    longitude: float = Field(ge=-180, le=180, description="Longitude (WGS 84)")
    latitude: float = Field(ge=-90, le=90, description="Latitude (WGS 84)")
    radius_metres: float = Field(30, ge=0, le=1000, description="Points no farther from it than this are it")


class AreasPart(_Part):
    """Where the areas come from."""

    file: str | None = Field(
        None, description="GeoJSON, GeoPackage or (zipped) shapefile of the areas, relative to the force's folder"
    )
    layer: str | None = Field(None, description="Layer of that file that holds the areas, where it has several")
    crs: Crs | None = Field(
        None, description="Coordinate system of that file where it does not say so itself, such as EPSG:27700"
    )
    id_property: str = Field("area_id", description="Property that holds the area's code")
    name_property: str = Field("area_name", description="Property that holds its name")
    district_property: str | None = Field("district", description="Property that holds its district's code")
    kind_property: str | None = Field("kind", description="Property that holds urban or rural")
    valid_from: date | None = Field(
        None,
        description="First day on which that file's areas hold, where it does not say so itself: what the force had "
        "before ends on the day before. Import the file again when this was wrong",
    )
    from_points: StrictBool = Field(False, description="Derive approximate areas from incidents that name their area")
    border_metres: float = Field(
        200, ge=0, le=5000, description="A point outside every area, and no farther than this from one, lies in it"
    )
    default_points: tuple[DefaultPointPart, ...] = Field(
        (), description="Points that a log is given when its own place is not known, such as a police station's"
    )


class SourcePart(_Part):
    """How one extract is read."""

    map: str = Field(
        "bluelamp", description="A shipped column map, or the path of a map file relative to the force's folder"
    )
    crosswalk_file: str | None = Field(
        None,
        description="A crosswalk in place of the column map's own: a shipped one, or a path relative to the force's "
        "folder, such as codes/ours.toml; its newest version is used",
    )
    file: str | None = Field(
        None,
        description="The extract, relative to the force's folder; with * for one that is issued again and again, such "
        "as feeds/*/incidents.csv",
    )
    # Kept out of what a run records of its settings, because it may hold a password.
    url: str | None = Field(
        None,
        exclude=True,
        description="In place of a file, a database, as SQLAlchemy writes its address; ${NAME} stands for an "
        "environment variable, such as postgresql+psycopg://reader:${CAD_PASSWORD}@cad.example/cad",
    )
    query: str | None = Field(None, description="SELECT whose rows are read from that database")
    watermark: str | None = Field(
        None,
        description="Column of the query that grows whenever a row changes, such as updated_at: an import reads from "
        "where the last one stopped",
    )

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is not None and "://" not in value and not re.fullmatch(r"\s*\$\{\w+\}\s*", value):
            raise ValueError("an address such as postgresql+psycopg://host/name was expected, or ${NAME}")
        return value

    @model_validator(mode="after")
    def _comes_from_one_place(self) -> SourcePart:
        if self.file is not None and self.url is not None:
            raise ValueError("'file' and 'url' are both given; a table comes from one of them")
        if (self.url is None) != (self.query is None):
            raise ValueError("'url' and 'query' go together; one of them is missing")
        if self.watermark is not None and self.query is None:
            raise ValueError("'watermark' is a column of a 'query'; there is none")
        return self


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

    @field_validator("origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        known = tables.table("incidents").by_name["origin"].enum
        wrong = [each for each in value if each not in known]
        if wrong or not value:
            hint = did_you_mean(wrong[0], known) if wrong else ""
            raise ValueError(f"some of {one_of(known)} were expected.{hint}")
        return value

    @field_validator("declared_outages")
    @classmethod
    def _run_forward(cls, value: tuple[tuple[date, date], ...]) -> tuple[tuple[date, date], ...]:
        for first, last in value:
            if last < first:
                raise ValueError(f"{last} is before {first}. The first day comes first")
        return value


class ForecastPart(_Part):
    """How demand is forecast."""

    method: Annotated[str, _member_of("forecast")] = Field("pooled", description="Forecasting method")
    weeks: int = Field(
        260, ge=2, le=520, description="Weeks of history that are given to the method, which may use fewer"
    )
    paths: int = Field(500, ge=10, le=20_000, description="Joint sample paths")
    path_days: int = Field(56, ge=1, le=56, description="Days ahead by hour with joint paths")
    days: int = Field(365, ge=1, le=366, description="Days ahead in all; beyond the paths as quantiles and day sums")
    seed: int = Field(1, ge=0, lt=2**63, description="Seed of everything drawn by chance")


class PeaksPart(_Part):
    """How peaks of demand and of offending are told."""

    share: float = Field(
        0.2, gt=0, le=0.5, description="Share of the coming week's work whose fewest places and hours are told"
    )
    false_alarms: float = Field(
        0.01, ge=0.0001, le=0.2, description="Chance at most with which a usual shift exceeds its control limit"
    )


class CrewingPart(_Part):
    """Officers in a unit during certain hours."""

    from_hour: int = Field(ge=0, le=23, description="Local hour at which it begins")
    to_hour: int = Field(ge=0, le=24, description="Local hour at which it ends; it may run past midnight")
    crew_size: int = Field(ge=1, le=8, description="Officers in a unit")


class OtherWorkPart(_Part):
    """What counts in the requirement beside the time at calls, as far as a status log tells of it."""

    write_up: StrictBool = Field(True, description="Write-up after a call, by class and grade")
    long_commitments: StrictBool = Field(
        True, description="Guards, custody and other long commitments that calls lead to"
    )
    without_log: StrictBool = Field(
        True, description="Work that no log shows, as much as is done even when hardly any unit is free"
    )


class SlotsPart(_Part):
    """When calls whose grade is worked in slots ('stream' of 'standards' is scheduled) are attended."""

    from_hour: int = Field(8, ge=0, le=23, description="Local hour at which the first appointments of a day begin")
    to_hour: int = Field(20, ge=1, le=24, description="Local hour before which the last appointments of a day begin")
    days_after: int = Field(1, ge=0, le=14, description="Days from the call to its appointment")

    @model_validator(mode="after")
    def _follow(self) -> SlotsPart:
        if self.from_hour >= self.to_hour:
            raise ValueError(
                f"from_hour {self.from_hour} is not before to_hour {self.to_hour}: appointments are on one local day"
            )
        return self


class TimeBudgetPart(_Part):
    """What officers' time may go to, on average over a week."""

    most_committed: float = Field(
        0.6, gt=0, le=1, description="Share of time that may be committed: the saturation index of the Rule of 60"
    )
    least_proactive: float = Field(
        0.45, ge=0, lt=1, description="Share of time that is to be left for patrol, prevention and enquiries"
    )


class TravelPart(_Part):
    """How long units are on their way, in what is simulated."""

    by: Literal["standards", "distance", "streets", "recorded"] = Field(
        "standards",
        description="Travel by the minutes that standards state, by distance and speed, over the streets of a file, or "
        "as the force's records have it",
    )
    speed_kmh: float = Field(
        40.0, gt=0, le=200, description="Speed of a unit in km an hour, where streets say none: an assumption"
    )
    detour: float = Field(1.3, ge=1, le=3, description="Times that a way is longer than the crow flies")
    turnout_minutes: float = Field(2.0, ge=0, le=60, description="Minutes to get going")
    variation: float = Field(
        0.3,
        ge=0,
        le=3,
        description="Coefficient of variation of a journey about its mean, by distance and over streets: an "
        "assumption; records tell their own",
    )
    streets_file: str | None = Field(
        None, description="GeoJSON of street segments, relative to the force's folder, for by = 'streets'"
    )
    minutes_property: str | None = Field(None, description="Property of that file that holds a segment's minutes")
    speed_property: str | None = Field(None, description="Property that holds its speed, where no minutes are given")
    speed_unit: Literal["km/h", "mph"] = Field("km/h", description="Unit of that speed")
    one_way_property: str | None = Field(
        None,
        description="Property that says in which direction a segment is driven: yes (as it is drawn), -1 (the other "
        "way), or anything else (both)",
    )

    @model_validator(mode="after")
    def _has_streets(self) -> TravelPart:
        if self.by == "streets" and self.streets_file is None:
            raise ValueError("by = 'streets' needs 'streets_file', a GeoJSON of street segments")
        return self


class StaffingPart(_Part):
    """How officers are found from demand."""

    method: Annotated[str, _member_of("staffing")] = Field(
        "mol", description="Staffing method that coverage is made with"
    )
    rungs: tuple[Annotated[str, _member_of("staffing")], ...] = Field(
        ("erlang_c", "mol", "priorities", "workload"),
        description="Staffing methods whose requirement stands beside that of 'method'. 'several_units' and "
        "'as_they_come' take minutes for a county, so that they are left out unless they are named",
    )
    target_probability: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Probability with which each hour's targets must hold; without it they hold on average over the "
        "forecast",
    )
    role: str = Field("response", description="Role that answers incidents")
    crew_size: int = Field(1, ge=1, le=8, description="Officers in a unit, where no crewing row says otherwise")
    crewing: tuple[CrewingPart, ...] = Field((), description="Crew sizes by hour of the day")
    abstraction: float = Field(
        0.3,
        ge=0,
        lt=0.95,
        description="Share of rostered officers who are away: leave, sickness, training, court. It holds where the "
        "record of duties and absences says too little of a year, or is not to be used",
    )
    measure_abstraction: StrictBool = Field(
        True, description="Whether the share lost by each role on the record takes the place of 'abstraction'"
    )
    post_hours_a_week: tuple[float, ...] = Field(
        (56, 168), description="Hours a week of the posts that relief factors are told for: 56 is eight hours a day"
    )
    utilisation: float = Field(
        0.6, gt=0, le=1, description="Share of time that units may be committed (workload method)"
    )
    time_budget: TimeBudgetPart = Field(
        TimeBudgetPart.model_validate({}), description="Shares of officers' time that are budgeted, beside response"
    )
    slots: SlotsPart = Field(SlotsPart.model_validate({}), description="Hours in which appointments are kept")
    other_work: OtherWorkPart = Field(
        OtherWorkPart.model_validate({}),
        description="What counts beside the time at calls, where a status log tells of it",
    )
    travel: TravelPart = Field(
        TravelPart.model_validate({}), description="How long units are on their way, in what is simulated"
    )


class ContactTargetPart(_Part):
    """How soon a line is to be answered."""

    channel: Literal["999", "101", "online", "front_counter", "partner", "other"] = Field(
        description="Channel of contact that people answer as it comes"
    )
    seconds: float = Field(ge=0, le=86_400, description="Seconds within which it is to be answered")
    share: float = Field(gt=0, lt=1, description="Share of its contacts that are to be answered so soon")


class ContactsPart(_Part):
    """How call takers are found from contacts."""

    targets: tuple[ContactTargetPart, ...] = Field(
        (
            ContactTargetPart(channel="999", seconds=10, share=0.9),
            ContactTargetPart(channel="101", seconds=60, share=0.9),
        ),
        min_length=1,
        description="Lines and their targets, the first to be answered first where they share their people; that of "
        "101 is an assumption until the force gives its own",
    )
    is_shared: StrictBool = Field(
        True, description="Whether the same people answer all lines; otherwise each line has its own"
    )
    role: str = Field("control_room", description="Role whose abstraction holds for call takers")

    @field_validator("targets")
    @classmethod
    def _speak_once(cls, value: tuple[ContactTargetPart, ...]) -> tuple[ContactTargetPart, ...]:
        names = [target.channel for target in value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two targets speak of channel '{twice[0]}'. One target a channel was expected")
        return value


class InvestigationPart(_Part):
    """How investigators are found from cases."""

    role: str = Field("investigation", description="Role that carries cases")
    most_open_cases: float | None = Field(
        None, ge=0, description="Open cases that are not to be exceeded; those open today where it is left out"
    )
    settling_weeks: int = Field(
        8, ge=1, le=8, description="Week of the coming eight from which on they are not to be exceeded"
    )
    hours_a_week: float = Field(
        30.0,
        gt=0,
        le=60,
        description="Hours that an investigator at work gives to cases in a week: an assumption until the force says",
    )
    finalised_weeks: float | None = Field(
        None, gt=0, le=52, description="Weeks within which cases are to be finalised; no target on age where left out"
    )
    finalised_share: float = Field(0.9, gt=0, lt=1, description="Share of cases that are to be finalised by then")
    share_waiting: float = Field(
        0.35,
        gt=0,
        le=1,
        description="Share of cases that must wait on others at some time: an assumption, for the target on age alone",
    )


class RefreshmentPart(_Part):
    """Refreshments in a turn of duty of at least a certain length."""

    at_least_hours: float = Field(ge=0, le=24, description="Shortest turn of duty that it holds for, in hours")
    minutes: int = Field(ge=0, le=180, description="Minutes at refreshments in such a turn")


class DutiesPart(_Part):
    """What is taken off the sheet before an officer counts as deployable.

    A force that says nothing has no briefing and no refreshments taken off.
    """

    day_starts_at: int = Field(
        7, ge=0, le=23, description="Local hour at which the duty day begins: a night belongs to the day it starts on"
    )
    shift_starts: ShiftStarts = Field(
        (7, 15, 23),
        min_length=1,
        max_length=8,
        description="Local hours at which shifts begin, in order, for leave and time by the shift",
    )
    briefing_minutes: int = Field(0, ge=0, le=120, description="Minutes of briefing at the start of each turn of duty")
    refreshments: tuple[RefreshmentPart, ...] = Field(
        (), description="Refreshments by length of turn; the row for the longest turn that is reached holds"
    )
    desk_roles: tuple[str, ...] = Field(
        (), description="Roles that are not sent out, such as custody: who may not go out, or not alone, counts there"
    )

    @field_validator("refreshments")
    @classmethod
    def _differ(cls, value: tuple[RefreshmentPart, ...]) -> tuple[RefreshmentPart, ...]:
        lengths = [row.at_least_hours for row in value]
        twice = sorted({length for length in lengths if lengths.count(length) > 1})
        if twice:
            raise ValueError(f"two rows hold for turns of at least {twice[0]:g} hours. One row a length was expected")
        return value


class OffendingPart(_Part):
    """Where and when offences are looked for."""

    classes: tuple[str, ...] = Field(
        (
            "violence", "domestic", "sexual", "robbery", "burglary", "vehicle_crime", "theft", "fraud",
            "criminal_damage", "drugs", "weapons", "public_order", "other_crime",
        ),
        min_length=1,
        description="Classes of crime, of offences and of incidents",
    )  # fmt: skip
    cells: Literal["hexagon", "area", "street"] = Field(
        "hexagon", description="Places that are ranked: H3 hexagons, the force's own areas, or segments of streets"
    )
    resolution: int = Field(9, ge=7, le=11, description="H3 resolution of hexagons: 9 is 0.1 km², 350 m across")
    streets_file: str | None = Field(
        None, description="GeoJSON of street segments, relative to the force's folder, for cells = 'street'"
    )
    street_id_property: str | None = Field(None, description="Property of that file that holds a segment's code")
    shift_starts: ShiftStarts = Field(
        (7, 15, 23), min_length=1, max_length=8, description="Local hours at which shifts begin, in order"
    )
    weeks: int = Field(260, ge=8, le=520, description="Weeks of history that maps are drawn from")

    @model_validator(mode="after")
    def _has_streets(self) -> OffendingPart:
        if self.cells == "street" and self.streets_file is None:
            raise ValueError("cells = 'street' needs 'streets_file', a GeoJSON of street segments")
        return self


class PatrolsPart(_Part):
    """How patrols of hotspots are planned, and what their simulated year takes for granted."""

    least_minutes: int = Field(10, ge=1, le=120, description="Shortest visit, in minutes")
    most_minutes: int = Field(16, ge=1, le=120, description="Longest visit, in minutes")
    at_least_every_hours: float = Field(
        2.0, gt=0, le=24, description="Longest time that a place is left without a visit, in hours"
    )
    speed_kmh: float = Field(
        20.0, gt=0, le=130, description="Speed between places along the straight line, in km an hour"
    )
    patrolled_share: float = Field(
        0.05, gt=0, le=1, description="Share of the ground that simulated patrols go to in each shift"
    )
    found_share: float = Field(
        0.5,
        ge=0,
        le=10,
        description="Offences that simulated patrols find, for each that comes to where they are anyway",
    )

    @model_validator(mode="after")
    def _runs_forward(self) -> PatrolsPart:
        if self.most_minutes < self.least_minutes:
            raise ValueError("'most_minutes' is less than 'least_minutes'. The longest visit is at least the shortest")
        if self.most_minutes > self.at_least_every_hours * 45:
            raise ValueError(
                "'most_minutes' is more than three quarters of 'at_least_every_hours', so that a unit could keep no "
                "place. Shorter visits, or more hours between them, were expected"
            )
        return self


class OpenIdPart(_Part):
    """An OpenID provider through which a force's people sign in."""

    issuer: str = Field(
        pattern=r"^https://\S+$|^http://(localhost|127\.0\.0\.1)(:\d+)?(/\S*)?$",
        description="The provider's address, as its tokens name it, such as https://login.example/tenant",
    )
    client_id: str = Field(min_length=1, description="What the provider calls this service")
    # Kept out of what a run records of its settings, because it may be written out.
    client_secret: str | None = Field(
        None,
        exclude=True,
        description="The secret that goes with it, such as ${OPENID_SECRET}; a public client has none",
    )
    scopes: tuple[str, ...] = Field(("openid", "profile"), description="What is asked of the provider; openid is one")
    name_claim: str = Field("preferred_username", description="Claim that holds the name that the log shows")
    roles_claim: str = Field("roles", description="Claim that lists the person's roles or groups")
    roles: dict[str, str] = Field(
        default_factory=dict,
        description='What those mean here, such as "Bluelamp planners" = "planner"; whoever has none is let in nowhere',
    )
    districts_claim: str | None = Field(
        None, description="Claim that lists the districts a person may see; all without"
    )
    teams_claim: str | None = Field(None, description="Claim that lists the teams a supervisor may see, as pool/team")

    @field_validator("roles")
    @classmethod
    def _are_roles(cls, value: dict[str, str]) -> dict[str, str]:
        for role in value.values():
            if role not in access.ROLES:
                hint = did_you_mean(role, access.ROLES)
                raise ValueError(f"'{role}' is no role here. {one_of(access.ROLES)} was expected.{hint}")
        return value

    @field_validator("scopes")
    @classmethod
    def _has_openid(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "openid" not in value:
            raise ValueError("'openid' must be one of them")
        return value


class ServicePart(_Part):
    """The service that many people use: where its own database is, how long people stay signed in, and its log."""

    # Kept out of what a run records of its settings, because it may hold a password.
    database: str | None = Field(
        None,
        exclude=True,
        description="A PostgreSQL for accounts and the log, as SQLAlchemy writes its address, such as "
        "postgresql+psycopg://bluelamp:${STATE_PASSWORD}@db.example/bluelamp; a file beside the store without it",
    )
    https: StrictBool = Field(
        False, description="Whether browsers come by https, through a proxy: what keeps them signed in then stays there"
    )
    session_hours: float = Field(12, gt=0, le=168, description="How long a person stays signed in at most")
    idle_minutes: float = Field(60, gt=0, le=1440, description="How long a person may do nothing and stay signed in")
    log_heads: str | None = Field(
        None,
        description="A file on another disk or machine to which the log's newest seal is added, relative to the "
        "force's folder",
    )
    log_head_minutes: float = Field(15, ge=1, le=1440, description="How often it is added while the service runs")
    watch: tuple[str, ...] = Field(
        (), description="Folders in which extracts arrive, relative to the force's folder, looked at while it runs"
    )
    watch_seconds: float = Field(
        10, ge=1, le=3600, description="How often those, and queries of sources, are looked at"
    )
    import_minutes: float = Field(
        5, gt=0, le=60, description="How long what is sent as it happens may wait to be imported; it is seen at once"
    )
    workers: int = Field(
        2, ge=1, le=64, description="Processes that answer; more than the machine has cores are of no use"
    )
    request_lines: Literal["none", "text", "json"] = Field(
        "none", description="Whether the service writes a line a request to standard error, as text or as JSON"
    )
    plan_at: str | None = Field(
        None,
        pattern=r"^([01]\d|2[0-3]):[0-5]\d$",
        description="A time of day by the force's clock, such as 05:00, at which a new run is made each day",
    )
    # Words on paper: no figure depends on them.
    marking: str | None = Field(
        None,
        exclude=True,
        min_length=1,
        max_length=60,
        description="The protective marking that stands on every sheet of paper, such as OFFICIAL-SENSITIVE",
    )
    openid: OpenIdPart | None = Field(None, description="An OpenID provider through which people sign in")

    @field_validator("database")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is not None and "://" not in value and not re.fullmatch(r"\s*\$\{\w+\}\s*", value):
            raise ValueError("an address such as postgresql+psycopg://host/name was expected, or ${NAME}")
        return value


class MapPart(_Part):
    """What lies under the areas on the map."""

    basemap: str | None = Field(
        None,
        description="A PMTiles file of roads, rivers and the like, relative to the force's folder; none without it",
    )
    attribution: str | None = Field(
        None,
        max_length=200,
        description="Whose map that is, as its licence asks for, such as 'Contains OS data © Crown copyright and "
        "database right 2026'; what the file says of itself without it",
    )

    @field_validator("basemap")
    @classmethod
    def _is_pmtiles(cls, value: str | None) -> str | None:
        if value is not None and not value.endswith(".pmtiles"):
            raise ValueError(
                "a file that ends in .pmtiles was expected; 'bluelamp basemap' makes one of a GeoPackage or MBTiles"
            )
        return value


class Settings(_Part):
    """All of force.toml."""

    force: ForcePart
    areas: AreasPart = AreasPart.model_validate({})
    sources: dict[str, SourcePart] = Field(default_factory=dict, description="Extracts by table name")
    demand: DemandPart = DemandPart.model_validate({})
    forecast: ForecastPart = ForecastPart.model_validate({})
    peaks: PeaksPart = PeaksPart.model_validate({})
    staffing: StaffingPart = StaffingPart.model_validate({})
    contacts: ContactsPart = ContactsPart.model_validate({})
    investigation: InvestigationPart = InvestigationPart.model_validate({})
    duties: DutiesPart = DutiesPart.model_validate({})
    offending: OffendingPart = OffendingPart.model_validate({})
    patrols: PatrolsPart = PatrolsPart.model_validate({})
    # Kept out of what a run records of its settings, because no figure follows from them.
    map: MapPart = Field(MapPart.model_validate({}), exclude=True)
    service: ServicePart = Field(ServicePart.model_validate({}), exclude=True)

    @field_validator("sources")
    @classmethod
    def _fill_tables(cls, value: dict[str, SourcePart]) -> dict[str, SourcePart]:
        known = tables.names("imported")
        for name in value:
            if name not in known:
                raise ValueError(f"'{name}' is not a table that is imported.{did_you_mean(name, known)}")
        return value


def read(folder: Path | str) -> Settings:
    """Read a force's settings.

    Raises NoInput where there is no force in the folder and BadSettings with every mistake in force.toml.
    """
    path = Path(folder) / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        raise NoInput(
            f"There is no force in '{folder}': {FILE_NAME} is missing. 'bluelamp init {folder} --from FILE' makes one."
        ) from None
    except UnicodeDecodeError:
        raise BadSettings(f"{path} is not UTF-8 text. Save it as UTF-8 and try again.") from None
    return parse(text, str(path))


@lru_cache(maxsize=8)
def parse(text: str, where: str = FILE_NAME) -> Settings:
    """Read settings from TOML text; the same text gives the same settings, which nobody can change.

    Raises BadSettings with every mistake at once.
    """
    return from_values(read_toml(text, where), where)


def read_toml(text: str, where: str) -> dict[str, Any]:
    """Read TOML text. Raises BadSettings, naming the line, where it is none."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"{where} is not TOML: {error}. Put that line right and try again.") from None


def refusal(where: str, problems: Sequence[str]) -> BadSettings:
    """Give the error that tells everything that is wrong with some settings."""
    verb = "One thing" if len(problems) == 1 else f"{len(problems)} things"
    return BadSettings(f"{where} can't be used yet. {verb} to put right:", problems)


def from_values(values: dict[str, Any], where: str = "The settings") -> Settings:
    """Check settings given as nested values. Raises BadSettings with every mistake at once."""
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise refusal(where, [_sentence(dict(each)) for each in error.errors()]) from None


def words_of(error: dict[str, Any]) -> str:
    """Give what is wrong with a value, in the words of a sentence that has no end yet."""
    if error["type"] == "bool_type":
        return "true or false was expected, without quotes"
    return str(error["msg"]).removeprefix("Value error, ").rstrip(".")


def _sentence(error: dict[str, Any]) -> str:
    place = [str(part) for part in error["loc"]]
    name = ".".join(place)
    if error["type"] == "extra_forbidden":
        return f"'{name}' is not a setting.{did_you_mean(place[-1], _known(place[:-1]))}"
    if error["type"] == "missing":
        return f"'{name}' is missing. It holds: {_description(place)}."
    given = error.get("input")
    said = words_of(error)
    stop = "" if said.endswith("?") else "."
    # An address may hold a password, so that neither it nor a table that it stands in is shown.
    shown = "" if place[-1] in ("url", "database", "client_secret") or isinstance(given, dict) else f" is {given!r}"
    return f"'{name}'{shown}: {said[0].lower()}{said[1:]}{stop} It holds: {_description(place)}."


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _model_at(place: list[str]) -> type[BaseModel] | None:
    model: Any = Settings
    for part in place:
        if _is_model(model):
            found = model.model_fields.get(part)
            model = found.annotation if found else None
        else:
            # One of a list or of a table of parts: the number or name is the writer's, what it holds is ours.
            model = next((each for each in get_args(model) if _is_model(each)), None)
    return model if _is_model(model) else None


def _known(place: list[str]) -> list[str]:
    model = _model_at(place)
    return list(model.model_fields) if model else []


def _description(place: list[str]) -> str:
    for length in range(len(place), 0, -1):
        model = _model_at(place[: length - 1])
        found = model.model_fields.get(place[length - 1]) if model else None
        if found:
            doc = found.annotation.__doc__ if _is_model(found.annotation) and found.annotation else None
            return (found.description or doc or "a setting").rstrip(".")
    return "a setting"


def json_schema() -> dict[str, Any]:
    """Give the published JSON Schema of force.toml."""
    return Settings.model_json_schema()
