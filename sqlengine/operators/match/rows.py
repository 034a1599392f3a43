"""What a search works on: rows of several partitions, sorted, and what it finds there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.quick_dataclass import dataclass

Ints = npt.NDArray[np.int64]
Shorts = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rows:
    """Sorted rows by column.  Of each partition: `starts` and `ends` of its rows, `froms` where the search begins
    (those before are there to be looked back at), `begins` where its first row is (-1: no longer here), `numbers` how
    many matches it had before.  `covered`: rows of matches that were found before."""

    columns: list[pa.Array]
    count: int
    starts: Ints
    ends: Ints
    froms: Ints
    begins: Ints
    numbers: Ints
    covered: Mask


@dataclass(frozen=True, slots=True)
class Matches:
    """Matches in order: the first row and how many, which partition, its number there; `decided`: no row to come
    changes it.  `variables` and `excluded` say what each of their rows is, one match behind the other."""

    starts: Ints
    lengths: Ints
    segments: Ints
    numbers: Ints
    decided: Mask
    variables: Shorts
    excluded: Mask

    @property
    def offsets(self) -> Ints:
        """Where each match's rows begin in `variables`, and the end."""
        return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(self.lengths)])


def expanded(counts: Ints) -> tuple[Ints, Ints]:
    """(which one, which of its own from 0) for counts[i] elements of each i."""
    which = np.repeat(np.arange(len(counts)), counts)
    firsts = np.cumsum(counts) - counts
    return which, np.arange(len(which)) - firsts[which]


def in_matches(matches: Matches, chosen: Mask, count: int) -> Mask:
    """Which of `count` rows belong to the chosen matches; an empty one has the row at which it is."""
    changes = np.zeros(count + 1, dtype=np.int64)
    starts = matches.starts[chosen]
    np.add.at(changes, starts, 1)
    np.add.at(changes, starts + np.maximum(matches.lengths[chosen], 1), -1)
    covered: Mask = np.cumsum(changes[:-1]) > 0
    return covered
