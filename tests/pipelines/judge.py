"""Whether what a database shows is what DuckDB answers over all that was acknowledged, and what has left it is there
once, in the order in which it was first seen.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

import sqlengine
from sqlengine import sql
from sqlengine.snapshot.execute import run
from sqlengine.snapshot.expand import Expanded
from tests.fuzz.check import difference, plain, rows
from tests.fuzz.emit import is_out, watermark
from tests.fuzz.tree import Node
from tests.fuzz.user_aggregates import register
from tests.pipelines.inputs import Inputs, Rows
from tests.pipelines.program import Output, Program, Unit, View

Row = tuple[Any, ...]


class Wrong(AssertionError):
    """What a database shows is not what it must be."""


@dataclass(frozen=True)
class Shown:
    """What a process found: `tables` and `views` by name; `streams`: rows by offset, of each that a query writes;
    `files`: rows of each part file, by the sink and the file's name; `definitions` of views; `states` of queries that
    do not run, with the reason; `ends`: offsets of streams at which the transaction of their history ends."""

    tables: Mapping[str, pa.Table]
    views: Mapping[str, pa.Table] = field(default_factory=dict)
    streams: Mapping[str, Mapping[int, Row]] = field(default_factory=dict)
    files: Mapping[str, Mapping[str, Sequence[Row]]] = field(default_factory=dict)
    definitions: Mapping[str, str] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)
    ends: Mapping[str, Collection[int]] = field(default_factory=dict)


_OUTPUT_MADE = re.compile(r"CREATE (?:STREAM|SINK) IF NOT EXISTS (\w+) AS")


class Judge:
    """`in_flight`: what was sent and not acknowledged when the process died; its first may be there."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.inputs = Inputs(program.tables)
        self._tables = {t.name: t for t in program.tables}
        self._said: dict[str, dict[int, Row]] = {}
        self._parts: dict[str, dict[str, Sequence[Row]]] = {}
        self._db = sqlengine.connect()
        register(self._db)
        for table in program.tables:
            self._db.execute(table.create())
        self._defined: dict[str, str] = {}
        self._expanded: dict[str, Expanded] = {}
        self._saved: set[str] = set()
        """Outputs whose history has been written, and saved."""

    def close(self) -> None:
        self.inputs.close()
        self._db.close()

    # ------------------------------------------------------------ inputs

    def acknowledge(self, unit: Unit) -> None:
        """It must be there from now on."""
        made = _OUTPUT_MADE.match(unit.statements[0])
        if made is not None:
            self._saved.add(made[1])
        if not unit.control:
            self.inputs.apply(unit.statements)

    def settle(self, unit: Unit | None, tables: Mapping[str, pa.Table]) -> bool:
        """Compare what a process found when it opened the database; whether the unit that was under way is there."""
        found = {name: rows(table) for name, table in tables.items()}
        before = self.inputs.rows()
        if unit is None or unit.control:
            self._same_tables(found, before)
            return False
        if all(found.get(name, Counter()) == want for name, want in before.items()):
            return False
        self.acknowledge(unit)
        self._same_tables(found, self.inputs.rows(), f"; under way was {unit.statements}")
        return True

    def _same_tables(self, found: Mapping[str, Rows], want: Mapping[str, Rows], note: str = "") -> None:
        for name, expected in want.items():
            if found.get(name, Counter()) != expected:
                raise Wrong(f"table {name}: {difference(found.get(name, Counter()), expected)}{note}")

    # ------------------------------------------------------------ outputs

    def said(self, streams: Mapping[str, Mapping[int, Row]]) -> None:
        """Rows of streams somebody has read: at these offsets they stay."""
        for name in self._saved & streams.keys():
            there, known = streams[name], self._said.setdefault(name, {})
            for offset, row in there.items():
                if known.setdefault(offset, row) != row:
                    raise Wrong(f"stream {name}, offset {offset}: {known[offset]} has become {row}")

    def _whole_streams(self, shown: Shown) -> None:
        """All that was ever read is there, at offsets without a gap."""
        self.said(shown.streams)
        for name, there in shown.streams.items():
            lost = sorted(self._said.get(name, {}).keys() - there.keys())
            if lost:
                raise Wrong(f"stream {name}: offset {lost[0]}, read before, is gone")
            if len(shown.ends[name]) > 1:
                raise Wrong(f"stream {name}: its history ends at offsets {list(shown.ends[name])}")
            gaps = set(range(min(there, default=0), max(there, default=0))) - there.keys() - set(shown.ends[name])
            if gaps:
                raise Wrong(f"stream {name}: nothing at offset {min(gaps)}, up to {max(there)} there is")

    def _whole_files(self, shown: Shown) -> None:
        """A part that was there once is there as it was."""
        for name in self._saved & shown.files.keys():
            parts, known = shown.files[name], self._parts.setdefault(name, {})
            for part, before in known.items():
                if parts.get(part) != before:
                    raise Wrong(f"sink {name}: {part} has changed from {before} to {parts.get(part)}")
            known |= parts

    # ------------------------------------------------------------ answers

    def compare(self, shown: Shown) -> None:
        """Everything; the process has waited for what was under way."""
        if shown.states:
            raise Wrong(f"not running: {dict(shown.states)}")
        self._same_tables({name: rows(t) for name, t in shown.tables.items()}, self.inputs.rows())
        self._whole_streams(shown)
        self._whole_files(shown)
        contents = self.inputs.contents()
        for part in self.program.parts:
            if isinstance(part, View) and part.name in shown.views:
                node = self._definition(part, shown.definitions[part.name])
                self._define(part.name, f"CREATE OR REPLACE VIEW {part.name} AS {node.oracle}")
                self._equal(part.name, rows(shown.views[part.name]), rows(self._answer(node, contents)))
            elif isinstance(part, Output) and (part.name in shown.streams or part.name in shown.files):
                answer = self._answer(part.query, contents)
                if part.file_format:
                    written = [row for rows_ in shown.files[part.name].values() for row in rows_]
                    self._equal(part.name, Counter(written), rows(answer))
                else:
                    columns = ", ".join(f"{c.name} {c.type}" for c in part.query.columns)
                    self._define(part.name, f"CREATE STREAM {part.name} ({columns})")
                    contents[part.name] = answer
                    self._equal(part.name, Counter(shown.streams[part.name].values()), rows(answer))

    def _equal(self, name: str, got: Rows, want: Rows) -> None:
        if got != want:
            query = self.program.part(name).query.statement
            raise Wrong(f"{name}: {difference(got, want)}\n{query}")

    def _definition(self, view: View, text: str) -> Node:
        """Which of its definitions a view has."""
        for node in view.definitions:
            if _words(node.sql) == _words(text):
                return node
        raise Wrong(f"view {view.name} is {text}, which nobody has said")

    def _define(self, name: str, statement: str) -> None:
        """Make the judge's own object of a name."""
        if self._defined.get(name) != statement:
            self._db.execute(statement)
            self._defined[name] = statement
            self._expanded.clear()

    def _answer(self, node: Node, contents: Mapping[str, pa.Table]) -> pa.Table:
        """What DuckDB answers, of windows those that have closed."""
        if node.oracle not in self._expanded:
            self._expanded[node.oracle] = self._db._instance.expanded(sql.parse_query(node.oracle))
        expanded = self._expanded[node.oracle]
        answer = run(expanded, {name: contents[obj.name] for name, obj in expanded.inputs.items()}, 0)
        if node.emit is None:
            return answer
        mark = watermark([(self._tables[s], contents[s]) for s in node.emit.streams])
        listed = zip(*(column.to_pylist() for column in answer.columns), strict=True)
        return answer.filter(pa.array([is_out(node.emit, row, mark) for row in listed], pa.bool_()))


def _words(text: str) -> str:
    return " ".join(text.split())


def row_of(values: Sequence[Any]) -> Row:
    """A row as `rows` counts it."""
    return tuple(plain(v) for v in values)
