"""What a county requires, from its feeds alone and from its flat incident file alone, held against the truth."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from bluelamp import intake, plan, reading, settings, sources
from bluelamp.sources.twin import make_twin, write_twin
from bluelamp.store import Store
from tests.true_requirement import true_requirement

pytestmark = pytest.mark.soak

AFTER = datetime(2026, 11, 22, 12, tzinfo=UTC)
PLACE = ["pool_id", "hour_starting"]


@pytest.fixture(scope="module")
def county(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("county")
    write_twin(folder, make_twin(preset="county", days=120, until=date(2026, 11, 22), feed_days=28))
    for name, path, chosen in intake.extracts_of(folder):
        intake.import_extract(folder, path, table=name, map_name=chosen)
    plan.plan(folder)
    return folder


def against_the_truth(county: Path, required: pl.DataFrame) -> pl.DataFrame:
    own = required.filter(role_code="response", grade_code="all", method="mol")
    both = own.join(true_requirement(county), on=PLACE, suffix="_true")
    hour = pl.col("hour_starting").dt.convert_time_zone("Europe/London").dt.hour()
    shift = pl.when(hour.is_between(7, 14)).then(pl.lit("early")).when(hour.is_between(15, 21)).then(pl.lit("late"))
    return both.with_columns(
        shift=shift.otherwise(pl.lit("night")), off=pl.col("units_required") - pl.col("units_required_true")
    )


def mean_error(both: pl.DataFrame) -> float:
    return float(both["off"].sum() / both["units_required_true"].sum())


def test_required_units_are_unbiased_from_feeds_alone(county):
    both = against_the_truth(county, reading.read_table(county, "required_staff"))
    assert both.height > 3000
    by_shift = both.group_by("pool_id", "shift").agg(
        mean_error=pl.col("off").mean(), absolute=pl.col("off").abs().mean(), true=pl.col("units_required_true").mean()
    )
    print(f"\nmean error {mean_error(both):+.2%}")
    with pl.Config(tbl_rows=40):
        print(by_shift.sort("pool_id", "shift"))
    assert abs(mean_error(both)) < 0.02
    assert (by_shift["absolute"] / by_shift["true"]).max() < 0.1


def test_with_the_flat_incident_file_alone_they_are_biased_and_the_run_says_so(county):
    store = Store(county)
    inputs = {name: store.read(name) for name in ("areas", "pools", "standards", "service_times", "minimums", "events")}
    extract = sources.read_extract(
        county / "extracts" / "incidents.csv.gz", sources.read_column_map("bluelamp").filling("incidents"),
        time_zone=settings.read(county).force.time_zone, as_of=AFTER,
    )  # fmt: skip
    inputs["incidents"], _ = intake.read_whole(extract)
    planned = plan.compute(inputs, settings.read(county))
    off = mean_error(against_the_truth(county, planned.results["required_staff"]))
    print(f"\nmean error from the flat file {off:+.2%}")
    assert abs(off) > 0.02
    assert any("'unit_status'" in note and "may be far off" in note for note in planned.notes)
