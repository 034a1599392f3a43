"""Prepared statements and portals: what Parse and Bind make."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any

import pyarrow as pa

from sqlengine.errors import ProtocolViolation
from sqlengine.pg_encodings import UTF8, Encoding
from sqlengine.quick_dataclass import dataclass
from sqlengine.result import Notice, Result
from sqlengine.server.pg.copy_arrow import ArrowStream
from sqlengine.server.pg.encode import RowEncoder
from sqlengine.server.pg.oids import OIDS, arrow_type, column, type_oid
from sqlengine.server.pg.replies import BINARY, NO_DATA, row_description
from sqlengine.server.pg.rows import RowSource, Slice
from sqlengine.server.pg.values import parameter
from sqlengine.session import Session
from sqlengine.settings import Settings
from sqlengine.sql import Typed, ast, bind_params
from sqlengine.sql.dialect import POSTGRES
from sqlengine.statements.key_lookup import KeyLookup
from sqlengine.statements.signature import RUN_TO_KNOW

SMALL_ROWS = 100
"""So many rows are encoded sooner than another thread is woken."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What is the same in all answers of one look-up: their RowDescription, and what makes messages of rows."""

    description: bytes
    rows: RowEncoder


SHAPES_MAX = 16


@dataclass
class Prepared:
    """A statement with the types of its parameters; `statement` None: the text was empty.

    `schema` is looked up when it is asked for the first time.
    """

    text: str
    statement: ast.Statement | None
    types: tuple[pa.DataType, ...]
    oids: tuple[int, ...]
    schema: pa.Schema | None = None
    is_described: bool = False
    lookup: KeyLookup | None = None
    """How it reads an index by key, when that is all it does."""
    shapes: dict[tuple[Any, ...], Shape] = field(default_factory=dict)
    """How such answers were told before, by formats and what the session writes values in."""

    def describe(self, session: Session) -> pa.Schema | None:
        """The columns of its rows, None for none."""
        if not self.is_described and self.statement is not None:
            self.schema = _schema(session, self.statement, self.types)
            self.is_described = True
        return self.schema

    def shape(self, schema: pa.Schema, formats: tuple[int, ...], settings: Settings) -> Shape:
        """Of the answers of its look-up, which have this schema."""
        style, encoding = settings.text_style, settings.client_encoding
        found = self.shapes.get((formats, style, encoding))
        if found is None:
            rows = RowEncoder(schema, spread(formats, len(schema)), style, encoding)
            found = Shape(described(schema, formats, encoding), rows)
            if len(self.shapes) < SHAPES_MAX:
                self.shapes[formats, style, encoding] = found
        return found


def _schema(session: Session, statement: ast.Statement, types: Sequence[pa.DataType]) -> pa.Schema | None:
    asks = isinstance(statement, ast.HiveSet) and statement.value is None
    if asks or isinstance(statement, RUN_TO_KNOW):
        result = session.run(statement)
        result.close()
        return result.schema
    return session.described(statement, types)


def prepare(session: Session, text: str, declared: Sequence[int]) -> Prepared:
    """Parse one statement; ProtocolViolation (42601) for several."""
    statements = session.parse(text)
    if len(statements) > 1:
        raise ProtocolViolation("cannot insert multiple commands into a prepared statement", sqlstate="42601")
    if not statements:
        return Prepared(text, None, (), ())
    known = {number: oid for number, oid in enumerate(declared) if arrow_type(oid) is not None}
    kinds = [arrow_type(known[number]) if number in known else None for number in range(max(known, default=-1) + 1)]
    types = session.parameter_types(statements[0], kinds)
    oids = tuple(known.get(number, type_oid(kind)) for number, kind in enumerate(types))
    kept = tuple((arrow_type(o) or k) if k in OIDS else k for o, k in zip(oids, types, strict=True))
    lookup = session.key_lookup(statements[0]) if oids else None
    return Prepared(text, statements[0], kept, oids, lookup=lookup)


KEPT_STATEMENTS_MAX = 256
KEPT_TEXT_MAX = 10_000


class PreparedBefore:
    """Statements that were prepared lately, as many drivers prepare the same text again for every call."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Any, ...], tuple[Any, Prepared]] = OrderedDict()

    def find(self, session: Session, text: str, oids: Sequence[int]) -> Prepared | None:
        """What the text was prepared to, if it would be prepared to the same now."""
        key = self._key(session, text, oids)
        found = self._kept.get(key)
        if found is None or found[0] != session.versions:
            return None
        self._kept.move_to_end(key)
        return found[1]

    def keep(self, session: Session, text: str, oids: Sequence[int], made: Prepared) -> None:
        """For the next time."""
        if len(text) <= KEPT_TEXT_MAX:
            self._kept[self._key(session, text, oids)] = session.versions, made
            if len(self._kept) > KEPT_STATEMENTS_MAX:
                self._kept.popitem(last=False)

    @staticmethod
    def _key(session: Session, text: str, oids: Sequence[int]) -> tuple[Any, ...]:
        settings = session.settings
        said = settings.changes if settings.dialect != POSTGRES else 0  # what Hive's variables were
        return text, tuple(oids), settings.dialect, settings.search_path, said


def bound_values(
    prepared: Prepared, values: Sequence[bytes | None], formats: Sequence[int], name: str, settings: Settings
) -> list[Typed]:
    """The values Bind brings, as typed literals; `settings`: how the session writes them."""
    if len(values) != len(prepared.types):
        raise ProtocolViolation(
            f'bind message supplies {len(values)} parameters, but prepared statement "{name}" requires '
            f"{len(prepared.types)}"
        )
    codes = spread(formats, len(values))
    return [
        parameter(value, code, kind, oid, settings.client_encoding)
        for value, code, kind, oid in zip(values, codes, prepared.types, prepared.oids, strict=True)
    ]


def spread(formats: Sequence[int], count: int) -> list[int]:
    """A format for each of so many: none given means text, one means all."""
    if len(formats) > 1:
        if len(formats) != count:
            raise ProtocolViolation(f"bind message has {len(formats)} result formats but query has {count} columns")
        return list(formats)
    return [formats[0] if formats else 0] * count


@dataclass
class Portal:
    """A statement with values.  It runs once; its rows may be asked for in pieces."""

    prepared: Prepared
    values: list[Typed]
    formats: tuple[int, ...]
    result: Result | None = None
    source: RowSource | None = None
    is_done: bool = False
    notices: list[Notice] = field(default_factory=list)
    sent: int = 0
    """Rows the present Execute has sent."""
    is_simple: bool = False
    """Whether a Query message brought it, whose answers are in text but for those of binary cursors."""
    arrow: ArrowStream | None = None
    """Makes its rows where the client asked for Arrow."""
    shape: Shape | None = None
    """Of a look-up's answer."""

    @property
    def is_small(self) -> bool:
        """Whether its rows are here and few."""
        return self.result is not None and 0 <= self.result.row_count <= SMALL_ROWS

    @property
    def endless(self) -> bool:
        """Whether it follows something, and closing it ends that."""
        return self.result is not None and self.result.endless

    @property
    def statement(self) -> ast.Statement | None:
        """What it runs."""
        return self.prepared.statement

    def bound(self) -> ast.Statement:
        """The statement with its values in place."""
        assert self.statement is not None
        return bind_params(self.statement, self.values) if self.values else self.statement

    def start_at_once(self, session: Session) -> bool:
        """Run a look-up by key, if nothing stands in its way: it takes less time than going to another thread."""
        lookup = self.prepared.lookup
        if self.result is None and self.statement is not None and lookup is not None:
            result = session.look_up_at_once(self.statement, lookup, self._texts())
            if result is not None:
                self._begin_look_up(session, result)
        return self.result is not None

    def start(self, session: Session) -> None:
        """Run the statement if it has not been; its rows have yet to be read."""
        if self.result is None and self.statement is not None:
            lookup = self.prepared.lookup
            found = session.look_up(self.statement, lookup, self._texts()) if lookup is not None else None
            if found is not None:
                self._begin_look_up(session, found)
            else:
                self._begin(session, session.run(self.bound(), formats=self.formats))

    def _texts(self) -> list[str | None]:
        """The values of scalar parameters."""
        return [None if isinstance(value.value, list) else value.value for value in self.values]

    def _begin_look_up(self, session: Session, result: Result) -> None:
        self.result = result
        self.notices, result.notices = result.notices, []
        self.shape = self.prepared.shape(result.schema, self.formats, session.settings)
        self.source = RowSource(result, self.shape.rows.encode)

    def _begin(self, session: Session, result: Result) -> None:
        if self.statement is not None:
            self.result = result
            self.notices, self.result.notices = self.result.notices, []
            if self.result.schema is not None and not isinstance(self.statement, ast.CopyTo):
                self.source = RowSource(
                    self.result, self._encode(self.result.schema, result.is_binary, session.settings)
                )

    def _encode(self, schema: pa.Schema, is_binary: bool, settings: Settings) -> Callable[[pa.RecordBatch], bytes]:
        """What makes messages of the rows."""
        if self.is_simple and is_binary:
            self.formats = (BINARY,)
        elif self.is_simple and settings.result_format == "arrow":
            self.arrow = ArrowStream(schema)
            return self.arrow.rows
        codes = spread(self.formats, len(schema))
        rows = RowEncoder(schema, codes, settings.text_style, settings.client_encoding)
        return rows.encode

    def describe(self, session: Session) -> bytes:
        """RowDescription or NoData; a query is run for it, as its answer is the same now or at Execute."""
        if isinstance(self.statement, ast.SelectStatement) and self.statement.emit is None:
            self.start(session)
            if self.shape is not None:
                return self.shape.description
            assert self.result is not None
            schema = self.result.schema
        else:
            schema = self.prepared.describe(session)
        return described(schema, self.formats, session.settings.client_encoding)

    def step(self, session: Session, most: int = 0) -> Slice | None:
        """The next rows; None of a statement without rows, which has run then."""
        self.start(session)
        return None if self.source is None else self.source.take(most)

    def tag(self, count: int) -> str:
        """What CommandComplete says; of a query that `count` rows were sent."""
        tag = self.result.tag if self.result is not None else ""
        is_query = self.source is not None and tag.partition(" ")[0] in ("SELECT", "SUBSCRIBE")
        return f"SELECT {count}" if is_query else tag

    def close(self) -> None:
        """Give up what has not been read; idempotent."""
        self.is_done = True
        if self.source is not None:
            self.source.close()
        elif self.result is not None:
            self.result.close()


def described(schema: pa.Schema | None, formats: Sequence[int], encoding: Encoding = UTF8) -> bytes:
    """RowDescription of a schema, NoData of none."""
    if schema is None:
        return NO_DATA
    return row_description([column(f) for f in schema], spread(formats, len(schema)), encoding)
