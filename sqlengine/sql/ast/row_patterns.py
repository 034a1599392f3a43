"""MATCH_RECOGNIZE: a relation made of the matches of a row pattern."""

from __future__ import annotations

from sqlengine.quick_dataclass import dataclass
from sqlengine.sql.ast.expressions import Expr, Interval, OrderItem
from sqlengine.sql.ast.queries import Relation


@dataclass(frozen=True, slots=True)
class RowPattern:
    """Base of what a row pattern is made of."""


@dataclass(frozen=True, slots=True)
class PatternVariable(RowPattern):
    """A row of the variable `name` (folded); `label` is what CLASSIFIER() says of it: in upper case unless quoted."""

    name: str
    label: str
    position: int | None = None


@dataclass(frozen=True, slots=True)
class PatternAnchor(RowPattern):
    """`^` (at_start) or `$`: the place before the first or behind the last row of a partition."""

    at_start: bool
    position: int | None = None


@dataclass(frozen=True, slots=True)
class PatternSequence(RowPattern):
    """One behind the other; none of them is the empty pattern `()`."""

    parts: tuple[RowPattern, ...]


@dataclass(frozen=True, slots=True)
class PatternAlternation(RowPattern):
    """One of several, the first preferred."""

    choices: tuple[RowPattern, ...]


@dataclass(frozen=True, slots=True)
class PatternPermutation(RowPattern):
    """PERMUTE(...): all of them in any order, the written one preferred."""

    parts: tuple[RowPattern, ...]
    position: int | None = None


@dataclass(frozen=True, slots=True)
class PatternQuantified(RowPattern):
    """`least` to `most` times (None: any number), more preferred, or fewer if `reluctant`."""

    part: RowPattern
    least: int
    most: int | None
    reluctant: bool = False


@dataclass(frozen=True, slots=True)
class PatternExcluded(RowPattern):
    """`{- ... -}`: rows that ALL ROWS PER MATCH leaves out."""

    part: RowPattern
    position: int | None = None


@dataclass(frozen=True, slots=True)
class MatchMeasure:
    """One of MEASURES."""

    expr: Expr
    name: str
    position: int | None = None


@dataclass(frozen=True, slots=True)
class MatchDefine:
    """One of DEFINE: the condition of a row of the variable `name`."""

    name: str
    label: str
    condition: Expr
    position: int | None = None


@dataclass(frozen=True, slots=True)
class MatchSubset:
    """One of SUBSET: `name` means rows of any of `members`."""

    name: str
    label: str
    members: tuple[str, ...]
    position: int | None = None


@dataclass(frozen=True, slots=True)
class MatchSkip:
    """Where the next match may begin.  `kind`: "past last row", "to next row", "to first" or "to last" (of `name`)."""

    kind: str = "past last row"
    name: str = ""
    position: int | None = None


@dataclass(frozen=True, slots=True)
class MatchRef(Relation):
    """`input MATCH_RECOGNIZE (...)`.  `all_rows`: ALL ROWS PER MATCH; `shown` goes with it: "matches" (SHOW EMPTY
    MATCHES), "rows" (OMIT EMPTY MATCHES) or "unmatched" (WITH UNMATCHED ROWS).  `within`: how long a match may be."""

    input: Relation
    partition_by: tuple[Expr, ...]
    order_by: tuple[OrderItem, ...]
    measures: tuple[MatchMeasure, ...]
    all_rows: bool
    shown: str
    skip: MatchSkip
    pattern: RowPattern
    within: Interval | None
    subsets: tuple[MatchSubset, ...]
    defines: tuple[MatchDefine, ...]
    alias: str | None = None
    column_aliases: tuple[str, ...] = ()
    position: int | None = None
