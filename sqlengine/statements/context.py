"""What a handler works with: the shared instance and the calling session's own state."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from sqlengine.advance import OnProgress
from sqlengine.catalog.authority import schema_of
from sqlengine.catalog.default_privileges import grants_of_new
from sqlengine.catalog.objects import CatalogObject, PlanningInfo, Stream, Table, kept_columns
from sqlengine.catalog.pg.facts import Backend
from sqlengine.catalog.roles import SessionRole
from sqlengine.catalog.system import LentTable
from sqlengine.errors import QueryCanceled
from sqlengine.plan.pipeline import Planned
from sqlengine.quick_dataclass import dataclass
from sqlengine.result import Notice
from sqlengine.runtime.channels import Receiver
from sqlengine.runtime.fill import Pace
from sqlengine.runtime.instance import Instance
from sqlengine.settings import Settings
from sqlengine.sql import ast

if TYPE_CHECKING:
    from sqlengine.statements.cursors import CursorRows

T = TypeVar("T", bound=CatalogObject)


@dataclass
class Pending:
    """Rows a transaction will write at COMMIT; `oid`: the target's in the catalog, the same under any name."""

    target: Stream | Table
    batch: pa.RecordBatch
    oid: int


@dataclass
class Context:
    """One session's view: `transaction` is None outside BEGIN ... COMMIT; `notices` are drained by each result; `role`:
    whose privileges it has, the bootstrap superuser's unless whoever opened the session says otherwise."""

    instance: Instance
    settings: Settings
    notices: list[Notice] = field(default_factory=list)
    transaction: list[Pending] | None = None
    seen: int | None = None
    """How much of `transaction` queries see while a statement of several parts runs, which has caught up at first."""
    moment_us: int | None = None
    """What the time is for all parts of such a statement."""
    savepoints: list[tuple[str, int]] = field(default_factory=list)
    """Names, and how much of `transaction` was there when each was made."""
    has_failed: bool = False
    """Something in the transaction has failed: it takes nothing but its end, or the way back to a savepoint."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    cancel_lasts: bool = False
    """Whether what begins may have been cancelled already: a server clears `cancelled` itself, as a request comes."""
    interrupt: Callable[[], None] | None = None
    deadline_us: int | None = None
    on_progress: OnProgress | None = None
    prepared: dict[str, ast.Prepare] = field(default_factory=dict)
    role: SessionRole = field(default_factory=SessionRole)
    before_transaction: dict[str, Any] = field(default_factory=dict)
    """Settings the transaction has changed, as they were: ROLLBACK puts them back."""
    before_local: dict[str, Any] = field(default_factory=dict)
    """What SET LOCAL has changed, as it is to be again whatever the end."""
    backend: Backend = field(default_factory=Backend)
    protocol_statements: dict[str, Any] = field(default_factory=dict)
    """What a client has prepared by its protocol: DEALLOCATE forgets that as well."""
    on_notify: Receiver | None = None
    """Takes notifications to the client."""
    to_notify: list[tuple[str, str]] = field(default_factory=list)
    """Channels and payloads of NOTIFY, to be sent at COMMIT."""
    formats: Sequence[int] = ()
    """How the client wants the columns of the answer, as the protocol says it: 1 = binary; one for all, or one each."""
    cursors: dict[str, CursorRows] = field(default_factory=dict)
    temporary: list[int] = field(default_factory=list)
    """Tables that go with the session, by their numbers in the catalog."""
    cached: list[tuple[str, ...]] = field(default_factory=list)
    """Materialized views that CACHE TABLE has made."""
    lent: dict[str, LentTable] = field(default_factory=dict)
    """Rows that queries of this session alone can read, by name."""

    @property
    def now_us(self) -> int:
        """The time, the same in all of a statement."""
        return self.instance.clock.now_us() if self.moment_us is None else self.moment_us

    def catch_up(self) -> None:
        """What has been acknowledged before a statement is seen by it. The caller holds the lock."""
        if self.seen is None:
            self.instance.catch_up(self.check)

    def check(self) -> None:
        """QueryCanceled (57014) when the statement was cancelled or ran out of time."""
        if self.cancelled.is_set():
            raise QueryCanceled("canceling statement due to user request")
        if self.deadline_us is not None and self.instance.clock.now_us() > self.deadline_us:
            raise QueryCanceled("canceling statement due to statement timeout")

    @property
    def time_left_s(self) -> float | None:
        """How long the statement may still run; None for ever, or where the clock does not go by itself."""
        if self.deadline_us is None or self.instance.clock.virtual:
            return None
        return max(0.0, (self.deadline_us - self.instance.clock.now_us()) / 1e6)

    @property
    def in_background(self) -> bool:
        """Whether a new query's history is read while the session goes on."""
        return self.settings.background_ddl == "true"

    def pace(self, rows_per_second: int | None = None) -> Pace:
        """How fast history is to be read: as a view's options say, else as the session does."""
        return Pace(self.settings.backfill_rate_limit if rows_per_second is None else rows_per_second)

    def planning(self, planned: Planned | None = None) -> PlanningInfo:
        """How the session wants plans made; with a plan, what to keep so that it is made again."""
        rows = {} if planned is None else dict(planned.rows)
        return PlanningInfo(rows, self.settings.disabled_rules)

    def notice(self, text: str) -> None:
        """Tell the user something that is no error."""
        self.notices.append(Notice(text))

    def is_binary(self, position: int) -> bool:
        """Whether the client wants a column of the answer in binary."""
        if len(self.formats) == 1:
            return self.formats[0] == 1
        return position < len(self.formats) and self.formats[position] == 1

    def warn(self, text: str, sqlstate: str = "01000") -> None:
        """Tell the user that what was asked for does not do what it says."""
        self.notices.append(Notice(text, "WARNING", sqlstate))

    def changes_setting(self, name: str, local: bool = False) -> None:
        """A setting is about to be changed: the end of a transaction may have to put it back."""
        if self.transaction is None:
            return
        self.before_transaction.setdefault(name, self.settings.kept(name))
        if local:
            self.before_local.setdefault(name, self.settings.kept(name))
        else:
            self.before_local.pop(name, None)

    def end_settings(self, rolled_back: bool) -> None:
        """At the end of a transaction."""
        for name, value in (self.before_transaction if rolled_back else self.before_local).items():
            self.settings.put_back(name, value)
        self.before_transaction, self.before_local = {}, {}

    def prefer_path(self, name: tuple[str, ...]) -> tuple[str, ...]:
        """A name as the catalog knows it under the session's search path."""
        if len(name) > 1:
            return name
        catalog = self.instance.catalog
        for schema in self.schemas_searched():
            if schema == "public" and name[0] in catalog:
                return name
            if f"{schema}.{name[0]}" in catalog:
                return (schema, name[0])
        return name

    def schemas_searched(self) -> list[str]:
        """The schemas of the search path in order, whether or not they exist; `$user` is the role's name."""
        named = (part.strip().strip('"') for part in self.settings.search_path.split(","))
        roles = self.instance.catalog.roles
        return [roles.name_of(self.role.current) if name == "$user" else name for name in named]

    def owned(self, obj: T, replaced: CatalogObject | None = None) -> T:
        """A new object with its owner: the session's current role; or owner and grants of the one it replaces."""
        if replaced is not None:
            return replace(obj, owner=replaced.owner, grants=replaced.grants, column_grants=kept_columns(obj, replaced))
        catalog, owner = self.instance.catalog, self.role.current
        return replace(obj, owner=owner, grants=grants_of_new(catalog.defaults, obj.kind, owner, schema_of(obj.name)))
