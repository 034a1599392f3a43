"""Spellings of values and relations that PostgreSQL reads, alike in SELECT and in views."""

from __future__ import annotations

import pytest

import sqlengine
from tests.differential import small_tables


@pytest.fixture
def db():
    with sqlengine.connect() as made:
        made.execute("CREATE TABLE z (id INT, a INT[], t TEXT[], s TEXT)")
        made.execute("INSERT INTO z VALUES (1, ARRAY[1], ARRAY['x'], NULL), (2, NULL, NULL, 'y')")
        yield made


ARRAYS = [
    ("SELECT coalesce(a, '{}') AS a, coalesce(s, '{}') AS s FROM z ORDER BY id", [([1], "{}"), ([], "y")]),
    (
        """SELECT coalesce(t, '{q,"r \\" \\\\ s",NULL,"NULL"}') AS t FROM z ORDER BY id""",
        [(["x"],), (["q", 'r " \\ s', None, "NULL"],)],
    ),
    ("SELECT coalesce((SELECT array_agg(id) FROM z WHERE s = 'none'), '{}') AS ids", [([],)]),
    ("SELECT coalesce((SELECT array_agg(id) FROM z WHERE s = 'none'), '{7,8}') AS ids", [([7, 8],)]),
    (
        "SELECT z.id, coalesce((SELECT q.t FROM z AS q WHERE q.id = z.id), '{\"a b\"}') AS t FROM z ORDER BY id",
        [(1, ["x"]), (2, ["a b"])],
    ),
    ("SELECT CASE WHEN a IS NULL THEN '{}' ELSE a END AS a FROM z ORDER BY id", [([1],), ([],)]),
    ("SELECT coalesce(q.b, '{}') AS b FROM (SELECT id, a AS b FROM z) AS q ORDER BY id", [([1],), ([],)]),
    ("SELECT id FROM z WHERE a = '{1}'", [(1,)]),
    ("SELECT id FROM z WHERE '{1}' <> a", []),
    ("SELECT id FROM z WHERE a IN ('{1}', '{2}')", [(1,)]),
    ("SELECT id FROM z WHERE a BETWEEN '{0}' AND '{3}'", [(1,)]),
    ("SELECT nullif(a, '{1}') AS a FROM z ORDER BY id", [(None,), (None,)]),
    ("SELECT a || '{2}' AS a, '{4}' || t AS t FROM z ORDER BY id", [([1, 2], ["4", "x"]), ([2], ["4"])]),
    ("SELECT CAST(a AS BIGINT[]) || '{2}' AS a, ARRAY[1] || '{2}' AS b FROM z WHERE id = 1", [([1, 2], [1, 2])]),
    ("SELECT CASE WHEN id = 1 THEN '{}' ELSE s END AS s FROM z ORDER BY id", [("{}",), ("y",)]),
]


@pytest.mark.parametrize(("query", "rows"), ARRAYS)
def test_a_text_in_braces_beside_an_array_is_one(db, query, rows):
    assert small_tables.of_both(db, query) == rows


def test_a_text_in_braces_is_wrong_where_its_elements_are(db):
    with pytest.raises(sqlengine.Error) as caught:
        db.execute("SELECT coalesce(a, '{x}') FROM z").fetchall()
    assert caught.value.sqlstate == "22P02"


def test_the_star_of_one_table_leaves_columns_out(db):
    db.execute("CREATE TABLE t (a INT, b INT, c INT)")
    db.execute("INSERT INTO t VALUES (1, 2, 3)")
    assert small_tables.of_both(db, "SELECT q.* EXCLUDE (b), 7 AS d FROM t AS q") == [(1, 3, 7)]
    assert small_tables.of_both(db, "SELECT q.* EXCEPT (b) FROM t AS q") == [(1, 3)]
    assert small_tables.of_both(db, "SELECT q.* REPLACE (a + b AS b) FROM t AS q") == [(1, 3, 3)]


@pytest.mark.parametrize(
    ("relation", "rows"),
    [
        ("((VALUES (1), (2)) v(x) JOIN (VALUES (2), (3)) w(y) ON x = y)", [(2, 2)]),
        ("((VALUES (1), (2)) AS v LEFT JOIN (VALUES (2)) AS w(y) ON v.column1 = y)", [(1, None), (2, 2)]),
        ("((VALUES (1)) v(x) CROSS JOIN (VALUES (2)) w(y)) JOIN (VALUES (3)) z(q) ON q > y", [(1, 2, 3)]),
    ],
)
def test_values_begin_a_join_in_parentheses(db, relation, rows):
    assert sorted(small_tables.of_both(db, f"SELECT * FROM {relation}")) == rows


def test_a_misspelt_path_of_json_table(db):
    query = "SELECT * FROM JSON_TABLE('[{\"a\": 1}]', '$[*]' COLUMNS (a INT {} '$.a'))"
    assert db.execute(query.replace("{}", "PATH")).fetchall() == [(1,)]
    for wrong, hint in (("PTH", "did you mean PATH?"), ("AT", "a column's path is written name type PATH '$.key'")):
        with pytest.raises(sqlengine.Error) as caught:
            db.execute(query.replace("{}", wrong))
        assert (caught.value.sqlstate, caught.value.hint) == ("42601", hint)
        assert caught.value.position == query.index("{}")
