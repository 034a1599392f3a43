"""`make soak`: the random tests again and again with new seeds and many examples, until the time is over.

Stops at the first failure and prints the seed that repeats it.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time

from source_tree import ROOT

FOLDERS = (
    "kernels",
    "state",
    "operators",
    "expr",
    "functions",
    "formats",
    "connectors",
    "storage",
    "streams",
    "sql_front",
)


def main() -> int:
    """One round per seed; the status of the first failing round."""
    parser = argparse.ArgumentParser(description="random tests with new seeds")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--cases", type=int, default=100_000, help="random queries over random histories, before that")
    parser.add_argument("--worlds", type=int, default=10_000, help="seeds of the replication simulation, after those")
    parser.add_argument("--machines", type=int, default=3_000, help="seeds of replicas on simulated disks, after those")
    parser.add_argument("--pipelines", type=float, default=10, help="minutes of pipelines that are killed, after those")
    parser.add_argument("--messages", type=int, default=1_000_000, help="of the wire, after those")
    parser.add_argument("--seed", type=int, help="repeat one round")
    options = parser.parse_args()
    folders = [f"tests/{name}" for name in FOLDERS if (ROOT / "tests" / name).exists()]
    if options.seed is None:
        status = (
            random_queries(options.cases)
            or random_seeds("simulation", options.worlds)
            or random_seeds("embedded", options.machines)
            or killed_pipelines(options.pipelines)
            or wire_messages(options.messages)
            or every_case()
        )
        if status != 0:
            return status
    end = time.monotonic() + options.minutes * 60
    rounds = 0
    while time.monotonic() < end or rounds == 0:
        seed = options.seed if options.seed is not None else random.randrange(2**32)
        print(f"round {rounds + 1}, seed {seed}", flush=True)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-n",
            "2",
            f"--hypothesis-seed={seed}",
            *folders,
        ]
        environment = {**os.environ, "HYPOTHESIS_PROFILE": "soak", "SQLENGINE_DEEP": "1"}
        status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        if status != 0:
            print(f"failed; repeat with: python tests/soak.py --seed {seed}")
            return status
        rounds += 1
        if options.seed is not None:
            break
    print(f"{rounds} rounds without a failure")
    return 0


def every_case() -> int:
    """The whole suite once, with all cases of the tests that `make test` takes a sample of."""
    print("the whole suite, every case", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "2", "--dist", "loadgroup", "tests"]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "SQLENGINE_DEEP": "1"}, check=False).returncode


def random_queries(cases: int) -> int:
    """tests/fuzz with so many cases of seeds nobody has tried; a failure prints its script and its seed."""
    seed = str(time.time_ns())
    environment = {
        **os.environ,
        "SQLENGINE_DEEP": "1",
        "SQLENGINE_RANDOM_CASES": str(cases),
        "SQLENGINE_RANDOM_SEED": seed,
    }
    print(f"{cases} random queries, SQLENGINE_DEEP=1 SQLENGINE_RANDOM_SEED={seed}", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "2", "tests/fuzz/test_random_queries.py"]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def random_seeds(simulation: str, count: int) -> int:
    """A simulation of tests/replication with seeds nobody has tried; a failure prints its seed."""
    command = [sys.executable, "-m", f"tests.replication.{simulation}", str(time.time_ns()), "--count", str(count)]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def killed_pipelines(minutes: float) -> int:
    """Pipelines of seeds nobody has tried, killed every few statements; a failure prints its seed."""
    command = [sys.executable, "-m", "tests.pipelines.soak", "--minutes", str(minutes)]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def wire_messages(count: int) -> int:
    """tests/server/test_fuzz.py with so many messages of a seed nobody has tried."""
    seed = time.time_ns()
    environment = {**os.environ, "SQLENGINE_FUZZ_MESSAGES": str(count), "SQLENGINE_FUZZ_SEED": str(seed)}
    print(f"{count} messages of the wire, SQLENGINE_FUZZ_SEED={seed}", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "tests/server/test_fuzz.py"]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
