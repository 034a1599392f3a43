# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Dealing rows out to shards by a hash of their keys.

`fold` mixes one word of the key into each row's lane (one multiply and one xor-shift; a bijection of the lane for a
given word), `deal` sorts the rows by shard, stably.  `deal_reference.py` does the same in NumPy.  Checkpoints hold
states divided this way: the same words must give the same shard for ever.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t

import numpy as np

cdef uint64_t M = 0xD6E8FEB86659FD93ULL


def fold(uint64_t[::1] lanes, const int64_t[::1] words):
    """Mix one word per row into the rows' lanes."""
    cdef Py_ssize_t i, n = lanes.shape[0]
    cdef uint64_t lane
    with nogil:
        for i in range(n):
            lane = (lanes[i] ^ <uint64_t>words[i]) * M
            lanes[i] = lane ^ (lane >> 32)


def deal(const uint64_t[::1] lanes, int64_t shards, const uint8_t[::1] places=None):
    """(row numbers by shard and in order within it, int64[n]; where each shard's rows end, int64[shards]).

    `places` says the shard of each bucket, of as many as it is long; without it a bucket is a shard.
    """
    cdef Py_ssize_t i, n = lanes.shape[0]
    cdef int64_t shard, start = 0, size
    cdef int64_t buckets = shards if places is None else places.shape[0]
    cdef const uint8_t* found = NULL
    if places is not None:
        found = &places[0]
    order = np.empty(n, dtype=np.int64)
    ends = np.zeros(shards, dtype=np.int64)
    cdef int64_t[::1] out = order, place = ends
    with nogil:
        for i in range(n):
            place[placed(lanes[i], buckets, found)] += 1
        for shard in range(shards):
            size = place[shard]
            place[shard] = start
            start += size
        for i in range(n):
            shard = placed(lanes[i], buckets, found)
            out[place[shard]] = i
            place[shard] += 1
    return order, ends


cdef inline int64_t placed(uint64_t lane, int64_t buckets, const uint8_t* found) noexcept nogil:
    """The shard of a row's bucket."""
    cdef int64_t bucket = bucket_of(lane, buckets)
    return bucket if found == NULL else found[bucket]


cdef inline int64_t bucket_of(uint64_t lane, int64_t buckets) noexcept nogil:
    """The high half of one more multiplication, scaled down to the number of buckets."""
    return <int64_t>((((lane * M) >> 32) * <uint64_t>buckets) >> 32)
