"""How statements are written, told from the grammar."""

from __future__ import annotations

import re

import pytest

from sqlengine.sql import lex, parse, statement_words, synopsis
from tests.source_tree import ROOT


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("drop consumer group", "DROP CONSUMER GROUP [IF EXISTS] {name | 'text'} [, ...]"),
        ("pause", "{PAUSE | RESUME | CANCEL} [QUERY] {'text' | number | name}"),
        ("create schema", "CREATE [OR REPLACE] [TEMPORARY | TEMP] {SCHEMA | DATABASE} [IF NOT EXISTS] name"),
        ("create or replace schema", "CREATE [OR REPLACE] [TEMPORARY | TEMP] {SCHEMA | DATABASE} [IF NOT EXISTS] name"),
        ("truncate", "TRUNCATE [kind] name"),
        ("checkpoint", "CHECKPOINT"),
        ("acknowledge", "ACKNOWLEDGE name TICK number"),
    ],
)
def test_statements(words: str, text: str) -> None:
    assert [told.split("\n")[0] for told in synopsis(words)] == [text]


def test_alternatives_that_begin_or_end_alike_are_told_together() -> None:
    (told,) = synopsis("grant")
    assert told.startswith("GRANT name [name | (name [, ...])] [, ...] {ON [kind] name [([type [, ...]])] [, ...] | ")
    assert "\nwhere kind is TOPIC | STREAM | TABLE | [MATERIALIZED] VIEW | " in told
    (stream,) = synopsis("create stream")
    assert " | WATERMARK FOR name [AS expression] | " in stream
    assert " | FORMAT name ENCODE name [([option [, ...]])] | " in stream
    assert "where column is name type [[PRIMARY] KEY | [NOT] NULL | NOT ENFORCED | " in stream


def test_parts_are_told_below() -> None:
    (told,) = synopsis("create topic")
    assert told.split("\n")[1].startswith("where option is ")


def test_every_part_that_is_named_is_told() -> None:
    for words in statement_words():
        for told in synopsis(words):
            named = re.findall(r"^where (\w+) is", told, re.MULTILINE)
            assert len(named) == len(set(named))
            assert "[]" not in told and "  " not in told and "{}" not in told


def test_every_statement_of_the_documentation_is_found() -> None:
    headings = re.findall(r"^### (.+)$", (ROOT / "docs" / "statements.md").read_text(encoding="utf-8"), re.MULTILINE)
    listed = [words for heading in headings for words in heading.split(", ")]
    assert len(listed) > 40
    assert [words for words in listed if words.isupper() and words != "RENAME TO" and not synopsis(words)] == []


def test_what_is_no_statement() -> None:
    assert synopsis("frobnicate") == [] and synopsis("create frobnicate") == []


@pytest.mark.parametrize("text", ["DROP TABLE t", "PAUSE q1", "SET a = 1", "FETCH 5 FROM c", "SELECT 1"])
def test_what_parses_is_found_by_its_first_word(text: str) -> None:
    assert parse(text) and synopsis(lex(text)[0].value)
