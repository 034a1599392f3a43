"""A plan's operators wired together, and one synchronous step of them.

Equal sub-plans are one operator: nodes are frozen data, so equality finds them.  Nothing here reads files or clocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from time import perf_counter_ns

import numpy as np
import pyarrow as pa

from sqlengine.delta import Delta, concat
from sqlengine.errors import Error
from sqlengine.operators import build_parallel
from sqlengine.operators.base import NO_WATERMARK, Operator, State, Times
from sqlengine.operators.consolidate import consolidate
from sqlengine.operators.temporal_filter import TemporalFilterOperator
from sqlengine.plan import nodes
from sqlengine.plan.columns import columns_of
from sqlengine.plan.nodes import Node
from sqlengine.plan.sharding import is_spreadable, shard_keys
from sqlengine.quick_dataclass import dataclass
from sqlengine.reading import UTC, reading_in
from sqlengine.runtime.feed import Feed, pieces
from sqlengine.runtime.shared_part import PartBehind, SharedPart
from sqlengine.runtime.skipping import has_late, is_excluded, observe_unread
from sqlengine.runtime.watermark import WatermarkTracker
from sqlengine.state.spill import breathe
from sqlengine.workers import ALONE, Workers

COALESCED = (nodes.GroupAggregate, nodes.WindowAggregate, nodes.SessionAggregate)
"""Operators for which one large delta is cheaper than several small ones, copying included (those that can be divided
see to it themselves)."""

FEW_ROWS = 8_192
"""The greatest time of so few rows is sooner looked for than read from their statistics."""
NOW_INTERVAL_US = 1_000_000
"""How often a query whose answer changes with now() is run again when nothing else happens."""


@dataclass(slots=True)
class Step:
    """One node at work: its operator (None for a scan), the steps it reads, and what it has done so far."""

    node: Node
    operator: Operator | None
    inputs: list[int]
    watermark_us: int = NO_WATERMARK
    rows_in: int = 0
    rows_out: int = 0
    batches: int = 0
    skipped: int = 0
    busy_ns: int = 0
    late_rows: int = 0
    shared: bool = False
    output: list[Delta] = field(default_factory=list)

    def follow(self, other: Step) -> None:
        """Take over what another step of the same node has done and keeps."""
        self.operator, self.watermark_us = other.operator, other.watermark_us
        self.rows_in, self.rows_out, self.batches = other.rows_in, other.rows_out, other.batches
        self.skipped, self.busy_ns, self.late_rows = other.skipped, other.busy_ns, other.late_rows


class Dataflow:
    """`trackers`: one per source that is read from a topic; `timeout_us`: EMIT ... TIMEOUT; `check` is called after
    each step of each piece and may raise, which leaves the dataflow useless.

    Steps can be left to a SharedPart: they then stand for the part's own and are not run here (runtime/sharing.py).
    """

    def __init__(
        self,
        plan: Node,
        trackers: Mapping[str, WatermarkTracker],
        timeout_us: int | None = None,
        workers: Workers = ALONE,
        check: Callable[[], None] | None = None,
    ) -> None:
        self.plan = plan
        self._check = check
        self.trackers = dict(trackers)
        self.steps: list[Step] = []
        self.late_rows: list[pa.RecordBatch] = []
        self.failures: list[tuple[pa.RecordBatch, Error]] = []
        self.timeout_us = timeout_us
        self._workers = workers
        self._ticked_us = 0
        self._history = False
        self._places: dict[Node, int] = {}
        self._parts: dict[int, SharedPart] = {}
        self._reading: set[tuple[int, int]] = set()
        self._root = self._add(plan)
        self._scans: dict[str, list[tuple[int, nodes.Scan]]] = {}
        self._running: list[int] = []
        self._find_running()
        self._closing_span_us = max((_span_us(s.node) for s in self.steps), default=0)

    def _add(self, node: Node) -> int:
        place = self._places.get(node)
        if place is None:
            inputs = [self._add(i) for i in node.inputs]
            operator = None if isinstance(node, nodes.Scan) else build_parallel(node, self._workers)
            self.steps.append(Step(node, operator, inputs))
            place = self._places[node] = len(self.steps) - 1
        return place

    def _find_running(self) -> None:
        """The steps that are run here, in order, and the scans among them by source."""
        self._running = sorted(self._reached([self._root], set()))
        self._scans.clear()
        for place in self._running:
            node = self.steps[place].node
            if isinstance(node, nodes.Scan):
                self._scans.setdefault(node.source, []).append((place, node))

    @property
    def watermark_us(self) -> int:
        """The watermark of the output."""
        return self.steps[self._root].watermark_us

    @property
    def reads(self) -> frozenset[str]:
        """Names of the objects whose rows it must be given: what only parts read is not among them."""
        return frozenset(self._scans)

    @property
    def has_parts(self) -> bool:
        """Whether other dataflows may run some of it."""
        return bool(self._parts)

    def wake(self, now_us: int) -> None:
        """Sources count as active now: while history was read no time passed for them."""
        for name in self._scans:
            if name in self.trackers:
                self.trackers[name].wake(now_us)

    def all_trackers(self) -> list[WatermarkTracker]:
        """The sources' trackers, those of what parts read among them; one may be in several dataflows."""
        return [*self.trackers.values(), *(t for p in self._parts.values() for t in p.dataflow.all_trackers())]

    @reading_in(UTC)
    def tick(self, feeds: Mapping[str, Feed], now_us: int, history: bool = False) -> list[Delta]:
        """Push every source's new rows through all operators, piece by piece, then tell the operators that the tick is
        over; returns the change of the plan's output: one delta in which nothing cancels, or any number of them when
        rows only come.

        `history`: they are rows from before the query."""
        self._ticked_us, self._history = now_us, history
        deltas: list[Delta] = []
        for piece in pieces(feeds):
            before = self._observe(piece, now_us)
            deltas += self._pass(lambda place, step: self._take_in(place, step, piece, before, now_us))  # noqa: B023
        deltas += self._pass(lambda place, step: self._finish(place, step, feeds, now_us))
        if self.plan.append_only or (len(deltas) == 1 and self._is_net(self._root)):
            return deltas
        output = consolidate(concat(deltas))
        return [] if output is None else [output]

    def _pass(self, run: Callable[[int, Step], None]) -> list[Delta]:
        """Run each step once, those it reads before it; returns what came out at the root."""
        for place in self._running:
            step = self.steps[place]
            started = perf_counter_ns()
            run(place, step)
            step.rows_out += sum(d.num_rows for d in step.output)
            breathe()
            if self._check is not None:
                self._check()
            step.busy_ns += perf_counter_ns() - started
        deltas = [delta for delta in self.steps[self._root].output if delta.num_rows]
        for place in self._running:
            self.steps[place].output = []
        return deltas

    def _take_in(
        self, place: int, step: Step, piece: Mapping[str, Feed], before: dict[int, np.ndarray], now_us: int
    ) -> None:
        """A piece of a tick's rows at a step; a part takes in the whole tick when it ends."""
        if place in self._parts:
            return
        if not isinstance(step.node, nodes.Scan):
            self._process(step, now_us)
        elif step.node.source in piece:
            self._scan(place, step.node, piece[step.node.source], before)

    def _finish(self, place: int, step: Step, feeds: Mapping[str, Feed], now_us: int) -> None:
        """A tick's end at a step."""
        if place in self._parts:
            self._take(step, self._parts[place], feeds, now_us)
        elif isinstance(step.node, nodes.Scan):
            self._set_watermark(step, step.node, feeds.get(step.node.source), now_us)
        else:
            self._process(step, now_us)
            self._advance(step, now_us)

    def _is_net(self, place: int) -> bool:
        """Whether nothing cancels in a step's one delta of a tick."""
        step = self.steps[place]
        if step.operator is None or not step.operator.net:
            return False
        passes_on = isinstance(step.node, (nodes.Filter, nodes.Project))
        return not passes_on or self._is_net(step.inputs[0])

    def _observe(self, feeds: Mapping[str, Feed], now_us: int) -> dict[int, np.ndarray]:
        """Watermarks take in a piece's batches, once per source; returns batches' running watermarks by id where they
        are wanted.  Notes which scans read which batches."""
        running: dict[int, np.ndarray] = {}
        self._reading.clear()
        for name, scans in self._scans.items():
            tracker = self.trackers.get(name)
            for batch in feeds[name].batches if name in feeds and tracker is not None else ():
                assert tracker is not None
                reading = {place for place, scan in scans if not is_excluded(scan, batch)}
                marked = {place for place, scan in scans if scan.watermark_column}
                if marked:
                    read = batch.select(tracker.columns) if tracker.columns else batch.visible()
                    marks = running[id(batch)] = tracker.observe_running(batch.partition, read, now_us)
                    if not marked <= reading and has_late(batch, tracker, marks):
                        reading |= marked
                elif reading and batch.frame.stored_rows < FEW_ROWS:
                    tracker.observe(batch.partition, batch.select(tracker.columns), now_us)
                else:
                    observe_unread(batch, tracker, now_us)
                self._reading.update((place, id(batch)) for place in reading)
        return running

    def _set_watermark(self, step: Step, node: nodes.Scan, feed: Feed | None, now_us: int) -> None:
        tracker = self.trackers.get(node.source)
        if tracker is not None:
            step.watermark_us = self._source_watermark(tracker, now_us)
        if feed is not None and feed.watermark_us is not None:
            step.watermark_us = feed.watermark_us

    def _scan(self, place: int, node: nodes.Scan, feed: Feed, before: dict[int, np.ndarray]) -> None:
        step = self.steps[place]
        columns = [feed.names.get(name, name) for name in node.columns]
        step.output = [Delta(_called(d.batch.select(columns), node), d.weights) for d in feed.deltas if d.num_rows]
        transaction = None
        for source in feed.batches:
            if (place, id(source)) not in self._reading:
                step.skipped += 1
                continue
            batch = _called(source.select(node.columns), node)
            if node.watermark_column:
                arrays = [*batch.columns, pa.array(before[id(source)])]
                batch = pa.RecordBatch.from_arrays(arrays, schema=node.schema)
            delta = Delta(batch, source.weights)
            if transaction is not None and source.frame.transaction == transaction and not node.append_only:
                # What an update of many rows takes back and what it brings are one change (operators/versions.py).
                together = concat([step.output.pop(), delta])
                assert together is not None
                delta = together
            step.output.append(delta)
            transaction = source.frame.transaction
        step.rows_in += sum(d.num_rows for d in step.output)
        step.batches += len(step.output)

    def _source_watermark(self, tracker: WatermarkTracker, now_us: int) -> int:
        watermark = tracker.current(now_us)
        since = tracker.idle_since_us()
        if self.timeout_us is not None and since is not None and now_us - since >= self.timeout_us:
            latest = tracker.latest()
            if latest != NO_WATERMARK:
                watermark = max(watermark, latest + self._closing_span_us)
        return watermark

    @staticmethod
    def _arriving(node: Node, deltas: list[Delta]) -> list[Delta]:
        """The deltas one by one, or as one: operators that answer with changed groups then speak once a tick."""
        if len(deltas) > 1 and isinstance(node, COALESCED) and not shard_keys(node):
            together = concat(deltas)
            return [together] if together is not None else []
        return deltas

    def _process(self, step: Step, now_us: int) -> None:
        """Give the operator what the steps it reads have put out."""
        for port, place in enumerate(step.inputs):
            arriving = self._arriving(step.node, self.steps[place].output)
            step.rows_in += sum(d.num_rows for d in arriving)
            step.batches += len(arriving)
            step.output += [d for d in self._processed(step, arriving, port, now_us) if d is not None and d.num_rows]

    def _advance(self, step: Step, now_us: int) -> None:
        """Tell the operator where the watermarks are; take what it has put aside."""
        operator = step.operator
        assert operator is not None
        times = Times(tuple(self.steps[p].watermark_us for p in step.inputs), now_us, self._history)
        out = operator.advance(times)
        if out is not None and out.num_rows:
            step.output.append(out)
        step.watermark_us = max(step.watermark_us, operator.output_watermark(times))
        late = operator.take_late()
        step.late_rows += sum(b.num_rows for b in late)
        self.late_rows += late
        errors = getattr(operator, "errors", None)
        if errors is not None:
            self.failures += errors.take()

    def _processed(self, step: Step, deltas: list[Delta], port: int, now_us: int) -> list[Delta | None]:
        """What the operator makes of each delta: side by side where they are many and it keeps nothing of them."""
        operator = step.operator
        assert operator is not None

        def process(delta: Delta) -> Delta | None:
            return operator.process(delta, port, now_us)

        if not self._workers.worth(sum(d.num_rows for d in deltas)) or not is_spreadable(step.node):
            return [process(delta) for delta in deltas]
        outputs = self._workers.map(process, _pieces(deltas, self._workers.threads))
        failed = getattr(operator, "errors", None)
        if failed is not None and failed.take():  # again, one by one: failures are told in the order of rows
            outputs = [process(delta) for delta in deltas]
        return outputs

    def next_wakeup_us(self) -> int | None:
        """When time alone changes something after the last tick: idle partitions, timeouts, EMIT EVERY, now()."""
        last_us = self._ticked_us
        times = [t for tracker in self.trackers.values() if (t := tracker.next_idle_us(last_us)) is not None]
        if self.timeout_us is not None:
            ends = [
                t + self.timeout_us for tracker in self.trackers.values() if (t := tracker.idle_since_us()) is not None
            ]
            times += [end for end in ends if end > last_us]
        for step in self.steps:
            match step.node:
                case nodes.EmitEvery(every_us=every) if (
                    step.operator is not None and step.operator.state_size()["rows"]
                ):
                    times.append((last_us // every + 1) * every)
                case nodes.TemporalFilter():
                    assert isinstance(step.operator, TemporalFilterOperator)
                    next_us = step.operator.next_wakeup_us()
                    times += [next_us] if next_us is not None else []
                case nodes.Recompute(time_dependent=True):
                    times.append(last_us + NOW_INTERVAL_US)
        return min(times, default=None)

    def state_size(self) -> dict[str, int]:
        """Rows and bytes kept by all operators."""
        sizes = [s.operator.state_size() for s in self.steps if s.operator is not None]
        return {"rows": sum(s["rows"] for s in sizes), "bytes": sum(s["bytes"] for s in sizes)}

    def own_operators(self) -> list[Operator]:
        """Those that only its own ticks change."""
        own = [self.steps[place].operator for place in self._running if place not in self._parts]
        return [operator for operator in own if operator is not None]

    def all_operators(self) -> list[Operator]:
        """Its own, and those of the parts it reads."""
        return self.own_operators() + [o for part in self._parts.values() for o in part.dataflow.all_operators()]

    def emptied(self) -> Dataflow:
        """One of the same plan that has seen nothing and is to see nothing."""
        return Dataflow(self.plan, self.trackers, self.timeout_us)

    def operators(self) -> dict[str, Operator]:
        """The operators by step number, shared ones among them."""
        return {str(i): s.operator for i, s in enumerate(self.steps) if s.operator is not None}

    def marks(self) -> dict[str, object]:
        """JSON-able watermarks, of which and of the operators' states `restore` makes the same dataflow."""
        self.synchronize()
        return {
            "trackers": {name: t.snapshot() for name, t in self.trackers.items()},
            "steps": [s.watermark_us for s in self.steps],
        }

    def restore(
        self, states: Mapping[str, State], marks: dict[str, object], after_each: Callable[[], None] | None = None
    ) -> None:
        """Continue from a snapshot of a dataflow of an equal plan, at its time. `after_each`: called behind each large
        part of the state."""
        trackers, steps = marks["trackers"], marks["steps"]
        assert isinstance(trackers, dict) and isinstance(steps, list)
        for name, tracker in self.trackers.items():
            tracker.restore(trackers[name])
        for i, step in enumerate(self.steps):
            step.watermark_us = steps[i]
            if step.operator is not None and str(i) in states:
                for _ in step.operator.continue_in_parts(states[str(i)]):
                    if after_each is not None:
                        after_each()

    # ------------------------------------------------------------ parts shared with other dataflows

    def _take(self, step: Step, part: SharedPart, feeds: Mapping[str, Feed], now_us: int) -> None:
        step.output = list(part.tick(feeds, now_us))
        step.watermark_us = part.watermark_us
        self.late_rows += part.late
        self.failures += part.failures

    def holds(self, node: Node) -> bool:
        """Whether a node is at work here, or in a part."""
        return node in self._places

    def step_of(self, node: Node) -> Step:
        """The step of a node that is held."""
        return self.steps[self._places[node]]

    def part(self, node: Node) -> SharedPart:
        """The part of a node that is held: the one there is, else one made of the steps it stands on."""
        place = self._places[node]
        if place in self._parts:
            return self._parts[place]
        if place not in self._running:
            return next(p for p in self._parts.values() if p.dataflow.holds(node)).dataflow.part(node)
        while (beside := self._read_beside(place)) is not None:
            self.part(beside)
        flow = Dataflow(node, self.trackers, None, self._workers)
        flow.trackers = {name: self.trackers[name] for name in flow._scans if name in self.trackers}
        for step in flow.steps:
            step.follow(self.step_of(step.node))
        for at, inner in self._parts.items():
            if flow.holds(self.steps[at].node):
                flow.leave_to(self.steps[at].node, inner)
        made = SharedPart(flow)
        self.leave_to(node, made)
        flow.trackers |= {n: t.fork() for n, t in flow.trackers.items() if n in self._scans}
        return made

    def _read_beside(self, place: int) -> Node | None:
        """The largest node below a step that steps which do not stand on it read too: it must be a part of its own, or
        it would be run twice."""
        inside = self._reached(self.steps[place].inputs, set())
        beside = self._reached([self._root], {place})
        both = [p for p in inside & beside if self.steps[p].operator is not None and p not in self._parts]
        return self.steps[max(both)].node if both else None

    def _reached(self, places: list[int], without: set[int]) -> set[int]:
        """The steps run here for these, themselves included; not those only `without` needs."""
        reached: set[int] = set()
        todo = list(places)
        while todo:
            place = todo.pop()
            if place not in reached | without:
                reached.add(place)
                todo += [] if place in self._parts else self.steps[place].inputs
        return reached

    def leave_to(self, node: Node, part: SharedPart) -> None:
        """From now on a node's changes are those of a part of the same node in the same state."""
        place = self._places[node]
        self._parts[place] = part
        self._find_running()
        for mine, _ in self._steps_left_to(part):
            mine.shared = True
        borrowed = {n: t for n, t in part.dataflow.trackers.items() if n not in self._scans}
        self.trackers |= borrowed
        self._parts = {at: p for at, p in self._parts.items() if at in self._running}
        self.synchronize()

    def join_parts(self) -> None:
        """The parts it was behind are read tick by tick from now on."""
        for place, part in list(self._parts.items()):
            if isinstance(part, PartBehind):
                self.leave_to(self.steps[place].node, part.part)

    def synchronize(self) -> None:
        """The steps left to parts show what the parts' own steps have done."""
        for part in self._parts.values():
            part.dataflow.synchronize()
            for mine, step in self._steps_left_to(part):
                mine.follow(step)

    def _steps_left_to(self, part: SharedPart) -> Iterator[tuple[Step, Step]]:
        """(the step here, the part's own) of those that are not run here as well for others."""
        for step in part.dataflow.steps:
            place = self._places[step.node]
            if place in self._parts or place not in self._running:
                yield self.steps[place], step


def _pieces(deltas: list[Delta], count: int) -> list[Delta]:
    """The same rows in at least `count` deltas, where they are so many rows."""
    if len(deltas) >= count:
        return deltas
    parts = -(-count // len(deltas))
    return [piece for delta in deltas for piece in delta.pieces(parts)]


def _called(batch: pa.RecordBatch, scan: nodes.Scan) -> pa.RecordBatch:
    """A scan's columns under the names that its query knows."""
    names = columns_of(scan.schema).names[: len(scan.columns)]
    return batch if tuple(batch.schema.names) == names else batch.rename_columns(list(names))


def _span_us(node: Node) -> int:
    """How far past the last event a closing window of this node can end."""
    if isinstance(node, (nodes.WindowAggregate, nodes.SessionAggregate)):
        months, micros = node.window.size
        return micros + months * 31 * 86_400_000_000 + node.lateness_us
    return 0
