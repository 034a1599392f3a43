"""Physical plan nodes: frozen data that `operators/` (here) and later a distributed engine read.

Every node knows its output `schema`.  Columns are positions in the input's schema.  A node that exists is valid:
positions are in range and types agree, because only `plan/` makes them.  Times are int64 microseconds; event-time
columns are Arrow timestamp[us] (with or without zone).
"""

from __future__ import annotations

from dataclasses import field

import pyarrow as pa

from sqlengine.expr.tree import Expr
from sqlengine.functions.user import UserFunction
from sqlengine.plan.hashed import HashedOnce, hashed_once
from sqlengine.quick_dataclass import dataclass

WINDOW_COLUMNS = ("window_start", "window_end", "window_time")
CHANGELOG_COLUMNS = ("changelog_op", "_changelog_row_id")


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class Node(HashedOnce):
    """Base of all nodes.  `append_only`: never emits a negative weight.  `unique_keys`: column positions that identify
    a row of the accumulated output, or None when nothing is known.  `time_columns`: columns that hold event time; how
    far behind the watermark they can come is another question (plan/late.py)."""

    schema: pa.Schema
    append_only: bool = True
    unique_keys: tuple[int, ...] | None = None
    time_columns: tuple[int, ...] = ()

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The nodes this one reads, in port order."""
        return ()


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class Unary(Node):
    """A node with one input."""

    input: Node

    @property
    def inputs(self) -> tuple[Node, ...]:
        return (self.input,)


@dataclass(frozen=True, slots=True)
class Forget:
    """What is kept of a time is forgotten once the watermark has passed it by more than `slack_us`: nothing of that
    time comes any more, and what comes all the same is late.  `column`: the time, a column of the input."""

    column: int
    slack_us: int


@dataclass(frozen=True, slots=True)
class BatchTest:
    """`column op value` (eq, lt, le, gt, ge; eq of several values: any of them), is_null or is_not_null; the column by
    its stored name, values as a column stores them, times and dates as whole numbers."""

    column: str
    op: str
    values: tuple[int | float, ...]


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class Scan(Node):
    """Rows of a catalog object (stream, table, materialized view).

    `columns` are the stored names of the object's columns that are read (pruned), which renaming does not change; the
    schema has the names the query knows.  `watermark_column`: append an int64 column "$watermark": the
    watermark of the row's own partition *before* this row, in microseconds (int64 minimum when none yet); a row's
    lateness thereby depends on the order in its partition alone and not on how rows were batched.
    `whole`: every column is read, because late rows go to a topic with all of them.  `slacks_us`: of a view, how far
    behind its watermark each column can come (see plan/late.py), None for any distance.  `pushed`: what every row that
    matters passes, for leaving out batches whose statistics exclude it.
    """

    source: str
    columns: tuple[str, ...]
    watermark_column: bool = False
    whole: bool = False
    slacks_us: tuple[int | None, ...] = ()
    pushed: tuple[BatchTest, ...] = ()


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class Values(Node):
    """Constant rows, emitted once; `rows` holds one tuple of expressions a row."""

    rows: tuple[tuple[Expr, ...], ...]


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class Filter(Unary):
    """Keeps rows where `predicate` is true."""

    predicate: Expr


@dataclass(frozen=True, slots=True)
class TimeBound:
    """`row op moment`: `op` is lt, le, gt or ge; `moment` an expression over one column, the time (timestamptz), whose
    value never falls as time passes; both are of one type, a timestamp or a date."""

    row: Expr
    op: str
    moment: Expr


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalFilter(Unary):
    """Rows are in while every bound holds for the tick's time: they enter and leave without any input changing."""

    bounds: tuple[TimeBound, ...]


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class Project(Unary):
    """One expression per output column."""

    exprs: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """Windowing of event time: `kind` tumble | hop | cumulate | session.

    Sizes are (months, microseconds): exactly one of the two is non-zero.  Tumble: slide == size.  Hop: windows
    [k*slide + offset, k*slide + offset + size).  Cumulate: windows start at k*size + offset and grow by `slide` up to
    `size`.  Session: `size` is the gap; a session is [first ts, last ts + gap).  Origin is 1970-01-01 00:00.
    """

    kind: str
    size: tuple[int, int]
    slide: tuple[int, int]
    offset_us: int = 0


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class DropLate(Unary):
    """Removes (and reports) rows that are too late for a closing window, then drops the "$watermark" column.

    Sits just above a Scan (maybe with Filter/Project between) that has `watermark_column`.  Row r with time t and own
    partition's earlier watermark w is late when every window it falls in ends at or before w - lateness_us; for
    session windows and for `window=None` when t < w - lateness_us.  A row with NULL time is late too.  The operator
    collects dropped rows (with the input's schema minus "$watermark") in `late: list[pa.RecordBatch]`, drained by the
    dataflow.
    """

    time_column: int
    watermark_column: int
    window: Window | None
    lateness_us: int = 0


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class AssignWindow(Unary):
    """Appends window_start, window_end, window_time; a row falls in size/slide hop windows and is repeated for each.

    Only runs where the window columns are not directly grouped on (joins of windowed rows).  A session (with its
    `partition` columns) exists in logical plans alone: it must end up fused into a SessionAggregate.
    NULL times fall in no window and the row is dropped.
    """

    time_column: int
    window: Window
    partition: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class AggregateCall:
    """One aggregate: `function` is a name of functions.aggregates; `args` are input columns.

    `order_by`: ((column, descending, nulls_first), ...) for array_agg/string_agg; `filter` is a boolean column;
    `constants` are trailing literal arguments (separator, percentile), already typed Python values.  `user`: the
    definition of an aggregate the program registered.
    """

    function: str
    args: tuple[int, ...]
    type: pa.DataType
    distinct: bool = False
    filter: int | None = None
    order_by: tuple[tuple[int, bool, bool], ...] = ()
    constants: tuple[object, ...] = ()
    user: UserFunction | None = None


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class GroupAggregate(Unary):
    """GROUP BY `keys` (input columns); output = keys then aggregates.  No aggregates = DISTINCT.  No keys = one row.

    `forget`: see Forget; its column is one of the keys."""

    keys: tuple[int, ...]
    aggregates: tuple[AggregateCall, ...]
    forget: Forget | None = None


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class WindowAggregate(Unary):
    """GROUP BY `keys` and a tumble/hop/cumulate window of `time_column`.

    Output = keys, window_start, window_end, window_time, aggregates.  `emit` "changes": retract and insert as groups
    change; "close": each window once, when the watermark reaches window_end (append-only unless lateness_us > 0).
    `retention_us`: in changes mode, forget a window's state once the watermark is so far past its end (None = keep).
    """

    time_column: int
    window: Window
    keys: tuple[int, ...]
    aggregates: tuple[AggregateCall, ...]
    emit: str = "changes"
    lateness_us: int = 0
    retention_us: int | None = None


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class WindowWinners(WindowAggregate):
    """A WindowAggregate of which only the groups with the best value of aggregate `best` per window are output: the
    least for min, else the greatest; several when they tie, none of them NULL.  Its input is append-only."""

    best: int


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class SessionAggregate(Unary):
    """GROUP BY `keys` and a session window of `time_column`; same output layout and emit modes as WindowAggregate."""

    time_column: int
    window: Window
    keys: tuple[int, ...]
    aggregates: tuple[AggregateCall, ...]
    emit: str = "changes"
    lateness_us: int = 0
    retention_us: int | None = None


@dataclass(frozen=True, slots=True)
class Best:
    """Of the pairs of each row of a side (0 left, 1 right) only those with the best values of some output columns are
    wanted: (column, whether the greatest is the best)."""

    side: int
    columns: tuple[tuple[int, bool], ...]


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class Join(Node):
    """Equi-join kept up to date for inserts, updates and deletes on both sides.

    `kind`: inner, left, right, full, semi, anti.  Output = left columns then right columns (semi, anti: the left's).
    `residual` is a further condition over the output's columns (it is part of ON: for a left join a row without a match
    that satisfies it keeps its NULL row).  NULL keys never match unless `null_safe`.
    `left_bound`/`right_bound`: when the condition bounds event time (b.ts BETWEEN a.ts + lo AND a.ts + hi) these say
    how long a row must be kept: (time column position in that side, microseconds after which the watermark of the
    *other* side lets the row go): row is forgotten when time + microseconds < that watermark (a row that can be taken
    back waits for its own side's watermark too).
    `best`: the output may lack what this says nobody wants; both inputs are append-only then.  It is no part of what
    the join is: whoever shares one with somebody who wants more has it keep all (runtime/sharing.py).
    """

    left: Node
    right: Node
    kind: str
    left_keys: tuple[int, ...]
    right_keys: tuple[int, ...]
    residual: Expr | None = None
    null_safe: bool = False
    left_bound: tuple[int, int] | None = None
    right_bound: tuple[int, int] | None = None
    best: Best | None = field(default=None, compare=False)

    @property
    def inputs(self) -> tuple[Node, ...]:
        return (self.left, self.right)


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class LookupJoin(Join):
    """Each left row (they only come) joined with the right side as it is at that tick; never corrected afterwards.
    `kind`: inner or left."""


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class Versions(Unary):
    """The versions of a keyed changelog as rows that only come: the input's columns and "$deleted" (boolean).

    `keys`: columns that identify a row; `time_column`: when a version begins.  A deletion is a version too, with the
    deleted row's own columns and time.
    """

    keys: tuple[int, ...]
    time_column: int


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class Changelog(Unary):
    """The input's changes as rows that only come: its columns, what happened (smallint) and a growing number (bigint).

    It sees every column of its input: which rows are updates would otherwise depend on what is read above it.
    """


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class AsofJoin(Node):
    """Each left row with the one right row of equal keys whose time is nearest: `direction` "backward": the greatest
    right_time <= left_time (< when `strict`); "forward": the least >=.  `kind` inner or left.  Corrects itself when
    right rows arrive later or are deleted (retract + insert), so contents always equal the batch answer.  Equal right
    times: the row that arrived last wins.  With `settle` (both inputs append-only and having watermarks) left rows are
    held until the right watermark has passed them and leave once, append-only; state is then dropped as it passes.
    """

    left: Node
    right: Node
    kind: str
    left_keys: tuple[int, ...]
    right_keys: tuple[int, ...]
    left_time: int
    right_time: int
    direction: str = "backward"
    strict: bool = False
    settle: bool = False

    @property
    def inputs(self) -> tuple[Node, ...]:
        return (self.left, self.right)


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class UnionAll(Node):
    """All rows of all inputs (equal schemas)."""

    branches: tuple[Node, ...]

    @property
    def inputs(self) -> tuple[Node, ...]:
        return self.branches


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat(Unary):
    """Each row as often as its last column `count` (bigint) says, not at all when that is not above 0; the output has
    the columns before it."""

    count: int


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class Unnest(Unary):
    """Each row as often as the longest of its `lists` (expressions over the input) has elements: output = the input's
    columns, one a list, and with `ordinality` the place from 1 on.  `outer`: rows without elements stay, with NULLs."""

    lists: tuple[Expr, ...]
    ordinality: bool = False
    outer: bool = False


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class TopN(Unary):
    """ROW_NUMBER/RANK/DENSE_RANK() OVER (PARTITION BY partition ORDER BY order) <= limit, incrementally.

    `order`: ((column, descending, nulls_first), ...), ties of row_number broken by the remaining columns so that the
    answer does not depend on arrival.  `rank_column`: append the rank as a bigint column.  LIMIT n OFFSET m is the
    same with an empty partition (`offset` rows skipped).  `function`: row_number | rank | dense_rank.
    `forget`: see Forget; its column is one of the partition's.
    """

    partition: tuple[int, ...]
    order: tuple[tuple[int, bool, bool], ...]
    limit: int
    offset: int = 0
    function: str = "row_number"
    rank_column: bool = False
    forget: Forget | None = None


@dataclass(frozen=True, slots=True)
class FrameBound:
    """One end of a frame, as in ast.FrameBound; `offset`: rows, groups, or a distance of the ORDER BY column's values
    (microseconds of a timestamp, days of a date)."""

    kind: str
    offset: int | float = 0


@dataclass(frozen=True, slots=True)
class Frame:
    """`mode`: rows | range | groups."""

    mode: str
    start: FrameBound
    end: FrameBound


@dataclass(frozen=True, slots=True)
class WindowCall:
    """One function of an Over: `args` are input columns, `constants` trailing literal arguments, `filter` a boolean
    column.  `frame` is None when only DuckDB computes the call; `sql` and `frame_sql` are its text, where a0, a1, ...
    are the columns `reads`.  `by_row`: its answer depends on the order of rows that ORDER BY leaves equal."""

    function: str
    args: tuple[int, ...]
    constants: tuple[object, ...]
    filter: int | None
    type: pa.DataType
    frame: Frame | None
    reads: tuple[int, ...]
    sql: str
    frame_sql: str
    by_row: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """What later rows need of a partition's earlier ones, where rows come in the order of the window: its last `rows`,
    those of its last `groups` of equal ones, those of the last `distance` of its ORDER BY value; and the totals of the
    calls `carried`."""

    rows: int = 0
    groups: int = 0
    distance: int | float | None = None
    carried: tuple[int, ...] = ()


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class Over(Unary):
    """Window functions over partitions: output = input columns, then one column a call.

    `order`: ((column, descending, nulls_first), ...); rows it leaves equal are taken in the order of their remaining
    columns, so that the answer does not depend on arrival.  `forget`: see Forget; its column is one of the partition's.
    `keeps`: what later rows need; None: every row.
    """

    partition: tuple[int, ...]
    order: tuple[tuple[int, bool, bool], ...]
    calls: tuple[WindowCall, ...]
    forget: Forget | None = None
    keeps: Kept | None = None


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseInOrder(Unary):
    """EMIT ON WINDOW CLOSE without a window: rows wait until the watermark passes `time_column`, leave sorted by it."""

    time_column: int


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class HoldWatermark(Unary):
    """The input's rows; its watermark moved back, because rows come so far behind it."""

    hold_us: int


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class EmitEvery(Unary):
    """EMIT EVERY: coalesces changes (opposite weights cancel) and releases them every `every_us` of wall clock."""

    every_us: int


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class Recompute(Node):
    """No incremental operator exists: `sql` (DuckDB text over tables named in0, in1, ...) is run again over the
    accumulated inputs whenever they changed, and the difference to the last answer is emitted.  `reason` names the
    part that has no operator, for EXPLAIN and the NOTICE.  `time_dependent`: the text holds $now, run every tick."""

    branches: tuple[Node, ...]
    sql: str
    reason: str
    time_dependent: bool = False

    @property
    def inputs(self) -> tuple[Node, ...]:
        return self.branches


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class RecursiveRef(Node):
    """Inside the step of a Recursion: its rows so far.  `name` is the CTE's, `level` the depth of nesting."""

    name: str
    level: int


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class Recursion(Node):
    """WITH RECURSIVE: the least rows that hold `base` and `step` applied to themselves; `step` reads them through a
    RecursiveRef of `name` and `level`.  `all`: UNION ALL, every derivation is a row; else every row is there once.
    `replaced`: WITH MUTUALLY RECURSIVE, the rows of a round are the step of those of the round before, and of none at
    first; `limit` and `returns` as in Rounds.  `manifold`: a branch of the step reads the rows more than once.  Logical
    only: an Iterate, WorkingTables or Rounds in physical plans."""

    base: Node
    step: Node
    all: bool
    name: str
    level: int
    replaced: bool = False
    limit: int | None = None
    returns: bool = False
    manifold: bool = False

    @property
    def inputs(self) -> tuple[Node, ...]:
        return (self.base, self.step)


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class Port(Node):
    """Inside the step of an Iterate, of WorkingTables or of Rounds: its rows so far, or those of the round before
    (`index` 0), or what its input `index` brings."""

    index: int


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class Iterate(Node):
    """A Recursion cut loose from what does not recur: `branches` are the base and the inputs of the step, `step` is a
    plan over Ports, linear in port 0."""

    branches: tuple[Node, ...]
    step: Node
    all: bool

    @property
    def inputs(self) -> tuple[Node, ...]:
        return self.branches


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingTables(Node):
    """A Recursion whose step is neither linear nor monotone: `branches` are the base and the inputs of the step, `step`
    is any plan over Ports of operators that can answer at once.  The first working table is the base, the next the step
    of the one before, without the rows of earlier ones unless `all`; the output is all of them together.  `cumulative`:
    the step reads all working tables so far instead of the last."""

    branches: tuple[Node, ...]
    step: Node
    all: bool
    cumulative: bool

    @property
    def inputs(self) -> tuple[Node, ...]:
        return self.branches


@hashed_once
@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds(Node):
    """A Recursion of rows that are replaced: `branches` are the inputs of the step (its ports 1, 2, ...), `step` is any
    plan over Ports of operators that can answer at once.  `limit`: the number of rounds after which the recursion is
    given up, or with `returns` the rows of the last round are the answer."""

    branches: tuple[Node, ...]
    step: Node
    limit: int | None = None
    returns: bool = False

    @property
    def inputs(self) -> tuple[Node, ...]:
        return self.branches
