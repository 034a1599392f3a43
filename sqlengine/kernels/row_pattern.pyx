# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Row patterns: matches of a program over rows of which it is known what variables each may be of.

Why: MATCH_RECOGNIZE holds every row against every thread that is alive; in Python that is a microsecond each.  Threads
run side by side in the order of preference, and of two at one instruction the second dies (Pike's machine), so that a
search costs rows times instructions, whatever the pattern.  Without `within` threads of all beginnings run together:
the earliest has the highest preference.  `row_pattern_reference.py` is the same in Python.
This file must not know SQL: conditions are bytes already.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc, realloc

import numpy as np

cdef enum:
    CONSUME = 0
    SPLIT = 1
    JUMP = 2
    LOOP = 3
    BEGIN = 4
    END = 5
    ACCEPT = 6

cdef enum:
    PAST_LAST = 0
    TO_NEXT = 1
    TO_FIRST = 2
    TO_LAST = 3

cdef enum:
    FINE = 0
    NO_SUCH_ROW = 1
    SAME_ROW = 2

cdef int64_t NO_TIME = 0x7FFFFFFFFFFFFFFF


cdef struct Thread:
    int32_t pc
    int64_t start
    int64_t node


cdef struct Node:
    int32_t pc
    int64_t parent


cdef struct Search:
    const int32_t* ops
    const int32_t* first
    const int32_t* second
    Py_ssize_t size
    const uint8_t* accepted
    Py_ssize_t rows
    const int64_t* times
    int64_t within
    int64_t horizon
    int64_t look
    bint ended
    Thread* threads
    Py_ssize_t count
    Thread* stepped
    Py_ssize_t stepped_count
    int64_t* seen
    int64_t round
    int32_t* todo
    Node* nodes
    Py_ssize_t node_count
    Py_ssize_t node_room
    int64_t open_from
    int64_t matched_start
    int64_t matched_node


cdef void _add(Search* s, Thread* into, Py_ssize_t* count, int32_t pc, int64_t start, int64_t node, int64_t pos,
               int64_t end, int64_t begin) noexcept nogil:
    """Follow instructions that take no row, the preferred ones first."""
    cdef Py_ssize_t depth = 1
    cdef int32_t op
    s.todo[0] = pc
    while depth:
        depth -= 1
        pc = s.todo[depth]
        if s.seen[pc] == s.round:
            continue
        s.seen[pc] = s.round
        op = s.ops[pc]
        if op == CONSUME or op == ACCEPT:
            into[count[0]].pc = pc
            into[count[0]].start = start
            into[count[0]].node = node
            count[0] += 1
        elif op == SPLIT:
            s.todo[depth] = s.second[pc]
            s.todo[depth + 1] = s.first[pc]
            depth += 2
        elif op == JUMP:
            s.todo[depth] = s.first[pc]
            depth += 1
        elif op == LOOP:
            s.todo[depth] = s.second[pc] if s.seen[s.first[pc]] == s.round else s.first[pc]
            depth += 1
        elif op == BEGIN:
            if pos == begin:
                s.todo[depth] = pc + 1
                depth += 1
        elif pos == end:
            if not s.ended and s.open_from < 0:
                s.open_from = start
            s.todo[depth] = pc + 1
            depth += 1


cdef bint _is_over(Search* s, int64_t start, int64_t pos, int64_t end) noexcept nogil:
    """Whether a row at `pos` can no longer belong to a match that began at `start`."""
    cdef int64_t began = s.times[start]
    cdef int64_t now = s.times[pos] if pos < end else s.horizon
    if began == NO_TIME or (pos < end and now == NO_TIME):
        return True
    if now < began:  # the horizon before the first watermark: no difference that could overflow
        return False
    return now - began > s.within


cdef int _from(Search* s, int64_t at, int64_t end, int64_t begin, bint alone) except -1 nogil:
    """Search from a row on; 1 when there is a match."""
    cdef int64_t limit = end - s.look if end - s.look > at else at
    cdef int64_t pos
    cdef Py_ssize_t i, keep
    cdef Thread* swapped
    cdef bint matched = False
    cdef const uint8_t* column
    s.node_count = 0
    s.count = 0
    s.open_from = -1
    s.round += 1
    pos = at
    while pos <= end:
        if not matched and pos < end and (pos == at or not alone):
            _add(s, s.threads, &s.count, 0, pos, -1, pos, end, begin)
        keep = s.count
        for i in range(s.count):
            if s.ops[s.threads[i].pc] == ACCEPT:
                matched = True
                s.matched_start = s.threads[i].start
                s.matched_node = s.threads[i].node
                keep = i
                break
        s.count = keep
        if s.within and s.count and _is_over(s, at, pos, end):
            s.count = 0
        if not s.ended and pos >= limit and s.count and s.open_from < 0:
            s.open_from = s.threads[0].start
        if pos == end or (not s.count and (matched or alone)):
            break
        if s.node_count + s.count > s.node_room:
            s.node_room = 2 * (s.node_count + s.count)
            s.nodes = <Node*> realloc(s.nodes, s.node_room * sizeof(Node))
            if s.nodes == NULL:
                with gil:
                    raise MemoryError
        s.stepped_count = 0
        s.round += 1
        for i in range(s.count):
            column = s.accepted + s.first[s.threads[i].pc] * s.rows
            if column[pos]:
                s.nodes[s.node_count].pc = s.threads[i].pc
                s.nodes[s.node_count].parent = s.threads[i].node
                s.node_count += 1
                _add(s, s.stepped, &s.stepped_count, s.threads[i].pc + 1, s.threads[i].start, s.node_count - 1,
                     pos + 1, end, begin)
        swapped = s.threads
        s.threads = s.stepped
        s.stepped = swapped
        s.count = s.stepped_count
        if not s.count:
            s.node_count = 0 if not matched else s.node_count
        pos += 1
    return matched


cdef class _Lists:
    """What has been found, growing."""

    cdef int64_t* matches
    cdef Py_ssize_t count
    cdef Py_ssize_t room
    cdef int32_t* path
    cdef Py_ssize_t length
    cdef Py_ssize_t path_room

    def __cinit__(self):
        self.matches = NULL
        self.path = NULL
        self.count = self.room = self.length = self.path_room = 0

    def __dealloc__(self):
        free(self.matches)
        free(self.path)

    cdef int append(self, Search* s, int64_t segment, bint decided) except -1:
        """Take over the match of a search; its path comes last instruction first."""
        cdef Py_ssize_t length = 0, at
        cdef int64_t node = s.matched_node
        while node >= 0:
            length += 1
            node = s.nodes[node].parent
        if self.count == self.room:
            self.room = 2 * self.room + 64
            self.matches = <int64_t*> realloc(self.matches, 4 * self.room * sizeof(int64_t))
        if self.length + length > self.path_room:
            self.path_room = 2 * (self.length + length) + 64
            self.path = <int32_t*> realloc(self.path, self.path_room * sizeof(int32_t))
        if self.matches == NULL or (self.path_room and self.path == NULL):
            raise MemoryError
        self.matches[4 * self.count] = s.matched_start
        self.matches[4 * self.count + 1] = length
        self.matches[4 * self.count + 2] = segment
        self.matches[4 * self.count + 3] = decided
        self.count += 1
        at = self.length + length
        self.length = at
        node = s.matched_node
        while node >= 0:
            at -= 1
            self.path[at] = s.nodes[node].pc
            node = s.nodes[node].parent
        return 0


def find_matches(program, accepted, segments, times, int64_t within, int64_t horizon, int64_t look, bint ended,
                 bint tentative, int skip, skip_to):
    """The matches of a pattern in sorted rows.

    `program`: int32[3, instructions] (plan/match_node.py).  `accepted`: uint8[variables, rows].  `segments`: int64[4, n]:
    where the rows of a partition begin and end, where to begin, and where ^ holds (-1: nowhere).  `times`: of the rows,
    where those of a match are at most `within` apart (0: any distance); no row comes before `horizon`.  `look`: so many rows at
    the end of a partition may be others when more rows come; `ended`: none come.  `tentative`: also what rows to come
    may change.  `skip`, `skip_to` (uint8[variables]): where to go on behind a match.

    Returns (where matches begin, how many rows they have, their segments, whether rows to come cannot change them; the
    instructions of their rows one after the other; for each segment, where the first search begins that rows to come
    decide; whether a skip failed).
    """
    cdef const int32_t[:, ::1] code = program
    cdef const uint8_t[:, ::1] allowed = accepted
    cdef const int64_t[:, ::1] parts = segments
    cdef const int64_t[::1] moments = times
    cdef const uint8_t[::1] goal = skip_to
    cdef Search s
    cdef Py_ssize_t segment, size = code.shape[1]
    cdef int64_t at, end, begin, open_from, still
    cdef bint decided, matched
    cdef int failure = FINE
    cdef _Lists found = _Lists()
    frontiers = np.zeros(parts.shape[1], dtype=np.int64)
    cdef int64_t[::1] frontier = frontiers
    s.ops = &code[0, 0]
    s.first = &code[1, 0]
    s.second = &code[2, 0]
    s.size = size
    s.rows = allowed.shape[1]
    s.accepted = &allowed[0, 0] if s.rows else NULL
    s.times = &moments[0] if moments.shape[0] else NULL
    s.within, s.horizon, s.look, s.ended = within, horizon, look, ended
    s.round = 0
    s.node_count = 0
    s.node_room = 256
    s.threads = <Thread*> malloc(size * sizeof(Thread))
    s.stepped = <Thread*> malloc(size * sizeof(Thread))
    s.seen = <int64_t*> malloc(size * sizeof(int64_t))
    s.todo = <int32_t*> malloc((2 * size + 2) * sizeof(int32_t))
    s.nodes = <Node*> malloc(s.node_room * sizeof(Node))
    try:
        if s.threads == NULL or s.stepped == NULL or s.seen == NULL or s.todo == NULL or s.nodes == NULL:
            raise MemoryError
        for at in range(size):
            s.seen[at] = 0
        for segment in range(parts.shape[1]):
            end, at, begin = parts[1, segment], parts[2, segment], parts[3, segment]
            frontier[segment] = end
            decided = True
            while at < end and failure == FINE:
                open_from = -1
                matched = False
                if not within:
                    matched = _from(&s, at, end, begin, False)
                    open_from = s.open_from
                else:
                    while at < end and not matched:
                        matched = _from(&s, at, end, begin, True)
                        if open_from < 0:
                            open_from = s.open_from
                            if open_from >= 0 and not tentative:
                                break
                        at += 1
                if open_from >= 0 and decided:
                    decided = False
                    frontier[segment] = open_from
                    if not tentative:
                        break
                if not matched:
                    break
                found.append(&s, segment, decided)
                failure = _skipped(&s, found, skip, goal, &at)
                if decided and failure == FINE:
                    frontier[segment] = at if at < end else end
    finally:
        free(s.threads)
        free(s.stepped)
        free(s.seen)
        free(s.todo)
        free(s.nodes)
    return (*_columns(found), frontiers, failure)


cdef int _skipped(Search* s, _Lists found, int skip, const uint8_t[::1] goal, int64_t* at):
    """Where the next search begins, and whether there is such a row."""
    cdef int64_t start = found.matches[4 * (found.count - 1)], length = found.matches[4 * (found.count - 1) + 1]
    cdef const int32_t* path = found.path + (found.length - length)
    cdef int64_t place = -1, i
    if not length or skip == TO_NEXT:
        at[0] = start + 1
        return FINE
    if skip == PAST_LAST:
        at[0] = start + length
        return FINE
    for i in range(length):
        if goal[s.first[path[i]]]:
            place = i
            if skip == TO_FIRST:
                break
    if place < 0:
        return NO_SUCH_ROW
    at[0] = start + place
    return FINE if place else SAME_ROW


cdef tuple _columns(_Lists found):
    """The matches as arrays."""
    cdef Py_ssize_t i, n = found.count
    starts, lengths, segments = (np.empty(n, dtype=np.int64) for _ in range(3))
    decided = np.empty(n, dtype=np.uint8)
    path = np.empty(found.length, dtype=np.int32)
    cdef int64_t[::1] a = starts, b = lengths, c = segments
    cdef uint8_t[::1] d = decided
    cdef int32_t[::1] p = path
    for i in range(n):
        a[i], b[i], c[i] = found.matches[4 * i], found.matches[4 * i + 1], found.matches[4 * i + 2]
        d[i] = found.matches[4 * i + 3]
    for i in range(found.length):
        p[i] = found.path[i]
    return starts, lengths, segments, decided, path
