"""The .slt format, run on plain DuckDB: what it accepts, what it notices, what it rewrites."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.collectors import plugin, slt_format, slt_run
from tests.collectors.executor import Answer, DuckDBExecutor, Failure, row_lines
from tests.collectors.expected_error import ExpectedError

GOOD = """\
# a comment

statement ok
CREATE TABLE t (a INTEGER, b VARCHAR, c DOUBLE)

statement ok
INSERT INTO t VALUES (2, 'x', 1.5), (1, NULL, 2),
  (3, '', NULL)

query ITR rowsort
SELECT * FROM t
----
1\tNULL\t2
2\tx\t1.5
3\t(empty)\tNULL

statement error 42P01 does not exist
SELECT * FROM missing

skipif duckdb
statement ok
SELECT no_such_function(1)

onlyif duckdb # another engine spells it otherwise
query ? nosort
SELECT 1
----
1

halt

query I
this is never run
----
"""


@pytest.fixture
def duck() -> DuckDBExecutor:
    return DuckDBExecutor()


def run_text(text: str, executor: DuckDBExecutor) -> str | None:
    mismatch = slt_run.run(slt_format.parse(text), executor)
    return None if mismatch is None else str(mismatch)


def test_a_good_file_passes(duck: DuckDBExecutor) -> None:
    assert run_text(GOOD, duck) is None


def test_writing_what_was_parsed_changes_nothing() -> None:
    assert slt_format.write(slt_format.parse(GOOD)) == GOOD


def test_rewriting_a_good_file_changes_nothing(duck: DuckDBExecutor) -> None:
    assert slt_format.write(slt_run.rewrite(slt_format.parse(GOOD), duck)) == GOOD


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("query I\nSELECT 1\n----\n2\n", "rows differ"),
        ("query I\nSELECT 1 WHERE false\n----\n2\n", "rows differ"),
        ("query T\nSELECT 1\n----\n1\n", "expected column types T, got I"),
        ("query II\nSELECT 1\n----\n1\n", "expected column types II, got I"),
        ("query I nosort\nSELECT unnest([2, 1])\n----\n1\n2\n", "rows differ"),
        ("statement error\nSELECT 1\n", "should have failed"),
        ("statement error 42P02\nSELECT * FROM missing\n", "expected SQLSTATE 42P02, got 42P01"),
        ("statement error 42P01 no such words\nSELECT * FROM missing\n", "no such words"),
        ("statement ok\nSELECT * FROM missing\n", "failed with 42P01"),
    ],
)
def test_a_wrong_expectation_is_noticed(text: str, reason: str, duck: DuckDBExecutor) -> None:
    assert reason in str(run_text(text, duck))


def test_the_failing_line_is_named(duck: DuckDBExecutor) -> None:
    assert str(run_text("\n\n# x\nquery I\nSELECT 1\n----\n2\n", duck)).startswith("line 4:")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("query I\nSELECT 1\n", "line 1: the query has no ---- line"),
        ("statement ok\n\n", "line 1: the record has no SQL"),
        ("\nstatement maybe\nSELECT 1\n", "line 2: not a record"),
        ("query I sometimes\nSELECT 1\n----\n", "line 1: not a record"),
        ("skipif\nstatement ok\nSELECT 1\n", "line 1: skipif takes one name"),
        ("onlyif duckdb\n", "a record expected at the end"),
    ],
)
def test_a_malformed_file_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(slt_format.FormatError, match=message):
        slt_format.parse(text)


def test_rewrite_writes_answers_errors_and_types(duck: DuckDBExecutor) -> None:
    wrong = "query T rowsort\nSELECT unnest([2, 1])\n----\n9\n\nstatement ok\nSELECT * FROM missing\n"
    right = "query I rowsort\nSELECT unnest([2, 1])\n----\n1\n2\n\nstatement error 42P01\nSELECT * FROM missing\n"
    assert slt_format.write(slt_run.rewrite(slt_format.parse(wrong), duck)) == right


@pytest.mark.parametrize(
    ("sql", "letter"),
    [
        ("true", "B"), ("1::BIGINT", "I"), ("1.5::REAL", "R"), ("1.5::DECIMAL(4,2)", "N"), ("'a'", "T"),
        ("DATE '2024-01-01'", "D"), ("TIME '01:02:03'", "C"), ("TIMESTAMP '2024-01-01'", "S"),
        ("TIMESTAMPTZ '2024-01-01 00:00:00+00'", "Z"), ("INTERVAL 1 DAY", "V"), ("'x'::BLOB", "X"),
        ("[1]", "A"), ("{'a': 1}", "O"), ("MAP {'a': 1}", "O"),
    ],
)  # fmt: skip
def test_every_type_has_its_letter(sql: str, letter: str, duck: DuckDBExecutor) -> None:
    (dtype,) = duck.execute(f"SELECT {sql}").types
    assert slt_run.type_letter(dtype) == letter


def test_json_and_uuid_have_letters_of_their_own() -> None:
    assert slt_run.type_letter(pa.json_(pa.string())) == "J"
    assert slt_run.type_letter(pa.uuid()) == "U"


@given(st.lists(st.lists(st.one_of(st.none(), st.text()), min_size=2, max_size=2), max_size=5))
def test_different_rows_never_look_alike(rows: list[list[str | None]]) -> None:
    lines = row_lines(rows)
    assert len(set(lines)) == len({tuple(row) for row in rows})
    assert all(line and "\n" not in line and line.count("\t") == 1 for line in lines)


@pytest.mark.parametrize(
    ("text", "failure", "fits"),
    [
        ("42P01", Failure("42P01", "x"), True),
        ("42P01 gone$", Failure("42P01", "it is gone"), True),
        ("42P01 ^gone", Failure("42P01", "it is gone"), False),
        ("22012", Failure("42P01", "x"), False),
        ("STUCK again", Failure("42P01", "STUCK again"), True),
        ("", Failure("42P01", "x"), True),
    ],
)
def test_expected_errors(text: str, failure: Failure, fits: bool) -> None:
    assert (ExpectedError.parse(text).mismatch(failure) is None) == fits


def test_pytest_runs_and_rewrites_slt_files(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "SLT_EXECUTORS", {"embedded": DuckDBExecutor})
    path = pytester.makefile(".slt", wrong="query I\nSELECT 1\n----\n2")
    options = ("-p", "tests.collectors.plugin", "-p", "no:cacheprovider")
    result = pytester.inline_run(*options)
    result.assertoutcome(failed=1)
    pytester.inline_run("--rewrite", *options).assertoutcome(skipped=1)
    assert path.read_text() == "query I\nSELECT 1\n----\n1\n"
    pytester.inline_run(*options).assertoutcome(passed=1)


def test_an_answer_without_columns_has_no_rows() -> None:
    assert row_lines(Answer().rows) == []
