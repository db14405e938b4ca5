"""A method that another stands in for, in some districts: rates and shocks by district, and paths that still add up.

Every method draws as if it were alone, and of its paths the events in its own districts are kept. So districts that
nobody stands in for have the paths that they always had, to the last incident, and the force is the sum of both.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import polars as pl

from bluelamp.forecast import _paths
from bluelamp.forecast._history import Calendar, Floats, Integers
from bluelamp.forecast._paths import DayPaths
from bluelamp.forecast._rates import RateModel
from bluelamp.forecast._short_lead import Today

_INSTEAD, _DISTRICTS = "instead:", "instead_in:"


@dataclass(frozen=True)
class StandIn:
    """A method with the districts that it stands in for; its rates elsewhere are nil."""

    method: str
    model: RateModel
    districts: Integers
    areas: Integers


@dataclass(frozen=True)
class SwitchedModel(RateModel):
    """The model of most districts, and those that stand in for it in others."""

    stand_ins: tuple[StandIn, ...] = ()

    def rates(self, calendar: Calendar, first: int, last: int) -> Floats:
        """Give expected incidents, areas × cells × hours, each area by the method of its district."""
        found = super().rates(calendar, first, last)
        for each in self.stand_ins:
            found[each.areas] = each.model.rates(calendar, first, last)[each.areas]
        return found

    def to_bytes(self) -> bytes:
        """Write the parameters of every method, with the districts that it stands in for; `read_model` reads them."""
        with np.load(io.BytesIO(super().to_bytes()), allow_pickle=False) as own:
            arrays = dict(own)
        for each in self.stand_ins:
            names = [self.series.district_ids[district] for district in each.districts]
            arrays[f"{_INSTEAD}{each.method}"] = np.frombuffer(each.model.to_bytes(), dtype=np.uint8)
            arrays[f"{_DISTRICTS}{each.method}"] = np.array(names, dtype=np.str_)
        out = io.BytesIO()
        np.savez_compressed(out, allow_pickle=False, **arrays)
        return out.getvalue()


def read_model(written: bytes) -> RateModel:
    """Read what `to_bytes` wrote of a model, with all that stand in for it; what was said of them is not among it."""
    model = RateModel.of_bytes(written)
    with np.load(io.BytesIO(written), allow_pickle=False) as file:
        methods = [name.removeprefix(_INSTEAD) for name in file.files if name.startswith(_INSTEAD)]
        others = {name: RateModel.of_bytes(file[f"{_INSTEAD}{name}"].tobytes()) for name in methods}
        return compose(
            model,
            {place: (name, others[name]) for name in methods for place in file[f"{_DISTRICTS}{name}"].tolist()},
        )


def compose(model: RateModel, instead: Mapping[str, tuple[str, RateModel]]) -> RateModel:
    """Let other methods stand in for a model: `instead` has a method's name and model for each district.

    Districts that there are not are passed over; with none left the model is given as it is.
    """
    series = model.series
    stand_ins = []
    for method in sorted({name for name, _ in instead.values()}):
        here = [name for name in series.district_ids if name in instead and instead[name][0] == method]
        if not here:
            continue
        other = instead[here[0]][1]
        districts = np.array([series.district_ids.index(name) for name in here], dtype=np.int64)
        is_here = np.isin(series.district_of_area, districts)
        alone = replace(other, slot_rates=np.where(is_here[:, None, None], other.slot_rates, 0.0))
        stand_ins.append(StandIn(method, alone, districts, np.flatnonzero(is_here)))
    if not stand_ins:
        return model
    notes = tuple(f"{each.method}: {note}" for each in stand_ins for note in each.model.notes)
    own = {each.name: getattr(model, each.name) for each in fields(model)} | {"notes": (*model.notes, *notes)}
    return SwitchedModel(**own, stand_ins=tuple(stand_ins))


def draw_multipliers(
    model: RateModel, paths: int, seed: int, days: int, days_between: float = 0.0, today: Today | None = None
) -> Floats:
    """Draw what days share, paths × days × districts, each district by its own method; see `_paths`."""
    found = _paths.draw_multipliers(model, paths, seed, days, days_between, today)
    for each in _stand_ins(model):
        own = _paths.draw_multipliers(each.model, paths, seed, days, days_between, today)
        found[:, :, each.districts] = own[:, :, each.districts]
    return found


def draw_days(
    model: RateModel,
    calendar: Calendar,
    multipliers: Floats,
    seed: int,
    today: Today | None = None,
    only: Collection[int] | None = None,
    days_between: float = 0.0,
) -> Iterator[DayPaths]:
    """Draw the events of every path, a day at a time, each district by its own method; see `_paths`.

    `multipliers` are those that `draw_multipliers` gave for as many days between. Each method draws with its own, also
    where its events are not kept, because what one district draws decides what the next one does.
    """
    stand_ins = _stand_ins(model)
    if not stand_ins:
        yield from _paths.draw_days(model, calendar, multipliers, seed, today, only)
        return
    base = RateModel(**{each.name: getattr(model, each.name) for each in fields(RateModel)})
    paths, days, _ = multipliers.shape
    every = [
        _paths.draw_days(
            each, calendar, _paths.draw_multipliers(each, paths, seed, days, days_between, today), seed, today, only
        )
        for each in (base, *(one.model for one in stand_ins))
    ]
    cells = model.series.shape[1]
    owner = np.zeros(len(model.series.district_ids), dtype=np.int64)
    for number, each in enumerate(stand_ins, start=1):
        owner[each.districts] = number
    of_series = np.repeat(owner[model.series.district_of_area], cells)
    for drawn in zip(*every, strict=True):
        kept = [of_series[one.series] == number for number, one in enumerate(drawn)]
        path, series, hour = (
            np.concatenate([getattr(one, name)[where] for one, where in zip(drawn, kept, strict=True)])
            for name in ("path", "series", "hour")
        )
        yield replace(drawn[0], path=path, series=series, hour=hour)


def blend(model: RateModel, values: Sequence[Floats], place_shares: Floats) -> Floats:
    """Blend what methods say of places (each places × …) by the districts' shares in them, places × districts.

    `values` has the model's own first, then one a stand-in. For variances of sums this is on the safe side: parts that
    are not drawn together are less unsure in sum.
    """
    found = values[0]
    for each, other in zip(_stand_ins(model), values[1:], strict=True):
        share = place_shares[:, each.districts].sum(axis=1).reshape(-1, *[1] * (found.ndim - 1))
        found = found + share * (other - values[0])
    return found


def models_in(model: RateModel) -> list[RateModel]:
    """Give the model's own first, then one a stand-in."""
    return [model, *(each.model for each in _stand_ins(model))]


def name_methods(rows: pl.DataFrame, model: RateModel, method: str) -> pl.DataFrame:
    """Name the method of each row: of areas and districts the district's own, of sums over several all of theirs."""
    by_district = _methods_by_district(model, method)
    mixed = " and ".join(dict.fromkeys([method, *by_district]))
    series = model.series
    of_place = {("district", place): name for place, name in zip(series.district_ids, by_district, strict=True)} | {
        ("area", area): by_district[district]
        for area, district in zip(series.area_ids, series.district_of_area, strict=True)
    }
    if mixed == method:
        return rows.with_columns(method=pl.lit(method))
    named = pl.DataFrame(
        [(*place, name) for place, name in of_place.items()],
        schema={"level": pl.String, "area_id": pl.String, "method": pl.String}, orient="row",
    )  # fmt: skip
    joined = rows.join(named, on=["level", "area_id"], how="left", maintain_order="left")
    return joined.with_columns(pl.col("method").fill_null(mixed))


def _methods_by_district(model: RateModel, method: str) -> list[str]:
    """Name the method of each district."""
    found = [method] * len(model.series.district_ids)
    for each in _stand_ins(model):
        for district in each.districts:
            found[district] = each.method
    return found


def _stand_ins(model: RateModel) -> tuple[StandIn, ...]:
    return model.stand_ins if isinstance(model, SwitchedModel) else ()
