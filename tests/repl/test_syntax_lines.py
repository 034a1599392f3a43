"""\\h: how statements are written, one clause a line, with nothing lost."""

from __future__ import annotations

from collections import Counter

from repl.render.syntax import syntax_lines
from sqlengine.sql import statement_words, synopsis

COPY = """
COPY name [(name [, ...])]
    FROM {'text' | STDIN}
    [[WITH] (setting_items) | [WITH] old_setting [...]]
where setting_items is
    name [option_value | = option_value | (name [, ...]) | *] [, ...]
where old_setting is one of
    name [[AS] 'text']
  | NULL 'text'
  | NULL AS 'text'
  | {FORCE name | FORCE NULL | FORCE NOT NULL} {name [, ...] | *}
where option_value is 'text' | number | name [. ...] | interval

COPY {name [(name [, ...])] | ({select | subscribe})} TO {'text' | STDOUT}
    [[WITH] (setting_items) | [WITH] old_setting [...]]
where select is one of
    query [EMIT emit_item [emit_item ...] [LIMIT number]]
  | query {AS OF TICK expression | AS OF TIMESTAMP expression}
where subscribe is
    SUBSCRIBE [TO] {name | query} [WITH () | WITH (wish_items)]
        [AS OF TICK expression | AS OF TIMESTAMP expression]
where emit_item is one of
    CHANGES
  | FINAL
  | ON WINDOW CLOSE
  | EVERY interval
  | ALLOWED LATENESS interval
  | TIMEOUT interval
where wish_items is
    {name | 'text'} [. ...] [option_value | = option_value] [, ...]
"""
MERGE = """
MERGE INTO name [[AS] name]
    USING table
    ON expression merge_when [...]
    [RETURNING {expression | *} [, {expression | *} ...]]
where merge_when is
    WHEN {MATCHED | NOT MATCHED [BY TARGET] | NOT MATCHED BY SOURCE}
        [AND condition]
        THEN
            {  UPDATE SET assignment [, ...]
             | UPDATE SET *
             | DELETE
             | merge_insert
             | DO NOTHING}
where assignment is {name | (name [, ...])} = expression
where merge_insert is one of
    INSERT [(name [, ...])] VALUES (expression [, ...])
  | INSERT *
"""


def test_long_statements() -> None:
    assert syntax_lines(synopsis("copy"), 78) == COPY.strip().split("\n")
    assert syntax_lines(synopsis("merge"), 78) == MERGE.strip().split("\n")
    assert syntax_lines(synopsis("checkpoint"), 78) == ["CHECKPOINT"]


def test_every_statement_is_laid_out_whole() -> None:
    for words in statement_words():
        for text in synopsis(words):
            for width in (40, 78, 98):
                lines = syntax_lines([text], width)
                laid_out = "\n".join(lines).replace(" is one of\n", " is\n")
                assert _marks(laid_out) == _marks(text), words
                assert width == 40 or max(map(len, lines)) <= width, words


def _marks(text: str) -> Counter[str]:
    """How often each character occurs that tells something."""
    return Counter(text.replace("|", "").replace(" ", "").replace("\n", ""))
