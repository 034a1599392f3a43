"""What the runners of other engines share: the tables, and the one line each runner prints.

A runner is a script `run_NAME.py FOLDER QUERY` that runs in an environment of its engine, which need not have ours: it
reads FOLDER/{person,auction,bid}.parquet (event times as timestamps) or FOLDER/millis (as milliseconds), and prints a
JSON object with the seconds the engine took, the rows it answered (null where it does not tell) and the memory by
which the process grew.  A query a runner has no text for is one its engine cannot do.
"""

from __future__ import annotations

import importlib.util
import json
import resource
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.nexmark.queries import QUERIES

TABLES = ("person", "auction", "bid")
STANDARD = {query.name: query.sql for query in QUERIES}
"""The queries as we run them, for engines that understand them."""
READS = {query.name: query.reads for query in QUERIES}
COLUMNS = {
    "person": "id BIGINT, name {text}, email_address {text}, credit_card {text}, city {text}, state {text},"
    " date_time {time}, extra {text}",
    "auction": "id BIGINT, item_name {text}, description {text}, initial_bid BIGINT, reserve BIGINT, date_time {time},"
    " expires {time}, seller BIGINT, category BIGINT, extra {text}",
    "bid": "auction BIGINT, bidder BIGINT, price BIGINT, channel {text}, url {text}, date_time {time}, extra {text}",
}

Run = Callable[[Path, str, str], tuple[float, int | None]]
"""(folder, query's name, query's text) -> (seconds, rows answered or None)."""


def columns(table: str, text: str, time: str) -> str:
    """The columns of a table with the engine's words for the two types that differ."""
    return COLUMNS[table].format(text=text, time=time)


def main(package: str, texts: Mapping[str, str], run: Run) -> None:
    """Run the query of the command line and print its line; exit status 3 and a reason when that cannot be."""
    folder, query = Path(sys.argv[1]), sys.argv[2]
    if importlib.util.find_spec(package) is None:
        _cannot(f"{package} is not installed")
    if query not in texts:
        _cannot("no such query in its SQL")
    before = _peak_bytes()
    seconds, rows = run(folder, query, texts[query])
    print(json.dumps({"seconds": seconds, "rows": rows, "grown_bytes": _peak_bytes() - before}))


def _cannot(reason: str) -> None:
    print(json.dumps({"reason": reason}))
    raise SystemExit(3)


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
