"""How wide each column of a table is, and which columns fit: pure arithmetic on widths in cells.

Rules: a number, time or other value of fixed form is never cut, only text is; when even cut text does not
fit, columns in the middle are left out.
"""

from __future__ import annotations

from sqlengine.quick_dataclass import dataclass

_LEAST_TEXT = 10
_LEAST_NAME = 10
_LEAST_TYPE = 6


@dataclass(frozen=True, slots=True)
class Frame:
    """What a table's lines take: cells between two columns (`gap`), and at both ends of a line together (`edges`)."""

    gap: int = 3
    edges: int = 4

    def cells(self, widths: list[int]) -> int:
        """Cells of a whole line of columns with these widths."""
        return sum(widths) + self.gap * max(0, len(widths) - 1) + self.edges


FRAMES = (Frame(1, 0), Frame(3, 2), Frame(3, 4))
"""By border: blanks, lines between columns, a box."""


@dataclass(frozen=True, slots=True)
class ColumnSize:
    """What a column asks for: cells of its widest value, its name and its type; `rigid` values must not be
    cut."""

    values: int
    name: int
    type: int
    rigid: bool

    @property
    def natural(self) -> int:
        """Cells at which nothing is cut."""
        return max(self.values, self.name, self.type, 1)

    @property
    def least(self) -> int:
        """Cells below which the column is not worth showing."""
        if self.rigid:
            return max(self.values, min(self.name, _LEAST_NAME), min(self.type, _LEAST_TYPE), 1)
        return min(self.natural, _LEAST_TEXT)


@dataclass(frozen=True, slots=True)
class Layout:
    """`columns`: positions of the columns shown, in order, each with its width in `widths`; when some are
    left out,
    a gap column stands before shown column number `gap_at`."""

    columns: tuple[int, ...]
    widths: tuple[int, ...]
    gap_at: int | None = None


def arrange(sizes: list[ColumnSize], available: int | None, frame: Frame = FRAMES[2]) -> Layout:
    """The layout for a screen of `available` cells; None = no limit."""
    everything = tuple(range(len(sizes)))
    natural = [s.natural for s in sizes]
    if not sizes or available is None or frame.cells(natural) <= available:
        return Layout(everything, tuple(natural))
    if frame.cells([s.least for s in sizes]) <= available:
        return Layout(everything, tuple(_share(sizes, available, frame)))
    kept = _keep(sizes, available, frame)
    hidden = len(kept) < len(sizes)
    gap = sum(1 for place, column in enumerate(kept) if place == column) if hidden else None
    shown = [sizes[k] for k in kept]
    room = available - (frame.gap + 1 if hidden else 0)
    fits = frame.cells([s.least for s in shown]) <= room
    widths = _share(shown, room, frame) if fits else _squeeze(shown, room, frame)
    return Layout(tuple(kept), tuple(widths), gap)


def _keep(sizes: list[ColumnSize], available: int, frame: Frame) -> list[int]:
    """First, last, second, last but one ... as long as they fit beside the gap column; at least the first."""
    inward: list[int] = []
    low, high = 0, len(sizes) - 1
    while low <= high:
        inward += [low, high] if low < high else [low]
        low, high = low + 1, high - 1
    kept: list[int] = []
    for column in inward:
        wanted = [sizes[k].least for k in [*kept, column]]
        if kept and frame.cells([*wanted, 1]) > available:
            break
        kept.append(column)
    return sorted(kept)


def _share(sizes: list[ColumnSize], available: int, frame: Frame) -> list[int]:
    """Widths whose sum just fits: columns that are cut are all cut to about the same width."""
    low, high = 1, max(s.natural for s in sizes)
    while low < high:
        cap = (low + high + 1) // 2
        if frame.cells(_capped(sizes, cap)) <= available:
            low = cap
        else:
            high = cap - 1
    widths = _capped(sizes, low)
    spare = available - frame.cells(widths)
    for index, size in enumerate(sizes):
        if spare > 0 and widths[index] < size.natural:
            widths[index] += 1
            spare -= 1
    return widths


def _capped(sizes: list[ColumnSize], cap: int) -> list[int]:
    return [min(s.natural, max(s.least, cap)) for s in sizes]


def _squeeze(sizes: list[ColumnSize], available: int, frame: Frame) -> list[int]:
    """A screen too narrow even for one column: cut it, whatever it holds."""
    each = max(1, (available - frame.edges + frame.gap) // len(sizes) - frame.gap)
    return [min(s.natural, each) for s in sizes]
