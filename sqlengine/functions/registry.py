"""Scalar functions as data: the decorator that declares one, and registries that find them by name and types.

A Function's body is a kernel: it takes Arrow arrays (or scalars, for constants) of the types its signature names and
returns an array (or scalar) of the result type.  Registries are layered: a database registers its users' functions over
the built-in ones without touching them.  Binding and evaluation live in expr/, never here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field, replace
from typing import Any, TypeAlias

import pyarrow as pa

from sqlengine import errors
from sqlengine.functions.signature import Arg, Match, Signature, parse
from sqlengine.quick_dataclass import dataclass

Value: TypeAlias = pa.Array | pa.Scalar
Kernel = Callable[..., Any]
ResultType = Callable[[Sequence[Arg]], pa.DataType]


@dataclass(frozen=True, slots=True)
class Function:
    """One declared scalar function.

    `kernel` None means DuckDB evaluates it always; `duck` is its DuckDB text with `{0}`, `{1}`... for the
    arguments and `{*}` for all. `constant_args` must be literals for the kernel (else DuckDB evaluates).
    `strict`: NULL in, NULL out. `can_raise`: some rows may be errors, so it must not see rows of branches not
    taken. `factory`: `kernel` is called once, `kernel(arg_types, result_type)`, and gives the kernel proper.
    `check` is called with the value of the first of `constant_args` when a call is bound, and raises where it is
    wrong for every row. `broadcast`: the kernel wants arrays of one length, never scalars. `context`: the kernel takes
    the tick's time in microseconds and nothing else. `operator` is the SQL operator's spelling (such functions cannot
    be called by name). `result_type` overrides the signature's result.
    """

    name: str
    signatures: tuple[Signature, ...]
    description: str
    example: str
    kernel: Kernel | None = None
    aliases: tuple[str, ...] = ()
    duck: str | None = None
    constant_args: tuple[int, ...] = ()
    strict: bool = True
    can_raise: bool = False
    volatility: str = "immutable"
    factory: bool = False
    broadcast: bool = False
    check: Callable[[Any], None] | None = None
    context: bool = False
    operator: str | None = None
    result_type: ResultType | None = None
    family: str = ""

    def match(self, args: Sequence[Arg]) -> Match | None:
        """The cheapest of the signatures that fit, or None."""
        fits = [m for s in self.signatures if (m := s.match(args)) is not None]
        if not fits:
            return None
        best = min(fits, key=lambda m: m.cost)
        if self.result_type is None:
            return best
        bound = [replace(arg, type=t) for arg, t in zip(args, best.arg_types, strict=True)]
        return replace(best, result=self.result_type(bound))

    def called(self, name: str) -> bool:
        """Whether users may call it by this name: an operator's own name only when it is among the aliases too."""
        return self.operator is None or name in self.aliases

    def duck_text(self, args: Sequence[str]) -> str:
        """DuckDB text of a call over the given argument texts."""
        parts = (self.duck or self.name + "({*})").split("{*}")
        operands = [arg if _ATOM.fullmatch(arg) else f"({arg})" for arg in args]
        return ", ".join(args).join(part.format(*operands) if args else part for part in parts)


_ATOM = re.compile(r"""[\w.]+|"[^"]*"|'[^']*'|\([^()]*\)""")
"""Text of an argument that no operator beside it can tear apart."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The function a call means, the types to cast its arguments to, and its result type."""

    function: Function
    arg_types: tuple[pa.DataType, ...]
    result: pa.DataType


def declare(signature: str, description: str, *, example: str = "", **options: Any) -> Function:
    """A Function without a kernel: DuckDB evaluates it (see `scalar` for the arguments)."""
    signatures = tuple(parse(line) for line in signature.split(";"))
    return Function(signatures[0].name, signatures, description, example, **options)


def scalar(signature: str, description: str, *, example: str = "", **options: Any) -> Callable[[Kernel], Function]:
    """Declare the decorated kernel as a SQL function.

    `signature` holds one or more signatures separated by ";"; `example` is a SQL expression that must be true; the
    options are the fields of Function.
    """

    def wrap(kernel: Kernel) -> Function:
        return declare(signature, description, example=example, kernel=kernel, **options)

    return wrap


@dataclass(slots=True)
class Registry:
    """Functions by name, over an optional parent that is asked when this layer has no fitting one."""

    parent: Registry | None = None
    _by_name: dict[str, list[Function]] = field(default_factory=dict)

    def add(self, function: Function) -> None:
        """Make a function known by its name and aliases; several of one name are overloads."""
        for name in dict.fromkeys((function.name, *function.aliases)):
            self._by_name.setdefault(name.lower(), []).append(function)

    def remove(self, name: str) -> None:
        """Forget this layer's functions of a name; UndefinedFunction when there are none."""
        if self._by_name.pop(name.lower(), None) is None:
            raise errors.UndefinedFunction(
                f"function {name} does not exist", hint=errors.did_you_mean(name, self.names())
            )

    def lookup(self, name: str) -> tuple[Function, ...]:
        """All overloads of a name, this layer's first."""
        mine = tuple(self._by_name.get(name, ()))
        return mine + self.parent.lookup(name) if self.parent is not None else mine

    def resolve(self, name: str, args: Sequence[Arg], *, operators: bool = False) -> Resolved | None:
        """The cheapest fitting overload, earlier layers and declarations first; None when nothing fits."""
        best: tuple[int, Resolved] | None = None
        for function in self.lookup(name):
            if not operators and not function.called(name):
                continue
            match = function.match(args)
            if match is not None and (best is None or match.cost < best[0]):
                best = (match.cost, Resolved(function, match.arg_types, match.result))
        return None if best is None else best[1]

    def functions(self) -> Iterator[Function]:
        """Every function once, in order of name; operators included."""
        seen: dict[int, Function] = {}
        for name in sorted(self._all_names()):
            for function in self.lookup(name):
                if function.name == name:
                    seen.setdefault(id(function), function)
        return iter(seen.values())

    def names(self) -> list[str]:
        """Names a user may call, sorted."""
        return sorted(n for n in self._all_names() if any(f.called(n) for f in self.lookup(n)))

    def _all_names(self) -> set[str]:
        return set(self._by_name) | (self.parent._all_names() if self.parent is not None else set())


def python_function(
    signature: Signature,
    returns: pa.DataType,
    body: Callable[..., Any],
    *,
    vectorised: bool = True,
    strict: bool = True,
    volatility: str = "immutable",
    description: str = "",
) -> Function:
    """A Function whose kernel is a user's Python function.

    `vectorised`: `body` takes and returns Arrow arrays; else it is called per row with Python values.  What it raises
    becomes a DataError (38000) of the row or batch.
    """
    name = signature.name
    return Function(
        name,
        (signature,),
        description or "user function",
        "",
        _vectorised(name, body, returns) if vectorised else _per_row(name, body, returns, strict),
        broadcast=True,
        can_raise=True,
        strict=strict,
        volatility=volatility,
        family="user",
        result_type=lambda _args: returns,
    )


def _vectorised(name: str, body: Callable[..., Any], result: pa.DataType) -> Kernel:
    def kernel(*args: pa.Array) -> Value:
        try:
            out = body(*args)
            if not args and not isinstance(out, (pa.Array, pa.ChunkedArray)):
                return pa.scalar(out, type=result)
            return _flat(out, result)
        except errors.Error:
            raise
        except Exception as err:
            raise user_error(name, err) from err

    return kernel


def _flat(out: Any, result: pa.DataType) -> pa.Array:
    """What a user's body returned (Array, ChunkedArray, NumPy, pandas, list) as one Array of the declared type."""
    array = out if isinstance(out, (pa.Array, pa.ChunkedArray)) else pa.array(out, type=result)
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return array if array.type == result else array.cast(result)


def _per_row(name: str, body: Callable[..., Any], result: pa.DataType, strict: bool) -> Kernel:
    def kernel(*args: pa.Array) -> Value:
        columns = [arg.to_pylist() for arg in args]
        try:
            if not args:
                return pa.scalar(body(), type=result)
            rows = zip(*columns, strict=True)
            return pa.array([None if strict and None in row else body(*row) for row in rows], type=result)
        except errors.Error:
            raise
        except Exception as err:
            raise user_error(name, err) from err

    return kernel


def per_row(result: pa.DataType, body: Callable[..., Any]) -> Kernel:
    """A kernel that calls `body` with Python values row by row; NULL for any NULL, without a call."""

    def kernel(*args: pa.Array) -> pa.Array:
        rows = zip(*(arg.to_pylist() for arg in args), strict=True)
        return pa.array([None if None in row else body(*row) for row in rows], result)

    return kernel


def user_error(name: str, err: Exception) -> errors.Error:
    """What a user's Python body raised, as a DataError 38000."""
    return errors.DataError(
        f"function {name} failed: {type(err).__name__}: {err}".rstrip(".: "),
        sqlstate="38000",
        hint="the error comes from the Python function registered under this name",
    )


def collect(modules: Iterable[Any], registry: Registry | None = None) -> Registry:
    """A Registry of every Function that is a global of the modules; a module's last name is its family."""
    registry = Registry() if registry is None else registry
    for module in modules:
        family = module.__name__.rpartition(".")[2]
        for item in vars(module).values():
            if isinstance(item, Function):
                registry.add(replace(item, family=family))
    return registry
