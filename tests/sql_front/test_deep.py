"""The large stack: deep calls, the interpreter's limit of recursion before, while and after them, forks."""

from __future__ import annotations

import os
import sys
import time

import pytest

from sqlengine.errors import TooComplex
from sqlengine.sql import deep


def depth(levels: int) -> int:
    """As many levels as asked for."""
    return 0 if levels == 0 else 1 + depth(levels - 1)


def settled() -> int:
    """The limit when it is no longer raised."""
    end = time.monotonic() + 30
    while (limit := sys.getrecursionlimit()) == deep.RECURSION_LIMIT:
        assert time.monotonic() < end, "the limit stays raised"
        time.sleep(0.05)
    return limit


def test_the_limit_is_raised_for_a_while_and_then_what_it_was() -> None:
    usual = settled()
    assert deep.run(depth, usual * 2) == usual * 2
    assert sys.getrecursionlimit() == deep.RECURSION_LIMIT, "it is not lowered behind each call"
    assert settled() == usual
    with pytest.raises(TooComplex):
        deep.run(depth, deep.RECURSION_LIMIT + 1)
    assert settled() == usual


def test_a_limit_that_somebody_sets_meanwhile_stays() -> None:
    usual = settled()
    deep.run(depth, 10)
    sys.setrecursionlimit(usual + 7)
    try:
        time.sleep(3 * deep.RAISED_S)
        assert sys.getrecursionlimit() == usual + 7
    finally:
        sys.setrecursionlimit(usual)


def test_a_fork_has_the_usual_limit_again() -> None:
    usual = settled()
    deep.run(depth, 10)
    child = os.fork()
    if child == 0:
        works = deep.run(depth, usual * 2) == usual * 2
        time.sleep(3 * deep.RAISED_S)
        os._exit(0 if works and sys.getrecursionlimit() == usual else 1)
    assert os.waitpid(child, 0)[1] == 0
