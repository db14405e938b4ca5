"""The outlook's peers by month: AutoETS of statsforecast, free and with a damped trend, with their own ranges.

    python outlook_peers.py series.csv forecasts.csv 2016-01-01 2016-07-01 …

`series.csv` has series, month, incidents. Each method is fitted to each series up to each origin and forecasts the 48
months from it on; `forecasts.csv` gets method, series, origin, month and seven quantiles. The last line printed is the
CPU seconds of each method as JSON.
"""

from __future__ import annotations

import json
import sys
import time

QUANTILES = {"p025": "-lo-95", "p10": "-lo-80", "p25": "-lo-50", "p50": "", "p75": "-hi-50", "p90": "-hi-80",
             "p975": "-hi-95"}  # fmt: skip
AHEAD = 48


def main() -> None:
    """Fit, forecast and write."""
    import pandas as pd
    from statsforecast import StatsForecast
    from statsforecast.models import AutoETS, Naive

    source, target, *origins = sys.argv[1:]
    every = pd.read_csv(source, parse_dates=["month"])
    every = every.rename(columns={"series": "unique_id", "month": "ds", "incidents": "y"})
    methods = {
        "AutoETS": lambda: AutoETS(season_length=12),
        "AutoETS, damped": lambda: AutoETS(season_length=12, damped=True),
    }
    seconds: dict[str, float] = {}
    found = []
    for origin in origins:
        known = every[every.ds < origin]
        for name, model in methods.items():
            began = time.process_time()
            fitted = StatsForecast([model()], freq="MS", n_jobs=1, fallback_model=Naive())
            ahead = fitted.forecast(df=known, h=AHEAD, level=[50, 80, 95])
            seconds[name] = seconds.get(name, 0.0) + time.process_time() - began
            (column,) = [each for each in ahead.columns if each not in ("unique_id", "ds") and "-" not in each]
            ahead = ahead.rename(columns={f"{column}{ending}": label for label, ending in QUANTILES.items()})
            found.append(ahead.assign(method=name, origin=origin))
    kept = ["method", "series", "origin", "month", *QUANTILES]
    whole = pd.concat(found).rename(columns={"unique_id": "series", "ds": "month"})[kept]
    whole[list(QUANTILES)] = whole[list(QUANTILES)].clip(lower=0)
    whole.to_csv(target, index=False)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
