"""Whatever is typed, the front answers with data or with one of our errors, and points into the text."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from sqlengine import sql
from sqlengine.errors import Error

CORPUS = Path(__file__).with_name("corpus.sql").read_text(encoding="utf-8").strip().split("\n")
PIECES = (
    "SELECT FROM WHERE ( ) , ' \" ; AS NOT CASE END IN JOIN ON GROUP BY ORDER INTERVAL '1' 5 a . * - [ ] { "
    "} :: ? $1 :x TABLE "
    "WITH WINDOW EMIT CHANGES VALUES NULL => -> || `b` /* */ -- $$ E'x' UNION OVER FILTER é 😀"
).split(" ")


def check(text: str) -> None:
    try:
        statements = sql.parse(text)
    except Error as err:
        assert err.position is None or 0 <= err.position <= len(text), (text, err)
        return
    for statement in statements:
        query = getattr(statement, "query", None)
        if query is None or getattr(query, "rows", None) is not None:  # an INSERT that needed no tree
            continue
        for attempt in (sql.lower, sql.tables, lambda q: sql.to_duckdb(q, lambda ref: '"t"')):
            try:
                attempt(query)
            except Error as err:
                assert err.position is None or 0 <= err.position <= len(statement.text), (text, err)


def test_the_corpus_parses() -> None:
    """Not a line of it by accident: those that fail are written to fail."""
    failing = []
    for line in CORPUS:
        try:
            sql.parse(line.replace("\\n", "\n"))
        except Error:
            failing.append(line)
    assert len(failing) <= 20, failing


@pytest.mark.parametrize("part", range(4))
def test_prefixes(part: int) -> None:
    for line in CORPUS[part::4]:
        for end in range(0, len(line), 3):
            check(line[:end])


@pytest.mark.parametrize("seed", range(4))
def test_mutations(seed: int) -> None:
    rng = random.Random(seed)
    for line in CORPUS:
        for _ in range(6):
            check(mutate(line, rng))


def mutate(text: str, rng: random.Random) -> str:
    """One to three deletions, insertions or transplants."""
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(text) + 1)
        match rng.randrange(4):
            case 0:
                text = text[:at] + text[at + rng.randint(1, 8) :]
            case 1:
                text = f"{text[:at]} {rng.choice(PIECES)} {text[at:]}"
            case 2:
                other = rng.choice(CORPUS)
                start = rng.randrange(len(other))
                text = text[:at] + other[start : start + rng.randint(1, 30)] + text[at:]
            case _:
                text = text[:at] + rng.choice("()[]{}'\"`;,.*\\$\x00") + text[at:]
    return text
