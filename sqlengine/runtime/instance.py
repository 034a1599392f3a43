"""One open database: storage, catalog, scheduler, pump, and the objects brought to life from the catalog."""

from __future__ import annotations

import atexit
import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sqlengine.advance import OnProgress
from sqlengine.catalog.catalog import Catalog
from sqlengine.catalog.objects import (
    CatalogObject,
    MaterializedView,
    PlanningInfo,
    Sink,
    Stream,
    Table,
)
from sqlengine.catalog.pg.shared import PgShared
from sqlengine.connectors.base import BadRecord
from sqlengine.errors import Error, ObjectNotReady
from sqlengine.functions.user import UserFunctions
from sqlengine.operators.base import State
from sqlengine.plan.pipeline import Planned
from sqlengine.plan.sharing import is_repeatable, unnamed
from sqlengine.real_clock import RealClock
from sqlengine.runtime.checkpoint_writer import Checkpoints
from sqlengine.runtime.checkpointer import Checkpointer
from sqlengine.runtime.clock import Clock
from sqlengine.runtime.cut import make_cut, whole_histories
from sqlengine.runtime.evolving import settle_topic
from sqlengine.runtime.fill import Fill, Member, Pace
from sqlengine.runtime.fills import Fills
from sqlengine.runtime.ingest import Ingest
from sqlengine.runtime.latest import difference
from sqlengine.runtime.memory_limit import MemoryLimit
from sqlengine.runtime.outputs import ConnectorOutput, Keep, Outputs
from sqlengine.runtime.planning import Planning
from sqlengine.runtime.pump import Pump
from sqlengine.runtime.query import ContinuousQuery
from sqlengine.runtime.reader import Confined, TopicReader, read_all, start_positions
from sqlengine.runtime.scheduler import Scheduler
from sqlengine.runtime.sharing import share_parts
from sqlengine.runtime.side_topics import SideTopics
from sqlengine.runtime.sources import make_reader, make_store, make_tracker, timestamp_us
from sqlengine.runtime.subscription import expire
from sqlengine.runtime.tick_journal import TickJournal
from sqlengine.runtime.topic_output import TopicOutput
from sqlengine.runtime.warehouse_root import WarehouseRoot
from sqlengine.settings import Settings
from sqlengine.snapshot.expand import Expanded
from sqlengine.sql import ast
from sqlengine.sql.recent import Recent
from sqlengine.state.row_store import RowStore
from sqlengine.workers import Workers, default_threads
from storage import Storage, Topic

if TYPE_CHECKING:
    from sqlengine.runtime.checkpoint import Checkpoint


_MOMENT_TRIES = 10


class Instance:
    """Everything sessions share.  `lock` guards catalog and scheduler; statements that change them hold it."""

    def __init__(
        self,
        path: str | None,
        clock: Clock | None = None,
        threads: int = 0,
        replicas: Sequence[str] | None = None,
        shared_settings: dict[str, Any] | None = None,
    ) -> None:
        self.clock = clock or RealClock()
        self.path = path
        self.storage = Storage.open(path, replicas=replicas)
        self.catalog = Catalog.load(self.storage.meta.replay(), self.storage.meta.append)
        self.functions = UserFunctions()
        self.scheduler = Scheduler(self.clock, self.storage.transactions.cut)
        self.side_topics = SideTopics(self.storage)
        self.ingests: dict[str, Ingest] = {}
        self.waiting: dict[str, Error] = {}
        self.checkpoint: Checkpoint | None = None
        self.checkpoints = Checkpoints(self)
        self.shared_settings = {} if shared_settings is None else shared_settings
        self.checkpointer = Checkpointer(
            self.checkpoints,
            self.clock,
            lambda: int(Settings(database=self.shared_settings).get("checkpoint_interval_ms")),
            lambda: self.scheduler.tick_number,
        )
        self.memory = self.scheduler.memory = MemoryLimit(self.scheduler, path, self.shared_settings)
        self.outputs = Outputs(self.storage, self.scheduler, is_durable=path is not None)
        self.fills = Fills(self)
        if path is not None:
            self.scheduler.journal = TickJournal(
                self.storage, lambda: self.side_topics.ends() | self.outputs.ends(), lambda: bool(self.outputs)
            )
        self.pump = Pump(self.scheduler, self._maintain)
        self.pg = PgShared()
        self.statements: Recent[list[ast.Statement]] = Recent()
        self.expansions: Recent[Expanded] = Recent()
        self.warehouse = WarehouseRoot(path)
        self.poll_files: Callable[[], None] = _nothing
        self.closed = False
        self._threads = threads
        self._workers: dict[int, Workers] = {}
        self.identities: dict[str, int] = {}  # table -> the next number of its identity column
        self._serial = 0
        self._moment: dict[str, list[int]] = {}
        self._turns: dict[str, int] = {}
        self._close_lock = threading.Lock()
        # A database nobody closed must not leave its thread behind when the interpreter ends.
        atexit.register(self.close)

    def _maintain(self) -> None:
        """Retention everywhere; of subscriptions by the engine's clock."""
        self.storage.maintain()
        self.poll_files()
        with self.lock:
            expire(self.outputs.values(), self.clock.now_us(), settled=self.path is None)

    @property
    def lock(self) -> threading.RLock:
        """The one lock of the engine."""
        return self.scheduler.lock

    def next_id(self, head: str) -> str:
        """A query id not used by any catalog object: q1, q2, ..."""
        used = {getattr(o, "query_id", "") for o in self.catalog} | set(self.scheduler.queries)
        while True:
            self._serial += 1
            if f"{head}{self._serial}" not in used:
                return f"{head}{self._serial}"

    def next_partition(self, topic: str, count: int) -> int:
        """The partition whose turn it is for rows without a key."""
        turn = self._turns.get(topic, 0)
        self._turns[topic] = turn + 1
        return turn % count

    # ------------------------------------------------------------ planning

    @property
    def planning(self) -> Planning:
        """Plans against the catalog as it is."""
        return Planning(self, self.catalog)

    def plan(self, query: ast.Query, emit: ast.Emit, planning: PlanningInfo, threads: int = 0) -> Planned:
        """Plan a continuous query against the present catalog; what `planning` has no row count of is counted now."""
        return self.planning.plan(query, emit, planning, threads)

    def expanded(self, query: ast.Query, lent: Mapping[str, CatalogObject] | None = None) -> Expanded:
        """A query's text for the snapshot executor; `lent`: relations the catalog does not have."""
        return self.planning.expanded(query, lent)

    def workers(self, threads: int) -> Workers:
        """So many threads, shared by all queries that ask for as many; 0 = as many as the database was opened with."""
        count = threads or self._threads or default_threads()
        return self._workers.setdefault(count, Workers(count))

    # ------------------------------------------------------------ streams and tables

    def topic_of(self, obj: Stream | Table) -> Topic:
        """The topic an object's rows are in."""
        return self.storage.topic(obj.topic)

    def reader(self, obj: Stream | Table, positions: Sequence[int] | None = None) -> TopicReader:
        """A private reader, from the object's own start unless positions are given."""
        topic = self.topic_of(obj)
        where = positions if positions is not None else start_positions(obj, topic, timestamp_us)
        return make_reader(obj, topic, where, self._on_bad(obj))

    def error_topic(self, obj: CatalogObject) -> str:
        """The name of an object's error topic."""
        options = getattr(obj, "options", {})
        return str(options.get("error_topic", f"{obj.name}_errors"))

    def _on_bad(self, obj: Stream | Table) -> Callable[[int, Sequence[tuple[int, BadRecord]]], None]:
        def report(partition: int, found: Sequence[tuple[int, BadRecord]]) -> None:
            if obj.options.get("on_error", "dead_letter") == "fail":
                _, bad = found[0]
                raise Error(bad.reason, sqlstate=bad.sqlstate)
            if obj.options.get("on_error") != "skip":
                self.side_topics.bad_records(self.error_topic(obj), partition, found, self.clock.now_us())

        return report

    def start_table(self, table: Table, store: RowStore | None = None, positions: Sequence[int] | None = None) -> None:
        """Begin to hold a table's contents: its changelog is read from the start unless a checkpoint gave them.

        Where the changelog was compacted beyond the checkpoint, deletions may be gone that the checkpoint's contents
        need: what is different from a reading from the start is then corrected.
        """
        with self.lock:
            settle_topic(self, table)
            logs = self.topic_of(table).partitions
            compacted = any(p < log.compacted_offset for p, log in zip(positions or (), logs, strict=False))
            reader = self.reader(table, None if compacted else positions)
            present = make_store(table) if store is None or compacted else store
            source = self.scheduler.add_source(table.name, reader, present)
            if present is not store:
                while batches := reader.poll():
                    source.absorb(batches)
            if store is not None and compacted:
                source.store, source.correction = store, difference(store.snapshot_table(), present.snapshot_table())
            self.memory.after_tick()

    def start_ingest(self, stream: Stream, *, again: bool = False) -> None:
        """Begin to feed a stream's topic from its connector. What cannot be opened is an error, or `again` tried
        later: the rest of the database must come up.
        """
        with self.lock:
            ingest = Ingest(stream, self.storage, self.side_topics, self.error_topic(stream))
            try:
                ingest.open()
            except Exception as error:
                if not again:
                    raise
                ingest.fail(error, self.clock.now_us())
            self.ingests[stream.name] = ingest
            self.scheduler.feeders.append(ingest.step)
        self.pump.wake()

    def stop_ingest(self, name: str) -> None:
        """End feeding; idempotent."""
        with self.lock:
            ingest = self.ingests.pop(name, None)
            if ingest is not None:
                self.scheduler.feeders.remove(ingest.step)
                ingest.close()

    # ------------------------------------------------------------ continuous queries

    def start_query(
        self,
        query_id: str,
        name: str,
        text: str,
        planned: Planned,
        emit: ast.Emit,
        *,
        keep: bool = True,
        snapshot: bool = True,
        on_progress: OnProgress | None = None,
        check: Callable[[], None] | None = None,
        prepare: Callable[[ContinuousQuery], None] | None = None,
        staged: bool = False,
        started: Callable[[], None] | None = None,
        pace: Pace | None = None,
        behind: bool = False,
    ) -> ContinuousQuery:
        """Build a query's dataflow, bring it up to date, and add it to the ticks.

        `keep`: hold its contents (a materialized view); `prepare` is called before the first row (to attach followers,
        who hear of what was there at once, or when all of it is there: `staged`); `snapshot` False skips history: only
        what comes from now on is seen.  `started` is called, with the lock held, just before the query joins the ticks;
        what it raises ends the query.  `behind`: the caller does not wait.
        """
        with self.lock:
            self.scheduler.catch_up(check)
            query = self.build(query_id, name, text, planned, emit, keep)
            if prepare is not None:
                prepare(query)
            if keep and self._join_twin(query, started):
                self.pump.wake()
                return query

            def let_in(fill: Fill) -> None:
                if started is not None:
                    started()
                if snapshot:
                    self.share(query)
                self.scheduler.add_query(query)
                if fill.members[0].staged:
                    query.tell(fill.members[0].staged, self.scheduler.next_number(), self.clock.now_us())

            cut = make_cut(self, [query], snapshot)
            member = Member(query, staged=[] if staged else None)
            fill = Fill(self.scheduler, [member], cut, let_in, pace or Pace())
            self.fills.add(fill)
        if behind:
            self.fills.run_behind(fill)
        else:
            self.fills.run(fill, check, on_progress)
        return query

    def filled(self, objects: Sequence[CatalogObject]) -> None:
        """Tell the catalog that what was being made is there now."""
        there = [self.catalog.get(tuple(obj.name.split("."))) for obj in objects]
        self.catalog.change(
            [replace(o, filling=False) if isinstance(o, (MaterializedView, Sink)) else o for o in there]
        )

    def stored(self, name: str) -> Stream | Table:
        """The stream or table of a qualified name that is known to be one."""
        obj = self.catalog.get(tuple(name.split(".")))
        assert isinstance(obj, (Stream, Table))
        return obj

    def build(
        self, query_id: str, name: str, text: str, planned: Planned, emit: ast.Emit, keep: bool
    ) -> ContinuousQuery:
        """A query that has seen nothing yet; `keep`: with contents."""
        # Lazy: operators and their kernels are many modules, needed only once a continuous query exists.
        from sqlengine.runtime.dataflow import Dataflow

        objects = [self.catalog.get(tuple(n.split("."))) for n in planned.sources()]
        stored = [o for o in objects if isinstance(o, (Stream, Table))]
        trackers = {o.name: make_tracker(o, self.topic_of(o)) for o in stored}
        dataflow = Dataflow(planned.physical, trackers, emit.timeout_us, self.workers(planned.threads))
        query = ContinuousQuery(
            query_id=query_id,
            name=name,
            sql=text,
            plan=planned.physical,
            dataflow=dataflow,
            sources=tuple(trackers),
            upstream=tuple(o.name for o in objects if isinstance(o, MaterializedView)),
            store=RowStore(planned.schema, planned.physical.unique_keys or None) if keep else None,
            reason=planned.reason,
            created_us=self.clock.now_us(),
        )
        self.side_topics.told_by_queries(f"{name}_errors")
        query.on_failure = lambda row, error: self.side_topics.failed_row(
            f"{name}_errors", row, error, self.clock.now_us()
        )
        late = [(topic, o) for o in stored if (topic := o.options.get("late_topic"))]
        if late:
            topic, stream = late[0]
            schema = pa.schema([pa.field(c.name, c.type) for c in stream.columns])
            query.late_topic = topic
            self.side_topics.told_by_queries(topic)
            query.on_late = lambda rows: self.side_topics.late(topic, name, rows, schema)
        return query

    def _join_twin(self, query: ContinuousQuery, started: Callable[[], None] | None = None) -> bool:
        """Let a new materialized view share the dataflow and the contents of one that answers the same.

        Whichever is dropped first, the other goes on.
        """
        if not is_repeatable(query.plan):
            return False
        plan = unnamed(query.plan)
        for other in self.scheduler.queries.values():
            if other.store is None or other.status != "running" or unnamed(other.plan) != plan:
                continue
            if other.dataflow.timeout_us == query.dataflow.timeout_us:
                query.dataflow, query.store = other.dataflow, other.store
                if started is not None:
                    started()
                self.scheduler.add_query(query)
                return True
        return False

    def share(self, query: ContinuousQuery) -> None:
        """Leave to running queries what a query that is up to date has in common with them."""
        running = {id(q.dataflow): q.dataflow for q in self.scheduler.queries.values() if q.status == "running"}
        share_parts(query.dataflow, list(running.values()), whole_histories(self, query))

    def continue_view(
        self,
        view: MaterializedView,
        planned: Planned,
        emit: ast.Emit,
        states: dict[str, State],
        marks: dict[str, object],
        store: State,
        first_told: int,
        restored: Callable[[ContinuousQuery], None],
        held: dict[str, list[int]] | None,
    ) -> None:
        """Add a view whose state a checkpoint holds; the shared sources stand where it was taken, the view itself at
        the offsets `held` if it stood still then. `restored` is called when its own operators and contents hold the
        state, before it shares any with others."""
        with self.lock:
            query = self.build(view.query_id, view.name, view.sql, planned, emit, keep=True)
            if held is None and self._join_twin(query):
                return
            assert query.store is not None
            for _ in query.store.restored(store):
                self.memory.after_step([query])
            self.memory.after_step([query])
            self._continue(query, states, marks, first_told, restored, held)

    def continue_sink(
        self,
        sink: Sink,
        planned: Planned,
        emit: ast.Emit,
        states: dict[str, State],
        marks: dict[str, object],
        end: int | None,
        first_told: int,
        restored: Callable[[ContinuousQuery], None],
        held: dict[str, list[int]] | None,
        noted: tuple[int, Mapping[str, int]] | None,
        is_hidden: bool,
    ) -> None:
        """Add a sink whose state a checkpoint holds; what its topic got after that is written again. `restored` and
        `held`: as for a view; `noted`: the checkpoint's tick and what it has noted of a sink that tells by itself
        what of the ticks after it has been written; `is_hidden`: nobody has seen anything of its topic yet."""
        with self.lock:
            query = self.build(sink.query_id, sink.name, sink.sql, planned, emit, keep=False)
            output = self.outputs.open(sink, planned.schema)
            if isinstance(output, TopicOutput) and end is not None:
                if first_told and not is_hidden and sink.connector == "topic":
                    output.tell_again(first_told, end)
                else:
                    output.cut(end)
                if is_hidden:
                    query.first_written = 0
                    output.go_on_with_history()
            if isinstance(output, ConnectorOutput) and noted is not None:
                query.first_written = 0
                output.sink.restore(*noted)
            query.followers.append(output)
            self._continue(query, states, marks, first_told, restored, held)

    def _continue(
        self,
        query: ContinuousQuery,
        states: dict[str, State],
        marks: dict[str, object],
        first_told: int,
        restored: Callable[[ContinuousQuery], None],
        held: dict[str, list[int]] | None,
    ) -> None:
        query.first_told = first_told
        query.dataflow.restore(states, marks, lambda: self.memory.after_step([query]))
        restored(query)
        for name in query.sources:
            if name not in self.scheduler.sources:
                self.scheduler.add_source(name, self.reader(self.stored(name)), None)
        if held is None:
            self.share(query)
        else:
            self.scheduler.hold(query, held)
        self.scheduler.add_query(query)

    def start_sink(self, sink: Sink, planned: Planned, emit: ast.Emit, **how: Any) -> None:
        """Run a sink's query into its output; what a topic has got from an earlier run is written anew.  `how`: as of
        `start_query`.
        """
        with self.lock:
            output = self.outputs.open(sink, planned.schema)
            if isinstance(output, TopicOutput):
                output.begin_history()
            else:
                output.sink.clear()
        self.start_query(
            sink.query_id,
            sink.name,
            sink.sql,
            planned,
            emit,
            keep=False,
            prepare=lambda query: query.followers.append(output),
            **how,
        )

    def release_sink(self, name: str, keep: Keep = "all") -> None:
        """Close a sink's output; nothing for what is no sink. `keep`: see Outputs.release."""
        self.outputs.release(name, keep)

    def query_of(self, obj: MaterializedView | Sink) -> ContinuousQuery:
        """The running query behind an object; the error it waits for when it could not be planned on opening."""
        found = self.scheduler.queries.get(obj.query_id)
        if found is not None:
            return found
        fill = self.fills.get(obj.query_id)
        if fill is not None:
            raise _not_populated(obj, fill)
        error = self.waiting[obj.name]
        raise Error(
            f'{obj.kind} "{obj.name}" is not running: {error.message}',
            sqlstate=error.sqlstate,
            hint="register its Python functions again, or drop it" if error.sqlstate == "42883" else error.hint,
        )

    def stop_query(self, query_id: str) -> None:
        """Remove a query from the ticks, or end bringing it up to date; nothing when it never ran."""
        self.fills.cancel(query_id, "the query was ended")
        if query_id in self.scheduler.queries:
            self.scheduler.remove_query(query_id)

    # ------------------------------------------------------------ reading

    def catch_up(self, check: Callable[[], None] | None = None) -> None:
        """Everything acknowledged before the call is seen by all views; bounded connectors have been read out."""
        with self.lock:
            while any(i.bounded and not i.exhausted and i.failure is None for i in self.ingests.values()):
                self.scheduler.tick()
                if check is not None:
                    check()
            self.scheduler.catch_up(check)

    @contextlib.contextmanager
    def one_moment(self, objects: Collection[CatalogObject], check: Callable[[], None] | None) -> Iterator[None]:
        """`catch_up`, and within: `contents` of `objects` as of one moment, so that a transaction is in all of them or
        in none; the caller holds the lock. Ticks know only of what views read: the rest is read up to where all is
        when the ticks have come to their ends, or, while others write without a pause, have tried to.
        """
        unread = [o for o in objects if isinstance(o, (Stream, Table)) and o.name not in self.scheduler.sources]
        self.catch_up(check)
        if unread and len(objects) > 1:
            topics = [self.topic_of(obj) for obj in unread]
            for _ in range(_MOMENT_TRIES):
                ends, beside = self.scheduler.ends_beside(topics)
                self._moment = {obj.name: each for obj, each in zip(unread, beside, strict=True)}
                if self.scheduler.is_at(ends):
                    break
                self.scheduler.catch_up(check)
        try:
            yield
        finally:
            self._moment = {}

    def contents(
        self, obj: CatalogObject, *, packed: bool = False, rows: int | None = None, confined: Confined | None = None
    ) -> pa.Table:
        """The rows of a stream, table or view at the newest tick; the caller holds the lock.

        packed: texts that repeat may be dictionaries, which DuckDB reads as they are.
        rows: no more of the first rows than so many are needed; a stream is not read further.
        confined: moves a stream's reader to where it is to begin, and says where to end.
        """
        if isinstance(obj, MaterializedView):
            query = self.query_of(obj)
            if query.status == "failed" and query.error is not None:
                raise Error(
                    f'materialized view "{obj.name}" has failed: {query.error.message}',
                    sqlstate=query.error.sqlstate,
                    hint=f"RESUME QUERY {obj.query_id} makes it anew once the cause is gone",
                )
            return query.contents(packed=packed)
        assert isinstance(obj, (Stream, Table))
        ingest = self.ingests.get(obj.name)
        if ingest is not None and ingest.bounded and ingest.failure is not None:
            raise Error(
                f'stream "{obj.name}" cannot be read out: {ingest.failure.message}',
                sqlstate=ingest.failure.sqlstate,
                hint=ingest.failure.hint,
            )
        source = self.scheduler.sources.get(obj.name)
        if source is not None and source.failure is not None:
            raise source.failure
        if source is not None and source.store is not None:
            return source.store.scan_table() if packed else source.store.snapshot_table()
        until = source.reader.positions if source is not None else self._moment.get(obj.name)
        return read_all(self.reader(obj), until, rows, confined)

    def close(self, *, orderly: bool = True) -> None:
        """Stop the pump, close connectors and storage; idempotent. What sinks hold back is shown if it is `orderly`."""
        with self._close_lock:
            if self.closed:
                return
            self.closed = True
        atexit.unregister(self.close)
        self.fills.close()
        self.checkpointer.stop()
        self.pump.stop()
        with self.lock:
            try:
                self._let_go(orderly)
            finally:
                self.memory.close()
                self.storage.close()
                self.warehouse.close()
                for workers in self._workers.values():
                    workers.close()

    def _let_go(self, orderly: bool) -> None:
        for name in list(self.ingests):
            self.stop_ingest(name)
        if orderly and self.scheduler.timers:
            self.scheduler.catch_up()
        for name in list(self.outputs):
            self.release_sink(name, "shown" if orderly else "all")


def _nothing() -> None:
    """Nothing is to be looked for."""


def _not_populated(obj: MaterializedView | Sink, fill: Fill) -> Error:
    """PostgreSQL's answer to whoever reads a view that has no contents yet."""
    if fill.status == "failed":
        why = fill.error.message if fill.error else "it was ended"
        hint = f"it could not be brought up to date: {why}; RESUME QUERY {obj.query_id} tries again"
    else:
        hint = f"{fill.progress().fraction:.0%} of its history has been read; WAIT waits for the rest"
    return ObjectNotReady(f'{obj.kind} "{obj.name}" has not been populated', hint=hint)
