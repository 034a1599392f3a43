# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Scatter kernels: add rows to arrays indexed by group slot.

Common arguments: `slots` int64[n], the group of each row; `valid` uint8[n], 0 where the value is NULL, or length 0 when
none is; `weights` int64[n], or length 0 when every row counts once.  Slots must be inside the state arrays: nothing
checks.  Whole numbers add up in 128 bits (`low` holds the bits of an unsigned word), so a sum is exact whatever order
rows come and go in; floats add up as an unevaluated pair high + low (the two-sum of Knuth and Dekker), so a retracted
value leaves no residue and regrouping partial sums does not show.  `group_reference.py` is the same in NumPy.
This file must not know Arrow or SQL.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t

import numpy as np

cdef extern from *:
    """
    #include <stdint.h>

    static inline int sqe_add128(int64_t* low, int64_t* high, uint64_t add_low, int64_t add_high) {
        uint64_t sum = (uint64_t)*low + add_low;
        int64_t before = *high;
        uint64_t after = (uint64_t)before + (uint64_t)add_high + (sum < add_low);
        *low = (int64_t)sum;
        *high = (int64_t)after;
        return ((before ^ (int64_t)after) & (add_high ^ (int64_t)after)) < 0;
    }

    static inline void sqe_mul128(uint64_t* low, int64_t* high, int64_t factor) {
    #ifdef __SIZEOF_INT128__
        unsigned __int128 value = ((unsigned __int128)(uint64_t)*high << 64) | *low;
        value *= (unsigned __int128)(__int128)factor;
        *low = (uint64_t)value;
        *high = (int64_t)(uint64_t)(value >> 64);
    #else
        uint64_t a = *low, b = (uint64_t)factor;
        uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
        uint64_t mid = a1 * b0 + ((a0 * b0) >> 32), cross = a0 * b1 + (uint32_t)mid;
        uint64_t top = a1 * b1 + (mid >> 32) + (cross >> 32);
        top += (uint64_t)*high * b + (factor < 0 ? a * UINT64_MAX : 0);
        *low = a * b;
        *high = (int64_t)top;
    #endif
    }

    static inline void sqe_two_sum(double* high, double* low, double value) {
        double sum = *high + value;
        double shadow = sum - *high;
        double error = (*high - (sum - shadow)) + (value - shadow);
        *high = sum;
        *low += error;
    }

    static inline void sqe_difference(double a, double b, double* high, double* low) {
        double difference = a - b;
        double shadow = difference - a;
        *high = difference;
        *low = (a - (difference - shadow)) + (-b - shadow);
    }

    static inline void sqe_square(double* high, double* low) {
        double a = *high, scaled = a * 134217729.0;
        double top = scaled - (scaled - a), rest = a - top, product = a * a;
        *low = (((top * top - product) + top * rest + rest * top) + rest * rest) + 2.0 * a * *low;
        *high = product;
    }
    """
    int sqe_add128(int64_t* low, int64_t* high, uint64_t add_low, int64_t add_high) noexcept nogil
    void sqe_mul128(uint64_t* low, int64_t* high, int64_t factor) noexcept nogil
    void sqe_two_sum(double* high, double* low, double value) noexcept nogil
    void sqe_difference(double a, double b, double* high, double* low) noexcept nogil
    void sqe_square(double* high, double* low) noexcept nogil


def densify(const int64_t[::1] slots, int64_t[::1] marks, int64_t base):
    """(distinct slots in order of first appearance, position of each row's slot among them).

    `marks` int64[number of slots] is scratch: entries below `base` are unset; the caller's next base must be at least
    base + the number of distinct slots returned.
    """
    cdef Py_ssize_t n = slots.shape[0], i, count = 0
    distinct = np.empty(n, dtype=np.int64)
    local = np.empty(n, dtype=np.int64)
    cdef int64_t[::1] out = distinct, at = local
    with nogil:
        for i in range(n):
            if marks[slots[i]] < base:
                marks[slots[i]] = base + count
                out[count] = slots[i]
                count += 1
            at[i] = marks[slots[i]] - base
    return distinct[:count], local


def count(int64_t[::1] counts, const int64_t[::1] slots, const uint8_t[::1] valid, const int64_t[::1] weights):
    """counts[slot] += weight of each valid row."""
    cdef Py_ssize_t i, n = slots.shape[0]
    cdef bint nulls = valid.shape[0] > 0, weighted = weights.shape[0] > 0
    with nogil:
        if not nulls and not weighted:
            for i in range(n):
                counts[slots[i]] += 1
        else:
            for i in range(n):
                if not nulls or valid[i]:
                    counts[slots[i]] += weights[i] if weighted else 1


def sum_ints(int64_t[::1] low, int64_t[::1] high, int64_t[::1] counts, const int64_t[::1] slots,
             const int64_t[::1] values, const uint8_t[::1] valid, const int64_t[::1] weights):
    """Add value * weight to the 128-bit sums and weight to the counts."""
    cdef Py_ssize_t i, n = slots.shape[0]
    cdef bint nulls = valid.shape[0] > 0, weighted = weights.shape[0] > 0
    cdef int64_t slot, add_high
    cdef uint64_t add_low
    with nogil:
        for i in range(n):
            if nulls and not valid[i]:
                continue
            slot = slots[i]
            add_low = <uint64_t>values[i]
            add_high = -1 if values[i] < 0 else 0
            if weighted:
                sqe_mul128(&add_low, &add_high, weights[i])
                counts[slot] += weights[i]
            else:
                counts[slot] += 1
            sqe_add128(&low[slot], &high[slot], add_low, add_high)


def sum_wide(int64_t[::1] low, int64_t[::1] high, int64_t[::1] counts, const int64_t[::1] slots,
             const int64_t[::1] values_low, const int64_t[::1] values_high, const uint8_t[::1] valid,
             const int64_t[::1] weights):
    """`sum_ints` of 128-bit values; true when a sum left 128 bits."""
    cdef Py_ssize_t i, n = slots.shape[0]
    cdef bint nulls = valid.shape[0] > 0, weighted = weights.shape[0] > 0, overflow = False
    cdef int64_t slot, add_high
    cdef uint64_t add_low
    with nogil:
        for i in range(n):
            if nulls and not valid[i]:
                continue
            slot = slots[i]
            add_low = <uint64_t>values_low[i]
            add_high = values_high[i]
            if weighted:
                sqe_mul128(&add_low, &add_high, weights[i])
                counts[slot] += weights[i]
            else:
                counts[slot] += 1
            if sqe_add128(&low[slot], &high[slot], add_low, add_high):
                overflow = True
    return bool(overflow)


def sum_floats(double[::1] high, double[::1] low, int64_t[::1] counts, const int64_t[::1] slots,
               const double[::1] values, const uint8_t[::1] valid, const int64_t[::1] weights):
    """Add value * weight to the paired sums and weight to the counts.

    Infinities and NaN are counted but left out of the sums; returns how many there were.
    """
    cdef Py_ssize_t i, n = slots.shape[0], strange = 0
    cdef bint nulls = valid.shape[0] > 0, weighted = weights.shape[0] > 0
    cdef int64_t slot
    cdef double value
    with nogil:
        for i in range(n):
            if nulls and not valid[i]:
                continue
            slot = slots[i]
            counts[slot] += weights[i] if weighted else 1
            value = values[i]
            if value - value != 0:
                strange += 1
                continue
            sqe_two_sum(&high[slot], &low[slot], value * weights[i] if weighted else value)
    return strange


def add_pairs(double[::1] high, double[::1] low, const int64_t[::1] slots, const double[::1] add_high,
              const double[::1] add_low):
    """Add one paired sum per row: how partial sums merge."""
    cdef Py_ssize_t i
    cdef int64_t slot
    with nogil:
        for i in range(slots.shape[0]):
            slot = slots[i]
            sqe_two_sum(&high[slot], &low[slot], add_high[i])
            low[slot] += add_low[i]


def moments(double[::1] shift, uint8_t[::1] shifted, int64_t[::1] counts, double[::1] first, double[::1] first_low,
            double[::1] second, double[::1] second_low, const int64_t[::1] slots, const double[::1] values,
            const uint8_t[::1] valid, const int64_t[::1] weights):
    """Paired sums of d and d * d, d = value - shift[slot]; a slot's shift is the first value it sees.

    first + first_low and second + second_low are the two moments.  Infinities and NaN are counted but left out; returns
    how many there were.  Differences and squares are exact pairs too (see pairs.py).
    """
    cdef Py_ssize_t i, n = slots.shape[0], strange = 0
    cdef bint nulls = valid.shape[0] > 0, weighted = weights.shape[0] > 0
    cdef int64_t slot
    cdef double d, rest, w
    with nogil:
        for i in range(n):
            if nulls and not valid[i]:
                continue
            slot = slots[i]
            counts[slot] += weights[i] if weighted else 1
            d = values[i]
            if d - d != 0:
                strange += 1
                continue
            if not shifted[slot]:
                shifted[slot] = 1
                shift[slot] = d
            sqe_difference(d, shift[slot], &d, &rest)
            w = weights[i] if weighted else 1
            sqe_two_sum(&first[slot], &first_low[slot], d * w)
            first_low[slot] += rest * w
            sqe_square(&d, &rest)
            sqe_two_sum(&second[slot], &second_low[slot], d * w)
            second_low[slot] += rest * w
    return strange


def improve(int64_t[::1] best, uint8_t[::1] seen, const int64_t[::1] slots, const int64_t[::1] values,
            const uint8_t[::1] valid, bint largest):
    """Replace best[slot] by a value that is strictly better (or the first); uint8[n]: 1 for rows that did."""
    cdef Py_ssize_t i, n = slots.shape[0]
    cdef bint nulls = valid.shape[0] > 0
    cdef int64_t slot
    better = np.zeros(n, dtype=np.uint8)
    cdef uint8_t[::1] out = better
    with nogil:
        for i in range(n):
            if nulls and not valid[i]:
                continue
            slot = slots[i]
            if not seen[slot]:
                seen[slot] = 1
            elif largest:
                if values[i] <= best[slot]:
                    continue
            elif values[i] >= best[slot]:
                continue
            best[slot] = values[i]
            out[i] = 1
    return better


def promising(const int64_t[::1] best, const int64_t[::1] slots, const int64_t[::1] values, bint largest):
    """int64[...]: the rows, ascending, whose value is strictly better than best[slot]."""
    cdef Py_ssize_t i, n = slots.shape[0], count = 0
    rows = np.empty(n, dtype=np.int64)
    cdef int64_t[::1] out = rows
    with nogil:
        for i in range(n):
            out[count] = i
            count += values[i] > best[slots[i]] if largest else values[i] < best[slots[i]]
    return rows[:count]


def improve_pair(int64_t[::1] best, int64_t[::1] ties, uint8_t[::1] seen, const int64_t[::1] slots,
                 const int64_t[::1] values, const int64_t[::1] arrivals, const uint8_t[::1] valid, bint largest,
                 bint latest):
    """`improve` where of equal values the earliest arrival wins, or with `latest` the latest."""
    cdef Py_ssize_t i, n = slots.shape[0]
    cdef bint nulls = valid.shape[0] > 0, won
    cdef int64_t slot
    better = np.zeros(n, dtype=np.uint8)
    cdef uint8_t[::1] out = better
    with nogil:
        for i in range(n):
            if nulls and not valid[i]:
                continue
            slot = slots[i]
            if not seen[slot]:
                seen[slot] = 1
                won = True
            elif values[i] != best[slot]:
                won = (values[i] > best[slot]) == largest
            else:
                won = arrivals[i] != ties[slot] and (arrivals[i] > ties[slot]) == latest
            if won:
                best[slot] = values[i]
                ties[slot] = arrivals[i]
                out[i] = 1
    return better


def assign_sessions(const int64_t[::1] keys, Py_ssize_t num_keys, const int64_t[::1] times, int64_t gap_us):
    """Cut rows into runs that surely belong to one session, without sorting.

    keys int64[n]: dense, below `num_keys`.  A row joins its key's latest run when it is less than `gap_us` from that
    run's span, else it starts a new run; so runs of one key may still overlap or touch when rows are out of order, and
    the caller merges them.  Returns (run of each row, run keys, first times, last times), runs in order of their start.
    """
    cdef Py_ssize_t n = keys.shape[0], i, count = 0
    cdef int64_t run, t
    runs = np.empty(n, dtype=np.int64)
    run_keys = np.empty(n, dtype=np.int64)
    firsts = np.empty(n, dtype=np.int64)
    lasts = np.empty(n, dtype=np.int64)
    latest = np.full(num_keys, -1, dtype=np.int64)
    cdef int64_t[::1] out = runs, key_of = run_keys, first = firsts, last = lasts, current = latest
    with nogil:
        for i in range(n):
            t = times[i]
            run = current[keys[i]]
            if run >= 0 and t - gap_us < last[run] and t + gap_us > first[run]:
                if t > last[run]:
                    last[run] = t
                elif t < first[run]:
                    first[run] = t
            else:
                run = count
                count += 1
                current[keys[i]] = run
                key_of[run] = keys[i]
                first[run] = t
                last[run] = t
            out[i] = run
    return runs, run_keys[:count], firsts[:count], lasts[:count]


def merge_runs(const int64_t[::1] keys, const int64_t[::1] firsts, const int64_t[::1] lasts, int64_t gap_us):
    """Session of each run, numbered from 0: runs sorted by (key, first) join while less than `gap_us` apart."""
    cdef Py_ssize_t n = keys.shape[0], i
    cdef int64_t session = -1, end = 0
    sessions = np.empty(n, dtype=np.int64)
    cdef int64_t[::1] out = sessions
    with nogil:
        for i in range(n):
            if i == 0 or keys[i] != keys[i - 1] or firsts[i] - gap_us >= end:
                session += 1
                end = lasts[i]
            elif lasts[i] > end:
                end = lasts[i]
            out[i] = session
    return sessions
