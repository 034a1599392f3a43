"""A grouped view and a join whose state is four times the memory limit: the peak of the process, and the price.

Each run is `limited.py` in a process of its own, once with the limit and once without; what the first leaves is opened
again under the same limit (`reopened.py`).  The answers must be DuckDB's;
the peak is the system's count of resident memory, interpreter and mapped files included, and is to stay within 1.3
times the limit (`ratio` is that bound divided by what was seen).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.side_by_side import report

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 512 << 20
WITHIN = 1.3
TIMES = 4
ROWS = {"group": 7_500_000, "join": 2_800_000}


def measure(kind: str, rows: int, limit: int) -> dict[str, Any]:
    """What one run tells (limited.py)."""
    with tempfile.TemporaryDirectory() as path:
        told = _run("limited", kind, path, "--rows", str(rows), "--limit", str(limit))
        if limit:
            told["reopened"] = _run("reopened", path, "--limit", str(limit))
    if told["wrong"]:
        raise SystemExit(f"{kind}: {told['wrong']} rows differ from DuckDB's")
    return told


def _run(program: str, *options: str) -> dict[str, Any]:
    worker = [sys.executable, "-m", f"benchmarks.memory.{program}", *options]
    done = subprocess.run(worker, cwd=ROOT, check=True, capture_output=True, text=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def main() -> None:
    """Parse options, measure both views."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--limit", type=int, default=LIMIT)
    parser.add_argument("--share", type=float, default=1.0, help="of the rows")
    options = parser.parse_args()
    for kind, all_rows in ROWS.items():
        rows = int(all_rows * options.share)
        with_limit, without = measure(kind, rows, options.limit), measure(kind, rows, 0)
        if with_limit["state"] < TIMES * options.limit:
            raise SystemExit(f"{kind}: the state is only {with_limit['state']:,} bytes")
        case = f"{kind}: state of {with_limit['state'] >> 20:,} MiB"
        report(
            f"{case}, limit {options.limit >> 20} MiB, peak",
            "sqlengine",
            with_limit["peak"] / 2**20,
            "MiB",
            WITHIN * options.limit / with_limit["peak"],
            1.0,
        )
        again = with_limit["reopened"]
        ratio = WITHIN * options.limit / again["peak"]
        report(f"{case}, opened again, peak", "sqlengine", again["peak"] / 2**20, "MiB", ratio, 1.0)
        report(f"{case}, opened again", "sqlengine", again["seconds"], "s")
        report(f"{case}, no limit, peak", "sqlengine", without["peak"] / 2**20, "MiB")
        report(f"{case}, before the first row", "sqlengine", with_limit["base"] / 2**20, "MiB")
        speed = without["seconds"] / with_limit["seconds"]
        report(f"{case}, speed of what it has without a limit", "sqlengine", speed, "times")


if __name__ == "__main__":
    main()
