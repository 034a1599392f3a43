# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Row fingerprints: 128 bits folded column by column into `state` (uint64[n, 2]).

Why: whole rows are found again (a deletion names the row it deletes) without keeping a second copy of their values.
Two independent 64-bit lanes of multiply and xor-shift steps; each step is a bijection of the lane for a given word,
so rows that differ in a single word never collide.  `row_hash_reference.py` is the same function in NumPy.
This file must not know Arrow: `state/fingerprint.py` turns columns into words and bytes.
"""

from libc.stdint cimport int64_t, uint64_t, uint8_t
from libc.string cimport memcpy

cdef uint64_t M1 = 0x9E3779B97F4A7C15ULL
cdef uint64_t M2 = 0xC2B2AE3D27D4EB4FULL
cdef uint64_t N1 = 0xD6E8FEB86659FD93ULL
cdef uint64_t N2 = 0xA0761D6478BD642FULL


cdef inline void mix(uint64_t* lanes, uint64_t word) noexcept nogil:
    cdef uint64_t a = (lanes[0] ^ word) * M1
    cdef uint64_t b = (lanes[1] + word) * M2
    lanes[0] = a ^ (a >> 29)
    lanes[1] = b ^ (b >> 32)


cdef inline void mix_null(uint64_t* lanes) noexcept nogil:
    cdef uint64_t a = (lanes[0] ^ M2) * N1
    cdef uint64_t b = (lanes[1] + M1) * N2
    lanes[0] = a ^ (a >> 29)
    lanes[1] = b ^ (b >> 32)


def fold_words(uint64_t[:, ::1] state, const int64_t[::1] words, const uint8_t[::1] valid):
    """Fold one 64-bit word per row; `valid` uint8[n], or length 0 when no value is NULL."""
    cdef Py_ssize_t i, n = words.shape[0]
    cdef bint nulls = valid.shape[0] > 0
    with nogil:
        for i in range(n):
            if nulls and not valid[i]:
                mix_null(&state[i, 0])
            else:
                mix(&state[i, 0], <uint64_t>words[i])


def fold_bytes(uint64_t[:, ::1] state, const int64_t[::1] offsets, const uint8_t[::1] data,
               const uint8_t[::1] valid):
    """Fold the byte string data[offsets[i]:offsets[i + 1]] of each row: its 8-byte words, then its length."""
    cdef Py_ssize_t i, n = offsets.shape[0] - 1
    cdef int64_t at, end
    cdef uint64_t word
    cdef bint nulls = valid.shape[0] > 0
    with nogil:
        for i in range(n):
            if nulls and not valid[i]:
                mix_null(&state[i, 0])
                continue
            at = offsets[i]
            end = offsets[i + 1]
            while at + 8 <= end:
                memcpy(&word, &data[at], 8)
                mix(&state[i, 0], word)
                at += 8
            if at < end:
                word = 0
                memcpy(&word, &data[at], end - at)
                mix(&state[i, 0], word)
            mix(&state[i, 0], <uint64_t>(offsets[i + 1] - offsets[i]))


def finish(uint64_t[:, ::1] state):
    """Final avalanche (the finaliser of MurmurHash3, Appleby 2011) and exchange between the lanes, in place."""
    cdef Py_ssize_t i, n = state.shape[0]
    cdef uint64_t a, b
    with nogil:
        for i in range(n):
            a = state[i, 0]
            b = state[i, 1]
            a = (a ^ (a >> 33)) * <uint64_t>0xFF51AFD7ED558CCDULL
            a = (a ^ (a >> 33)) * <uint64_t>0xC4CEB9FE1A85EC53ULL
            b = (b ^ (b >> 33)) * <uint64_t>0xFF51AFD7ED558CCDULL
            b = (b ^ (b >> 33)) * <uint64_t>0xC4CEB9FE1A85EC53ULL
            a = a + (b ^ (b >> 33))
            state[i, 0] = a
            state[i, 1] = b + (a ^ (a >> 33))
