"""The .case format and its ways, run on a stand-in engine made of plain DuckDB."""

from __future__ import annotations

import pyarrow as pa
import pytest

from sqlengine.runtime.clock import VirtualClock
from tests.collectors import case_format
from tests.collectors.case_format import Expect, Input, Reopen, Sql, Tick
from tests.collectors.case_rows import input_table
from tests.collectors.case_run import CaseFailure, Run, needs_disk
from tests.collectors.case_ways import boundaries, one_batch, restored, row_by_row, ways
from tests.collectors.clock import START_US
from tests.collectors.executor import Answer, DuckDBExecutor
from tests.collectors.oracle import rows_differ, view_query
from tests.collectors.slt_format import FormatError

COUNTS = """\
# how often each word came
CREATE TABLE words (word VARCHAR, n INTEGER);
CREATE VIEW counts AS
  SELECT word, count(*) AS times, sum(n) AS total  -- the sum; of n
  FROM words GROUP BY word;

in words
a | 1
b | 2

expect view counts
a | 1 | 1
b | 1 | 2

in words (n, word)
5 | a
{spare}

in words
{"word": "c", "n": null}

CREATE TABLE words (x INTEGER);
expect error XX000|42P01

expect view counts
a | 2 | 6
b | 1 | 2
c | 1 | NULL
d\\|e | 1 | 7

expect query ordered
SELECT word FROM counts ORDER BY word DESC LIMIT 1;
----
d\\|e

oracle duckdb counts
""".replace("{spare}", "7 | d\\|e").replace("XX000|42P01", "42P01 already exists")


class DuckEngine:
    """Views are DuckDB's own, so every way must agree; it notes what it was asked to do."""

    def __init__(self) -> None:
        self.clock = VirtualClock(START_US)
        self.duck = DuckDBExecutor()
        self.log: list[str] = []

    def execute(self, sql: str) -> Answer:
        return self.duck.execute(sql)

    def schema(self, target: str) -> pa.Schema:
        return self.relation(target).schema

    def append(self, target: str, table: pa.Table, partition: int) -> None:
        self.log.append(f"append {target} {table.num_rows} to {partition}")

    def insert(self, target: str, table: pa.Table) -> None:
        self.log.append(f"in {target} {table.num_rows}")
        self.duck.register("incoming", table)
        self.duck.execute(f"INSERT INTO {target} BY NAME SELECT * FROM incoming")

    def relation(self, name: str) -> pa.Table:
        return self.duck.connection.sql(f"SELECT * FROM {name}").to_arrow_table()

    def follow(self, view: str) -> None:
        self.log.append(f"follow {view}")

    def changes(self, view: str) -> list[tuple[str | None, ...]]:
        return [("+", "a", None)]

    def settle(self) -> None:
        self.log.append(f"settle {self.clock.now_us() - START_US}")

    def reopen(self, how: str) -> None:
        self.log.append(how)

    def close(self) -> None:
        self.duck.close()


def run(text: str, way: str = "as_written") -> list[str]:
    engine = DuckEngine()
    Run(engine).steps(dict(ways(case_format.parse(text), each_boundary=True))[way])
    return engine.log


@pytest.mark.parametrize("way", [name for name, _ in ways(case_format.parse(COUNTS), each_boundary=True)])
def test_a_good_case_passes_in_every_way(way: str) -> None:
    log = run(COUNTS, way)
    rows = sum(int(line.split()[-1]) for line in log if line.startswith("in "))
    assert rows == 5


def test_the_ways_feed_the_same_rows_in_other_batches() -> None:
    assert run(COUNTS) == ["in words 2", "in words 2", "in words 1"]
    assert run(COUNTS, "row_by_row") == ["in words 1"] * 5
    assert run(COUNTS, "one_batch") == ["in words 3", "in words 2"]
    restored_log = ["checkpoint", "in words 2", "checkpoint", "in words 2", "crash", "in words 1"]
    always = [step for rows in (2, 2, 1) for step in (f"in words {rows}", "checkpoint", "crash")]
    assert run(COUNTS, "restored_always") == always
    assert run(COUNTS, "restored_after_1") == restored_log
    assert run(COUNTS, "restored_after_0") == [
        "checkpoint",
        "in words 2",
        "crash",
        "in words 2",
        "in words 1",
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("a | 2 | 6", "a | 2 | 7", "line 25: view counts differs"),
        ("c | 1 | NULL", "c | 1 | (empty)", "view counts differs"),
        ("already exists", "never heard", "line 22: expected a message"),
        ("LIMIT 1;\n----\nd", "LIMIT 1;\n----\nx", "query differs"),
        ("oracle duckdb counts", "oracle duckdb counts\nSELECT word, 1, 1 FROM words", "not what DuckDB"),
    ],
)
def test_a_wrong_expectation_is_noticed(old: str, new: str, message: str) -> None:
    assert old in COUNTS
    with pytest.raises(CaseFailure, match=message):
        run(COUNTS.replace(old, new))


def test_an_error_that_does_not_come_is_noticed() -> None:
    with pytest.raises(CaseFailure, match="should have failed"):
        run("SELECT 1;\nexpect error 42P01\n")


def test_rewriting_puts_the_answers_in_place() -> None:
    wrong = COUNTS.replace("a | 2 | 6\nb | 1 | 2\n", "").replace("a | 1 | 1\n", "z | 0 | 0\nz | 0 | 0\n")
    engine = DuckEngine()
    runner = Run(engine, answers={})
    runner.steps(case_format.parse(wrong).steps)
    assert runner.answers is not None
    assert case_format.replace_rows(wrong, runner.answers) == COUNTS


def test_the_clock_moves_only_when_told() -> None:
    log = run("CREATE TABLE t (a INTEGER);\ntick 1.5 s\nin t @ 2024-01-01 00:00:02\n1\n\ntick 100 ms\n")
    assert log == ["settle 0", "settle 1500000", "in t 1", "settle 2000000", "settle 2100000"]


def test_changes_are_followed_from_the_start_and_only_as_written() -> None:
    text = "CREATE TABLE t (a INTEGER);\nin t\n1\n\nexpect changes v\n+ | a | NULL\n"
    assert run(text) == ["follow v", "in t 1"]
    assert run(text, "one_batch") == ["in t 1"]


def test_partitions_and_raw_records_go_straight_to_the_topic() -> None:
    text = "CREATE TABLE t (a INTEGER);\nin t partition 2\n1\n\nin t raw\n{bad\n{worse\n"
    assert run(text) == ["append t 1 to 2", "append t 2 to 0"]


def test_a_skipped_way_is_not_run() -> None:
    case = case_format.parse("skip one_batch the order of tables and streams matters\nin t\n1\n")
    assert [name for name, _ in ways(case, each_boundary=True)] == [
        "as_written", "row_by_row", "restored_after_0", "restored_after_1", "restored_always", "in_shards", "in_files",
    ]  # fmt: skip


def test_all_words_of_the_format() -> None:
    case = case_format.parse(
        "in t (a, b) partition 3 raw @ 2024-01-01 00:00:01\nx\n\ntick 2 minutes\nrestart\ncrash\n"
        "checkpoint\nexpect topic out ordered\n1\n\nexpect watermark t\n5\n"
    )
    given, tick, *reopened, topic, watermark = case.steps
    assert isinstance(given, Input)
    assert (given.columns, given.partition, given.raw, given.rows) == (("a", "b"), 3, True, ("x",))
    assert given.at_text == "2024-01-01 00:00:01"
    assert isinstance(tick, Tick) and tick.duration_us == 120_000_000
    assert [r.how for r in reopened if isinstance(r, Reopen)] == ["restart", "crash", "checkpoint"]
    assert isinstance(topic, Expect) and topic.ordered and topic.name == "out"
    assert isinstance(watermark, Expect) and watermark.rows == ("5",)
    assert needs_disk(case.steps)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1\n", "line 1: the statement does not end with ';'"),
        ("\nin\n", "line 2: not an input"),
        ("tick soon\n", "line 1: not a duration"),
        ("tick 3 fortnights\n", "line 1: not a duration"),
        ("expect view\n", "line 1: not an expectation"),
        ("expect error 42P01\n", "right behind a statement"),
        ("expect query\nSELECT 1;\n", "line 1: the query has no ---- line"),
        ("skip somehow because\n", "line 1: skip takes"),
        ("skip one_batch\n", "line 1: skip takes"),
        ("oracle sqlite v\n", "oracle duckdb"),
    ],
)
def test_a_malformed_case_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        case_format.parse(text)


def rows_of(text: str, schema: pa.Schema) -> list[dict[str, object]]:
    (step,) = case_format.parse(text).steps
    assert isinstance(step, Input)
    return input_table(step, schema).to_pylist()


def test_rows_take_the_types_of_their_columns() -> None:
    schema = pa.schema([("b", pa.bool_()), ("ts", pa.timestamp("us")), ("d", pa.decimal128(6, 2)), ("x", pa.binary())])
    (row,) = rows_of("in t\ntrue | 2024-01-01 00:00:01.5 | 12.34 | \\\\x00ff\n", schema)
    assert row["b"] is True and str(row["d"]) == "12.34" and row["x"] == b"\x00\xff"
    assert str(row["ts"]) == "2024-01-01 00:00:01.500000"


def test_nested_rows_are_json() -> None:
    schema = pa.schema([("a", pa.list_(pa.int64())), ("s", pa.struct([("k", pa.string())])), ("n", pa.int32())])
    assert rows_of('in t\n{"a": [1, 2], "s": {"k": "v"}}\n{"n": 3}\n', schema) == [
        {"a": [1, 2], "s": {"k": "v"}, "n": None},
        {"a": None, "s": None, "n": 3},
    ]


@pytest.mark.parametrize(
    ("row", "message"), [("1 | 2", "2 values for the 1 columns"), ("one", "line 1"), ('{"z": 1}', "line 1")]
)
def test_rows_that_do_not_fit_are_refused(row: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        rows_of(f"in t\n{row}\n", pa.schema([("a", pa.int64())]))


def test_one_batch_waits_past_views_but_not_past_time_or_changes_of_tables() -> None:
    inputs = [Input(line=i, target="t", rows=(str(i),)) for i in range(3)]
    view = Sql(line=9, text="-- about it\nCREATE MATERIALIZED VIEW v AS SELECT 1;")
    assert [len(s.rows) for s in one_batch([inputs[0], view, inputs[1]]) if isinstance(s, Input)] == [2]
    for barrier in (
        Tick(line=9, duration_us=1),
        Sql(line=9, text="DELETE FROM t;"),
        Reopen(line=9, how="crash"),
    ):
        steps = list(one_batch([inputs[0], barrier, inputs[1], inputs[2]]))
        assert [len(s.rows) for s in steps if isinstance(s, Input)] == [1, 2]
        assert steps[1] is barrier


def test_row_by_row_keeps_the_time_of_the_first_row_only() -> None:
    steps = list(row_by_row([Input(line=1, target="t", rows=("a", "b"), at_text="2024-01-01")]))
    assert [(s.rows, s.at_text) for s in steps if isinstance(s, Input)] == [
        (("a",), "2024-01-01"),
        (("b",), None),
    ]


@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 40])
def test_boundaries_are_few_and_leave_an_input_behind_them(count: int) -> None:
    chosen = boundaries([Input(line=i, target="t", rows=("1",)) for i in range(count)])
    assert chosen[0] == 0 and len(chosen) <= 2 and (count < 2 or chosen[-1] < count)


def test_every_restored_run_crashes_once() -> None:
    steps = [Input(line=i, target="t", rows=("1",)) for i in range(3)]
    for boundary in range(4):
        how = [s.how for s in restored(steps, boundary) if isinstance(s, Reopen)]
        assert how == ["checkpoint"] * (boundary + 1) + ["crash"] or boundary == 3 and how.count("crash") == 1


def test_the_oracle_compares_numbers_within_a_billionth() -> None:
    assert rows_differ([("a", "0.30000000000000004")], [("a", "0.3")]) is None
    assert rows_differ([("1.50",)], [("1.5",)]) is None
    assert rows_differ([("0.3",)], [("0.31",)]) is not None
    assert rows_differ([("a",), ("b",)], [("b",), ("a",)]) is None
    assert rows_differ([("a",), ("a",)], [("a",)]) is not None
    assert rows_differ([(None,)], [("",)]) is not None


@pytest.mark.parametrize(
    "statement",
    [
        " AS SELECT a FROM t EMIT ON WINDOW CLOSE",
        " WITH (history = '1 day') AS\nSELECT a FROM t emit changes",
        "(x) AS SELECT a FROM t EMIT EVERY INTERVAL '1 second' ",
    ],
)
def test_a_views_query_is_found(statement: str) -> None:
    assert view_query(statement) == "SELECT a FROM t"
