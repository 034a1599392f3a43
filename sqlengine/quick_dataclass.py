"""`dataclass` as the standard library's, made in a quarter of the time.

Why: there are some five hundred of them, and up to Python 3.12 the standard one compiles a text of its own for every
method of every class: a third of a cold start.  Here only `__init__` is compiled; comparing, hashing, showing and
refusing to be changed are functions that all classes share and that go by the fields.  `dataclasses.fields`, `replace`,
`asdict` and `is_dataclass` work as ever, because the standard decorator still finds the fields.

What it does not know (order, InitVar, unsafe_hash) it does not take.  `__dataclass_params__` does not tell of frozen:
a class that is made here and one of the standard library's cannot inherit from one another when they are frozen.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # what type checkers know all about
else:

    def dataclass(cls=None, /, *, frozen=False, slots=False, kw_only=False, eq=True):
        """The class with what its fields ask for; see dataclasses.dataclass."""

        def made(of: type) -> type:
            return _made(of, frozen, slots, kw_only, eq)

        return made if cls is None else made(cls)


def _made(cls: type, frozen: bool, slots: bool, kw_only: bool, eq: bool) -> type:
    own = cls.__dict__
    if not cls.__doc__:
        cls.__doc__ = cls.__name__  # else the standard one looks its signature up, slowly
    cls = dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=kw_only)(cls)
    fields = dataclasses.fields(cls)
    methods: dict[str, Any] = {"__init__": _init(cls, fields, frozen), "__repr__": _repr}
    if eq:
        methods |= {"__eq__": _eq, "__hash__": _hash if frozen else None}
        methods["_compared"] = staticmethod(_getter([f.name for f in fields if f.compare]))
    if frozen:
        methods |= {"__setattr__": _refuse_set, "__delattr__": _refuse_delete}
    if "__eq__" in own and "__hash__" not in own:
        methods.pop("__hash__", None)
    missing = {name: method for name, method in methods.items() if name not in own or own[name] is None}
    if slots:
        return _with_slots(cls, [f.name for f in fields], missing | _PICKLED)
    for name, method in missing.items():
        setattr(cls, name, method)
    return cls


def _with_slots(cls: type, names: list[str], methods: dict[str, Any]) -> type:
    """The same class made once more: slots must be there when a class is."""
    inherited = {name for base in cls.__mro__[1:] for name in getattr(base, "__slots__", ())}
    body = {name: value for name, value in cls.__dict__.items() if name not in (*names, "__dict__", "__weakref__")}
    body |= methods | {"__slots__": tuple(name for name in names if name not in inherited)}
    made = type(cls)(cls.__name__, cls.__bases__, body)
    made.__qualname__ = cls.__qualname__
    return made


def _init(cls: type, fields: tuple[Field[Any], ...], frozen: bool) -> Callable[..., None]:
    """`__init__`, compiled: it is called more often than anything else of a class."""
    known: dict[str, Any] = {"__set": object.__setattr__, "__missing": MISSING}
    places: list[str] = []
    named: list[str] = []
    lines: list[str] = []
    for field in fields:
        name, value, default = field.name, field.name, ""
        if field.default is not MISSING:
            known[f"__default_{name}"] = field.default
            default = f"=__default_{name}"
            value = value if field.init else f"__default_{name}"
        elif field.default_factory is not MISSING:
            known[f"__make_{name}"] = field.default_factory
            default = "=__missing"
            value = f"__make_{name}() if {name} is __missing else {name}" if field.init else f"__make_{name}()"
        elif not field.init:
            continue
        if field.init:
            (named if field.kw_only else places).append(name + default)
            if not default and not field.kw_only and "=" in "".join(places):
                raise TypeError(f"non-default argument {name!r} follows default argument")
        lines.append(f"__set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    taken = ", ".join(["self", *places, *(["*", *named] if named else [])])
    exec(f"def __init__({taken}):\n " + ("\n ".join(lines) or "pass"), known)
    init: Callable[..., None] = known["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init


def _getter(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """An instance -> the tuple of those attributes."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda instance: tuple(getattr(instance, name) for name in names)


def _eq(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return self._compared(self) == self._compared(other)


def _hash(self: Any) -> int:
    return hash(self._compared(self))


@recursive_repr()
def _repr(self: Any) -> str:
    shown = (f"{f.name}={getattr(self, f.name)!r}" for f in dataclasses.fields(self) if f.repr)
    return f"{self.__class__.__qualname__}({', '.join(shown)})"


def _refuse_set(self: Any, name: str, value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_delete(self: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _getstate(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _setstate(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)


_PICKLED = {"__getstate__": _getstate, "__setstate__": _setstate}
"""Instances with slots, also frozen ones, are copied and pickled by their fields."""
