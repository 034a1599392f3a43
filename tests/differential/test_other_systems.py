"""What users of Flink, ksqlDB, Hive, Spark and RisingWave write: a view over rows that come, change and go says the
same as a SELECT of its query."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import sqlengine
from sqlengine import errors
from sqlengine.api.database import Database

TABLE = (
    "CREATE TABLE t (id INT PRIMARY KEY, k INT, v INT, s TEXT, a TIMESTAMP, b TIMESTAMP, d DATE, arr INT[], "
    "n NUMERIC(10,2), x DOUBLE PRECISION, j JSON)"
)
ROWS = """INSERT INTO t VALUES
(1, 1, 3, 'ab,c', '2024-01-31 10:20:30', '2024-03-01', '2024-01-31', ARRAY[3, 1], 2.50, 1, '{"a": [1, "z"]}'),
(2, 1, 1, 'b', '2024-01-01', '2023-12-31 23:59:59', '2024-02-01', ARRAY[7], -7.25, -0.125, '{"b": 1}'),
(3, 1, 3, NULL, NULL, '2024-03-01', NULL, NULL, NULL, NULL, NULL),
(4, 2, 2, 'b', '2024-02-29 23:59:59.5', '2025-02-28 23:59:59.5', '2024-02-29', ARRAY[4], 1, 1e15, '[1]'),
(5, 2, NULL, 'a,b', '1969-12-31 23:59:59', '1970-01-01 00:00:01', '1969-12-31', ARRAY[1, NULL, 2], 0.01, 12345678901,
  '1')"""
CHANGES = (
    "UPDATE t SET v = v + 1, s = 'b', x = x / 3, arr = arr || id, n = n + 1 WHERE id <> 2",
    "DELETE FROM t WHERE id = 1",
    "INSERT INTO t (id, k, v, s) VALUES (6, 2, 5, 'z'), (7, 3, NULL, NULL)",
)
GROUPED = (
    "collect_set(v)",
    "collect_set(s) FILTER (WHERE v > 1)",
    "count_distinct(v)",
    "collect_set(DISTINCT v)",
    "count_distinct(DISTINCT v)",
    "count_distinct(s) FILTER (WHERE v > 1)",
    "topk(v, 2)",
    "topkdistinct(v, 2)",
    "mode(v)",
    "mode() WITHIN GROUP (ORDER BY s)",
    "mode(v) FILTER (WHERE id > 1)",
    "percentile(v, 0.5)",
    "stddev_sample(v) > 1",
    "listagg(s ORDER BY id)",
    "array_sort(arrayagg(v))",
    "json_agg(t ORDER BY id) -> 0 ->> 's'",
)
PLAIN = (
    "to_json(t)",
    "to_jsonb(t) ->> 's'",
    "row_to_json(t) ->> 'v'",
    "to_jsonb(v)",
    "json_build_object('v', v, 's', s, 'd', d)",
    "json_build_object(id, s, k, d)",
    "jsonb_build_array(v, s, NULL, arr)",
    "JSON_OBJECT(KEY 'v' VALUE v, 'f' VALUE floor(x) NULL ON NULL)",
    "JSON_OBJECT('v': v)",
    "json_object('v', v)",
    "json_extract_path_text(j, 'a', '1')",
    "jsonb_extract_path(j, 'a')",
    "j ? 'a'",
    "json_strip_nulls(j)",
    "json_string(arr)",
    "get_json_object(j, '$.a')",
    "TIMESTAMPDIFF(SECOND, a, b)",
    "timestampdiff(MONTH, a, b)",
    "timestampdiff(YEAR, d, b)",
    "timestampdiff('day', a, TIMESTAMP '2024-02-01')",
    "TIMESTAMPADD(MONTH, v, a)",
    "timestampadd(DAYS, -v, d)",
    "dateadd(HOUR, 3, a)",
    "datesub(DAY, 1, a)",
    "datediff(b, a)",
    "datediff(d, DATE '2024-01-01')",
    "datediff(WEEK, a, b)",
    "date_diff(DAY, a, b)",
    "FLOOR(a TO HOUR)",
    "floor(a TO WEEK)",
    "CEIL(a TO DAY)",
    "CEIL(a TO MONTH)",
    "CEILING(d TO YEAR)",
    "FLOOR(CEIL(a TO MONTH) TO YEAR)",
    "floor(x)",
    "ceil(n)",
    "add_months(d, v)",
    "date_sub(d, 3)",
    "months_between(b, a)",
    "from_unixtime(v)",
    "from_unixtime(v, 'HH:mm')",
    "unix_timestamp(a)",
    "format_timestamp(a, 'dd.MM.yyyy')",
    "to_date('2024-01-02')",
    "to_timestamp('2024-01-02 03:04:05')",
    "to_timestamp(v)",
    "from_utc_timestamp(a, 'Europe/Paris')",
    "arr || 5",
    "5 || arr",
    "arr || v",
    "arr || arr",
    "arr || NULL",
    "NULL || arr",
    "arr || ARRAY[1] || v",
    "ARRAY['p'] || s",
    "ARRAY['p'] || 'q'",
    "array_max(arr)",
    "array_union(arr, ARRAY[7, 1])",
    "element_at(arr, -1)",
    "transform(arr, y -> y + 1)",
    "filter(arr, y -> y > 1)",
    "reduce(arr, 0, (u, y) -> u + y)",
    "n / v",
    "v / n",
    "n / v::BIGINT",
    "n / 3",
    "(n + 1) / 4.0",
    "x::TEXT",
    "x || '!'",
    "concat(x, v, NULL, s)",
    "concat_ws('-', x, v, s)",
    "sign(x)",
    "sign(n)",
    "trunc(x, 1)",
    "truncate(n, 1)",
    "named_struct('p', v, 'q', s)",
    "nvl2(s, v, -1)",
    "isnull(s)",
    "map_keys(str_to_map(s, ',', ':'))",
)


@pytest.fixture
def db() -> Iterator[Database]:
    with sqlengine.connect() as made:
        yield made


@pytest.mark.parametrize("text", [*GROUPED, *PLAIN])
def test_view_and_select_agree_while_rows_change(db: Database, text: str) -> None:
    zero = " WHERE v <> 0 AND n <> 0" if "/" in text else ""
    query = f"SELECT k, {text} AS x FROM t GROUP BY k" if text in GROUPED else f"SELECT id, {text} AS x FROM t{zero}"
    db.execute(TABLE)
    db.execute(f"CREATE MATERIALIZED VIEW view AS {query}")
    plan = "\n".join(str(row) for row in db.execute(f"EXPLAIN {query} EMIT CHANGES").fetchall())
    assert "maintained incrementally" in plan
    for change in (ROWS, *CHANGES):
        db.execute(change)
        selected = sorted(db.execute(query).fetchall(), key=repr)
        assert len(selected) >= 2
        assert sorted(db.execute("SELECT * FROM view").fetchall(), key=repr) == selected


ORDERED = {
    "earliest_by_offset(s)": [("ann", "p"), ("bo", "r")],
    "latest_by_offset(s)": [("ann", "u"), ("bo", "r")],
    "earliest_by_offset(s, 2)": [("ann", ["p", "q"]), ("bo", ["r"])],
    "latest_by_offset(s, 2)": [("ann", ["q", "u"]), ("bo", ["r"])],
    "latest_by_offset(s, false)": [("ann", "u"), ("bo", None)],
    "earliest_by_offset(s, 1, false)": [("ann", [None]), ("bo", ["r"])],
}


@pytest.mark.parametrize("text", ORDERED)
def test_by_offset(db: Database, text: str) -> None:
    query = f"SELECT who, {text} AS x FROM seen GROUP BY who"
    db.execute("CREATE STREAM seen (who TEXT, s TEXT)")
    db.execute(f"CREATE MATERIALIZED VIEW view AS {query}")
    for row in (("ann", None), ("ann", "p"), ("ann", "q"), ("bo", "r"), ("ann", "u"), ("bo", None)):
        db.execute("INSERT INTO seen VALUES (?, ?)", row)
    assert sorted(db.execute("SELECT * FROM view").fetchall()) == ORDERED[text]
    assert sorted(db.execute(query).fetchall()) == ORDERED[text]


WRONG = {
    "timestampdiff(FORTNIGHT, a, b)": "22023",
    "timestampadd(FORTNIGHT, 1, a)": "22023",
    "date_trunc('fortnight', a)": "22023",
    "JSON_OBJECT(KEY 'a' VALUE v ABSENT ON NULL)": "0A000",
    "named_struct(s, v)": "42601",
    "json_build_object('a', v, 'b')": "22023",
    "from_unixtime(v, s)": "0A000",
    "latest_by_offset(s, -1)": "42883",
    "timestampdiff(DAY, s, b)": "42883",
    "FLOOR(a TO)": "42601",
}


@pytest.mark.parametrize("text", WRONG)
def test_errors(db: Database, text: str) -> None:
    db.execute(TABLE)
    with pytest.raises(errors.Error) as raised:
        db.execute(f"CREATE MATERIALIZED VIEW view AS SELECT {text} AS x FROM t")
    assert raised.value.sqlstate == WRONG[text]
