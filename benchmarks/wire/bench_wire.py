"""The wire protocol beside PostgreSQL's: the same rows, the same clients, one after the other in one run.

    python benchmarks/wire/bench_wire.py [--rows 1000000] [--seconds 5]

Results through psycopg (text and binary), asyncpg and ADBC, COPY both ways, INSERT of a thousand rows a statement,
look-ups by key with pgbench, how long a change takes from one connection to another that follows it, and the memory of
idle connections.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi
import asyncpg
import numpy as np
import psycopg

from benchmarks.side_by_side import report
from benchmarks.wire.postgres import postgres

COLUMNS = "id BIGINT PRIMARY KEY, a BIGINT, b DOUBLE PRECISION, name TEXT, at TIMESTAMP, c INT"
OURS, THEIRS = "sqlengine", "postgresql"
TURNS = 3


@contextmanager
def ours() -> Iterator[tuple[str, int]]:
    """(where a server of its own is, for libpq; its process)."""
    command = [sys.executable, "-m", "repl", "serve", "--pg", "127.0.0.1:0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        found = re.search(r":(\d+)", process.stderr.readline())
        assert found is not None
        yield f"host=127.0.0.1 port={found[1]} user=me dbname=db", process.pid
    finally:
        process.terminate()
        process.wait(60)


def lines(rows: int) -> bytes:
    """The rows as csv."""
    return b"".join(
        b"%d,%d,%.6f,name%d,2024-01-01 00:00:%02d,%d\n" % (i, i * 7, i / 7, i % 1000, i % 60, i % 100)
        for i in range(rows)
    )


def seconds(work: Callable[[], Any], times: int = 3) -> float:
    """The best of some runs."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)


# ---------------------------------------------------------------- what is measured


def copy_in(dsn: str, data: bytes) -> float:
    """Seconds to load the rows from the client."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE t ({COLUMNS})")
        began = time.perf_counter()
        with connection.cursor().copy("COPY t FROM STDIN (FORMAT csv)") as copy:
            for at in range(0, len(data), 1 << 18):
                copy.write(data[at : at + (1 << 18)])
        return time.perf_counter() - began


def select(dsn: str, binary: bool) -> float:
    """Seconds until psycopg has all rows."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        return seconds(lambda: connection.cursor(binary=binary).execute("SELECT * FROM t").fetchall())


def select_asyncpg(dsn: str) -> float:
    """The same with asyncpg."""

    async def run() -> float:
        settings = dict(part.split("=") for part in dsn.split())
        address = {"host": settings["host"], "port": int(settings["port"])}
        connection = await asyncpg.connect(**address, user="me", database=settings["dbname"])
        best = float("inf")
        for _ in range(3):
            began = time.perf_counter()
            await connection.fetch("SELECT * FROM t")
            best = min(best, time.perf_counter() - began)
        await connection.close()
        return best

    return asyncio.run(run())


def copy_out(dsn: str) -> float:
    """Seconds for all rows in COPY's binary format."""

    def work() -> None:
        with connection.cursor().copy("COPY t TO STDOUT (FORMAT binary)") as copy:
            for _ in copy:
                pass

    with psycopg.connect(dsn, autocommit=True) as connection:
        return seconds(work)


def copy_adbc(dsn: str) -> float:
    """Seconds until ADBC has all rows as an Arrow table, which it copies out in binary; both ends are compiled."""
    settings = dict(part.split("=") for part in dsn.split())
    uri = f"postgresql://me@{settings['host']}:{settings['port']}/{settings['dbname']}"

    def work() -> None:
        cursor.execute("SELECT * FROM t")
        assert cursor.fetch_arrow_table().num_rows > 0

    with adbc_driver_postgresql.dbapi.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
        return seconds(work)


def inserts(dsn: str, statements: int = 50) -> float:
    """Rows a second of INSERT ... VALUES with 1,000 rows each."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE inserted (a BIGINT, b DOUBLE PRECISION, c TEXT)")
        texts = [
            "INSERT INTO inserted VALUES " + ", ".join(f"({s * 1000 + i}, {i / 8}, 'text {i}')" for i in range(1000))
            for s in range(statements)
        ]
        began = time.perf_counter()
        for text in texts:
            connection.execute(text.encode())
        return statements * 1000 / (time.perf_counter() - began)


def look_ups(dsn: str, clients: int, rows: int, lasts: int) -> tuple[float, float, float]:
    """(a second, p50 ms, p99 ms) of prepared SELECTs by key."""
    settings = dict(part.split("=") for part in dsn.split())
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "read.sql"
        script.write_text(f"\\set id random(0, {rows - 1})\nSELECT name, c FROM t WHERE id = :id;\n", encoding="utf-8")
        command = ["pgbench", "-n", "-M", "prepared", "-c", str(clients), "-T", str(lasts), "-f", str(script), "-l"]
        command += ["--log-prefix", f"{folder}/log", "-h", settings["host"], "-p", settings["port"], "-U", "me"]
        done = subprocess.run([*command, settings["dbname"]], capture_output=True, text=True, check=True)
        rate = float(re.search(r"tps = ([\d.]+) \(without", done.stdout)[1])  # type: ignore[index]
        took = [int(line.split()[2]) for log in Path(folder).glob("log*") for line in log.read_text().splitlines()]
    p50, p99 = np.percentile(took, [50, 99]) / 1000
    return rate, float(p50), float(p99)


def change_latency(dsn: str, lasts: int, a_second: int = 1_000) -> tuple[float, float]:
    """(p50, p99 ms) from before an INSERT is sent to its row at a connection that follows the table."""
    sent: dict[int, float] = {}
    took: list[float] = []
    ready = threading.Event()
    total = lasts * a_second

    def follow() -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            for row in connection.cursor().stream("SUBSCRIBE (SELECT id FROM changes)"):
                if row[3] == -1:
                    ready.set()
                    continue
                took.append(time.perf_counter() - sent[row[3]])
                if len(took) == total:
                    return

    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE STREAM changes (id BIGINT)")
        follower = threading.Thread(target=follow, daemon=True)
        follower.start()
        connection.execute("INSERT INTO changes VALUES (-1)")
        ready.wait(30)
        began = time.perf_counter()
        for number in range(total):
            wait = began + number / a_second - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            sent[number] = time.perf_counter()
            connection.execute("INSERT INTO changes VALUES (%s)", (number,), prepare=True)
        follower.join(60)
    p50, p99 = np.percentile(took, [50, 99]) * 1000
    return float(p50), float(p99)


def idle_connections(dsn: str, process: int, count: int = 500) -> float:
    """KB that the server takes more for each of so many connections that have asked something and say nothing now."""

    def resident_kb() -> int:
        time.sleep(2)
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text(encoding="utf-8"))
        assert found is not None
        return int(found[1])

    before = resident_kb()
    with ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(psycopg.connect(dsn, autocommit=True))
            connection.execute("SELECT 1")
        return (resident_kb() - before) / count


# ---------------------------------------------------------------- the run


def against(case: str, unit: str, mine: float, other: float | None, bar: float | None) -> None:
    """Report a rate of ours and of PostgreSQL's."""
    ratio = None if other is None else mine / other
    report(case, OURS, mine, unit, ratio=ratio, bar=bar)
    if other is not None:
        report(case, THEIRS, other, unit)


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=5)
    options = parser.parse_args()
    data = lines(options.rows)
    with ours() as (mine, process), postgres() as theirs:
        both = [mine] if theirs is None else [mine, theirs]

        def rates(work: Callable[[str], float], turns: int) -> tuple[float, float | None]:
            # in turns, because what other programs take of the machine changes within seconds
            took = [[work(dsn) for dsn in both] for _ in range(turns)]
            found = [options.rows / min(of_one) for of_one in zip(*took, strict=True)]
            return found[0], found[1] if len(found) > 1 else None

        against("COPY FROM STDIN, csv", "rows/s", *rates(lambda dsn: copy_in(dsn, data), 1), bar=1.0)
        for case, work in (
            ("SELECT, psycopg text", lambda dsn: select(dsn, False)),
            ("SELECT, psycopg binary", lambda dsn: select(dsn, True)),
            ("SELECT, asyncpg", select_asyncpg),
            ("COPY TO STDOUT, binary", copy_out),
            ("COPY TO STDOUT, binary, ADBC", copy_adbc),
        ):
            against(case, "rows/s", *rates(work, TURNS), bar=1.0)
        found = [inserts(dsn) for dsn in both]
        against("INSERT, 1,000 rows a statement", "rows/s", found[0], found[-1] if len(found) > 1 else None, None)
        if shutil.which("pgbench"):
            for clients in (1, 16):
                told = [look_ups(dsn, clients, options.rows, options.seconds) for dsn in both]
                theirs_told = told[1] if len(told) > 1 else (None, None, None)
                for name, unit, at in (("a second", "1/s", 0), ("p50", "ms", 1), ("p99", "ms", 2)):
                    against(f"SELECT by key, {clients} clients, {name}", unit, told[0][at], theirs_told[at], None)
        p50, p99 = change_latency(mine, options.seconds)
        report("change at a follower, p50", OURS, p50, "ms")
        report("change at a follower, p99", OURS, p99, "ms")
        report("500 idle connections, each", OURS, idle_connections(mine, process), "KB")


if __name__ == "__main__":
    main()
