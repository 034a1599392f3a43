"""Statements about subscriptions and cursors."""

from __future__ import annotations

from typing import Literal

from sqlengine.quick_dataclass import dataclass
from sqlengine.sql.ast.statements import Name, Options, Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSubscription(Statement):
    """CREATE SUBSCRIPTION name FROM a materialized view or table WITH (retention = ...)."""

    name: Name
    from_name: Name
    options: Options = ()
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterSubscription(Statement):
    """ALTER SUBSCRIPTION ... SET (retention = ...)."""

    name: Name
    options: Options = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclareCursor(Statement):
    """DECLARE cursor SUBSCRIPTION CURSOR FOR subscription [FULL | SINCE begin() | SINCE now() | SINCE TICK n].

    `since`: "" behind what was acknowledged, "full", "begin", "now", or the number of a tick.
    """

    cursor: str
    subscription: Name
    since: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclareQueryCursor(Statement):
    """DECLARE cursor [[NO] SCROLL] CURSOR [WITH HOLD] FOR a query or SUBSCRIBE; without `hold` it ends with its
    transaction; `scroll` None: nothing is said; `binary`: clients are sent its values in binary."""

    cursor: str
    statement: Statement
    hold: bool = False
    scroll: bool | None = None
    binary: bool = False


Way = Literal["forward", "backward", "absolute", "relative"]
"""Where FETCH goes: so many rows on or back, to a place, or as far as a place from the present one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch(Statement):
    """FETCH | MOVE [NEXT | PRIOR | FIRST | LAST | n | ALL | FORWARD ... | BACKWARD ... | ABSOLUTE n | RELATIVE n]
    [FROM] cursor [WITH (timeout = ...)]; `rows` None: all there are; `moves`: rows are passed, not answered."""

    cursor: str
    way: Way = "forward"
    rows: int | None = 1
    moves: bool = False
    options: Options = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseCursor(Statement):
    """CLOSE cursor; None: ALL."""

    cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge(Statement):
    """ACKNOWLEDGE subscription TICK n."""

    subscription: Name
    tick: int
