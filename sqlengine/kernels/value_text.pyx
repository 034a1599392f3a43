# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# distutils: language = c++
# distutils: extra_compile_args = -std=c++17
"""Numbers and times as PostgreSQL writes them, a column at a time.

Why: Arrow's casts need a pass more for each thing PostgreSQL writes otherwise, and are what sending a result in text
takes longest for.  The shortest digits of a float are those of C++17's `std::to_chars` (Ryu); days become dates as
Howard Hinnant's `civil_from_days` does it.  `value_text_reference.py` does the same with Arrow and NumPy.  This file must
not know types, settings or time zones.
"""

import numpy as np

from libc.stdint cimport INT32_MAX, INT64_MAX, int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset


cdef extern from *:
    """
    #include <charconv>
    static inline int shortest64(double value, char* to) {
        return std::to_chars(to, to + 40, value, std::chars_format::scientific).ptr - to;
    }
    static inline int shortest32(float value, char* to) {
        return std::to_chars(to, to + 40, value, std::chars_format::scientific).ptr - to;
    }
    static inline int decimal(long long value, char* to) {
        return std::to_chars(to, to + 24, value).ptr - to;
    }
    """
    int shortest64(double value, char* to) noexcept nogil
    int shortest32(float value, char* to) noexcept nogil
    int decimal(long long value, char* to) noexcept nogil


cdef enum:
    WIDEST = 96  # bytes; no text of one value is longer


cdef class Texts:
    """The texts of a column being written, one value after the other: `begin`, then `used` moves behind what was
    written; a value of which nothing is written is the empty text."""

    cdef char* data
    cdef int64_t used, room
    cdef object offsets
    cdef int32_t[::1] bounds

    def __cinit__(self, Py_ssize_t count, int each):
        """`each`: the bytes that most values take."""
        self.offsets = np.empty(count + 1, np.int32)
        self.bounds = self.offsets
        self.used = 0
        self.room = count * each + WIDEST
        self.data = <char*>malloc(self.room)
        if self.data == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.data)

    cdef char* begin(self, Py_ssize_t i) except NULL nogil:
        """Where value i is to be written, with room for it."""
        cdef char* larger
        self.bounds[i] = <int32_t>self.used
        if self.used + WIDEST > self.room:
            self.room += self.room // 2 + WIDEST
            larger = <char*>realloc(self.data, self.room)
            if larger == NULL:
                with gil:
                    raise MemoryError
            self.data = larger
        return self.data + self.used

    cdef made(self):
        """(bytes, where each begins and the last ends)."""
        if self.used > INT32_MAX:
            raise OverflowError("the texts of one column are longer than 2 GiB")
        contents = np.empty(self.used, np.uint8)
        cdef uint8_t[::1] out = contents
        if self.used:
            memcpy(&out[0], self.data, self.used)
        self.bounds[self.bounds.shape[0] - 1] = <int32_t>self.used
        return contents, self.offsets


cdef inline bint missing(const uint8_t[::1] valid, Py_ssize_t i) noexcept nogil:
    return valid is not None and not valid[i]


# ---------------------------------------------------------------- numbers


def integers(const int64_t[::1] values, const uint8_t[::1] valid):
    """(texts' bytes, int32[n + 1] offsets); `valid`: None = all are; a NULL's text is empty."""
    cdef Py_ssize_t i, n = values.shape[0]
    cdef Texts texts = Texts(n, 8)
    cdef char* to
    with nogil:
        for i in range(n):
            to = texts.begin(i)
            if not missing(valid, i):
                texts.used += decimal(values[i], to)
    return texts.made()


cdef inline int laid_out(const char* digits, int length, int exponent_from, char* to) noexcept nogil:
    """`-1.25e+02` as -125 when the exponent is within -4 and `exponent_from`; names for what is not finite."""
    cdef int at = 0, mantissa_end, exponent = 0, sign = 1, i, put = 0, count
    if digits[0] == b"-":
        to[0] = b"-"
        at = put = 1
    if digits[at] == b"n":
        memcpy(to, <const char*>b"NaN", 3)
        return 3
    if digits[at] == b"i":
        memcpy(to + put, <const char*>b"Infinity", 8)
        return put + 8
    mantissa_end = length - 1
    while digits[mantissa_end] != b"e":
        mantissa_end -= 1
    if digits[mantissa_end + 1] == b"-":
        sign = -1
    for i in range(mantissa_end + 2, length):
        exponent = exponent * 10 + (digits[i] - 48)
    exponent *= sign
    if exponent < -4 or exponent >= exponent_from:
        memcpy(to, digits, length)
        return length
    if exponent < 0:
        memcpy(to + put, <const char*>b"0.000", 2 - exponent - 1)
        put += 1 - exponent
        to[put] = digits[at]
        put += 1
        count = mantissa_end - at - 2
        if count > 0:
            memcpy(to + put, digits + at + 2, count)
            put += count
        return put
    to[put] = digits[at]
    put += 1
    count = max(mantissa_end - at - 2, 0)
    if count <= exponent:
        memcpy(to + put, digits + at + 2, count)
        memset(to + put + count, 48, exponent - count)
        return put + exponent
    memcpy(to + put, digits + at + 2, exponent)
    put += exponent
    to[put] = b"."
    memcpy(to + put + 1, digits + at + 2 + exponent, count - exponent)
    return put + 1 + count - exponent


ctypedef fused Real:
    float
    double


def floats(const Real[::1] values, const uint8_t[::1] valid, int exponent_from):
    """As `integers`: the shortest digits that read back as the same value; exponents below -4 and from `exponent_from`
    on are written."""
    cdef Py_ssize_t i, n = values.shape[0]
    cdef Texts texts = Texts(n, 20)
    cdef char[40] digits
    cdef int length
    cdef char* to
    with nogil:
        for i in range(n):
            to = texts.begin(i)
            if not missing(valid, i):
                length = shortest32(values[i], digits) if Real is float else shortest64(values[i], digits)
                texts.used += laid_out(digits, length, exponent_from, to)
    return texts.made()


# ---------------------------------------------------------------- dates and times


cdef inline int two(int value, char* to) noexcept nogil:
    to[0] = 48 + value // 10
    to[1] = 48 + value % 10
    return 2


cdef inline int named(bint positive, char* to) noexcept nogil:
    """The ends of time."""
    if positive:
        memcpy(to, <const char*>b"infinity", 8)
        return 8
    memcpy(to, <const char*>b"-infinity", 9)
    return 9


cdef inline int put_date(int64_t days, char* to, bint* is_bc) noexcept nogil:
    """YYYY-MM-DD of a day counted from 1970-01-01; a year before 1 counts backwards from 1."""
    cdef int64_t shifted_days = days + 719468, era, year
    cdef int of_era, of_year, year_of_era, shifted, month, put
    era = (shifted_days if shifted_days >= 0 else shifted_days - 146096) // 146097
    of_era = <int>(shifted_days - era * 146097)
    year_of_era = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    year = year_of_era + era * 400 + (1 if month <= 2 else 0)
    is_bc[0] = year <= 0
    if year <= 0:
        year = 1 - year
    if year < 10000:
        two(<int>year // 100, to)
        two(<int>year % 100, to + 2)
        put = 4
    else:
        put = decimal(year, to)
    to[put] = b"-"
    two(month, to + put + 1)
    to[put + 3] = b"-"
    two(of_year - (153 * shifted + 2) // 5 + 1, to + put + 4)
    return put + 6


cdef inline int put_era(bint is_bc, char* to) noexcept nogil:
    if is_bc:
        memcpy(to, <const char*>b" BC", 3)
    return 3 if is_bc else 0


def dates(const int32_t[::1] days, const uint8_t[::1] valid):
    """As `integers`: days counted from 1970-01-01; the two ends of int32 are the infinite ones."""
    cdef Py_ssize_t i, n = days.shape[0]
    cdef Texts texts = Texts(n, 11)
    cdef char* to
    cdef bint is_bc
    cdef int put
    with nogil:
        for i in range(n):
            to = texts.begin(i)
            if missing(valid, i):
                continue
            if days[i] >= INT32_MAX or days[i] <= -INT32_MAX:
                put = named(days[i] > 0, to)
            else:
                put = put_date(days[i], to, &is_bc)
                put += put_era(is_bc, to + put)
            texts.used += put
    return texts.made()


cdef inline int put_fraction(int64_t fraction, int digits, char* to) noexcept nogil:
    """.5 of 500000 with six digits; nothing of 0."""
    cdef int i, last = 0
    if fraction == 0:
        return 0
    to[0] = b"."
    for i in range(digits, 0, -1):
        to[i] = 48 + <int>(fraction % 10)
        fraction //= 10
        if last == 0 and to[i] != 48:
            last = i
    return last + 1


cdef inline int put_offset(int32_t seconds, char* to) noexcept nogil:
    """+00, +05:30 or, for the odd local times of old, +00:19:32."""
    cdef int size = -seconds if seconds < 0 else seconds, put = 3
    to[0] = b"-" if seconds < 0 else b"+"
    two(size // 3600, to + 1)
    if size % 3600:
        to[3] = b":"
        put = 4 + two(size // 60 % 60, to + 4)
    if size % 60:
        to[6] = b":"
        put = 7 + two(size % 60, to + 7)
    return put


cdef int put_moment(int64_t ticks, int64_t per_second, int digits, const int32_t* offset, char* to) noexcept nogil:
    """Date, time of day, the offset unless it is NULL, and the era."""
    cdef int64_t seconds = ticks // per_second, fraction = ticks % per_second, day
    cdef int of_day, put
    cdef bint is_bc
    if fraction < 0:
        fraction += per_second
        seconds -= 1
    day = seconds // 86400
    of_day = <int>(seconds - day * 86400)
    if of_day < 0:
        of_day += 86400
        day -= 1
    put = put_date(day, to, &is_bc)
    to[put] = b" "
    two(of_day // 3600, to + put + 1)
    to[put + 3] = b":"
    two(of_day // 60 % 60, to + put + 4)
    to[put + 6] = b":"
    two(of_day % 60, to + put + 7)
    put += 9
    put += put_fraction(fraction, digits, to + put)
    if offset != NULL:
        put += put_offset(offset[0], to + put)
    return put + put_era(is_bc, to + put)


def timestamps(const int64_t[::1] ticks, const uint8_t[::1] valid, int64_t per_second, const int32_t[::1] zone):
    """As `integers`: ticks of the wall clock since 1970-01-01, so many a second; `zone`: each one's offset from UTC in
    seconds, written behind it (one value: that of all; none: not written).  The two ends of int64 are the infinite
    ones."""
    cdef Py_ssize_t i, n = ticks.shape[0], zones = zone.shape[0]
    cdef Texts texts = Texts(n, 24)
    cdef char* to
    cdef const int32_t* offset
    cdef int digits = 0
    cdef int64_t power = 1
    while power < per_second:
        power *= 10
        digits += 1
    with nogil:
        for i in range(n):
            to = texts.begin(i)
            if missing(valid, i):
                continue
            if ticks[i] >= INT64_MAX or ticks[i] <= -INT64_MAX:
                texts.used += named(ticks[i] > 0, to)
            else:
                offset = &zone[i if zones > 1 else 0] if zones else NULL
                texts.used += put_moment(ticks[i], per_second, digits, offset, to)
    return texts.made()
