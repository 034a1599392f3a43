"""What sections say has changed, written part by part, is what the structure holds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlengine.delta import Delta
from sqlengine.state import section as section_module
from sqlengine.state.multiset import Multiset
from sqlengine.state.row_store import RowStore
from sqlengine.state.section import Changed, Section, Sections
from sqlengine.state.stored_section import (
    FAN_IN,
    Part,
    StoredSection,
    as_range,
    from_json,
    put_together,
    side_by_side,
    union,
)

Store = dict[str, pa.Table]


class Disk:
    """Keeps sections as a checkpoint does."""

    def __init__(self) -> None:
        self.tables: Store = {}
        self.stored: dict[str, tuple[StoredSection, int, Changed]] = {}
        self.rows_written = 0

    def write(self, sections: Sections) -> None:
        for name, section in sections.items():
            known, generation, changed = self.stored.get(name, (StoredSection(0), -1, section.changed))
            size = section.size()
            positions = section.changed.take(size)
            if generation != section.changed.generation or changed is not section.changed:
                known, positions = StoredSection(0), np.arange(size)
            self.stored[name] = (
                self._part(name, section, known, positions),
                section.changed.generation,
                section.changed,
            )

    def _part(self, name: str, section: Section, known: StoredSection, positions: np.ndarray) -> StoredSection:
        size = section.size()
        if not len(positions):
            return StoredSection(size, known.parts, known.columns)
        absorbed = known.absorbed(len(positions))
        cut = 0 if absorbed is None else len(known.parts) - absorbed
        positions = np.arange(size) if absorbed is None else union(positions, known.parts[cut:])
        tables = section.rows(positions)
        found, part = as_range(positions), f"{name}{len(self.tables)}"
        self.tables[part] = side_by_side(tables, positions, found is None)
        self.rows_written += len(positions)
        columns = {t: table.column_names for t, table in tables.items()}
        return StoredSection(size, (*known.parts[:cut], Part(part, positions if found is None else found)), columns)

    def read(self) -> Store:
        state: Store = {}
        for stored, _, _ in self.stored.values():
            again = from_json(stored.to_json(), self.tables)
            assert [list(part.positions) for part in again.parts] == [list(part.positions) for part in stored.parts]
            state |= put_together(again, self.tables)
        return state


def whole(sections: Sections) -> Store:
    return {name: table for section in sections.values() for name, table in section.whole().items()}


def same(left: Mapping[str, pa.Table], right: Mapping[str, pa.Table]) -> None:
    """Equal tables; one without rows may be left out."""
    for name in set(left) | set(right):
        ours, theirs = (t[name].to_pylist() if name in t else [] for t in (left, right))
        assert ours == theirs, name


SCHEMA = pa.schema([pa.field("k", pa.int64()), pa.field("v", pa.string())])


def rows(keys: list[int], round_: int) -> pa.RecordBatch:
    return pa.record_batch([pa.array(keys, pa.int64()), pa.array([f"{k}/{round_}" for k in keys])], schema=SCHEMA)


@pytest.mark.parametrize("key", [(0,), None])
@given(
    steps=st.lists(st.tuples(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)), st.booleans(), st.booleans()))
)
def test_contents(key: tuple[int, ...] | None, steps: list[tuple[set[int], set[int], bool, bool]]) -> None:
    store, disk, held = RowStore(SCHEMA, key), Disk(), dict[int, int]()
    for number, (come, go, write, restart) in enumerate(steps):
        gone = sorted(go & held.keys())
        fresh = sorted(come - held.keys() | set(gone) & come)
        out = pa.concat_batches([rows([], 0), *(rows([k], held.pop(k)) for k in gone)])
        new = rows(fresh, number)
        held |= dict.fromkeys(fresh, number)
        weights = np.array([-1] * len(gone) + [1] * len(fresh), dtype=np.int64)
        store.apply(Delta(pa.concat_batches([out, new]), weights), net=number % 2 == 0)
        if number % 3:
            while store.settle_part(number % 5 + 1, 1 if number % 4 else 1 << 20):
                pass
        if write:
            store.settle()
            disk.write(store.sections())
            same(disk.read(), whole(store.sections()))
        if write and restart:
            store = RowStore(SCHEMA, key)
            store.restore(disk.read())
            sizes = {name: section.size() for name, section in store.sections().items()}
            assert sizes == {name: stored.size for name, (stored, _, _) in disk.stored.items()}
            disk.stored = {
                name: (disk.stored[name][0], section.changed.generation, section.changed)
                for name, section in store.sections().items()
            }
        assert sorted(store.snapshot_table().column("v").to_pylist()) == sorted(f"{k}/{n}" for k, n in held.items())


@given(
    steps=st.lists(
        st.one_of(
            st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.sampled_from([1, -1])), min_size=1),
            st.lists(st.integers(0, 3), max_size=2),
            st.sampled_from(["write", "restart"]),
        ),
        max_size=30,
    )
)
def test_a_multiset(steps: list) -> None:
    values, disk = Multiset([pa.int64()]), Disk()
    for step in steps:
        if step in ("write", "restart"):
            disk.write(values.section("values"))
            same(disk.read(), whole(values.section("values")))
        if step == "restart":
            values = Multiset([pa.int64()])
            values.restore(disk.read().get("values", values.rows(np.arange(0))))
            section = values.section("values")["values"]
            disk.stored["values"] = (disk.stored["values"][0], 0, section.changed)
        elif step and isinstance(step[0], tuple):
            slots, numbers, weights = (np.array(part, dtype=np.int64) for part in zip(*step, strict=True))
            values.apply(slots, [pa.array(numbers)], weights)
        elif step not in ("write", "restart"):
            values.compact(np.array([-1 if slot in step else slot for slot in range(4)], dtype=np.int64))


@given(
    st.integers(1, 3000),
    st.lists(st.tuples(st.floats(0, 0.2), st.integers(0, 40)), max_size=25),
    st.randoms(use_true_random=False),
)
def test_few_parts_are_kept_and_little_is_written(size: int, rounds: list[tuple[float, int]], random) -> None:
    values = np.zeros(size, dtype=np.int64)
    changed, disk, changes = Changed(), Disk(), 0

    def at(positions: np.ndarray) -> Store:
        return {"t": pa.table({"v": pa.array(values[positions])})}

    sections = {"s": Section(changed, lambda: len(values), at)}
    disk.write(sections)
    for number, (share, more) in enumerate(rounds):
        chosen = np.array([p for p in range(len(values)) if random.random() < share], dtype=np.int64)
        values[chosen] = number + 1
        changed.mark(chosen)
        values = np.append(values, np.full(more, number + 1))
        assert changed.count(len(values)) == len(chosen) + more
        changes += len(chosen) + more
        disk.write(sections)
        same(disk.read(), whole(sections))
        parts = disk.stored["s"][0].parts
        classes = np.log(1 + max(part.size for part in parts)) / np.log(FAN_IN)
        assert len(parts) <= FAN_IN * (classes + 2)
    assert disk.rows_written <= size + changes * (4 + np.log(len(values) + 1) / np.log(FAN_IN))


def test_nothing_changed_is_not_written() -> None:
    changed, disk = Changed(), Disk()
    sections = {"s": Section(changed, lambda: 10, lambda at: {"t": pa.table({"v": pa.array(at)})})}
    disk.write(sections)
    disk.write(sections)
    assert disk.rows_written == 10
    changed.renumbered()
    disk.write(sections)
    assert disk.rows_written == 20


def test_rows_without_columns_are_counted() -> None:
    disk = Disk()
    changed = Changed()

    def at(positions: np.ndarray) -> Store:
        batch = pa.RecordBatch.from_struct_array(pa.array([{}] * len(positions), pa.struct([])))
        return {"rows": pa.Table.from_batches([batch])}

    section = Section(changed, lambda: 3, at)
    positions = changed.take(3)
    disk.tables["p"] = side_by_side(section.rows(positions), positions, True)
    stored = StoredSection(3, (Part("p", range(3)),), {"rows": []})
    assert put_together(stored, disk.tables)["rows"].num_rows == 3


SOME = st.lists(st.integers(0, 299), max_size=5)


@given(st.lists(st.tuples(st.integers(0, 300), SOME, st.integers(-1, 400)), max_size=8))
def test_room_made_before_changes_nothing(steps: list[tuple[int, list[int], int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(section_module, "BLOCK", 8)
        patch.setattr(section_module, "TOUCHED_BYTES", 5)
        plain, roomy = Changed(), Changed()
        for size, marked, room in steps:
            for changed in (plain, roomy):
                changed.mark(np.array(marked, dtype=np.int64))
            if room >= 0:
                roomy.make_room(room)
            assert roomy.count(size) == plain.count(size)
            assert list(roomy.take(size)) == list(plain.take(size))
