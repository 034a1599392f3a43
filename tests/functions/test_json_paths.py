"""jsonb_set and jsonb_insert: PostgreSQL's documented answers, and random changes against plain Python; lambdas."""

from __future__ import annotations

import json
import random

import pytest

import sqlengine
from tests.depth import rounds

DOCUMENTED = [
    (
        """jsonb_set('[{"f1":1,"f2":null},2,null,3]', '{0,f1}', '[2,3,4]', false)""",
        [{"f1": [2, 3, 4], "f2": None}, 2, None, 3],
    ),
    (
        """jsonb_set('[{"f1":1,"f2":null},2]', '{0,f3}', '[2,3,4]')""",
        [{"f1": 1, "f2": None, "f3": [2, 3, 4]}, 2],
    ),
    ("""jsonb_insert('{"a": [0,1,2]}', '{a, 1}', '"new_value"')""", {"a": [0, "new_value", 1, 2]}),
    ("""jsonb_insert('{"a": [0,1,2]}', '{a, 1}', '"new_value"', true)""", {"a": [0, 1, "new_value", 2]}),
]


@pytest.mark.parametrize(("call", "answer"), DOCUMENTED)
def test_the_documented_answers(call, answer):
    with sqlengine.connect() as db:
        assert json.loads(db.execute(f"SELECT {call}").fetchall()[0][0]) == answer
        db.execute(f"CREATE MATERIALIZED VIEW v AS SELECT {call} AS j")
        assert json.loads(db.execute("SELECT j FROM v").fetchall()[0][0]) == answer


def with_value(target: object, path: list[str], value: object, create: bool) -> object:
    """PostgreSQL's rules; ValueError for a place that is no number."""
    step, rest = path[0], path[1:]
    if isinstance(target, dict):
        if rest:
            return {k: with_value(v, rest, value, create) if k == step else v for k, v in target.items()}
        return {**target, step: value} if create or step in target else target
    if isinstance(target, list):
        place = int(step) + (len(target) if step.startswith("-") else 0)
        if 0 <= place < len(target):
            made = with_value(target[place], rest, value, create) if rest else value
            return [*target[:place], made, *target[place + 1 :]]
        if create and not rest:
            return [value, *target] if place < 0 else [*target, value]
    return target


def anything(rng: random.Random, depth: int) -> object:
    kind = rng.randrange(5 if depth else 3)
    if kind == 3:
        return [anything(rng, depth - 1) for _ in range(rng.randrange(3))]
    if kind == 4:
        return {k: anything(rng, depth - 1) for k in rng.sample(["a", "b", 'c"d', "0"], rng.randrange(4))}
    return (None, rng.randrange(10), "x")[kind]


def test_random_changes_are_those_of_plain_python():
    rng = random.Random(3)
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, j JSONB, p TEXT[], v JSONB, made BOOLEAN)")
        db.execute("CREATE MATERIALIZED VIEW w AS SELECT id, jsonb_set(j, p, v, made) AS j FROM t")
        expected = []
        for number in range(rounds(30, 300)):
            target, value, made = [anything(rng, 2), anything(rng, 2)], anything(rng, 1), rng.random() < 0.6
            path = [
                rng.choice(["0", "-1", "7"]),
                *rng.choices(["a", "b", 'c"d', "0", "1", "-1", "7"], k=rng.randrange(3)),
            ]
            row = (number, json.dumps(target), path, json.dumps(value), made)
            try:
                answer = with_value(target, path, value, made)
            except ValueError:
                with pytest.raises(sqlengine.DataError) as refused:
                    db.execute(
                        "SELECT jsonb_set(j, p, v, m) FROM (VALUES (?, ?::jsonb, ?, ?::jsonb, ?)) AS t (i, j, p, v, m)",
                        row,
                    )
                assert refused.value.sqlstate == "22P02"
                continue
            db.execute("INSERT INTO t VALUES (?, ?, ?, ?, ?)", row)
            expected.append(answer)
        for query in ("SELECT j FROM w ORDER BY id", "SELECT jsonb_set(j, p, v, made) FROM t ORDER BY id"):
            assert [json.loads(j) for (j,) in db.execute(query).fetchall()] == expected


def test_lambdas_over_maps_and_matches_in_views():
    calls = {
        "map_filter(m, (k, v) -> v > 1 AND k <> 'c')": "[('b', 2)]",
        "transform_values(m, (k, v) -> v * 10)": "[('a', 10), ('b', 20), ('c', 30)]",
        "transform_keys(m, (k, v) -> upper(k) || v::text)": "[('A1', 1), ('B2', 2), ('C3', 3)]",
        "any_match(a, x -> x > 2)": "None",
        "any_match(a, x -> x > 1)": "True",
        "all_match(a, x -> x > 1)": "False",
        "all_match(a, x -> x > 0)": "None",
        "none_match(a, x -> x = 2)": "False",
    }
    with sqlengine.connect() as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, a INT[])")
        db.execute("INSERT INTO t VALUES (1, ARRAY[1, 2, NULL])")
        source = "(SELECT id, a, map(ARRAY['a', 'b', 'c'], ARRAY[1, 2, 3]) AS m FROM t) AS x"
        for number, (call, answer) in enumerate(calls.items()):
            assert repr(db.execute(f"SELECT {call} FROM {source}").fetchall()[0][0]) == answer, call
            db.execute(f"CREATE MATERIALIZED VIEW v{number} AS SELECT id, {call} AS z FROM {source}")
            assert repr(db.execute(f"SELECT z FROM v{number}").fetchall()[0][0]) == answer, call
            assert "Recompute" not in str(db.execute(f"EXPLAIN v{number}").fetchall())
