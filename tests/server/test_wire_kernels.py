"""Rows made of cells, and cells found in rows: the compiled kernels as their references, and both ways."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlengine.kernels import COMPILED, wire_cells_reference, wire_rows_reference

if COMPILED:
    from sqlengine.kernels import wire_cells, wire_rows
else:
    pytest.skip("there is nothing compiled to compare", allow_module_level=True)

CELL = st.none() | st.binary(max_size=9)


def laid_out(columns: list[list[bytes | None]], fixed: list[bool]) -> tuple[list[object], tuple[np.ndarray, ...]]:
    """(what must stay alive, the addresses the kernels take) of columns; a fixed one has cells of four bytes."""
    kept, data, offsets, widths, valid = [], [], [], [], []
    for cells, is_fixed in zip(columns, fixed, strict=True):
        texts = [(c or b"").ljust(4)[:4] if is_fixed else c or b"" for c in cells]
        raw = np.frombuffer(b"".join(texts) + b"\0", np.uint8)
        bounds = np.concatenate([[0], np.cumsum([len(t) for t in texts])]).astype(np.int64)
        there = np.array([c is not None for c in cells], np.uint8)
        kept += [raw, bounds, there]
        data.append(raw.ctypes.data)
        offsets.append(0 if is_fixed else bounds.ctypes.data)
        widths.append(4)
        valid.append(0 if there.all() else there.ctypes.data)
    return kept, tuple(np.array(v, np.int64) for v in (data, offsets, widths, valid))


@given(st.data())
def test_rows_are_put_together_as_the_reference_does(data: st.DataObject) -> None:
    rows, width = data.draw(st.integers(0, 6)), data.draw(st.integers(0, 4))
    columns = [data.draw(st.lists(CELL, min_size=rows, max_size=rows)) for _ in range(width)]
    fixed = data.draw(st.lists(st.booleans(), min_size=width, max_size=width))
    kept, addresses = laid_out(columns, fixed)
    kind, counted, lengths = data.draw(st.sampled_from([0, 68])), data.draw(st.booleans()), data.draw(st.booleans())
    ours, starts = wire_rows.assemble(rows, *addresses, kind, counted, lengths)
    theirs, their_starts = wire_rows_reference.assemble(rows, *addresses, kind, counted, lengths)
    assert ours.tobytes() == theirs.tobytes() and starts.tolist() == their_starts.tolist() and kept is not None


ROW = st.lists(CELL, min_size=3, max_size=3)


@given(st.lists(ROW, max_size=5), st.integers(0, 200), st.binary(max_size=20))
def test_cells_are_found_where_they_were_put(rows: list[list[bytes | None]], cut: int, rubbish: bytes) -> None:
    told = b"".join(
        struct.pack("!h", 3) + b"".join(struct.pack("!i", -1 if c is None else len(c)) + (c or b"") for c in row)
        for row in rows
    )
    for raw in (told + struct.pack("!h", -1), told[:cut], told[:cut] + rubbish):
        found = []
        for kernel in (wire_cells, wire_cells_reference):
            try:
                begins, sizes, end, done = kernel.locate(np.frombuffer(raw, np.uint8), 0, 3)
                found.append((begins.tolist(), sizes.tolist(), end, done))
            except ValueError as error:
                found.append(str(error))
        assert found[0] == found[1]
        if raw.startswith(told) and raw.endswith(b"\xff\xff") and len(raw) == len(told) + 2:
            begins, sizes, end, done = found[0]
            got = [
                [None if s < 0 else raw[b : b + s] for b, s in zip(*r, strict=True)]
                for r in zip(begins, sizes, strict=True)
            ]
            assert got == rows and done and end == len(raw)
