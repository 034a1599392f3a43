"""A process that writes to three directories is killed, with one or two of them deleted before, during or after."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import storage
from tests.storage.conftest import numbers

ROOT = Path(__file__).resolve().parents[2]
CYCLES = int(os.environ.get("SQLENGINE_CRASH_CYCLES", "4"))
NAMES = ["a", "b", "c"]


def run_until_killed(root: Path, durability: str, victim: str, seed: int, acks: int) -> list[list[str]]:
    """What the writer printed before it was killed after so many acknowledgements."""
    command = [sys.executable, str(ROOT / "tests/storage/crash_replicas.py"), str(root), durability, victim, str(seed)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    lines: list[list[str]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        count = 0
        for line in process.stdout:
            lines.append(line.split())
            count += lines[-1][0] == "ack"
            if count >= acks:
                break
        process.kill()
        lines += [line.split() for line in process.stdout.read().splitlines()[:-1] if line]
    assert any(line[0] == "open" for line in lines), "the writer did not begin"
    return lines


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["group", "os"])
def test_nothing_acknowledged_is_lost_when_the_process_is_killed_and_directories_go(
    tmp_path: Path, durability: str
) -> None:
    rng = random.Random(durability)
    acknowledged = committed = 0
    for cycle in range(CYCLES):
        victim = rng.choice(["", *NAMES])
        for kind, *values in run_until_killed(tmp_path, durability, victim, cycle, rng.choice((5, 60, 300))):
            if kind == "ack":
                assert int(values[0]) >= acknowledged - 5
                acknowledged = max(acknowledged, int(values[0]) + 5)
            elif kind == "commit":
                committed = int(values[0])
        if not victim:
            for name in rng.sample(NAMES, rng.randint(0, 2)):
                shutil.rmtree(tmp_path / name)
        with storage.Storage.open(str(tmp_path / "a"), replicas=[str(tmp_path / "b"), str(tmp_path / "c")]) as opened:
            log = opened.topic("t").partitions[0]
            assert numbers(log) == list(range(log.end_offset)), cycle
            assert acknowledged <= log.end_offset <= acknowledged + 10, cycle
            assert opened.offsets.fetch("g").get(("t", 0), 0) >= committed
            acknowledged = log.end_offset
            wait_for_repair(opened)


def wait_for_repair(opened: storage.Storage) -> None:
    """Until all directories have everything."""
    deadline = time.monotonic() + 30
    while not all(d.in_use for d in opened.directories()) or not all(r.in_sync for r in opened.replicas()):
        assert time.monotonic() < deadline, (opened.replicas(), opened.directories())
        time.sleep(0.05)
