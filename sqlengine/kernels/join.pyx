# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Hot loops of the joins: rows chained per key slot, and searches in runs sorted by (slot, time, row).

A chain is two arrays: head[slot] = newest row of the slot or -1, prev[row] = the row of the same slot before it or -1.
Inserting touches one random place per row; a probe walks newest to oldest and hands the rows out oldest first.
`join_reference.py` holds the same functions in NumPy.  This file must not know Arrow, keys or weights' meaning:
a row whose weight is 0 is dead and skipped, nothing more.
"""

from libc.stdint cimport int64_t, uint8_t

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define SQE_PREFETCH(p) __builtin_prefetch((p), 1, 1)
    #else
    #define SQE_PREFETCH(p) ((void)0)
    #endif
    """
    void SQE_PREFETCH(const void* p) noexcept nogil

ctypedef fused weight_t:
    uint8_t
    int64_t

cdef enum:
    AHEAD = 16


def chain_insert(int64_t[::1] head, int64_t[::1] prev, const int64_t[::1] slots, int64_t first_row):
    """Link rows first_row, first_row + 1, ... to the given slots; slot -1 leaves a row unlinked."""
    cdef Py_ssize_t i
    cdef int64_t slot
    with nogil:
        for i in range(slots.shape[0]):
            if i + AHEAD < slots.shape[0] and slots[i + AHEAD] >= 0:
                SQE_PREFETCH(&head[slots[i + AHEAD]])
            slot = slots[i]
            if slot < 0:
                prev[first_row + i] = -1
                continue
            prev[first_row + i] = head[slot]
            head[slot] = first_row + i


def chain_probe(const int64_t[::1] head, const int64_t[::1] prev, const weight_t[::1] weights,
                const int64_t[::1] slots, int64_t start, int64_t[::1] out_probe, int64_t[::1] out_row):
    """Write (probe position, row) pairs from probe position `start` on, rows of one probe in arrival order.

    `weights` (int64 or bytes) is empty when no row is dead.  Returns (stop, count): positions [start, stop) are answered completely by
    the first `count` pairs; stop < len(slots) says the output was full (stop == start: make it bigger).
    """
    cdef Py_ssize_t i = start, n = slots.shape[0], room = out_probe.shape[0]
    cdef Py_ssize_t count = 0, begin, low, high
    cdef int64_t row, slot, known = head.shape[0]
    cdef bint dead = weights.shape[0] > 0
    with nogil:
        while i < n:
            if i + AHEAD < n and 0 <= slots[i + AHEAD] < known:
                SQE_PREFETCH(&head[slots[i + AHEAD]])
            slot = slots[i]
            row = head[slot] if 0 <= slot < known else -1
            begin = count
            while row >= 0:
                if not dead or weights[row] != 0:
                    if count == room:
                        break
                    out_row[count] = row
                    out_probe[count] = i
                    count += 1
                row = prev[row]
            if row >= 0:
                count = begin
                break
            low = begin
            high = count - 1
            while low < high:
                row = out_row[low]
                out_row[low] = out_row[high]
                out_row[high] = row
                low += 1
                high -= 1
            i += 1
    return i, count


def keyed_leave(int64_t[::1] row_of, const int64_t[::1] living, const int64_t[::1] slots, const int64_t[::1] weights,
                int64_t[::1] rows):
    """Deletions of a delta whose rows are known by a key: rows[i] = row_of[slots[i]], which becomes -1.

    `living`: a row's weight, 0 when it is dead.  False, and nothing has changed, when a weight is less than -1 or a
    deletion finds no living row.
    """
    cdef Py_ssize_t i, j, n = slots.shape[0]
    cdef int64_t row
    cdef bint good = True
    with nogil:
        for i in range(n):
            if i + AHEAD < n:
                SQE_PREFETCH(&row_of[slots[i + AHEAD]])
            if weights[i] >= 0:
                continue
            row = row_of[slots[i]]
            if weights[i] != -1 or row < 0 or living[row] == 0:
                good = False
                for j in range(i):
                    if weights[j] < 0:
                        row_of[slots[j]] = rows[j]
                break
            rows[i] = row
            row_of[slots[i]] = -1
    return good


def keyed_enter(int64_t[::1] row_of, const int64_t[::1] living, const int64_t[::1] slots, const int64_t[::1] weights,
                int64_t first_row, int64_t[::1] rows):
    """Insertions of the delta, after its deletions: row_of[slots[i]] = rows[i] = first_row, first_row + 1, ...

    `weights` is empty when all are +1.  False, and no slot has another living row than before, when a weight is more
    than 1 or a slot has a living row.
    """
    cdef Py_ssize_t i, j, n = slots.shape[0], old = living.shape[0]
    cdef int64_t row, next_row = first_row
    cdef bint good = True, weighted = weights.shape[0] > 0
    with nogil:
        for i in range(n):
            if i + AHEAD < n:
                SQE_PREFETCH(&row_of[slots[i + AHEAD]])
            if weighted and weights[i] < 0:
                continue
            row = row_of[slots[i]]
            if (weighted and weights[i] != 1) or (row >= 0 and (row >= old or living[row] != 0)):
                good = False
                for j in range(i):
                    if not weighted or weights[j] > 0:
                        row_of[slots[j]] = -1
                break
            rows[i] = next_row
            row_of[slots[i]] = next_row
            next_row += 1
    return good


def chain_pop(int64_t[::1] head, const int64_t[::1] prev, const int64_t[::1] slots, const int64_t[::1] counts,
              int64_t[::1] out_probe, int64_t[::1] out_row):
    """Unlink up to counts[i] newest rows of slots[i] (slot -1: none); returns how many pairs were written."""
    cdef Py_ssize_t i, count = 0
    cdef int64_t row, left, known = head.shape[0]
    with nogil:
        for i in range(slots.shape[0]):
            if slots[i] < 0 or slots[i] >= known:
                continue
            row = head[slots[i]]
            left = counts[i]
            while row >= 0 and left > 0:
                out_probe[count] = i
                out_row[count] = row
                count += 1
                left -= 1
                row = prev[row]
            head[slots[i]] = row
    return count


def chain_compact(int64_t[::1] head, const int64_t[::1] prev, const int64_t[::1] new_row, int64_t[::1] new_prev):
    """Renumber rows by new_row[old] (-1: dropped) in every chain; writes `new_prev`, updates `head`."""
    cdef Py_ssize_t slot
    cdef int64_t row, newest, last
    with nogil:
        for slot in range(head.shape[0]):
            row = head[slot]
            newest = -1
            last = -1
            while row >= 0:
                if new_row[row] >= 0:
                    if last >= 0:
                        new_prev[last] = new_row[row]
                    else:
                        newest = new_row[row]
                    last = new_row[row]
                row = prev[row]
            if last >= 0:
                new_prev[last] = -1
            head[slot] = newest


cdef inline Py_ssize_t bound(const int64_t[::1] run_slot, const int64_t[::1] run_time, int64_t slot, int64_t time,
                             bint upper) noexcept nogil:
    """First position whose (slot, time) is >= the given one (> when `upper`)."""
    cdef Py_ssize_t low = 0, high = run_slot.shape[0], mid
    while low < high:
        mid = (low + high) >> 1
        if run_slot[mid] < slot or (run_slot[mid] == slot and (run_time[mid] < time or (upper and run_time[mid] == time))):
            low = mid + 1
        else:
            high = mid
    return low


def run_bounds(const int64_t[::1] run_slot, const int64_t[::1] run_time, const int64_t[::1] slots,
               const int64_t[::1] times, bint upper, int64_t[::1] out):
    """Lower (or upper) bound of each (slot, time) in a run sorted by them."""
    cdef Py_ssize_t i
    with nogil:
        for i in range(slots.shape[0]):
            out[i] = bound(run_slot, run_time, slots[i], times[i], upper)


def run_last_before(const int64_t[::1] run_slot, const int64_t[::1] run_time, const int64_t[::1] run_row,
                    const int64_t[::1] weights, const int64_t[::1] slots, const int64_t[::1] times,
                    bint inclusive, int64_t[::1] out):
    """Position of the last live entry of slots[i] with time < times[i] (<= when inclusive), or -1."""
    cdef Py_ssize_t i, at
    with nogil:
        for i in range(slots.shape[0]):
            at = bound(run_slot, run_time, slots[i], times[i], inclusive) - 1
            while at >= 0 and run_slot[at] == slots[i] and weights[run_row[at]] == 0:
                at -= 1
            out[i] = at if at >= 0 and run_slot[at] == slots[i] else -1


def run_first_after(const int64_t[::1] run_slot, const int64_t[::1] run_time, const int64_t[::1] run_row,
                    const int64_t[::1] weights, const int64_t[::1] slots, const int64_t[::1] times,
                    bint inclusive, int64_t[::1] out):
    """Position of the first live time > times[i] (>= when inclusive) of slots[i]; of equal times the last entry; or -1."""
    cdef Py_ssize_t i, at, best, m = run_slot.shape[0]
    with nogil:
        for i in range(slots.shape[0]):
            at = bound(run_slot, run_time, slots[i], times[i], not inclusive)
            best = -1
            while at < m and run_slot[at] == slots[i]:
                if best >= 0 and run_time[at] != run_time[best]:
                    break
                if weights[run_row[at]] != 0:
                    best = at
                at += 1
            out[i] = best


def run_merge(const int64_t[:, ::1] a, const int64_t[:, ::1] b, int64_t[:, ::1] out):
    """Merge two runs (rows: slot, time, row; columns sorted) into `out`; entries of `a` first among equals."""
    cdef Py_ssize_t i = 0, j = 0, k, n = a.shape[1], m = b.shape[1]
    cdef bint left
    with nogil:
        for k in range(n + m):
            if i == n:
                left = False
            elif j == m:
                left = True
            elif a[0, i] != b[0, j]:
                left = a[0, i] < b[0, j]
            elif a[1, i] != b[1, j]:
                left = a[1, i] < b[1, j]
            else:
                left = a[2, i] <= b[2, j]
            if left:
                out[0, k] = a[0, i]
                out[1, k] = a[1, i]
                out[2, k] = a[2, i]
                i += 1
            else:
                out[0, k] = b[0, j]
                out[1, k] = b[1, j]
                out[2, k] = b[2, j]
                j += 1
