"""Bytes nobody would send: a conversation answers or ends with an error, and nothing else happens."""

from __future__ import annotations

import logging
import os
import random

import pytest

import sqlengine
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
"""Mutated messages a run sends; `make soak` sends more."""

SEEDS = [
    startup(196608, user="me", database="d"),
    query("SELECT id, name FROM t WHERE id = 1"),
    query("BEGIN; SELECT 1; COMMIT"),
    query("COPY t FROM STDIN"),
    parse("SELECT id FROM t WHERE id = $1", "s", [20]),
    parse("SELECT $1::numeric, $2::int[], $3::timestamp", "u"),
    bind([b"\0\0\0\0\0\0\0\1"], "p", "s", [1], [1]),
    bind([b"1.5", b"{1,2}", b"2024-01-01"], "q", "u"),
    describe("S", "s"),
    describe("P", "p"),
    execute("p", 1),
    close("S", "s"),
    message("d", b"1\tx\n"),
    message("c"),
    message("f", b"no\0"),
    message("p", b"secret\0"),
    FLUSH,
    SYNC,
]


def mutated(rng: random.Random, data: bytes) -> bytes:
    """Some bytes changed, cut out, doubled or put in; a third of the time with a right length again."""
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


@pytest.mark.slow
def test_no_bytes_are_more_than_an_error(caplog: pytest.LogCaptureFixture) -> None:
    rng = random.Random(20261129)
    caplog.set_level(logging.ERROR, "sqlengine.server")
    with sqlengine.connect() as database:
        database.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT); INSERT INTO t VALUES (1, 'one')")
        host, client, sent = TestHost(database), None, 0
        while sent < MESSAGES:
            if client is None or client.is_over:
                client = Wire(host)
                if rng.random() < 0.9:
                    client.start()
            piece = rng.choice(SEEDS)
            sent += 1
            answer = client.raw(mutated(rng, piece) if rng.random() < 0.7 else piece)
            for kind, contents in split(answer) if answer not in (b"N", b"NN") else ():
                if kind == "E":
                    assert fields(contents)["C"] != "XX000", fields(contents)
            if client.talk.frames.pending > 1_000:  # it waits for the rest of something long
                client = None
        assert database.execute("SELECT count(*) FROM t").fetchone()[0] >= 1
    assert not caplog.records
