"""The kinds of things a completion can be, and where one stands: what suggest.py answers."""

from __future__ import annotations

from repl.completion.scope import Source
from sqlengine.quick_dataclass import dataclass

KEYWORD, RELATION, COLUMN, JOIN, FUNCTION, TYPE = "keyword", "relation", "column", "join", "function", "type"
OPTION, OPTION_VALUE, SETTING, SETTING_VALUE = "option", "option value", "setting", "setting value"
QUERY_ID, PATH, ROLE, SCHEMA, COMMAND, ARGUMENT = "query", "path", "role", "schema", "command", "argument"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One kind of thing that may stand at the cursor.

    `words`, by kind: KEYWORD the keywords (upper case, phrases as "GROUP BY"); RELATION the kinds of objects, none for
    all that can be read; OPTION the statement and the connector; OPTION_VALUE the option and the connector;
    SETTING_VALUE the setting; ARGUMENT the command and how many words are before the cursor; COLUMN the names the
    statement itself gives.  `sources`: of COLUMN and JOIN, the tables whose columns are meant.
    """

    kind: str
    words: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """What is typed at the cursor and what may stand there.

    `word`: its beginning, from character `start` of the text, as typed (with an opening quote); `qualifier`: the dotted
    names before it ("" without); `in_string`: the cursor is inside a string; `upper`: keywords are typed in capitals.
    """

    word: str
    start: int
    wanted: tuple[Wanted, ...] = ()
    qualifier: str = ""
    in_string: bool = False
    upper: bool = True

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds alone."""
        return tuple(wanted.kind for wanted in self.wanted)

    def keywords(self) -> frozenset[str]:
        """All keywords that may stand there."""
        return frozenset(word for wanted in self.wanted if wanted.kind == KEYWORD for word in wanted.words)
