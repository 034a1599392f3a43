"""Colours, indentation, variables, configuration and what is asked about: the pure parts of the prompt."""

from __future__ import annotations

from pathlib import Path

import pytest
from prompt_toolkit.document import Document

from repl.config import Config, config_path, parse_config, read_config
from repl.editing.highlight import SqlLexer, spans
from repl.editing.indent import indent_after, margin_of_closing
from repl.safety import what_it_loses
from repl.variables import substitute
from sqlengine.errors import Error, FileUnavailable, InvalidParameter
from tests.repl.test_suggest import statements


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("SELECT 'a;' AS x", [("SELECT", "keyword"), ("'a;'", "string"), ("AS", "keyword")]),
        ("select count(*) -- n", [("select", "keyword"), ("count", "function"), ("(", "operator"), ("*", "operator"),
                                  (")", "operator"), ("-- n", "comment")]),
        ('"a""b" 1.5 /* c */', [('"a""b"', "name"), ("1.5", "number"), ("/* c */", "comment")]),
        ("t.key", [(".", "operator")]),
        ("SELECT 'open", [("SELECT", "keyword"), ("'open", "string")]),
        ("SELECT /* open", [("SELECT", "keyword"), ("/* open", "comment")]),
        ("$a$ x $a$", [("$a$ x $a$", "string")]),
        ("SELECT \\ 1", [("SELECT", "keyword"), ("\\", "wrong"), ("1", "number")]),
        ("\\d orders", [("\\d", "command")]),
    ],
)  # fmt: skip
def test_colours_are_those_of_the_engines_tokens(text: str, parts: list[tuple[str, str]]) -> None:
    assert [(text[start:end], what) for start, end, what in spans(text)] == parts


def test_coloured_lines_hold_the_whole_text() -> None:
    for text in statements()[:60]:
        for cursor in range(0, len(text) + 1, 7):
            line = SqlLexer().lex_document(Document(text[:cursor]))
            shown = ["".join(part for _, part in line(n)) for n in range(text[:cursor].count("\n") + 1)]
            assert "\n".join(shown) == text[:cursor]


@pytest.mark.parametrize(
    ("before", "blanks"),
    [
        ("", 0),
        ("SELECT", 2),
        ("SELECT a,", 2),
        ("SELECT a,\n  b,", 2),
        ("SELECT a\nFROM t", 0),
        ("SELECT a\nFROM t\nWHERE x AND", 2),
        ("CREATE TABLE t (", 2),
        ("CREATE TABLE t (\n  a bigint,", 2),
        ("SELECT * FROM (\n  SELECT a,", 4),
        ("SELECT 1;", 0),
        ("SELECT 'a", 0),
        ("  SELECT a\n  FROM t", 2),
    ],
)
def test_indentation(before: str, blanks: int) -> None:
    assert indent_after(before) == blanks


def test_a_closing_bracket_goes_below_what_it_closes() -> None:
    assert margin_of_closing("CREATE TABLE t (\n  a bigint\n  ") == 0
    assert margin_of_closing("  SELECT f(\n    ") == 2
    assert margin_of_closing("SELECT 1") is None and margin_of_closing("SELECT 'x") is None


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("SELECT :x", "SELECT 5'"),
        ("SELECT :'x'", "SELECT '5'''"),
        ('SELECT :"x"', 'SELECT "5\'"'),
        ("SELECT a::x, ':x', \":x\" -- :x", "SELECT a::x, ':x', \":x\" -- :x"),
        ("SELECT :unknown", "SELECT :unknown"),
        ("SELECT a[1:x]", "SELECT a[15']"),
        ("SELECT : x", "SELECT : x"),
        ("SELECT 'open :x", "SELECT 'open :x"),
    ],
)
def test_variables(text: str, filled: str) -> None:
    assert substitute(text, {"x": "5'"}) == filled


@pytest.mark.parametrize(
    ("text", "loss"),
    [
        ("DROP TABLE IF EXISTS a.b, c", "this drops TABLE a.b, c"),
        ("drop stream s cascade;", "this drops stream s and all that depends on it"),
        ("DROP TABLE t RESTRICT", "this drops TABLE t"),
        ('DROP TABLE "CASCADE"', 'this drops TABLE "CASCADE"'),
        ("delete from t", "this deletes all rows of t"),
        ("DELETE FROM t WHERE a", None),
        ("DELETE FROM t USING u WHERE a", None),
        ("UPDATE t SET a = (SELECT 1 WHERE b)", "this changes all rows of t"),
        ("UPDATE t SET a = 1 WHERE b", None),
        ("TRUNCATE TABLE t", "this removes all rows of t"),
        ("SELECT 'DROP TABLE t'", None),
        ("'open", None),
        ("", None),
    ],
)
def test_what_is_asked_about(text: str, loss: str | None) -> None:
    assert what_it_loses(text) == loss


def test_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SQLENGINE_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert read_config() == Config()
    config_path().parent.mkdir()
    config_path().write_text(
        'editing = "vi"\nconfirm = false\n[connections]\nlocal = "./data"\n[colors]\nstring = "ansired"\n'
    )
    read = read_config()
    assert (read.editing, read.confirm, read.connections, read.colors) == (
        "vi", False, {"local": "./data"}, {"string": "ansired"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"editting": "vi"}, 'unknown setting "editting"'),
        ({"editing": "nano"}, 'editing is emacs or vi, not "nano"'),
        ({"timing": "yes"}, "timing is true or false, not 'yes'"),
        ({"format": 1}, "format is a text, not 1"),
        ({"colors": {"strng": "red"}}, 'unknown name "strng" in [colors]'),
        ({"keys": 1}, "[keys] is a table of names and texts"),
    ],
)
def test_configuration_that_makes_no_sense(given: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_config(given)
    assert caught.value.message == message


def test_configuration_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileUnavailable):
        read_config(tmp_path / "none.toml")
    path = tmp_path / "bad.toml"
    path.write_text("a =")
    with pytest.raises(Error, match="is not TOML"):
        read_config(path)
