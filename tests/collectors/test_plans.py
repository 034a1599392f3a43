"""The format of plan goldens."""

from __future__ import annotations

import pytest

from tests.collectors import case_format, plan_format
from tests.collectors.slt_format import FormatError

TEXT = """\
# about filters
CREATE STREAM s (a BIGINT);
CREATE STREAM t (a BIGINT);

== first
SELECT a FROM s
WHERE a > 1;
---- logical
Filter a > 1
  Scan s

---- physical
Filter

== second one
SELECT 1
---- logical
Values
"""


def test_queries_and_stages_are_found() -> None:
    plans = plan_format.parse(TEXT)
    assert plans.setup == "CREATE STREAM s (a BIGINT);\nCREATE STREAM t (a BIGINT);"
    first, second = plans.queries
    assert (first.name, first.line, first.sql) == ("first", 5, "SELECT a FROM s\nWHERE a > 1")
    assert [(s.name, s.text) for s in first.stages] == [
        ("logical", ("Filter a > 1", "  Scan s")),
        ("physical", ("Filter",)),
    ]
    assert second.name == "second one"


def test_stages_are_replaced_in_place() -> None:
    plans = plan_format.parse(TEXT)
    same = {s.span: list(s.text) for q in plans.queries for s in q.stages}
    assert case_format.replace_rows(TEXT, same) == TEXT
    changed = case_format.replace_rows(TEXT, {plans.queries[0].stages[0].span: ["x"]})
    assert plan_format.parse(changed).queries[0].stages[0].text == ("x",)


@pytest.mark.parametrize("text", ["SELECT 1\n", "== a\nSELECT 1\n"])
def test_a_file_without_queries_or_stages_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        plan_format.parse(text)
