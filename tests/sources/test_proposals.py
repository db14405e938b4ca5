"""What `init` proposes for a file: a shipped map where one fits, else guesses, each with its reason."""

import csv
import gzip
import io
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bluelamp import settings, sources
from bluelamp.errors import BadData, BadSettings, UsageError
from bluelamp.sources.proposals import guess_class
from bluelamp.sources.time_zones import degrees_between, place_of, zones_near

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)


def a_feed(folder: Path, header: str, rows: list[list[str]], name: str = "export.csv", encoding: str = "utf-8") -> Path:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([header.split(","), *rows])
    path = folder / name
    path.write_bytes(out.getvalue().encode(encoding))
    return path


def moments(count: int, *, quiet_from: int = 2, seed: int = 1) -> list[datetime]:
    """Made-up times whose quietest hours begin at a given hour of the clock."""
    rng = random.Random(seed)
    hours = [hour for hour in range(24) for _ in range(1 if (hour - quiet_from) % 24 < 3 else 8)]
    start = datetime(2026, 1, 1)
    return sorted(
        start + timedelta(days=rng.randrange(60), hours=rng.choice(hours), minutes=rng.randrange(60))
        for _ in range(count)
    )


def british(folder: Path, form: str = "%d/%m/%Y %H:%M", **how: object) -> Path:
    rng = random.Random(2)
    codes = [("BDW", "Burglary dwelling"), ("RTC", "Road traffic collision"), ("ASB", "Noise nuisance"), ("ZZ", "Zz")]
    rows = []
    for number, at in enumerate(moments(1500, **{k: v for k, v in how.items() if k == "quiet_from"})):  # type: ignore[arg-type]
        code, words = rng.choice(codes)
        sent = at + timedelta(minutes=rng.randrange(2, 9))
        there = sent + timedelta(minutes=rng.randrange(2, 20))
        free = there + timedelta(minutes=rng.randrange(9, 200))
        rows.append(
            [f"L{number}", *(t.strftime(form) for t in (at, sent, there, free)), code, words, rng.choice("123"),
             f"B{rng.randrange(9)}", f"D{rng.randrange(3)}", str(rng.randrange(330000, 370000)),
             str(rng.randrange(150000, 190000)), rng.choice(["Closed", "Open"]), rng.choice(["A1", "A1;B2"])]
        )  # fmt: skip
    header = (
        "LogNumber,TimeReceived,TimeDespatched,TimeAtScene,TimeFree,IncidentType,TypeDescription,Grade,BeatCode,"
        "District,Easting,Northing,LogStatus,Units"
    )
    return a_feed(folder, header, rows, encoding=str(how.get("encoding", "utf-8")))


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "file", "force"),
    [
        ("oakland", "oakland/calls.csv.gz", "Oakland"),
        ("laguna_beach", "laguna_beach/events.csv.gz", "Laguna Beach"),
        ("san_luis_obispo", "san_luis_obispo/calls_first_half.csv.gz", "San Luis Obispo"),
    ],
)
def test_a_feed_with_a_shipped_map_is_recognised_and_nothing_is_asked(name, file, force, shared_data):
    proposal = sources.propose(shared_data / file)

    assert (proposal.map_name, proposal.is_shipped, proposal.is_complete) == (name, True, True)
    assert list(proposal.files()) == ["force.toml"]
    read = settings.parse(proposal.files()["force.toml"])
    assert (read.force.name, read.force.time_zone, read.force.country) == (force, "America/Los_Angeles", "US")
    assert read.sources["incidents"].map == name
    assert read.areas.from_points == (name == "oakland")


def test_a_file_in_the_products_own_form_is_recognised_and_only_the_clock_is_asked(tmp_path):
    path = a_feed(
        tmp_path, "incident_id,received_at,class_code,origin", [["1", "2026-01-05T10:00:00Z", "alarm", "public"]]
    )

    proposal = sources.propose(path)

    assert proposal.map_name == "bluelamp"
    assert [question.name for question in proposal.questions] == ["time_zone"]
    with pytest.raises(UsageError, match="By which clock does the force live"):
        proposal.files()
    answered = sources.propose(path, answers={"time_zone": "Europe/London"})
    assert settings.parse(answered.files()["force.toml"]).force.time_zone == "Europe/London"


def test_an_unknown_feed_is_guessed_column_by_column_with_reasons(tmp_path):
    proposal = sources.propose(british(tmp_path), force_id="mercia", force_name="Mercia")

    found = {guess.what: guess for guess in proposal.guesses}
    assert proposal.is_complete, proposal.questions
    assert {name: found[name].value for name in found if name in settings_of(proposal)["columns"]} == {
        "incident_id": "LogNumber",
        "received_at": "TimeReceived",
        "dispatched_at": "TimeDespatched",
        "arrived_at": "TimeAtScene",
        "cleared_at": "TimeFree",
        "opening_code": "IncidentType",
        "opening_description": "TypeDescription",
        "grade_code": "Grade",
        "area_id": "BeatCode",
        "longitude": "Easting",
        "latitude": "Northing",
        "status": "LogStatus",
        "units": "Units",
    }
    assert found["dates"].value == "day-first"
    assert found["crs"].value == "EPSG:27700"
    assert proposal.time_zone == "Europe/London"
    assert all(guess.because and guess.confidence in ("high", "fair", "low") for guess in proposal.guesses)
    assert settings.parse(proposal.files()["force.toml"]).force.id == "mercia"


def settings_of(proposal: sources.Proposal) -> dict[str, dict[str, object]]:
    import tomllib

    assert proposal.map_text is not None
    return tomllib.loads(proposal.map_text)


def test_the_proposed_map_reads_the_file_that_it_was_made_for(tmp_path):
    path = british(tmp_path)
    proposal = sources.propose(path)
    assert proposal.map_text is not None
    extract = sources.read_extract(
        path, sources.parse_column_map(proposal.map_text), time_zone="Europe/London", as_of=AS_OF
    )
    (chunk,) = extract

    assert chunk.quarantined.is_empty()
    assert chunk.rows.height == 1500
    assert set(chunk.rows["class_code"]) == {"burglary", "collision", "antisocial_behaviour", "unknown"}
    assert chunk.rows["units"].unique().sort().to_list() == [1, 2]
    assert chunk.rows["latitude"].is_between(50, 53).all()
    assert set(chunk.rows["status"]) == {"open", "closed"}
    assert set(extract.districts()["district"]) == {"D0", "D1", "D2"}
    assert set(extract.rule_counts) == {"unknown_code"} or "unknown_code" not in extract.rule_counts


def test_dates_that_could_be_either_are_asked_about(tmp_path):
    rows = [[str(n), f"0{n % 9 + 1}/03/2026 10:{n % 60:02d}", "X"] for n in range(300)]
    path = a_feed(tmp_path, "id,received,type", rows)

    proposal = sources.propose(path, answers={"time_zone": "Europe/London"})

    (question,) = proposal.questions
    assert (question.name, question.choices) == ("date_order", ("day_first", "month_first"))
    answered = sources.propose(path, answers={"time_zone": "Europe/London", "date_order": "month_first"})
    assert answered.is_complete
    assert settings_of(answered)["date_order"] == "month_first"
    with pytest.raises(UsageError, match=r"Not one date of export\.csv can be read year-first"):
        sources.propose(path, answers={"date_order": "year_first"})
    with pytest.raises(UsageError, match=r"'first_day' is not an order of dates. 'day_first', 'month_first' or"):
        sources.propose(path, answers={"date_order": "first_day"})


def test_dates_in_two_orders_are_bad_data_until_one_is_said(tmp_path):
    rows = [[str(n), f"{13 + n % 9}/03/2026 10:00" if n % 5 else f"03/{13 + n % 9}/2026 10:00"] for n in range(100)]
    path = a_feed(tmp_path, "id,received", rows)
    with pytest.raises(
        BadData, match=r"are mixed: 80 dates can only be day-first .* --date-order with 'bluelamp init'"
    ):
        sources.propose(path)
    proposal = sources.propose(path, answers={"time_zone": "Europe/London", "date_order": "day_first"})
    (told,) = [guess.because for guess in proposal.guesses if guess.what == "dates"]
    assert told == "you said so; 20 dates can't be read so, and will be set aside"


def test_an_order_of_dates_is_not_taken_where_a_column_map_says_it(tmp_path):
    header = "incident_id,received_at,class_code,origin"
    path = a_feed(tmp_path, header, [["1", "2026-01-05T10:00:00Z", "alarm", "public"]])
    with pytest.raises(UsageError, match=r"is read by the column map 'bluelamp' .* Leave --date-order out"):
        sources.propose(path, answers={"date_order": "day_first"})


def test_a_time_zone_that_is_none_is_refused(tmp_path):
    with pytest.raises(BadSettings, match="'Europe/Lndon' is not a time zone"):
        sources.propose(british(tmp_path), answers={"time_zone": "Europe/Lndon"})


def test_without_a_point_the_clock_is_asked_with_what_the_days_shape_says(tmp_path):
    rows = [[str(n), at.isoformat(" "), "X"] for n, at in enumerate(moments(2000))]
    (question,) = sources.propose(a_feed(tmp_path, "id,received,type", rows)).questions
    assert question.name == "time_zone"
    assert "begin at 02:00: they look local" in question.words


@pytest.mark.parametrize(
    ("form", "quiet_from", "expected"),
    [
        ("%Y-%m-%d %H:%M:%S", 2, {"time_zone": "force"}),
        ("%Y-%m-%dT%H:%M:%SZ", 2, {"time_zone": "force", "ignore_offset": True}),
        ("%Y-%m-%d %H:%M:%S", 10, {"time_zone": "UTC"}),
        ("%Y-%m-%dT%H:%M:%SZ", 10, {"time_zone": "UTC"}),
    ],
)
def test_local_time_labelled_utc_is_told_from_utc(tmp_path, form, quiet_from, expected):
    rng = random.Random(3)
    rows = [
        [str(n), at.strftime(form), "X", f"{-122.2 + rng.random() / 10:.4f}", f"{37.8 + rng.random() / 10:.4f}"]
        for n, at in enumerate(moments(3000, quiet_from=quiet_from))
    ]
    proposal = sources.propose(a_feed(tmp_path, "id,received,type,lon,lat", rows))

    assert proposal.time_zone == "America/Los_Angeles"
    made = settings_of(proposal)
    assert {name: made[name] for name in ("time_zone", "ignore_offset") if name in made} == expected


def test_date_and_time_in_two_columns_are_joined(tmp_path):
    rows = [[str(n), at.strftime("%d/%m/%Y"), at.strftime("%H:%M"), "X"] for n, at in enumerate(moments(800))]
    path = a_feed(tmp_path, "id,date_received,time_received,type", rows)
    proposal = sources.propose(path, answers={"time_zone": "Europe/London"})
    assert proposal.map_text is not None
    (chunk,) = sources.read_extract(
        path, sources.parse_column_map(proposal.map_text), time_zone="Europe/London", as_of=AS_OF
    )
    assert chunk.rows.height == 800


def test_windows_text_is_read_and_its_encoding_written_into_the_map(tmp_path):
    rows = [[str(n), at.isoformat(" "), "Café"] for n, at in enumerate(moments(500))]
    path = a_feed(tmp_path, "id,received,type", rows, encoding="windows-1252")
    proposal = sources.propose(path, answers={"time_zone": "Europe/London"})
    assert settings_of(proposal)["encoding"] == "windows-1252"


def test_a_file_without_any_time_is_bad_data(tmp_path):
    with pytest.raises(BadData, match=r"No column of export\.csv reads as a time.* It has: id, type\..*--map"):
        sources.propose(a_feed(tmp_path, "id,type", [["1", "A"], ["2", "B"]]))


def test_a_time_that_only_says_something_else_is_asked_about(tmp_path):
    path = a_feed(tmp_path, "id,cleared", [[str(n), at.isoformat(" ")] for n, at in enumerate(moments(400))])
    proposal = sources.propose(path, answers={"time_zone": "Europe/London"})
    assert [(each.name, each.choices) for each in proposal.questions] == [("received_at", ("cleared",))]
    assert proposal.map_text is None
    answered = sources.propose(path, answers={"time_zone": "Europe/London", "received_at": "cleared"})
    assert settings_of(answered)["columns"]["received_at"] == "cleared"
    with pytest.raises(UsageError, match=r"'id' does not read as a time. Those that do are 'cleared'"):
        sources.propose(path, answers={"received_at": "id"})


def test_a_file_with_columns_and_no_row_is_bad_data_whatever_its_map(tmp_path):
    path = a_feed(tmp_path, "incident_id,received_at,class_code,origin", [])
    for map_name in (None, "bluelamp"):
        with pytest.raises(BadData, match="has columns and no row"):
            sources.propose(path, map_name=map_name)


def test_drawn_boundaries_are_written_in_place_of_derived_ones(tmp_path):
    proposal = sources.propose(british(tmp_path))
    derived, drawn = proposal.files(), proposal.files({"file": "w.geojson", "crs": "EPSG:27700"})
    assert settings.parse(derived["force.toml"]).areas.from_points
    read = settings.parse(drawn["force.toml"]).areas
    assert (read.file, read.crs, read.from_points) == ("w.geojson", "EPSG:27700", False)
    assert "drew no boundaries" in derived["force.toml"]
    assert "drew no boundaries" not in drawn["force.toml"]


def test_a_column_name_with_quotes_and_marks_makes_a_map_that_can_be_read(tmp_path):
    rows = [[str(n), at.isoformat(" "), 'A"\\\u202e' if n % 2 else "=B\n\tC"] for n, at in enumerate(moments(400))]
    path = tmp_path / "odd name (1).csv"
    out = io.StringIO()
    csv.writer(out).writerows([['id "no"', "received\\at", "type=1"], *rows])
    path.write_text(out.getvalue(), newline="")
    proposal = sources.propose(path, answers={"time_zone": "Europe/London"})
    assert proposal.map_name == "odd-name-1.toml"
    assert proposal.map_text is not None
    (chunk,) = sources.read_extract(
        path, sources.parse_column_map(proposal.map_text), time_zone="Europe/London", as_of=AS_OF
    )
    assert chunk.rows.height == 400


def test_a_map_that_is_named_must_fit_the_file(tmp_path):
    path = a_feed(tmp_path, "event_nmber,call_id", [["1", "2"]])
    with pytest.raises(BadData) as caught:
        sources.propose(path, map_name="oakland")
    assert "Column 'event_number' is missing. Did you mean 'event_nmber'?" in str(caught.value)


def test_the_kinds_of_file_that_reading_refuses_are_refused_here_too(tmp_path):
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress(b"id,received\n" * 1000)[:40])
    with pytest.raises(BadData, match="cut off"):
        sources.propose(path)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("961 TRAFFIC STOP", ("patrol", "officer_initiated")),
        ("911 HANG UP FROM CP", ("abandoned_call", "public")),
        ("SUICIDE THREATS", ("mental_health", "public")),
        ("SEXUAL BATTERY", ("sexual", "public")),
        ("Burglary dwelling", ("burglary", "public")),
        ("RTC injury", ("medical_fire", "public")),
        ("Meal break", ("administration", "administrative")),
        ("XQ7", ("unknown", "unknown")),
    ],
)
def test_a_code_is_classed_where_its_words_are_plain(words, expected):
    assert guess_class(words) == expected


def test_a_time_zone_is_guessed_from_where_its_chief_place_lies():
    assert zones_near(-2.58, 51.45)[0] == "Europe/London"
    assert zones_near(-122.23, 37.79)[0] == "America/Los_Angeles"
    assert zones_near(151.2, -33.9)[0] == "Australia/Sydney"
    assert place_of("UTC") is None
    assert degrees_between((0, 0), (90, 0)) == pytest.approx(90)
    assert degrees_between((170, 0), (-170, 0)) == pytest.approx(20)
