"""Random pipelines under SIGKILL: `python -m tests.pipelines.soak --minutes 10`, one of them again with `--seed N`.

A process works on a database and is killed again and again, sometimes while it opens it; the next goes on where it was.
Everything that was acknowledged is there, once; views are what DuckDB answers over it; what queries have written, to
streams and to files, holds each row of their answers once, and nothing that was read of it ever changes.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import random
import shutil
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from tests.nursery import Child, Nursery, nursery
from tests.pipelines.judge import Judge, Shown, Wrong
from tests.pipelines.program import Program, Unit, make_program
from tests.pipelines.worker import Life, serve

AHEAD = 12
"""So many units are sent before the first of them is acknowledged."""
EARLY, OPENING_S = 0.15, 0.25
"""Of so many lives the end is that far from the beginning: while the database is being opened."""
STATEMENT_S = 0.03
"""About as long as a statement takes; a process is killed some time within that."""
GIVE_UP_S = 120
"""A process that has said nothing for so long hangs."""


@dataclass
class Tally:
    """What has been done."""

    pipelines: int = 0
    kills: int = 0
    while_opening: int = 0
    units: int = 0
    judged: int = 0
    applied_unacknowledged: int = 0

    def __str__(self) -> str:
        return (
            f"{self.pipelines} pipelines, {self.kills} kills ({self.while_opening} while opening), {self.units} units, "
            f"{self.applied_unacknowledged} there that were not acknowledged, compared {self.judged} times"
        )


class Run:
    """One pipeline from its first statement to its last, over as many processes as that takes."""

    def __init__(self, program: Program, folder: Path, nursery: Nursery, tally: Tally, life: int, fault: str) -> None:
        self.program = program
        self.judge = Judge(program)
        self.rng = random.Random(f"kills {program.seed}")
        self.life = life
        self._folder, self._nursery, self._tally, self._fault = folder, nursery, tally, fault
        self._to_do = deque(program.units(folder))
        self._lives = 0

    def close(self) -> None:
        self.judge.close()

    def to_the_end(self) -> None:
        """Raises Wrong."""
        under_way: Unit | None = None
        while True:
            child = self._new()
            try:
                alive = _Conversation(child, self, under_way)
                done = alive.go_on()
            finally:
                child.kill()
            if done:
                return
            under_way = alive.drain()
            self._tally.kills += 1

    def _new(self) -> Child:
        self._lives += 1
        seed = f"{self.program.seed} {self._lives}"
        life = Life(str(self._folder / "database"), str(self._folder), seed, self._fault)
        return self._nursery.child(serve, life)


class _Conversation:
    """With one process.  `under_way`: what the last one may or may not have done."""

    def __init__(self, child: Child, run: Run, under_way: Unit | None) -> None:
        self._child, self._run, self._under_way = child, run, under_way
        self._sent: deque[Unit | bool] = deque()
        self._open = False
        self._is_compared = False
        self._left = run.rng.randint(1, 2 * run.life)
        self._ends_s = math.inf
        if run.rng.random() < EARLY:
            self._ends_s = time.monotonic() + run.rng.uniform(0, OPENING_S)

    def go_on(self) -> bool:
        """Until it is time to kill it; whether everything was done, and compared."""
        while True:
            if self._open:
                self._send()
            wait_s = self._ends_s - time.monotonic()
            if wait_s <= 0:
                return False
            if not self._child.told.poll(min(wait_s, GIVE_UP_S)):
                if wait_s >= GIVE_UP_S:
                    raise Wrong(f"nothing was said for {GIVE_UP_S} s; waiting for {list(self._sent)[:1]}")
                continue
            self._hear(*self._child.told.recv())
            if self._is_compared:
                return True

    def drain(self) -> Unit | None:
        """What it has still said before it died; what it was at then."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._hear(*self._child.told.recv())
        self._child.told.close()
        if not self._open:
            self._run._tally.while_opening += 1
            return self._under_way
        units = [unit for unit in self._sent if isinstance(unit, Unit)]
        self._run._to_do.extendleft(reversed(units))
        return units[0] if units else None

    def _send(self) -> None:
        run = self._run
        while len(self._sent) < AHEAD and run._to_do:
            unit = run._to_do.popleft()
            self._child_send(("do", unit.statements), unit)
            if run.rng.random() < 0.02:
                self._child_send(("show", True), True)
            elif run.rng.random() < 0.1:
                self._child_send(("show", False), False)
        if not run._to_do and not self._sent:
            self._child_send(("show", True), True)

    def _child_send(self, message: tuple[object, ...], what: Unit | bool) -> None:
        self._child.told.send(message)
        self._sent.append(what)

    def _hear(self, kind: str, what: object) -> None:
        run = self._run
        if kind == "broken":
            raise Wrong(f"a process ended: {what}")
        self._left -= 1
        if self._left == 0:
            self._ends_s = min(self._ends_s, time.monotonic() + run.rng.uniform(0, STATEMENT_S))
        if kind == "ack":
            unit = self._sent.popleft()
            assert isinstance(unit, Unit)
            if what is not None and not unit.control:
                raise Wrong(f"{unit.statements} was refused: {what}")
            run.judge.acknowledge(unit)
            run._tally.units += 1
            return
        assert isinstance(what, Shown)
        if not self._open:
            self._begin(what)
            return
        whole = self._sent.popleft()
        if whole:
            run.judge.compare(what)
            run._tally.judged += 1
            self._is_compared = not run._to_do and not self._sent
        else:
            run.judge.said(what.streams)

    def _begin(self, shown: Shown) -> None:
        """What the database holds after it was opened."""
        run = self._run
        self._open = True
        if run.judge.settle(self._under_way, shown.tables):
            run._to_do.popleft()
            run._tally.applied_unacknowledged += 1
        run.judge.said(shown.streams)


def run_pipeline(
    seed: int, ticks: int, life: int, folder: Path, nursery: Nursery, tally: Tally, fault: str = "", parts: int = 9
) -> None:
    """One pipeline of so many ticks, killed about every `life` statements; raises Wrong."""
    with contextlib.closing(Run(make_program(seed, ticks, parts), folder, nursery, tally, life, fault)) as run:
        run.to_the_end()
    tally.pipelines += 1


def main() -> int:
    """Pipelines of new seeds until the time is over, or the first that fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, help="this pipeline alone")
    parser.add_argument("--first", type=int, default=time.time_ns() % 1_000_000_000, help="the first of the seeds")
    parser.add_argument("--ticks", type=int, default=400, help="how long a history is")
    parser.add_argument("--life", type=int, default=20, help="about so many statements between kills")
    parser.add_argument("--keep", help="a directory for what a failure leaves")
    options = parser.parse_args()
    tally, end = Tally(), time.monotonic() + options.minutes * 60
    seed = options.first if options.seed is None else options.seed
    with nursery() as processes:
        while True:
            if options.keep:
                Path(options.keep).mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix="pipeline", dir=options.keep))
            try:
                run_pipeline(seed, options.ticks, options.life, folder, processes, tally)
            except Wrong as wrong:
                print(f"{wrong}\n{tally}")
                print(f"failed; repeat with: python -m tests.pipelines.soak --seed {seed} --ticks {options.ticks}")
                return 1
            finally:
                if not options.keep:
                    shutil.rmtree(folder)
            if options.seed is not None or time.monotonic() > end:
                print(tally)
                return 0
            seed += 1


if __name__ == "__main__":
    raise SystemExit(main())
