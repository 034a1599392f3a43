"""What a conversation asks of whoever drives it: the only I/O there is.

A conversation is a generator that yields these and is sent their answers, so that a test or a fuzzer can hold one
without a socket and without time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Any

from sqlengine.quick_dataclass import dataclass


class Gone(Exception):
    """The client is not there any more."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send bytes, and wait while the peer does not take them.  Answer: None."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Receive:
    """Wait for bytes, at most `timeout_s`.  Answer: what has come, b"" when the peer is gone, None when `timeout_s` has
    passed or the conversation was woken."""

    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """Call a function that may take its time.  Answer: what it returns; what it raises is raised."""

    call: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Encrypt:
    """Go on under TLS.  Answer: None."""


@dataclass(frozen=True, slots=True)
class Await:
    """Wait for something that goes on by itself, without a thread.  Answer: its result; what it raises is raised."""

    future: Future[Any]


Effect = Send | Receive | Run | Encrypt | Await
Steps = Generator[Effect, Any, Any]
"""A part of a conversation: yields effects, may return something."""
