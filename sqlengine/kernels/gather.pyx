# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Gathering values of chosen rows out of many chunks, without first joining the chunks into one.

Why: pyarrow's take on a chunked array copies the whole array first, which a small probe of a large store cannot pay.
A chunk is given by the address of its first value's buffer; the caller keeps the chunks alive.
`gather_reference.py` does the same with pyarrow alone.  This file must not know Arrow types, only widths.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcpy


def locate(const int64_t[::1] starts, const int64_t[::1] rows, int64_t[::1] chunk, int64_t[::1] offset):
    """chunk[i], offset[i] of global row rows[i]; chunk c holds rows [starts[c], starts[c + 1])."""
    cdef Py_ssize_t i, low, high, mid, last = 0, chunks = starts.shape[0] - 1
    cdef int64_t row
    with nogil:
        for i in range(rows.shape[0]):
            row = rows[i]
            if not (starts[last] <= row < starts[last + 1]):
                low = 0
                high = chunks
                while low < high:
                    mid = (low + high) >> 1
                    if starts[mid + 1] <= row:
                        low = mid + 1
                    else:
                        high = mid
                last = low
            chunk[i] = last
            offset[i] = row - starts[last]


def gather_fixed(const int64_t[::1] addresses, const int64_t[::1] chunk, const int64_t[::1] offset, int width,
                 uint8_t[::1] out):
    """Copy `width`-byte values."""
    cdef Py_ssize_t i, n = chunk.shape[0]
    cdef int64_t* out8 = <int64_t*>&out[0] if out.shape[0] else NULL
    cdef int32_t* out4 = <int32_t*>out8
    with nogil:
        if width == 8:
            for i in range(n):
                out8[i] = (<int64_t*><size_t>addresses[chunk[i]])[offset[i]]
        elif width == 4:
            for i in range(n):
                out4[i] = (<int32_t*><size_t>addresses[chunk[i]])[offset[i]]
        else:
            for i in range(n):
                memcpy(&out[i * width], <uint8_t*><size_t>addresses[chunk[i]] + offset[i] * width, width)


def gather_bits(const int64_t[::1] addresses, const int64_t[::1] first_bit, const int64_t[::1] chunk,
                const int64_t[::1] offset, uint8_t[::1] out):
    """out[i] = 0 or 1: the bit of each row; address 0 stands for all ones (no validity bitmap).  Returns the ones."""
    cdef Py_ssize_t i
    cdef int64_t bit, ones = 0
    cdef uint8_t* bits
    with nogil:
        for i in range(chunk.shape[0]):
            bits = <uint8_t*><size_t>addresses[chunk[i]]
            if bits == NULL:
                out[i] = 1
            else:
                bit = first_bit[chunk[i]] + offset[i]
                out[i] = (bits[bit >> 3] >> (bit & 7)) & 1
            ones += out[i]
    return ones


def gather_lengths(const int64_t[::1] addresses, const int64_t[::1] chunk, const int64_t[::1] offset,
                   int32_t[::1] out_offsets):
    """Running end offsets (out_offsets[0] = 0) of int32-offset byte strings; returns the total bytes (may pass 2**31)."""
    cdef Py_ssize_t i
    cdef int64_t total = 0
    cdef int32_t* at
    with nogil:
        out_offsets[0] = 0
        for i in range(chunk.shape[0]):
            at = <int32_t*><size_t>addresses[chunk[i]] + offset[i]
            total += at[1] - at[0]
            out_offsets[i + 1] = <int32_t>total
    return total


def gather_bytes(const int64_t[::1] addresses, const int64_t[::1] data, const int64_t[::1] chunk,
                 const int64_t[::1] offset, const int32_t[::1] out_offsets, uint8_t[::1] out):
    """Copy the byte strings to where out_offsets says."""
    cdef Py_ssize_t i
    cdef int32_t* at
    cdef int32_t length
    with nogil:
        for i in range(chunk.shape[0]):
            length = out_offsets[i + 1] - out_offsets[i]
            if length:
                at = <int32_t*><size_t>addresses[chunk[i]] + offset[i]
                memcpy(&out[out_offsets[i]], <uint8_t*><size_t>data[chunk[i]] + at[0], length)
