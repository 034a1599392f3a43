"""`make bench [B=name]`: runs the benchmarks, prints a table, writes benchmarks/results/NAME.json.

A benchmark is a script `benchmarks/NAME/bench_*.py` that prints one JSON object per line with the fields of
Case; a bar is a ratio that must be reached.  Each script runs in a process of its own, so that one cannot
warm or burden the next.  The exit status is 1 when a script fails, and 0 when it only misses a bar: a shared
machine is no judge.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
VERSIONS = ("pyarrow", "duckdb", "numpy", "sqlglot")


@dataclass(frozen=True, slots=True)
class Case:
    """One measurement: `value` in `unit`; `ratio` to the engine compared with; `bar`: the least ratio
    wanted."""

    case: str
    engine: str
    value: float
    unit: str
    ratio: float | None = None
    bar: float | None = None
    met: bool | None = None


def names() -> list[str]:
    """The folders that hold benchmarks."""
    return sorted({path.parent.name for path in (ROOT / "benchmarks").glob("*/bench_*.py")})


def machine() -> dict[str, Any]:
    """What the numbers depend on besides the code."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": memory,
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in VERSIONS},
    }


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def commit() -> str:
    """The commit measured, marked when the tree had changes."""
    head = _git("rev-parse", "--short=12", "HEAD")
    return head + ("-changed" if _git("status", "--porcelain", "--untracked-files=no") else "")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def run_script(path: Path, arguments: list[str]) -> list[Case]:
    """The cases a script prints; what is no JSON object goes to stderr as it comes."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(path), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
    assert process.stdout is not None
    cases = []
    for line in process.stdout:
        if line.startswith("{"):
            cases.append(_case(json.loads(line)))
            print(text_of(cases[-1]), flush=True)
        else:
            print(line, end="", file=sys.stderr, flush=True)
    if process.wait() != 0:
        raise SystemExit(f"{path.relative_to(ROOT)} failed with status {process.returncode}")
    return cases


def _case(fields: dict[str, Any]) -> Case:
    case = Case(**{name: fields.get(name) for name in Case.__slots__})
    if case.met is None and case.bar is not None and case.ratio is not None:
        return Case(**{**asdict(case), "met": case.ratio >= case.bar})
    return case


def text_of(case: Case) -> str:
    """One line of the table."""
    ratio = "" if case.ratio is None else f"{case.ratio:8.2f}x"
    bar = "" if case.bar is None else f"bar {case.bar:g}"
    verdict = {None: "", True: "met", False: "MISSED"}[case.met]
    value = f"{case.value:>16,.4g}" if abs(case.value) < 1000 else f"{case.value:>16,.0f}"
    return f"{case.case:<44} {case.engine:<12} {value} {case.unit:<14} {ratio:>9} {bar:<9} {verdict}".rstrip()


def run(name: str, arguments: list[str]) -> list[Case]:
    """All scripts of one folder; their results are written at the end."""
    scripts = sorted((ROOT / "benchmarks" / name).glob("bench_*.py"))
    print(f"\n{name}")
    cases = [case for script in scripts for case in run_script(script, arguments)]
    RESULTS.mkdir(exist_ok=True)
    result = {
        "name": name,
        "commit": commit(),
        "measured": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "cases": [asdict(case) for case in cases],
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return cases


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="name", help="which of: " + ", ".join(names()))
    chosen, passed_on = parser.parse_known_args()
    if unknown := sorted(set(chosen.names) - set(names())):
        parser.error(f"no benchmark {', '.join(unknown)}; there are: {', '.join(names())}")
    cases = [case for name in chosen.names or names() for case in run(name, passed_on)]
    missed = [case.case for case in cases if case.met is False]
    bars = sum(case.bar is not None for case in cases)
    print(f"\n{len(cases)} cases, {bars} bars, {len(missed)} missed" + (": " + ", ".join(missed) if missed else ""))


if __name__ == "__main__":
    main()
