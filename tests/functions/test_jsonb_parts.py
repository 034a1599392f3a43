"""Parts of jsonb, taken from many rows at once: what DuckDB does of it, and what is not read at all, changes nothing;
keys that are no plain names."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pytest

import sqlengine
from sqlengine.functions import jsonb
from sqlengine.json_canonical import canonical
from sqlengine.types import JSONB
from tests.depth import rounds

KEYS = ("a", "b", 'c"d', "0", "", "ä", "x\\y", 'a\\"b', "\\", "p.q", "$", "*", "a b", "k,:x", "[0]", "#", "c\n")
SCALARS: Sequence[Any] = (
    *(None, True, False, 0, 1, 7, -3, 1.5, 2.50, 10**20, 0.1, 1e-9, 123456789.25),
    *("x", "a,b:c", 'q"u', "\\", '\\\\"', "tab\t", "\x01", "é,", "{", "[1, 2]", "", " ", "1"),
)


def anything(rng: random.Random, depth: int) -> Any:
    kind = rng.randrange(4 if depth else 2)
    if kind == 2:
        return [anything(rng, depth - 1) for _ in range(rng.randrange(4))]
    if kind == 3:
        return {key: anything(rng, depth - 1) for key in rng.sample(KEYS, rng.randrange(5))}
    return rng.choice(SCALARS)


def documents(rng: random.Random, count: int, depth: int = 3) -> pa.Array:
    """Canonical texts, some of whose numbers have zeros that say nothing, and NULL."""
    texts = [json.dumps(anything(rng, depth), ensure_ascii=rng.random() < 0.5) for _ in range(count)]
    made = [canonical(text.replace("2.5", "2.50") if rng.random() < 0.3 else text) for text in texts]
    return pa.ExtensionArray.from_storage(JSONB, pa.array([*made, None]))


@pytest.mark.parametrize(
    ("function", "key", "dtype"),
    [
        (jsonb.get_key, lambda rng: rng.choice(KEYS), pa.string()),
        (jsonb.get_item, lambda rng: rng.randrange(-4, 4), pa.int64()),
    ],
)
def test_a_part_is_the_same_alone_and_among_many(function: Any, key: Callable[..., Any], dtype: pa.DataType) -> None:
    rng = random.Random(5)
    docs = documents(rng, rounds(5_000, 100_000))
    keys = pa.array([key(rng) for _ in docs], dtype)
    many, alone = function.kernel(docs, keys), jsonb._kernel(jsonb._get, JSONB)(docs, keys)
    assert many.storage.equals(alone.storage)
    assert 0 < alone.null_count < len(docs)


def test_what_is_not_read_does_not_include() -> None:
    rng = random.Random(9)
    some = documents(rng, 1_500).storage.to_pylist()
    docs = pa.ExtensionArray.from_storage(JSONB, pa.array([*some, '{"a": {"b": 2.5}}', "[[2.5], 1, 0.0]", "1"]))
    drawn = [documents(rng, 1, 2).storage[0].as_py() for _ in range(rounds(40, 1_000))]
    included = 0
    for part in (*drawn, '{"a": {"b": 2.500}}', "[[2.50]]", "1.0", "[0]"):
        parts = pa.ExtensionArray.from_storage(JSONB, pa.array([part] * len(docs)))
        many, each = jsonb.contains.kernel(docs, parts), jsonb._exactly_includes(docs, parts)  # type: ignore[misc]
        assert many.equals(each), part
        included += each.true_count
    assert included > 500


@pytest.mark.parametrize("kind", ["json", "jsonb"])
def test_any_text_is_a_key(kind: str) -> None:
    with sqlengine.connect() as db:
        db.execute(f"CREATE TABLE t (id INT PRIMARY KEY, j {kind}, k TEXT)")
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT id, j ->> k AS a, (j -> k)::text AS b FROM t")
        for at, key in enumerate(KEYS):
            db.execute("INSERT INTO t VALUES (?, ?, ?)", (at, json.dumps({key: 1, "other": 2}), key))
            literal = key.replace("'", "''")
            found = db.execute(f"SELECT j ->> '{literal}', (j -> '{literal}')::text FROM t WHERE id = {at}").fetchall()
            assert found == [("1", "1")], key
        expected = [(at, "1", "1") for at in range(len(KEYS))]
        for query in ("SELECT id, j ->> k, (j -> k)::text FROM t ORDER BY id", "SELECT * FROM v ORDER BY id"):
            assert db.execute(query).fetchall() == expected
