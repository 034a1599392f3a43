"""Texts of JSON changed at a path: what is not on it stays as it is written, however odd."""

from __future__ import annotations

import pytest

from sqlengine.errors import DataError
from sqlengine.functions.json_spliced import with_inserted, with_value, without

DIGITS = "9" * 5000


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (with_value('{"a": 1.10, "b" : [ 1e2 ,{ }]}', ["c"], "0", True), '{"a":1.10,"b":[ 1e2 ,{ }],"c":0}'),
        (with_value(f'{{"n": {DIGITS}, "k": [1, 2]}}', ["k", "-1"], "3", True), f'{{"n":{DIGITS},"k":[1,3]}}'),
        (with_value('{"a": 1, "a": 2}', ["b"], "3", True), '{"a":2,"b":3}'),
        (with_value(r'{"\ud800": 1, "ä\n": 2}', ["b"], "3", True), r'{"\ud800":1,"ä\n":2,"b":3}'),
        (with_value(" [ ] ", ["5"], "3", True), "[3]"),
        (with_value("[]", ["0"], "3", False), "[]"),
        (with_value("7", ["0"], "3", True), "7"),
        (with_value('{"a": {}}', ["b", "c"], "3", True), '{"a": {}}'),
        (with_value("[1]", ["x"], "3", True), "[1]"),
        (with_inserted("[1, 2]", ["-1"], "3", True), "[1,2,3]"),
        (with_inserted("[1, 2]", ["-9"], "3", False), "[3,1,2]"),
        (with_inserted('{"a": 1}', ["a"], "3", False), '{"a":1}'),
        (without('[[1, 2], {"a": {"b": 0, "c": 1}}]', ["1", "a", "b"]), '[[1, 2],{"a":{"c":1}}]'),
        (without("[1, 2]", ["7"]), "[1,2]"),
        (without("[1, 2]", []), "[1, 2]"),
    ],
)
def test_what_is_not_on_the_path_stays(made: str, expected: str) -> None:
    assert made == expected


@pytest.mark.parametrize(
    ("text", "path", "sqlstate"),
    [
        ("1", ["a"], "22023"),
        ("[1]", ["a"], "22P02"),
        ('{"a": 1}', ["a", None], "22004"),
        ("[" * 100_000 + "]" * 100_000, ["0", "0"], "54001"),
    ],
)
def test_errors(text: str, path: list[str | None], sqlstate: str) -> None:
    with pytest.raises(DataError) as caught:
        without(text, path)
    assert caught.value.sqlstate == sqlstate
