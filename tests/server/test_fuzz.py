"""Bytes nobody would send: a conversation answers or ends with an error, and nothing else happens."""

from __future__ import annotations

import gc
import logging
import os
import random
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import pytest

import sqlengine
from tests.server.test_binary_parts import array, numeric
from tests.server.wire import (
    FLUSH,
    SYNC,
    TestHost,
    Wire,
    bind,
    close,
    describe,
    execute,
    fields,
    message,
    parse,
    query,
    split,
    startup,
)

MESSAGES = int(os.environ.get("SQLENGINE_FUZZ_MESSAGES", "100000"))
"""Messages a run sends; `make soak` sends more, of another seed."""
SEED = int(os.environ.get("SQLENGINE_FUZZ_SEED", "20261129"))

WARM_MESSAGES = 20_000
"""After so many whatever is made once has been made: what there is more of later has grown."""
GROWTH_BYTES_MAX = 100
"""A message; the rows that COPY brings in are a few."""

OPENING = startup(196608, user="me", database="d")
SEEDS = [
    query("SELECT id, name FROM t WHERE id = 1"),
    query("BEGIN; SELECT 1; COMMIT"),
    query("COPY t FROM STDIN"),
    parse("SELECT id FROM t WHERE id = $1", "s", [20]),
    parse("SELECT $1::numeric, $2::int[], $3::timestamp", "u"),
    bind([b"\0\0\0\0\0\0\0\1"], "p", "s", [1], [1]),
    bind([b"1.5", b"{1,2}", b"2024-01-01"], "q", "u"),
    bind([numeric([1, 5000], 0, scale=1), array(b"\0\0\0\4\0\0\0\1"), bytes(8)], "b", "u", [1]),
    describe("S", "s"),
    describe("P", "p"),
    execute("p", 1),
    close("S", "s"),
    message("d", b"1\tx\n"),
    message("c"),
    message("f", b"no\0"),
    message("p", b"secret\0"),
    FLUSH,
    *[SYNC] * 4,
]


def mutated(rng: random.Random, data: bytes) -> bytes:
    """Some bytes changed, cut out, doubled or put in; most of the time with a right length again."""
    found = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(found)) if found else 0
        match rng.randrange(5):
            case 0 if found:
                found[at] ^= 1 << rng.randrange(8)
            case 1 if found:
                found[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                del found[at : at + rng.randint(1, 8)]
            case 3:
                found[at:at] = found[at : at + rng.randint(1, 16)]
            case _:
                found[at:at] = rng.randbytes(rng.randint(1, 6))
    if len(found) > 5 and rng.random() < 0.6:
        found[1:5] = (len(found) - 1).to_bytes(4, "big")
    return bytes(found)


@dataclass
class Fuzz:
    """Clients that send messages as they should be and others, to one server, one client after another."""

    host: TestHost
    rng: random.Random
    client: Wire | None = None
    wildness: float = 0.0
    answers: dict[str, int] = field(default_factory=dict)
    """How often which message was answered; of errors, which SQLSTATE."""

    def send(self) -> None:
        """One message."""
        client = self.client
        if client is None or client.is_over:
            client = self._next()
        answer = client.raw(self._perhaps_mutated(self.rng.choice(SEEDS)))
        for kind, contents in split(answer) if answer not in (b"N", b"NN") else ():
            found = fields(contents)["C"] if kind == "E" else kind
            assert found != "XX000", fields(contents)
            self.answers[found] = self.answers.get(found, 0) + 1
        if client.talk.frames.pending > 1_000:  # it waits for the rest of something long
            self.leave()

    def _next(self) -> Wire:
        self.client = Wire(self.host)
        self.wildness = self.rng.choice((0.02, 0.2, 0.7))
        self.client.raw(self._perhaps_mutated(OPENING))
        return self.client

    def _perhaps_mutated(self, data: bytes) -> bytes:
        return mutated(self.rng, data) if self.rng.random() < self.wildness else data

    def leave(self) -> None:
        """The client goes away."""
        if self.client is not None:
            self.client.raw(b"")
        self.client = None


def objects() -> int:
    """How many there are in the process."""
    gc.collect()
    return len(gc.get_objects())


def resident_bytes() -> int:
    """What the process has of memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Played:
    """What a run came to: what the process has more of than when it was warm, and what was answered and logged."""

    admitted: int
    more_objects: int
    more_bytes: int
    rows: int
    answers: dict[str, int]
    logged: list[str]


def play() -> Played:
    """Send everything, in this process."""
    logged = Logged(logging.ERROR)
    logging.getLogger("sqlengine.server").addHandler(logged)
    with sqlengine.connect() as database:
        database.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT); INSERT INTO t VALUES (1, 'one')")
        fuzz = Fuzz(TestHost(database), random.Random(SEED))
        for _ in range(WARM_MESSAGES):
            fuzz.send()
        fuzz.leave()
        objects_before, bytes_before = objects(), resident_bytes()
        for _ in range(MESSAGES):
            fuzz.send()
        fuzz.leave()
        more_objects, more_bytes = objects() - objects_before, resident_bytes() - bytes_before
        rows = database.execute("SELECT count(*) FROM t").fetchone()[0]
        return Played(len(fuzz.host.admitted), more_objects, more_bytes, rows, fuzz.answers, logged.messages)


class Logged(logging.Handler):
    """Remembers what is logged."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        self.messages.append(record.getMessage())


@pytest.mark.slow
def test_no_bytes_are_more_than_an_error() -> None:
    """In a process of its own: what others have left in this one comes and goes."""
    with ProcessPoolExecutor(1, get_context("spawn")) as own:
        played = own.submit(play).result()
    assert played.admitted == 0
    assert played.more_objects < 1_000 + MESSAGES / 100
    assert played.more_bytes < 16_000_000 + MESSAGES * GROWTH_BYTES_MAX
    assert played.rows >= 1
    assert not played.logged
    common = {kind for kind, count in played.answers.items() if count > MESSAGES / 1_000}
    assert {"D", "G", "2", "3", "08P01", "34000"} <= common
