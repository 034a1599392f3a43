"""jsonb: PostgreSQL's answers, in a SELECT and in a view; equality and order against plain Python; keys."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import sqlengine
from sqlengine.errors import Error
from sqlengine.json_canonical import canonical, normal, normal_texts, order_key
from sqlengine.types import JSONB
from tests.depth import rounds


def cases() -> list[tuple[str, str]]:
    lines = Path(__file__).with_name("jsonb_by_postgresql.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return [(row[0], row[1]) for row in rows]


def shown(value: Any) -> str:
    """A value as psql prints it."""
    if value is None or isinstance(value, bool):
        return {None: "NULL", True: "t", False: "f"}[value]
    if isinstance(value, list):
        return "{" + ",".join(_element(item) for item in value) + "}"
    return str(value)


def _element(item: str | None) -> str:
    if item is None:
        return "NULL"
    escaped = item.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if set(item) & set('{}," ') or not item else item


def test_what_postgresql_answers() -> None:
    """Each expression by itself where it is refused, the others some at a time."""
    good = [case for case in cases() if not case[1].startswith("!")]
    with sqlengine.connect() as db:
        for at in range(0, len(good), 20):
            some = good[at : at + 20]
            items = ", ".join(f"{text} AS x{i}" for i, (text, _) in enumerate(some))
            expected = [answer for _, answer in some]
            assert [*map(shown, db.execute(f"SELECT {items}").fetchall()[0])] == expected
            db.execute(f"CREATE OR REPLACE MATERIALIZED VIEW v{at} AS SELECT {items}")
            assert [*map(shown, db.execute(f"SELECT * FROM v{at}").fetchall()[0])] == expected
        for text, answer in cases():
            if answer.startswith("!"):
                with pytest.raises(Error) as raised:
                    db.execute(f"SELECT {text}")
                assert raised.value.sqlstate == answer[1:], text


def test_the_first_lines_of_a_user() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, j JSONB, k JSON)")
        db.execute("""INSERT INTO t VALUES (1, '{"b":1,"a":2, "a":3}', '{"b":1,"a":2, "a":3}')""")
        assert db.execute("SELECT j, k FROM t").fetchall() == [('{"a": 3, "b": 1}', '{"b":1,"a":2, "a":3}')]
        assert db.execute('SELECT id FROM t WHERE j = \'{"a":3.0,"b":1}\'').fetchall() == [(1,)]
        kinds = {column: kind for column, kind, *_ in db.execute("DESCRIBE t").fetchall()}
        assert kinds == {"id": "integer", "j": "jsonb", "k": "json"}
        assert db.execute("SELECT j FROM t").to_arrow().schema.types == [JSONB]
        found = db.execute("SELECT j -> 'a' AS a, to_json(j) AS b FROM t").to_arrow().schema.types
        assert found == [JSONB, pa.json_(pa.string())]


def anything(rng: random.Random, depth: int = 3) -> str:
    """The text of a JSON value, with numbers and keys spelt in several ways."""
    kind = rng.randrange(6 if depth else 4)
    if kind == 0:
        return rng.choice(["0", "-0.0", "1", "1.0", "1.00", "1e0", "10e-1", "2.5", "2.50", "-3", "-3.0", "1e2", "100"])
    if kind in (1, 2, 3):
        return rng.choice(['"a"', '"\\u0061"', '"1.0"', "true", "null", "false", '"x, y: 1.0"'])
    if kind == 4:
        return f"[{', '.join(anything(rng, depth - 1) for _ in range(rng.randrange(3)))}]"
    keys = rng.choices(['"a"', '"bb"', '"\\u0061"', '"c"'], k=rng.randrange(4))
    return "{" + ",".join(f"{key} : {anything(rng, depth - 1)}" for key in keys) + "}"


def as_python(text: str) -> Any:
    """The value with exact numbers, in a form in which true is not 1."""

    def known(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: known(item) for key, item in value.items()}
        return [known(item) for item in value] if isinstance(value, list) else (type(value) is bool, value)

    return known(json.loads(text, parse_float=Decimal, parse_int=Decimal))


def test_equal_values_have_equal_texts() -> None:
    rng = random.Random(11)
    texts = [anything(rng) for _ in range(rounds(120, 600))]
    made = [canonical(text) for text in texts]
    assert [canonical(text) for text in made] == made
    keys = [normal(text) for text in made]
    values = [as_python(text) for text in texts]
    orders = [order_key(text) for text in made]
    for i, value in enumerate(values):
        for j in range(i):
            same = value == values[j]
            assert (keys[i] == keys[j]) == same == (orders[i] == orders[j]), (texts[i], texts[j])
    assert normal_texts(pa.array([*made, None])).to_pylist() == [*keys, None]


def test_keys_are_of_values() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE p (k JSONB PRIMARY KEY, v INT)")
        db.execute("""INSERT INTO p VALUES ('{"b": 1.0, "a": 2}', 1)""")
        with pytest.raises(Error) as raised:
            db.execute("""INSERT INTO p VALUES ('{"a": 2, "b": 1}', 2)""")
        assert raised.value.sqlstate == "23505"
        db.execute("""INSERT INTO p VALUES ('{"a": 2, "b": 1}', 3) ON CONFLICT (k) DO UPDATE SET v = 9""")
        assert db.execute('SELECT v FROM p WHERE k = \'{"a": 2.00, "b": 1}\'').fetchall() == [(9,)]
        db.execute('DELETE FROM p WHERE k = \'{"b": 1, "a": 2e0}\'')
        assert db.execute("SELECT * FROM p").fetchall() == []


QUERIES = {
    "SELECT j, count(*) FROM t GROUP BY j": [('"1.0"', 1), ("1", 3), ("2.5", 1)],
    "SELECT DISTINCT j FROM t": [('"1.0"',), ("1",), ("2.5",)],
    "SELECT j FROM t EXCEPT SELECT '1'::jsonb": [('"1.0"',), ("2.5",)],
    "SELECT a.id, b.id FROM t a JOIN t b ON a.j = b.j AND a.id < b.id": [(1, 2), (1, 3), (2, 3)],
    "SELECT id FROM t WHERE j IN (SELECT '1.0'::jsonb)": [(1,), (2,), (3,)],
    "SELECT id, rank() OVER (ORDER BY j DESC) FROM t": [(1, 2), (2, 2), (3, 2), (4, 5), (5, 1)],
    "SELECT id, j FROM t ORDER BY j DESC, id LIMIT 2": [(1, "1.0"), (5, "2.50")],
    "SELECT count(DISTINCT j) FROM t": [(3,)],
}


def test_questions_of_values_are_answered_alike_in_views() -> None:
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, j JSONB)")
        for at, query in enumerate(QUERIES):
            db.execute(f"CREATE MATERIALIZED VIEW v{at} AS {query.replace(', b.id', ', b.id AS other')}")
        db.execute("INSERT INTO t VALUES (1, '1.0'), (2, '1'), (3, '1.00'), (4, '\"1.0\"'), (5, '2.50'), (6, '1.0')")
        db.execute("DELETE FROM t WHERE j = '1' AND id = 6")
        for at, (query, expected) in enumerate(QUERIES.items()):
            assert sorted(db.execute(query).fetchall()) == expected, query
            assert sorted(db.execute(f"SELECT * FROM v{at}").fetchall()) == expected, query
