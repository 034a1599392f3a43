"""Examples with the answers that others publish: Trino's tests of row pattern matching
(core/trino-main/src/test/java/io/trino/sql/query/TestRowPatternMatching.java) and the examples of Flink's documentation
(docs/dev/table/sql/queries/match_recognize)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

import sqlengine
from sqlengine.errors import Error

FALLING = [(1, 90), (2, 80), (3, 70), (4, 70)]
V_SHAPES = [(1, 90), (2, 80), (3, 70), (4, 80), (5, 90), (6, 50), (7, 40), (8, 60)]
W_SHAPE = [(1, 90), (2, 80), (3, 70), (4, 80), (5, 70), (6, 80)]
NOTHING = [(1, 1, None, None), (2, 2, None, None), (3, 3, None, None), (4, 4, None, None)]
SINGLES = [(1, 1, None, None), (2, 2, 80, "B"), (3, 3, 70, "B"), (4, 4, 70, "B")]
GREEDY = [(1, 1, None, None), (2, 2, 80, "B"), (3, 2, 70, "B"), (4, 2, 70, "B")]
ALL_B = [(2, 1, 80, "B"), (3, 1, 70, "B"), (4, 1, 70, "B")]
EACH_B = [(2, 1, 80, "B"), (3, 2, 70, "B"), (4, 3, 70, "B")]
LESS, MORE = "B AS B.value < PREV (B.value)", "C AS C.value > PREV (C.value)"
ABC = [(2, 1, 80, "A"), (3, 1, 70, "B"), (4, 1, 70, "C")]
VS = [
    (1, 1, 90, "A"),
    (2, 1, 80, "B"),
    (3, 1, 70, "B"),
    (4, 1, 80, "C"),
    (5, 1, 90, "C"),
    (6, 2, 50, "A"),
    (7, 2, 40, "B"),
    (8, 2, 60, "C"),
]
SAME = "B AS B.value < PREV (B.value), C AS C.value = PREV (C.value)"

TRINO: list[tuple[list[tuple[int, int]], str, str, list[tuple[Any, ...]]]] = [
    (FALLING, "() | A", "A AS true", NOTHING),
    (FALLING, "^A", "A AS true", [(1, 1, 90, "A")]),
    (FALLING, "A^", "A AS true", []),
    (FALLING, "^A^", "A AS true", []),
    (FALLING, "A$", "A AS true", [(4, 1, 70, "A")]),
    (FALLING, "$ A", "A AS true", []),
    (FALLING, "$ A $", "A AS true", []),
    (FALLING, "A B C", SAME, ABC),
    (
        FALLING,
        "B | C | A",
        f"{LESS}, C AS C.value <= PREV (C.value)",
        [(1, 1, 90, "A"), (2, 2, 80, "B"), (3, 3, 70, "B"), (4, 4, 70, "C")],
    ),
    (FALLING, "PERMUTE(B, C)", f"{LESS}, C AS C.value < PREV (C.value)", [(2, 1, 80, "B"), (3, 1, 70, "C")]),
    (FALLING, "((A) (B (C)))", SAME, ABC),
    (V_SHAPES, "A B+ C+", f"{LESS}, {MORE}", VS),
    (V_SHAPES, "A {- B+ -} C+", f"{LESS}, {MORE}", [r for r in VS if r[3] != "B"]),
    (V_SHAPES, "{- A -} {- B+ -} C+", f"{LESS}, {MORE}", [r for r in VS if r[3] == "C"]),
    (V_SHAPES, "A {- {- B+ -} C+ -}", f"{LESS}, {MORE}", [r for r in VS if r[3] == "A"]),
    (V_SHAPES, "{- A B+ C+ -}", f"{LESS}, {MORE}", []),
    (V_SHAPES, "A B+ {- ()* -} C+", f"{LESS}, {MORE}", VS),
    (V_SHAPES, "A {- B -}+ {- C -}+", f"{LESS}, {MORE}", [r for r in VS if r[3] == "A"]),
    (V_SHAPES, "A {- B -}* {- C -}*", f"{LESS}, {MORE}", [r for r in VS if r[3] == "A"]),
    (V_SHAPES, "A {- B -}{1,2} {- C -}{1,2}", f"{LESS}, {MORE}", [r for r in VS if r[3] == "A"]),
    (V_SHAPES, "A {- C -}{2,3} {- B -}{2,3}", f"{LESS}, {MORE}", [(3, 1, 70, "A")]),
    (FALLING, "()* | B", LESS, NOTHING),
    (FALLING, "()+ | B", LESS, NOTHING),
    (FALLING, "(){5,} | B", LESS, NOTHING),
    (FALLING, "B | ()*", LESS, [*SINGLES[:3], NOTHING[3]]),
    (FALLING, "(B ()*)*", LESS, [NOTHING[0], (2, 2, 80, "B"), (3, 2, 70, "B"), (4, 3, None, None)]),
    (FALLING, "(B ()*)*?", LESS, NOTHING),
    (FALLING, "^* | B", LESS, NOTHING),
    (FALLING, "^+ | B", LESS, SINGLES[:3]),
    (FALLING, "^* A B", LESS, [(1, 1, 90, "A"), (2, 1, 80, "B")]),
    (FALLING, "$* | B", LESS, NOTHING),
    (FALLING, "$+ | B", LESS, EACH_B[:2]),
    (FALLING, "B A $+", LESS, [(3, 1, 70, "B"), (4, 1, 70, "A")]),
]

QUANTIFIERS = {
    "B*": GREEDY,
    "B*?": NOTHING,
    "B+": ALL_B,
    "B+?": EACH_B,
    "B?": SINGLES,
    "B??": NOTHING,
    "B{,}": GREEDY,
    "B{,}?": NOTHING,
    "B{1,}": ALL_B,
    "B{1,}?": EACH_B,
    "B{2,}": ALL_B,
    "B{2,}?": ALL_B[:2],
    "B{5,}": [],
    "B{5,}?": [],
    "B{,1}": SINGLES,
    "B{,1}?": NOTHING,
    "B{,2}": [*GREEDY[:3], (4, 3, 70, "B")],
    "B{,2}?": NOTHING,
    "B{,5}": GREEDY,
    "B{,5}?": NOTHING,
    "B{1,1}": EACH_B,
    "B{1,1}?": EACH_B,
}
TRINO += [(FALLING, p, "B AS B.value <= PREV (B.value)", rows) for p, rows in QUANTIFIERS.items()]


def _rows(rows: list[tuple[int, int]]) -> str:
    return f"(VALUES {', '.join(map(str, rows))}) AS t(id, value)"


@pytest.fixture(scope="module")
def db() -> Any:
    with sqlengine.connect() as database:
        yield database


@pytest.mark.parametrize(("rows", "pattern", "define", "answer"), TRINO, ids=[t[1] for t in TRINO])
def test_patterns_as_trino_matches_them(db: Any, rows: Any, pattern: str, define: str, answer: Any) -> None:
    found = db.execute(
        f"SELECT m.id, m.match, m.val, m.label FROM {_rows(rows)} MATCH_RECOGNIZE (ORDER BY id MEASURES"
        " MATCH_NUMBER() AS match, RUNNING LAST(value) AS val, CLASSIFIER() AS label ALL ROWS PER MATCH"
        f" AFTER MATCH SKIP PAST LAST ROW PATTERN ({pattern}) DEFINE {define}) AS m"
    ).fetchall()
    assert sorted(found) == answer


MODES: list[tuple[str, str, list[tuple[Any, ...]]]] = [
    ("ONE ROW PER MATCH", "B*", [(1, None, None), (2, 70, "B"), (3, None, None)]),
    ("", "B*", [(1, None, None), (2, 70, "B"), (3, None, None)]),
    ("ONE ROW PER MATCH", "B+", [(1, 70, "B")]),
    ("ALL ROWS PER MATCH", "B*", [(1, None, None), (2, 80, "B"), (2, 70, "B"), (3, None, None)]),
    ("ALL ROWS PER MATCH", "B+", [(1, 80, "B"), (1, 70, "B")]),
    ("ALL ROWS PER MATCH SHOW EMPTY MATCHES", "B*", [(1, None, None), (2, 80, "B"), (2, 70, "B"), (3, None, None)]),
    ("ALL ROWS PER MATCH OMIT EMPTY MATCHES", "B*", [(2, 80, "B"), (2, 70, "B")]),
    ("ALL ROWS PER MATCH OMIT EMPTY MATCHES", "B+", [(1, 80, "B"), (1, 70, "B")]),
    (
        "ALL ROWS PER MATCH WITH UNMATCHED ROWS",
        "B+",
        [(None, None, None), (1, 80, "B"), (1, 70, "B"), (None, None, None)],
    ),
]


@pytest.mark.parametrize(("shown", "pattern", "answer"), MODES)
def test_output_modes_as_trino_shows_them(db: Any, shown: str, pattern: str, answer: Any) -> None:
    found = db.execute(
        f"SELECT m.match, m.val, m.label FROM {_rows(FALLING)} MATCH_RECOGNIZE (ORDER BY id MEASURES"
        f" match_number() AS match, RUNNING LAST(value) AS val, classifier() AS label {shown}"
        f" AFTER MATCH SKIP PAST LAST ROW PATTERN ({pattern}) DEFINE {LESS}) AS m"
    ).fetchall()
    assert Counter(found) == Counter(answer)


FIRST_W = [(1, 1, 90, "A"), (2, 1, 80, "B"), (3, 1, 70, "B"), (4, 1, 80, "C")]
SECOND_W = [*FIRST_W, (4, 2, 80, "A"), (5, 2, 70, "B"), (6, 2, 80, "C")]
SKIPS: list[tuple[str, Any]] = [
    ("PAST LAST ROW", FIRST_W),
    (
        "TO NEXT ROW",
        [
            *FIRST_W,
            (2, 2, 80, "A"),
            (3, 2, 70, "B"),
            (4, 2, 80, "C"),
            (4, 3, 80, "A"),
            (5, 3, 70, "B"),
            (6, 3, 80, "C"),
        ],
    ),
    ("TO FIRST C", SECOND_W),
    ("TO LAST B", SECOND_W),
    ("TO B", SECOND_W),
    ("TO U", SECOND_W),
    ("TO A", "2202L"),
    ("TO FIRST A", "42P17"),
    ("TO D", "2202K"),
]


@pytest.mark.parametrize(("skip", "answer"), SKIPS)
def test_skips_as_trino_takes_them(db: Any, skip: str, answer: Any) -> None:
    query = (
        f"SELECT m.id, m.match, m.val, m.label FROM {_rows(W_SHAPE)} MATCH_RECOGNIZE (ORDER BY id MEASURES"
        f" match_number() AS match, RUNNING LAST(value) AS val, classifier() AS label ALL ROWS PER MATCH"
        f" AFTER MATCH SKIP {skip} PATTERN (A B+ C+ D?) SUBSET U = (C, D) DEFINE {LESS}, {MORE}, D AS false) AS m"
    )
    if isinstance(answer, str):
        with pytest.raises(Error) as caught:
            db.execute(query)
        assert caught.value.sqlstate == answer
    else:
        assert Counter(db.execute(query).fetchall()) == Counter(answer)


def test_a_row_of_an_earlier_match_is_not_unmatched(db: Any) -> None:
    rows = [(1, 100), (2, 100), (3, 90), (4, 80), (5, 70), (6, 100)]
    found = db.execute(
        f"SELECT m.id, m.match, m.value, m.label FROM {_rows(rows)} MATCH_RECOGNIZE (ORDER BY id MEASURES"
        " match_number() AS match, classifier() AS label ALL ROWS PER MATCH WITH UNMATCHED ROWS"
        f" AFTER MATCH SKIP TO NEXT ROW PATTERN (A B{{2}}) DEFINE {LESS}) AS m"
    ).fetchall()
    wanted = [(1, None, 100, None), (2, 1, 100, "A"), (3, 1, 90, "B"), (4, 1, 80, "B")]
    wanted += [(3, 2, 90, "A"), (4, 2, 80, "B"), (5, 2, 70, "B"), (6, None, 100, None)]
    assert Counter(found) == Counter(wanted)


def test_union_variables_as_trino_has_them(db: Any) -> None:
    found = db.execute(
        f"SELECT m.id, m.match, m.val, m.lower_or_higher, m.label FROM {_rows(W_SHAPE[:4])} MATCH_RECOGNIZE ("
        "ORDER BY id MEASURES match_number() AS match, RUNNING LAST(value) AS val, classifier(U) AS lower_or_higher,"
        " classifier(W) AS label ALL ROWS PER MATCH PATTERN ((L | H) A) SUBSET U = (L, H), W = (A, L, H)"
        " DEFINE A AS A.value = 80, L AS L.value < 80, H AS H.value > 80) AS m"
    ).fetchall()
    assert sorted(found) == [(1, 1, 90, "H", "H"), (2, 1, 80, "H", "A"), (3, 2, 70, "L", "L"), (4, 2, 80, "L", "A")]


@pytest.mark.parametrize(
    ("measure", "answer"),
    [
        ("value", [10, 20, 30]),
        ("LAST(value)", [10, 20, 30]),
        ("RUNNING LAST(value)", [10, 20, 30]),
        ("FINAL LAST(value)", [30, 30, 30]),
        ("FIRST(value)", [10, 10, 10]),
        ("RUNNING FIRST(value)", [10, 10, 10]),
        ("FINAL FIRST(value)", [10, 10, 10]),
        ("FINAL LAST(value, 2)", [10, 10, 10]),
        ("FIRST(value, 2)", None),
        ("LAST(value, 10)", [None] * 3),
        ("FIRST(value, 10)", [None] * 3),
        ("PREV(value)", [None, 10, 20]),
        ("NEXT(value)", [20, 30, None]),
        ("NEXT(FIRST(value), 2)", [30, 30, 30]),
        ("NEXT(FIRST(value), 10)", [None] * 3),
        ("PREV(FIRST(value), 10)", [None] * 3),
        ("PREV(FIRST(value, 10), 2)", [None] * 3),
        ("PREV(LAST(value, 10), 2)", [None] * 3),
    ],
)
def test_navigation(db: Any, measure: str, answer: Any) -> None:
    """`FIRST(value, 2)` is running, so that there is none before the third row. (Trino looks on to the end of the match
    here, as if it were final; in the standard, running means the rows up to the current one.)"""
    found = db.execute(
        f"SELECT m.id, m.measure FROM {_rows([(1, 10), (2, 20), (3, 30)])} MATCH_RECOGNIZE (ORDER BY id MEASURES"
        f" {measure} AS measure ALL ROWS PER MATCH PATTERN (A+) DEFINE A AS true) AS m"
    ).fetchall()
    assert [value for _, value in sorted(found)] == (answer if answer is not None else [None, None, 30])


def test_conditions_that_name_earlier_variables(db: Any) -> None:
    asked = "PREV(LAST(A.value), 3) + FIRST(A.value) + PREV(LAST(B.value), 2)"
    found = db.execute(
        "SELECT value, classy, defining FROM (VALUES (1), (2), (3), (4), (5), (6)) AS t(value) MATCH_RECOGNIZE ("
        f"ORDER BY value MEASURES CLASSIFIER() AS classy, {asked} AS defining ALL ROWS PER MATCH PATTERN ((A | B)* X)"
        f" DEFINE X AS value = {asked})"
    ).fetchall()
    assert sorted(found) == [
        (1, "B", None),
        (2, "A", None),
        (3, "A", None),
        (4, "A", None),
        (5, "B", 6),
        (6, "X", 6),
    ]
    asked = "PREV(CLASSIFIER(U), 1) = 'A' AND LAST(CLASSIFIER(), 3) = 'B' AND FIRST(CLASSIFIER(U)) = 'B'"
    found = db.execute(
        "SELECT value, classy, defining FROM (VALUES (1), (2), (3), (4), (5)) AS t(value) MATCH_RECOGNIZE ("
        f"ORDER BY value MEASURES CLASSIFIER() AS classy, {asked} AS defining ALL ROWS PER MATCH"
        f" PATTERN ((A | B)* X $) SUBSET U = (A, B) DEFINE X AS {asked})"
    ).fetchall()
    assert sorted(found) == [(1, "B", None), (2, "B", False), (3, "A", False), (4, "A", True), (5, "X", True)]


# ---------------------------------------------------------------- Flink's documentation


def _ticker(rows: list[tuple[str, int]]) -> str:
    return ", ".join(f"('ACME', TIMESTAMP '2011-04-01 {at}', {price})" for at, price in rows)


SECONDS = "10:00:{:02}"
FALLS = [12, 17, 19, 21, 25, 18, 15, 14, 24, 25, 19]
AVERAGES = [12, 17, 13, 16, 25, 2, 4, 10, 15, 25, 25, 30]
DROPS = [20, 17, 18, 11, 14, 9, 15, 14, 24, 1, 19]
FLINK: list[tuple[list[tuple[str, int]], str, list[str]]] = [
    (
        [(SECONDS.format(i), p) for i, p in enumerate(FALLS)],
        "MEASURES START_ROW.ts AS start_ts, LAST(PRICE_DOWN.ts) AS bottom_ts, LAST(PRICE_UP.ts) AS end_ts"
        " ONE ROW PER MATCH AFTER MATCH SKIP TO LAST PRICE_UP PATTERN (START_ROW PRICE_DOWN+ PRICE_UP) DEFINE"
        " PRICE_DOWN AS (LAST(PRICE_DOWN.price, 1) IS NULL AND PRICE_DOWN.price < START_ROW.price)"
        " OR PRICE_DOWN.price < LAST(PRICE_DOWN.price, 1), PRICE_UP AS PRICE_UP.price > LAST(PRICE_DOWN.price, 1)",
        ["ACME 10:00:04 10:00:07 10:00:08"],
    ),
    (
        [(SECONDS.format(i), p) for i, p in enumerate(AVERAGES)],
        "MEASURES FIRST(A.ts) AS start_ts, LAST(A.ts) AS end_ts, AVG(A.price) AS avg_price ONE ROW PER MATCH"
        " AFTER MATCH SKIP PAST LAST ROW PATTERN (A+ B) DEFINE A AS AVG(A.price) < 15",
        ["ACME 10:00:00 10:00:03 14.5", "ACME 10:00:05 10:00:10 13.5"],
    ),
    (
        [(f"{10 + i // 3}:{20 * (i % 3):02}:00", p) for i, p in enumerate(DROPS)],
        "MEASURES C.ts AS drop_time, A.price - C.price AS drop_diff ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW"
        " PATTERN (A B* C) WITHIN INTERVAL '1' HOUR DEFINE B AS B.price > A.price - 10, C AS C.price < A.price - 10",
        ["ACME 13:00:00 14"],
    ),
    (
        [(f"10:00:{i + 2:02}", p) for i, p in enumerate([10, 11, 12, 13, 14, 16])],
        "MEASURES C.price AS last_price ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (A B* C)"
        " DEFINE A AS A.price > 10, B AS B.price < 15, C AS C.price > 12",
        ["ACME 16"],
    ),
    (
        [(f"10:00:{i + 2:02}", p) for i, p in enumerate([10, 11, 12, 13, 14, 16])],
        "MEASURES C.price AS last_price ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (A B*? C)"
        " DEFINE A AS A.price > 10, B AS B.price < 15, C AS C.price > 12",
        ["ACME 13", "ACME 16"],
    ),
]


def _shown(rows: list[tuple[Any, ...]]) -> list[str]:
    return sorted(" ".join(str(v).removeprefix("2011-04-01 ") for v in row) for row in rows)


@pytest.mark.parametrize(("rows", "clause", "answer"), FLINK)
@pytest.mark.parametrize("batch", [1, 100])
def test_flinks_examples(rows: list[tuple[str, int]], clause: str, answer: list[str], batch: int) -> None:
    query = f"SELECT * FROM ticker MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts {clause}) mr"
    with sqlengine.connect() as db:
        db.execute("CREATE STREAM ticker (symbol TEXT, ts TIMESTAMP, price BIGINT, WATERMARK FOR ts AS ts)")
        db.execute(f"CREATE MATERIALIZED VIEW once AS {query} EMIT ON WINDOW CLOSE")
        db.execute(f"CREATE MATERIALIZED VIEW now AS {query}")
        for start in range(0, len(rows), batch):
            db.execute(f"INSERT INTO ticker VALUES {_ticker(rows[start : start + batch])}")
        assert _shown(db.execute(query).fetchall()) == answer
        assert _shown(db.execute("SELECT * FROM now").fetchall()) == answer
        db.execute(f"INSERT INTO ticker VALUES {_ticker([('23:00:00', 12)])}")
        assert _shown(db.execute("SELECT * FROM once").fetchall()) == answer
