"""Frozen trees whose hash is computed once: plans are looked up by their nodes, whose hashes are of all below them."""

from __future__ import annotations

from typing import TypeVar


class HashedOnce:
    """Base of classes under `hashed_once`: the place of the hash, which copies and pickles leave out."""

    __slots__ = ("_hash",)
    _hash: int


C = TypeVar("C", bound=HashedOnce)


def hashed_once(cls: type[C]) -> type[C]:
    """Keep what the class's own `__hash__` says with each object."""
    computed = cls.__hash__

    def kept(self: C) -> int:
        try:
            return self._hash
        except AttributeError:
            object.__setattr__(self, "_hash", computed(self))
            return self._hash

    cls.__hash__ = kept  # type: ignore[assignment]
    return cls
