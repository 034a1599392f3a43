"""The lexer: quoting as PostgreSQL has it, positions, splitting of scripts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine import duck
from sqlengine.errors import SyntaxError as SqlSyntaxError
from sqlengine.sql.lexer import Unterminated, is_complete, lex, split
from tests.depth import rounds


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("'it''s'", ["it's"]),
        (r"E'a\nb\'c\x41\u00e9'", ["a\nb'cAé"]),
        ("$$a;'b$$ $tag$x $$ y$tag$", ["a;'b", "x $$ y"]),
        ('"a""b" `c``d` `x"y`', ['a"b', "c`d", 'x"y']),
        (r"U&'d\0061t\+000061' U&" + '"d\\0061"', ["data", "da"]),
        ("a/* x /* nested */ ; */b -- c ;\n d", ["a", "b", "d"]),
        ("1.5e3 .5 1_000 0x1F 1.", ["1.5e3", ".5", "1000", "0x1F", "1."]),
        ("a->>'b'::int[]", ["a", "->>", "b", "::", "int", "[", "]"]),
        ("x'fF' B'01'", ["fF", "01"]),
        ("größe$1 a$b", ["größe$1", "a$b"]),
    ],
)
def test_values(text: str, values: list[str]) -> None:
    assert [token.value for token in lex(text)] == values


@pytest.mark.parametrize("text", ["'a", '"a', "`a", "$$a", "$x$ a $y$", "/* /* */", "E'a\\'", "select 1; 'x"])
def test_unterminated(text: str) -> None:
    with pytest.raises(Unterminated) as caught:
        lex(text)
    assert caught.value.sqlstate == "42601"
    assert not is_complete(text)


@pytest.mark.parametrize("text", ["\x00", "a 😀", "x'0g'", "b'2'", "´", r"U&'\+110000'"])
def test_stray_characters(text: str) -> None:
    with pytest.raises(SqlSyntaxError) as caught:
        lex(text)
    assert caught.value.position is not None


def test_split() -> None:
    script = " SELECT ';' ;; -- no; \n CREATE TOPIC t ; $$;$$ "
    found = split(script)
    assert [piece.text for piece in found] == ["SELECT ';'", "CREATE TOPIC t", "$$;$$"]
    assert [script[piece.position :].startswith(piece.text) for piece in found] == [True] * 3
    assert [piece.complete for piece in found] == [True, True, False]
    assert split("a; b 'c;")[-1] == ("b 'c;", 3, False)


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("", True),
        ("-- x", True),
        ("select 1", False),
        ("select 1;", True),
        ("select ';", False),
        ("a; b", False),
        ("/* ; */", True),
    ],
)
def test_is_complete(text: str, complete: bool) -> None:
    assert is_complete(text) is complete


@settings(max_examples=rounds(60, 150), deadline=None)
@given(
    st.lists(st.sampled_from(["'", '"', "a", ";", "\\", "--", "\n", "/*", "*/", "$", "1", "E", " "]), max_size=12).map(
        "".join
    )
)
def test_positions_rebuild_the_text(text: str) -> None:
    """Tokens are ordered, do not overlap and cover everything but white space and comments."""
    try:
        tokens = lex(text)
    except SqlSyntaxError as err:
        assert err.position is None or 0 <= err.position <= len(text)
        return
    end = 0
    for token in tokens:
        assert end <= token.start < token.end <= len(text)
        end = token.end


@settings(max_examples=rounds(32, 80), deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12))
def test_strings_mean_what_duckdb_reads(text: str) -> None:
    spelt = "'" + text.replace("'", "''") + "'"
    assert lex(spelt)[0].value == text
    assert duck.connection().sql(f"SELECT {spelt}").fetchall() == [(text,)]
