"""The steps an Evaluator is made of: one object per distinct sub-expression, pulled from the top.

A Frame is one evaluation: the input columns, the tick's time and the values computed so far.  A branch gets a narrower
Frame over the rows that take it; what was already computed outside is filtered, not computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sqlengine import duck, errors
from sqlengine.expr import tree
from sqlengine.expr.higher_kernels import higher_kernel
from sqlengine.functions import Registry
from sqlengine.functions.casting import can_raise as cast_can_raise
from sqlengine.functions.casting import cast_kernel
from sqlengine.functions.kernel_errors import translate_arrow
from sqlengine.functions.registry import Function, Value
from sqlengine.functions.signature import Arg
from sqlengine.functions.time_arithmetic import scalar_array
from sqlengine.types import has_jsonb, storage_type

_FILTER = pc.get_function("array_filter")
# Made without pa.scalar and pa.array, which import pandas where it is installed.
_NO_BOOL = pa.nulls(1, pa.bool_())[0]
_FALSE, _TRUE = pc.is_valid(_NO_BOOL), pc.is_null(_NO_BOOL)
_CHEAP = frozenset({"operators", "math", "time_arithmetic", "conditional"})
"""Families whose kernels cost about as much as picking rows out of a batch."""


class Frame:
    """Rows being evaluated: `rows` of them, with values by step number; a narrowed frame knows its parent and mask."""

    __slots__ = ("_columns", "_mask", "_source", "now_us", "rows", "values")

    def __init__(
        self, source: pa.RecordBatch | Frame | None, rows: int, now_us: int, mask: pa.BooleanArray | None = None
    ) -> None:
        self._source = source
        self._mask = mask
        self._columns: dict[int, pa.Array] = {}
        self.rows = rows
        self.now_us = now_us
        self.values: dict[int, Value] = {}

    def column(self, index: int) -> pa.Array:
        """Input column `index`, narrowed to this frame's rows on first use."""
        found = self._columns.get(index)
        if found is None:
            assert self._source is not None
            found = self._source.column(index)
            if self._mask is not None:
                found = _FILTER.call([found, self._mask])
            self._columns[index] = found
        return found

    def known(self, number: int) -> Value | None:
        """The value of a step if it was computed here or outside, narrowed; else None."""
        found = self.values.get(number)
        if found is None and isinstance(self._source, Frame):
            outer = self._source.known(number)
            if outer is not None:
                found = outer if isinstance(outer, pa.Scalar) else _FILTER.call([outer, self._mask])
                self.values[number] = found
        return found

    def narrow(self, mask: pa.BooleanArray, rows: int) -> Frame:
        """The frame of the `rows` rows where `mask` (no NULLs) is true."""
        return Frame(self, rows, self.now_us, mask)


class Step:
    """One sub-expression.  `level` is how many DuckDB calls deep it is; `constant` its value when known; `cheap` ones
    are tried on all rows first, even in a branch, because that costs less than picking the rows out."""

    __slots__ = ("can_raise", "cheap", "level", "number", "shared", "tells_time", "type")
    constant: pa.Scalar | None = None
    can_raise: bool
    cheap: bool
    level: int
    tells_time: bool

    def __init__(
        self, number: int, dtype: pa.DataType, children: Sequence[Step], can_raise: bool, cheap: bool = True
    ) -> None:
        self.number = number
        self.type = dtype
        self.can_raise = can_raise or any(c.can_raise for c in children)
        self.cheap = cheap and all(c.cheap for c in children)
        self.level = max((c.level for c in children), default=0)
        self.tells_time = any(c.tells_time for c in children)
        self.shared = False

    def value(self, frame: Frame) -> Value:
        """The value over the frame's rows: an array, or a scalar when all rows agree."""
        if not self.shared:
            return self.compute(frame)
        found = frame.known(self.number)
        if found is None:
            found = frame.values[self.number] = self.compute(frame)
        return found

    def compute(self, frame: Frame) -> Value:
        """Compute without looking for an earlier result."""
        raise errors.InternalError("a step without a computation")


class ConstStep(Step):
    """A constant."""

    __slots__ = ("constant",)

    def __init__(self, number: int, value: pa.Scalar) -> None:
        super().__init__(number, value.type, (), False)
        self.constant = value

    def value(self, frame: Frame) -> Value:
        return self.constant


class InputStep(Step):
    """A column of the batch, as it is."""

    __slots__ = ("index",)

    def __init__(self, number: int, dtype: pa.DataType, index: int) -> None:
        super().__init__(number, dtype, (), False)
        self.index = index

    def value(self, frame: Frame) -> Value:
        return frame.column(self.index)


class CallStep(Step):
    """A kernel over the values of the arguments."""

    __slots__ = ("args", "broadcast", "kernel", "retypes")

    def __init__(
        self,
        number: int,
        dtype: pa.DataType,
        kernel: Callable[..., Value],
        args: Sequence[Step],
        can_raise: bool,
        broadcast: bool = False,
        cheap: bool = True,
    ) -> None:
        super().__init__(number, dtype, args, can_raise, cheap)
        self.kernel = kernel
        self.args = tuple(args)
        self.broadcast = broadcast
        self.retypes = has_jsonb(dtype)

    def compute(self, frame: Frame) -> Value:
        values = [arg.value(frame) for arg in self.args]
        if self.broadcast:
            values = [as_array(v, frame.rows, v.type) for v in values]
        try:
            made = self.kernel(*values)
        except pa.ArrowException as err:
            raise translate_arrow(err, self.type) from err
        return as_array(made, frame.rows, self.type) if self.retypes and made.type != self.type else made


class NowStep(Step):
    """A function of the tick's time."""

    __slots__ = ("kernel",)

    def __init__(self, number: int, dtype: pa.DataType, kernel: Callable[[int], Value]) -> None:
        super().__init__(number, dtype, (), False)
        self.kernel = kernel
        self.tells_time = True

    def compute(self, frame: Frame) -> Value:
        return self.kernel(frame.now_us)


class LogicStep(Step):
    """AND / OR of any number of conditions; those that can raise see only the rows that are still undecided."""

    __slots__ = ("conditions", "conjunction", "kernel", "risky")

    def __init__(self, number: int, conditions: Sequence[Step], conjunction: bool) -> None:
        super().__init__(number, pa.bool_(), conditions, False)
        self.conditions = [c for c in conditions if not c.can_raise]
        self.risky = [c for c in conditions if c.can_raise]
        self.conjunction = conjunction
        self.kernel = pc.get_function("and_kleene" if conjunction else "or_kleene")

    def compute(self, frame: Frame) -> Value:
        if self.cheap and self.risky:
            try:
                return self._all_rows(frame, (*self.conditions, *self.risky))
            except errors.DataError:
                pass  # perhaps a row that another condition decides: look at the undecided rows only
        result = self._all_rows(frame, self.conditions) if self.conditions else None
        for condition in self.risky:
            result = condition.value(frame) if result is None else self._narrowed(frame, result, condition)
        assert result is not None
        return result

    def _all_rows(self, frame: Frame, conditions: Sequence[Step]) -> Value:
        result = conditions[0].value(frame)
        for condition in conditions[1:]:
            result = self.kernel.call([result, condition.value(frame)])
        return result

    def _narrowed(self, frame: Frame, result: Value, condition: Step) -> Value:
        """The condition evaluated on undecided rows, combined with what is known of the others."""
        decided = _FALSE if self.conjunction else _TRUE
        if isinstance(result, pa.Scalar):
            return result if result.equals(decided) else self.kernel.call([result, condition.value(frame)])
        undecided = pc.fill_null(pc.not_equal(result, decided), True)
        count = undecided.true_count
        if count == 0:
            return result
        if count == frame.rows:
            return self.kernel.call([result, condition.value(frame)])
        value = as_array(condition.value(frame.narrow(undecided, count)), count, pa.bool_())
        spread = pc.replace_with_mask(pa.repeat(decided, frame.rows), undecided, value)
        return self.kernel.call([result, spread])


class CaseStep(Step):
    """Searched CASE; each result and each later condition sees only its own rows when it can raise."""

    __slots__ = ("conditions", "default", "results", "simple")

    def __init__(
        self, number: int, dtype: pa.DataType, conditions: Sequence[Step], results: Sequence[Step], default: Step
    ) -> None:
        super().__init__(number, dtype, (*conditions, *results, default), False)
        self.conditions = tuple(conditions)
        self.results = tuple(results)
        self.default = default
        risky = any(s.can_raise for s in (*conditions[1:], *results, default))
        self.simple = not risky and not isinstance(dtype, pa.BaseExtensionType)

    def compute(self, frame: Frame) -> Value:
        if self.simple:
            return self._all_rows(frame)
        if self.cheap and not isinstance(self.type, pa.BaseExtensionType):
            try:
                return self._all_rows(frame)
            except errors.DataError:
                pass  # perhaps a row that takes another branch: give each branch its own rows only
        return self._by_branch(frame)

    def _all_rows(self, frame: Frame) -> Value:
        out = self.default.value(frame)
        for condition, result in zip(reversed(self.conditions), reversed(self.results), strict=True):
            test = condition.value(frame)
            chosen = result.value(frame)
            if isinstance(test, pa.Scalar):
                out = chosen if test.as_py() else out
                continue
            out = _choose(pc.fill_null(test, False), chosen, out, frame.rows, self.type)
        return out

    def _by_branch(self, frame: Frame) -> Value:
        """Rows leave for the first branch whose condition holds; the pieces are put back in row order."""
        rest, rows = frame, pa.array(range(frame.rows), pa.int64()) if frame.rows else pa.array([], pa.int64())
        pieces: list[pa.Array] = []
        places: list[pa.Array] = []
        for condition, result in (*zip(self.conditions, self.results, strict=True), (None, self.default)):
            if rest.rows == 0:
                break
            taken = _TRUE if condition is None else condition.value(rest)
            mask = pc.fill_null(as_array(taken, rest.rows, pa.bool_()), False)
            count = mask.true_count
            if count == 0:
                continue
            inner = rest if count == rest.rows else rest.narrow(mask, count)
            pieces.append(_plain(as_array(result.value(inner), count, self.type)))
            places.append(_FILTER.call([rows, mask]))
            others = pc.invert(mask)
            rows = _FILTER.call([rows, others])
            rest = rest.narrow(others, rest.rows - count)
        return self._assembled(pieces, places)

    def _assembled(self, pieces: Sequence[pa.Array], places: Sequence[pa.Array]) -> pa.Array:
        if not pieces:
            return pa.nulls(0, self.type)
        if len(pieces) == 1:
            return _wrapped(pieces[0], self.type)
        order = pc.inverse_permutation(pa.concat_arrays(places))
        return _wrapped(pa.concat_arrays(pieces).take(order), self.type)


def _plain(array: pa.Array) -> pa.Array:
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def _wrapped(array: pa.Array, dtype: pa.DataType) -> pa.Array:
    if isinstance(dtype, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(dtype, array)
    return array


def _choose(mask: pa.Array, yes: Value, no: Value, rows: int, dtype: pa.DataType) -> Value:
    """`yes` where the mask is true, else `no`; Arrow's if_else takes no intervals as scalars."""
    if dtype == pa.month_day_nano_interval():
        yes, no = as_array(yes, rows, dtype), as_array(no, rows, dtype)
    return pc.if_else(mask, yes, no)


class InListStep(Step):
    """IN over constants, with SQL's answer NULL when the value is not there but a NULL is."""

    __slots__ = ("arg", "has_null", "negated", "values")

    def __init__(self, number: int, arg: Step, values: pa.Array, negated: bool) -> None:
        super().__init__(number, pa.bool_(), (arg,), False)
        self.arg = arg
        self.has_null = values.null_count > 0
        self.values = pc.SetLookupOptions(value_set=_plain(values).drop_null())
        self.negated = negated

    def compute(self, frame: Frame) -> Value:
        value = self.arg.value(frame)
        plain = value if isinstance(value, pa.Scalar) else _plain(value)
        plain = plain.value if isinstance(plain, pa.ExtensionScalar) else plain
        found = pc.is_in(plain, options=self.values)
        if self.has_null:
            found = pc.if_else(found, _TRUE, _NO_BOOL)
        if isinstance(plain, pa.Scalar):
            found = found if plain.is_valid else _NO_BOOL
        elif plain.null_count:
            found = pc.if_else(pc.is_valid(plain), found, _NO_BOOL)
        return pc.invert(found) if self.negated else found


class DuckGroup:
    """DuckDB expressions of one level and one branch: evaluated together when the first of them is asked for."""

    __slots__ = ("steps",)

    def __init__(self) -> None:
        self.steps: list[DuckStep] = []

    def compute(self, frame: Frame) -> None:
        """Fill the frame with the values of every step of the group."""
        columns: dict[str, pa.Array] = {}
        names: dict[int, str] = {}
        texts = []
        for step in self.steps:
            spelt = []
            for arg in step.args:
                name = names.setdefault(arg.number, f"c{len(names)}")
                if name not in columns:
                    columns[name] = as_array(arg.value(frame), frame.rows, arg.type)
                spelt.append(name)
            texts.append(tree.rename_args(step.sql, spelt))
        for step, array in zip(self.steps, duck.evaluate(texts, columns, frame.rows), strict=True):
            frame.values[step.number] = as_array(array, frame.rows, step.type)


class DuckStep(Step):
    """An expression DuckDB evaluates."""

    __slots__ = ("args", "group", "sql")

    def __init__(self, number: int, dtype: pa.DataType, sql: str, args: Sequence[Step]) -> None:
        super().__init__(number, dtype, args, True, cheap=False)
        self.level += 1
        self.shared = True
        self.sql = sql
        self.args = tuple(args)
        self.group = DuckGroup()
        self.group.steps.append(self)

    def compute(self, frame: Frame) -> Value:
        self.group.compute(frame)
        return frame.values[self.number]


def as_array(value: Value, rows: int, dtype: pa.DataType) -> pa.Array:
    """A value as an array of `rows` rows of exactly `dtype`."""
    if isinstance(value, pa.Scalar):
        if isinstance(dtype, pa.BaseExtensionType):
            inner = value.value if isinstance(value, pa.ExtensionScalar) else value
            storage = storage_type(dtype)
            plain = (
                pa.nulls(rows, storage) if inner is None or not value.is_valid else pa.repeat(inner.cast(storage), rows)
            )
            return pa.ExtensionArray.from_storage(dtype, plain)
        value = pa.nulls(rows, dtype) if not value.is_valid else scalar_array(value, rows)
    if value.type != dtype:
        return cast_kernel(value.type, dtype)(value)
    return value


def const_scalar(value: Any, dtype: pa.DataType) -> pa.Scalar:
    """The Arrow scalar of a tree.Const."""
    if pa.types.is_list(dtype) and isinstance(dtype.value_type, pa.BaseExtensionType):
        items = None if value is None else list(value)
        stored = pa.array([items], pa.list_(dtype.value_type.storage_type))
        return stored.cast(dtype)[0]
    return pa.scalar(list(value) if isinstance(value, tuple) and pa.types.is_list(dtype) else value, type=dtype)


class Compiler:
    """Makes steps; equal sub-expressions of one branch share a step."""

    def __init__(self, functions: Registry) -> None:
        self.functions = functions
        self._steps: list[dict[Any, Step]] = [{}]
        self._groups: list[dict[int, DuckGroup]] = [{}]
        self._count = 0

    def step(self, expr: tree.Expr) -> Step:
        """The step of an expression, new or shared with an equal one."""
        key = tree.identity(expr)
        for scope in self._steps:
            found = scope.get(key)
            if found is not None:
                found.shared = True
                return found
        made = self._gathered(self._folded(expr, self._make(expr)))
        self._steps[-1][key] = made
        return made

    def _number(self) -> int:
        self._count += 1
        return self._count

    def _folded(self, expr: tree.Expr, step: Step) -> Step:
        """A ConstStep when everything below is constant; what raises is left to raise when it is reached."""
        kids = tree.children(expr)
        called = isinstance(expr, (tree.Call, tree.UserCall))
        if isinstance(step, (ConstStep, InputStep, NowStep)) or not kids and not called:
            return step
        if not self._pure(expr) or not all(self._constant(kid) for kid in kids):
            return step
        try:
            return ConstStep(step.number, as_array(step.value(Frame(None, 1, 0)), 1, expr.type)[0])
        except errors.Error:
            return step

    def _constant(self, expr: tree.Expr) -> bool:
        key = tree.identity(expr)
        return any(isinstance(scope.get(key), ConstStep) for scope in self._steps) or isinstance(expr, tree.Const)

    def _pure(self, expr: tree.Expr) -> bool:
        if isinstance(expr, tree.DuckExpr):
            return expr.volatility == "immutable"
        if isinstance(expr, tree.UserCall):
            return expr.function.volatility == "immutable"
        if isinstance(expr, tree.Call) and expr.function not in ("and", "or", "coalesce"):
            return self.resolve(expr).volatility == "immutable"
        return True

    def resolve(self, call: tree.Call) -> Function:
        """The function a bound call means, by its name and argument types."""
        found = self.functions.resolve(call.function, [Arg(a.type) for a in call.args], operators=True)
        if found is None:
            raise errors.InternalError(f"no kernel for {call.function}")
        return found.function

    def _branch(self, exprs: Sequence[tree.Expr]) -> list[Step]:
        """Steps of expressions in a branch: what they compute is not shared with what stands outside."""
        self._steps.append({})
        self._groups.append({})
        try:
            return [self.step(e) for e in exprs]
        finally:
            self._steps.pop()
            self._groups.pop()

    def _make(self, expr: tree.Expr) -> Step:
        match expr:
            case tree.Const(type=dtype, value=value):
                return ConstStep(self._number(), const_scalar(value, dtype))
            case tree.InputRef(type=dtype, index=index):
                return InputStep(self._number(), dtype, index)
            case tree.Cast():
                return self._cast(expr)
            case tree.Case():
                return self._case(expr)
            case tree.InList(arg=arg, values=values, negated=negated):
                constants = pa.array([v.value for v in values], storage_type(arg.type))
                return InListStep(self._number(), self.step(arg), constants, negated)
            case tree.DuckExpr(type=dtype, sql=sql, args=args):
                return DuckStep(self._number(), dtype, sql, [self.step(a) for a in args])
            case tree.UserCall(type=dtype, function=function, args=args):
                assert function.kernel is not None
                steps = [self.step(a) for a in args]
                return CallStep(self._number(), dtype, function.kernel, steps, True, True, False)
            case tree.HigherOrder():
                return self._higher_order(expr)
            case tree.Call():
                return self._call(expr)
        raise errors.InternalError(f"cannot evaluate {type(expr).__name__}")

    def _higher_order(self, expr: tree.HigherOrder) -> Step:
        bodies = [(count, self._body(body)) for count, body in expr.bodies]
        kernel = higher_kernel(expr.function, expr.type, expr.values, bodies)
        return CallStep(self._number(), expr.type, kernel, [self.step(a) for a in expr.args], True, True, False)

    def _body(self, body: tree.Expr) -> Callable[[pa.RecordBatch], pa.Array]:
        """A lambda's body as a function of a batch of its parameters and of what it captures."""
        step = Compiler(self.functions).step(body)
        return lambda batch: as_array(step.value(Frame(batch, batch.num_rows, 0)), batch.num_rows, body.type)

    def _cast(self, expr: tree.Cast) -> Step:
        source = expr.arg.type
        kernel = cast_kernel(source, expr.type, safe=expr.safe)
        raises = not expr.safe and cast_can_raise(source, expr.type)
        return CallStep(self._number(), expr.type, _on_arrays(kernel), [self.step(expr.arg)], raises)

    def _case(self, expr: tree.Case) -> Step:
        first = self.step(expr.whens[0][0])
        conditions = [first, *(self._branch([c])[0] for c, _ in expr.whens[1:])]
        results = [self._branch([r])[0] for _, r in expr.whens]
        return CaseStep(self._number(), expr.type, conditions, results, self._branch([expr.default])[0])

    def _call(self, expr: tree.Call) -> Step:
        if expr.function in ("and", "or"):
            first = self.step(expr.args[0])
            others = [self._branch([a])[0] for a in expr.args[1:]]
            return LogicStep(self._number(), [first, *others], expr.function == "and")
        if expr.function == "coalesce":
            return self._coalesce(expr)
        function = self.resolve(expr)
        if function.context:
            assert function.kernel is not None
            return NowStep(self._number(), expr.type, function.kernel)
        args = [self.step(a) for a in expr.args]
        in_duckdb = function.kernel is None or any(
            args[i].constant is None for i in function.constant_args if i < len(args)
        )
        if in_duckdb:
            return self._duck_call(expr, function, args)
        kernel = function.kernel
        if function.factory and kernel is not None:
            kernel = kernel([a.type for a in expr.args], expr.type)
        assert kernel is not None
        cheap = function.family in _CHEAP
        return CallStep(self._number(), expr.type, kernel, args, function.can_raise, function.broadcast, cheap)

    def _coalesce(self, expr: tree.Call) -> Step:
        """A CASE whose conditions test its results: each argument is computed once, on the rows that come to it."""
        first = self.step(expr.args[0])
        others = [self._branch([a])[0] for a in expr.args[1:]]
        if not others:
            return first
        candidates = [first, *others[:-1]]
        for step in candidates:
            step.shared = True
        tests = [CallStep(self._number(), pa.bool_(), pc.is_valid, [step], False) for step in candidates]
        return CaseStep(self._number(), expr.type, tests, candidates, others[-1])

    def _duck_call(self, expr: tree.Call, function: Function, args: Sequence[Step]) -> Step:
        """The call as DuckDB text: constants are written into it, for many of DuckDB's functions insist on that."""
        if function.duck == "":
            raise errors.NotSupportedError(f"{expr.function}: the format must be a constant")
        texts: list[str] = []
        columns: list[Step] = []
        for arg in args:
            if arg.constant is not None:
                texts.append(duck.literal(arg.constant.as_py(), arg.type))
            else:
                texts.append(f"a{len(columns)}")
                columns.append(arg)
        return DuckStep(self._number(), expr.type, function.duck_text(texts), columns)

    def _gathered(self, step: Step) -> Step:
        """A DuckDB step joined to the others of its branch and level, to be evaluated in one call."""
        if isinstance(step, DuckStep):
            step.group = self._groups[-1].setdefault(step.level, step.group)
            if step not in step.group.steps:
                step.group.steps.append(step)
        return step


def _on_arrays(kernel: Callable[[pa.Array], pa.Array]) -> Callable[[Value], Value]:
    def either(value: Value) -> Value:
        if isinstance(value, pa.Scalar):
            return kernel(as_array(value, 1, value.type))[0]
        return kernel(value)

    return either
