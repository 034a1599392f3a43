"""Random histories of GRANT and REVOKE on columns, and the file of what PostgreSQL 15 made of them.

`python -m tests.access.column_cases SOCKET_DIRECTORY` runs them on a PostgreSQL and writes the file anew, in the form
of postgres_cases.py.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from tests.access.postgres_cases import SUPERUSER, WITH_OPTION, History, Step

CASES, STEPS, SEED = 60, 40, 31129
ROLES = ("a", "b", "c")
COLUMNS = {"t": ("x", "y", "z"), "u": ("x", "w")}
PRIVILEGES = ("SELECT", "INSERT", "UPDATE")


def questions() -> list[str]:
    """What is asked at the end of a case."""
    words = [p + option for p in PRIVILEGES for option in ("", WITH_OPTION)]
    one = [
        f"has_column_privilege('{role}', '{table}', '{column}', '{word}')"
        for role in ROLES
        for table, columns in COLUMNS.items()
        for column in columns
        for word in words
    ]
    return one + [f"has_any_column_privilege('{r}', '{t}', '{w}')" for r in ROLES for t in COLUMNS for w in words]


def make_case(seed: int) -> list[Step]:
    """One random history: more is granted in the beginning, more is done later."""
    rng = random.Random(seed)
    return [_grant(rng) if rng.random() < (0.8 if at < 15 else 0.35) else _use(rng) for at in range(STEPS)]


def _grant(rng: random.Random) -> Step:
    table = rng.choice(("t", "t", "u"))
    actor, to = rng.choice((SUPERUSER, SUPERUSER, "a", "b")), rng.choice(("a", "a", "b", "b", "c", "PUBLIC"))
    listed = ", ".join(_privilege(rng, table) for _ in range(rng.choice((1, 1, 2))))
    if rng.random() < 0.65:
        return Step(actor, f"GRANT {listed} ON {table} TO {to}" + rng.choice(("", "", WITH_OPTION)))
    option, cascade = rng.choice(("", "", "GRANT OPTION FOR ")), rng.choice(("", " CASCADE"))
    return Step(actor, f"REVOKE {option}{listed} ON {table} FROM {to}{cascade}")


def _privilege(rng: random.Random, table: str) -> str:
    word = rng.choice((*PRIVILEGES, "SELECT"))
    columns = rng.sample(COLUMNS[table], rng.randint(1, 2))
    return word if rng.random() < 0.12 else f"{word} ({', '.join(columns)})"


def _use(rng: random.Random) -> Step:
    text = rng.choice(USES)
    one, two = rng.sample(COLUMNS["t"], 2)
    return Step(rng.choice(("a", "b", "b", "c")), text.format(one=one, two=two))


USES = (
    "SELECT {one} FROM t",
    "SELECT {one}, {two} FROM t",
    "SELECT * FROM t",
    "SELECT t FROM t",
    "SELECT count(*) FROM t",
    "SELECT 1 FROM t AS {one}",
    "SELECT q.{one} FROM t AS q WHERE q.{two} > 0",
    "SELECT {one} AS {two} FROM t ORDER BY {two}",
    "SELECT {one} FROM t ORDER BY {two}",
    "SELECT {one} AS {two} FROM t GROUP BY {one} HAVING max({two}) > 0",
    "SELECT t.{one}, u.w FROM t JOIN u USING (x)",
    "SELECT u.* FROM t, u WHERE t.{one} = u.w",
    "SELECT w FROM u WHERE EXISTS (SELECT {one} FROM t WHERE t.{two} = u.w)",
    "SELECT {one} FROM t WHERE x IN (SELECT x FROM u)",
    "SELECT (SELECT max({one}) FROM t)",
    "WITH q AS (SELECT {one} FROM t) SELECT * FROM q",
    "SELECT * FROM (SELECT {one}, {two} FROM t) AS q",
    "SELECT {one} FROM t UNION SELECT w FROM u",
    "SELECT sum({one}) OVER (ORDER BY {two}) FROM t",
    "INSERT INTO t ({one}) VALUES (1)",
    "INSERT INTO t ({one}, {two}) SELECT x, w FROM u",
    "INSERT INTO t VALUES (1, 2, 3)",
    "INSERT INTO t ({one}) VALUES (1) RETURNING {two}",
    "UPDATE t SET {one} = 1",
    "UPDATE t SET {one} = {two}",
    "UPDATE t SET {one} = 1 WHERE {two} > 0",
    "UPDATE t SET {one} = u.w FROM u WHERE u.x = t.{two}",
    "UPDATE t SET {one} = 1 RETURNING {two}",
    "DELETE FROM t",
)

HISTORY = History(
    Path(__file__).with_name("column_answers.txt"),
    [
        *(f"CREATE ROLE {role}" for role in ROLES),
        *(f"CREATE TABLE {t} ({', '.join(f'{c} BIGINT' for c in columns)})" for t, columns in COLUMNS.items()),
    ],
    ["DROP TABLE t, u", *(f"DROP OWNED BY {r}" for r in ROLES), f"DROP ROLE {', '.join(ROLES)}"],
    questions(),
)

if __name__ == "__main__":
    HISTORY.record(sys.argv[1], [make_case(SEED + number) for number in range(CASES)])
