"""Our `dataclass` beside the standard library's: the same classes, made by both, do the same."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, field
from itertools import product
from typing import Any, ClassVar

import pytest

from sqlengine.quick_dataclass import dataclass as ours

NAMES = ("frozen", "slots", "kw_only")
OPTIONS = [dict(zip(NAMES, values, strict=True)) for values in product((False, True), repeat=3)]
GIVEN: tuple[tuple[tuple[Any, ...], dict[str, Any]], ...] = (
    ((1,), {}),
    ((1, "x"), {}),
    ((), {"a": 1}),
    ((), {"a": 1, "b": "x", "c": [2]}),
    ((), {}),
    ((1, 2, 3, 4, 5, 6), {}),
    ((), {"a": 1, "e": 6}),
    ((), {"a": 1, "counted": 6}),
    ((), {"a": 1, "nope": 6}),
    ((), {"a": 1, "hidden": 9}),
)


def classes(made: Callable[..., Any], options: dict[str, bool]) -> tuple[type, type, type]:
    """A class of every kind of field, one that inherits from it, one that says for itself how it compares."""

    @made(**options)
    class Base:
        """A base."""

        kind: ClassVar[str] = "base"
        a: int
        b: str = "b"
        c: list[int] = field(default_factory=list)
        hidden: int = field(default=3, repr=False, compare=False)
        counted: int = field(default=0, init=False)

        @property
        def double(self) -> int:
            return self.a * 2

    @made(**options)
    class Derived(Base):
        b: str = "other"
        d: tuple[int, ...] = ()
        e: int = field(default=5, kw_only=True)

        def __post_init__(self) -> None:
            object.__setattr__(self, "d", (*self.d, self.a))

    @made(**options)
    class Own:
        a: int

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

        def __repr__(self) -> str:
            return "mine"

    return Base, Derived, Own


def outcome(do: Callable[[], Any]) -> Any:
    """What it gives, or the class of its error."""
    try:
        return do()
    except Exception as error:
        return type(error)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_as_the_standard_one(options: dict[str, bool]) -> None:
    for mine, theirs in zip(classes(ours, options), classes(dataclasses.dataclass, options), strict=True):
        assert [f.name for f in dataclasses.fields(mine)] == [f.name for f in dataclasses.fields(theirs)]
        assert mine.__match_args__ == theirs.__match_args__
        assert getattr(mine, "__slots__", None) == getattr(theirs, "__slots__", None)
        for args, kwargs in GIVEN:
            one, other = outcome(lambda: mine(*args, **kwargs)), outcome(lambda: theirs(*args, **kwargs))  # noqa: B023
            if isinstance(other, type):
                assert one is other
                continue
            assert repr(one) == repr(other)
            assert dataclasses.asdict(one) == dataclasses.asdict(other)
            assert outcome(lambda: hash(one)) == outcome(lambda: hash(other))  # noqa: B023
            assert (one == other) == (other == one) == (type(one).__name__ == "Own")
            again = outcome(lambda: dataclasses.replace(one, a=1))  # noqa: B023
            assert (again == one) == (outcome(lambda: dataclasses.replace(other, a=1)) == other)  # noqa: B023
            for copied in (copy.copy(one), copy.deepcopy(one)):
                assert copied == one and repr(copied) == repr(one)
            for change in (lambda x: setattr(x, "a", 5), lambda x: delattr(x, "b"), lambda x: setattr(x, "new", 5)):
                told = outcome(lambda: change(one))  # noqa: B023
                theirs_told = outcome(lambda: change(other))  # noqa: B023
                # With slots the standard one says TypeError of a name that is no field (mended in Python 3.14).
                assert told == (FrozenInstanceError if options["frozen"] and theirs_told is TypeError else theirs_told)


@ours(frozen=True, slots=True)
class Node:
    value: int
    below: tuple[Node, ...] = ()


def test_fields_that_are_not_compared_and_lists_of_their_own() -> None:
    base, _, _ = classes(ours, {"frozen": True, "slots": True, "kw_only": False})
    assert base(1, hidden=1) == base(1, hidden=2) and base(1) != base(2)
    first, second = base(1), base(1)
    first.c.append(1)
    assert second.c == [] and base.kind == "base" and first.double == 2


def test_frozen_ones_are_keys_that_can_be_pickled_and_matched() -> None:
    tree = Node(1, (Node(2), Node(3)))
    assert pickle.loads(pickle.dumps(tree)) == tree and len({tree, Node(1, (Node(2), Node(3)))}) == 1
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'value'"):
        tree.value = 2  # type: ignore[misc]
    match tree:
        case Node(value, (Node(below), *_)):
            assert (value, below) == (1, 2)


def test_mistakes_are_found_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match="non-default argument 'b' follows default argument"):

        @ours
        class Late:
            a: int = 1
            b: str

    with pytest.raises(ValueError, match="mutable default"):

        @ours(frozen=True)
        class Shared:
            a: list[int] = []

    with pytest.raises(TypeError):

        @ours(order=True)
        class Ordered:
            a: int
