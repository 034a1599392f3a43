"""The .slt format: text -> records -> text.  What each record means is told in tests/sql/README.md.

Parsing keeps every line, so that writing a file again changes nothing but the expectations that were
rewritten.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tests.collectors.expected_error import ExpectedError

SORTS = ("nosort", "rowsort")


class FormatError(Exception):
    """A text test is malformed; the message names the line."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record.  `kind`: ok, error, query, halt or text (comments and blank lines); `line` is 1-based.

    `lead` holds the skipif/onlyif lines before it, `head` its first line, `sql` its statement, `rows` the
    expected lines of a query.
    """

    kind: str
    line: int
    head: str = ""
    lead: tuple[str, ...] = ()
    sql: str = ""
    types: str = ""
    sort: str = "nosort"
    rows: tuple[str, ...] = ()
    error: ExpectedError | None = None
    skip: frozenset[str] = field(default=frozenset())
    only: frozenset[str] = field(default=frozenset())

    def runs_on(self, executor: str) -> bool:
        """Whether skipif and onlyif let this executor run the record."""
        return executor not in self.skip and (not self.only or executor in self.only)

    def lines(self) -> list[str]:
        """The record as it stands in a file."""
        if self.kind in ("text", "halt"):
            return [*self.lead, self.head]
        head = self.head
        if self.kind == "query":
            head = f"query {self.types}" if self.sort == "nosort" else f"query {self.types} {self.sort}"
            if self.head.split()[2:] == ["nosort"]:
                head = self.head
        body = [*self.lead, head, *self.sql.split("\n")]
        return [*body, "----", *self.rows] if self.kind == "query" else body

    def with_rows(self, types: str, rows: tuple[str, ...]) -> Record:
        """The same query expecting other types and rows."""
        return replace(self, types=types, rows=rows)


def write(records: list[Record]) -> str:
    """The text of a file."""
    return "\n".join(line for record in records for line in record.lines()) + "\n"


def parse(text: str) -> list[Record]:
    """All records of a file in order; raises FormatError."""
    return _Parser(text).records()


class _Parser:
    """Walks the lines once."""

    def __init__(self, text: str) -> None:
        self.lines = text.rstrip("\n").split("\n")
        self.at = 0

    def records(self) -> list[Record]:
        found: list[Record] = []
        while self.at < len(self.lines):
            found.append(self._record())
        return found

    def _record(self) -> Record:
        line = self.lines[self.at]
        if not line.strip() or line.startswith("#"):
            self.at += 1
            return Record("text", self.at, head=line)
        lead, skip, only = self._conditions()
        number = self.at + 1
        head = self._next("a record")
        record = self._body(head, head.split(), number)
        return replace(record, lead=lead, skip=skip, only=only)

    def _conditions(self) -> tuple[tuple[str, ...], frozenset[str], frozenset[str]]:
        lead: list[str] = []
        names: dict[str, set[str]] = {"skipif": set(), "onlyif": set()}
        while self.at < len(self.lines) and self.lines[self.at].split(" ")[0] in names:
            words = self.lines[self.at].split("#")[0].split()
            if len(words) != 2:
                raise FormatError(f"line {self.at + 1}: {words[0]} takes one name")
            names[words[0]].add(words[1])
            lead.append(self.lines[self.at])
            self.at += 1
        return tuple(lead), frozenset(names["skipif"]), frozenset(names["onlyif"])

    def _body(self, head: str, words: list[str], number: int) -> Record:
        if words == ["halt"]:
            return Record("halt", number, head=head)
        if words[:2] == ["statement", "ok"] and len(words) == 2:
            return Record("ok", number, head=head, sql=self._sql(number))
        if words[:2] in (["statement", "error"], ["query", "error"]):
            expected = ExpectedError.parse(head.split("error", 1)[1])
            return Record("error", number, head=head, sql=self._sql(number), error=expected)
        if words[0] == "query" and len(words) in (2, 3) and (len(words) == 2 or words[2] in SORTS):
            return self._query(head, words, number)
        raise FormatError(f"line {number}: not a record: {head}")

    def _query(self, head: str, words: list[str], number: int) -> Record:
        sql = self._sql(number, until_rule=True)
        rows = self._until_blank()
        sort = words[2] if len(words) == 3 else "nosort"
        return Record("query", number, head=head, sql=sql, types=words[1], sort=sort, rows=tuple(rows))

    def _sql(self, number: int, until_rule: bool = False) -> str:
        lines: list[str] = []
        while self.at < len(self.lines) and self.lines[self.at].strip():
            line = self.lines[self.at]
            if until_rule and line == "----":
                self.at += 1
                return "\n".join(lines)
            lines.append(line)
            self.at += 1
        if not lines:
            raise FormatError(f"line {number}: the record has no SQL")
        if until_rule:
            raise FormatError(f"line {number}: the query has no ---- line")
        return "\n".join(lines)

    def _until_blank(self) -> list[str]:
        start = self.at
        while self.at < len(self.lines) and self.lines[self.at] != "":
            self.at += 1
        return self.lines[start : self.at]

    def _next(self, wanted: str) -> str:
        if self.at >= len(self.lines):
            raise FormatError(f"line {self.at}: {wanted} expected at the end of the file")
        self.at += 1
        return self.lines[self.at - 1]
