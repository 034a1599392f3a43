# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""HyperLogLog over group slots: hashes into small hash tables while groups are small, into registers afterwards.

A slot's block is `2 ** level[slot]` words of `words` from `start[slot]` on.  While `used[slot]` >= 0 it is a hash table
of that many different hashes (linear probing, 0 is an empty place, at most three quarters full); from the moment it is
negative the block is 2 ** precision one-byte registers: of each the greatest rank seen, the rank being the place of the
first one bit of the hash behind the `precision` bits that choose the register.  Hashes must not be 0.
`hyperloglog_reference.py` is the same in NumPy.  This file must not know Arrow or SQL.
"""

from libc.stdint cimport int8_t, int64_t, uint8_t, uint64_t

import numpy as np


cdef inline int rank_of(uint64_t word, int bits) noexcept nogil:
    """1 + the leading zeros of the first `bits` bits."""
    cdef int rank = 1
    cdef uint64_t top = <uint64_t>1 << 63
    while rank <= bits and not word & top:
        word <<= 1
        rank += 1
    return rank


def insert(uint64_t[::1] words, const int64_t[::1] start, const int8_t[::1] level, int64_t[::1] used,
           const int64_t[::1] slots, const uint64_t[::1] hashes, int precision):
    """Add one hash a row; int64[m] rows that were not added, because their slots' tables are full or missing."""
    cdef Py_ssize_t i, n = slots.shape[0], left = 0
    cdef int64_t slot, at
    cdef uint64_t value, mask
    cdef int rank
    cdef uint8_t* registers
    cdef uint64_t* table
    rows = np.empty(n, dtype=np.int64)
    cdef int64_t[::1] out = rows
    with nogil:
        for i in range(n):
            slot = slots[i]
            value = hashes[i]
            if used[slot] < 0:
                registers = <uint8_t*>&words[start[slot]]
                rank = rank_of(value << precision, 64 - precision)
                at = <int64_t>(value >> (64 - precision))
                if rank > registers[at]:
                    registers[at] = <uint8_t>rank
                continue
            if level[slot] < 0:
                out[left] = i
                left += 1
                continue
            table = &words[start[slot]]
            mask = (<uint64_t>1 << level[slot]) - 1
            at = <int64_t>(value & mask)
            while table[at] != 0 and table[at] != value:
                at = (at + 1) & <int64_t>mask
            if table[at] == value:
                continue
            if 4 * (used[slot] + 1) > 3 * (<int64_t>mask + 1):
                out[left] = i
                left += 1
                continue
            table[at] = value
            used[slot] += 1
    return rows[:left]


def merge(uint64_t[::1] words, const int64_t[::1] start, const int64_t[::1] slots, const uint64_t[::1] other,
          const int64_t[::1] other_start, const int64_t[::1] other_slots, int precision):
    """The registers of slots[i] become the greater of theirs and those of other's other_slots[i]."""
    cdef Py_ssize_t i, j
    cdef Py_ssize_t registers = <Py_ssize_t>1 << precision
    cdef uint8_t* mine
    cdef const uint8_t* theirs
    with nogil:
        for i in range(slots.shape[0]):
            mine = <uint8_t*>&words[start[slots[i]]]
            theirs = <const uint8_t*>&other[other_start[other_slots[i]]]
            for j in range(registers):
                if theirs[j] > mine[j]:
                    mine[j] = theirs[j]


def histograms(const uint64_t[::1] words, const int64_t[::1] start, const int64_t[::1] slots, int precision):
    """How many registers of each slot hold each value: int64[n, 66 - precision], columns 0 .. 65 - precision."""
    cdef Py_ssize_t i, j
    cdef Py_ssize_t registers = <Py_ssize_t>1 << precision
    cdef const uint8_t* mine
    counts = np.zeros((slots.shape[0], 66 - precision), dtype=np.int64)
    cdef int64_t[:, ::1] out = counts
    with nogil:
        for i in range(slots.shape[0]):
            mine = <const uint8_t*>&words[start[slots[i]]]
            for j in range(registers):
                out[i, mine[j]] += 1
    return counts
