"""Row patterns as programs: each part of a pattern becomes a stretch of instructions (plan/match_node.py)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import permutations

from sqlengine.errors import TooComplex
from sqlengine.plan.match_node import ACCEPT, BEGIN, CONSUME, END, JUMP, LOOP, SPLIT, Program
from sqlengine.sql import ast

INSTRUCTIONS_MAX = 20_000
"""A longer program is refused: every row would be held against each instruction."""


def compile_pattern(pattern: ast.RowPattern, variables: Mapping[str, int], labels: tuple[str, ...]) -> Program:
    """The program of a pattern whose variables are known by number; TooComplex (54001) for one that is too long."""
    made = _Compiler(variables)
    made.add(pattern, False)
    made.emit(ACCEPT)
    return Program(tuple(made.ops), tuple(made.first), tuple(made.second), labels, spelt(pattern))


def variables_of(pattern: ast.RowPattern) -> list[ast.PatternVariable]:
    """The variables of a pattern, in the order of their first mention."""
    found: dict[str, ast.PatternVariable] = {}

    def visit(node: ast.RowPattern) -> None:
        if isinstance(node, ast.PatternVariable):
            found.setdefault(node.name, node)
        for part in parts_of(node):
            visit(part)

    visit(pattern)
    return list(found.values())


def parts_of(node: ast.RowPattern) -> tuple[ast.RowPattern, ...]:
    """What a part of a pattern is made of."""
    match node:
        case ast.PatternSequence(parts=parts) | ast.PatternPermutation(parts=parts):
            return parts
        case ast.PatternAlternation(choices=choices):
            return choices
        case ast.PatternQuantified(part=part) | ast.PatternExcluded(part=part):
            return (part,)
    return ()


def is_nullable(node: ast.RowPattern) -> bool:
    """Whether no row at all is a match of it."""
    match node:
        case ast.PatternVariable():
            return False
        case ast.PatternAlternation(choices=choices):
            return any(map(is_nullable, choices))
        case ast.PatternQuantified(part=part, least=least):
            return least == 0 or is_nullable(part)
    return all(map(is_nullable, parts_of(node)))


def first_variables(node: ast.RowPattern) -> set[str]:
    """The variables that its first row may be of."""
    match node:
        case ast.PatternVariable(name=name):
            return {name}
        case ast.PatternSequence(parts=parts):
            found: set[str] = set()
            for part in parts:
                found |= first_variables(part)
                if not is_nullable(part):
                    break
            return found
    return set().union(*map(first_variables, parts_of(node)))


def spelt(node: ast.RowPattern) -> str:
    """A pattern as one writes it."""
    match node:
        case ast.PatternVariable(label=label):
            return label
        case ast.PatternAnchor(at_start=at_start):
            return "^" if at_start else "$"
        case ast.PatternSequence(parts=parts):
            inner = (f"({spelt(p)})" if isinstance(p, ast.PatternAlternation) else spelt(p) for p in parts)
            return " ".join(inner) if parts else "()"
        case ast.PatternAlternation(choices=choices):
            return " | ".join(map(spelt, choices))
        case ast.PatternPermutation(parts=parts):
            return f"PERMUTE({', '.join(map(spelt, parts))})"
        case ast.PatternExcluded(part=part):
            return f"{{- {spelt(part)} -}}"
        case ast.PatternQuantified(part=part, least=least, most=most):
            counted = f"{{{least}}}" if least == most else f"{{{least},{'' if most is None else most}}}"
            sign = {(0, None): "*", (1, None): "+", (0, 1): "?"}.get((least, most), counted)
            text = spelt(part)
            single = isinstance(part, (ast.PatternVariable, ast.PatternExcluded, ast.PatternPermutation))
            return (text if single or text == "()" else f"({text})") + sign + "?" * node.reluctant
    return ""


class _Compiler:
    def __init__(self, variables: Mapping[str, int]) -> None:
        self._variables = variables
        self.ops: list[int] = []
        self.first: list[int] = []
        self.second: list[int] = []

    def emit(self, op: int, first: int = 0, second: int = 0) -> int:
        """Append an instruction; returns its place."""
        if len(self.ops) >= INSTRUCTIONS_MAX:
            raise TooComplex(
                f"the pattern is longer than {INSTRUCTIONS_MAX} instructions",
                hint="counted quantifiers and PERMUTE repeat what they hold",
            )
        self.ops.append(op)
        self.first.append(first)
        self.second.append(second)
        return len(self.ops) - 1

    def add(self, node: ast.RowPattern, excluded: bool) -> None:
        """Append the instructions of a part."""
        match node:
            case ast.PatternVariable(name=name):
                self.emit(CONSUME, self._variables[name], int(excluded))
            case ast.PatternAnchor(at_start=at_start):
                self.emit(BEGIN if at_start else END)
            case ast.PatternSequence(parts=parts):
                for part in parts:
                    self.add(part, excluded)
            case ast.PatternAlternation(choices=choices):
                self._choices(choices, excluded)
            case ast.PatternPermutation(parts=parts):
                # In the order in which permutations of 1, 2, 3, ... are written, as the standard has it.
                self._choices((ast.PatternSequence(order) for order in permutations(parts)), excluded)
            case ast.PatternExcluded(part=part):
                self.add(part, True)
            case ast.PatternQuantified():
                self._repeated(node, excluded)

    def _choices(self, choices: Iterable[ast.RowPattern], excluded: bool) -> None:
        ends: list[int] = []
        previous = -1
        for choice in choices:
            if previous >= 0:
                ends.append(self.emit(JUMP))
                self.second[previous] = len(self.ops)
            previous = self.emit(SPLIT, len(self.ops) + 1, 0)
            self.add(choice, excluded)
        self.ops[previous] = JUMP  # the last choice is all that is left
        for end in ends:
            self.first[end] = len(self.ops)

    def _repeated(self, node: ast.PatternQuantified, excluded: bool) -> None:
        for _ in range(node.least):
            self.add(node.part, excluded)
        if node.most is None:
            start = self._split(node)
            self.add(node.part, excluded)
            self.emit(LOOP if is_nullable(node.part) else JUMP, start, len(self.ops) + 1)
            self._out(node, start)
            return
        splits = []
        for _ in range(node.least, node.most):
            splits.append(self._split(node))
            self.add(node.part, excluded)
        for split in splits:
            self._out(node, split)

    def _split(self, node: ast.PatternQuantified) -> int:
        """One more time, or out; whichever is preferred goes first."""
        at = len(self.ops)
        return self.emit(SPLIT, 0, at + 1) if node.reluctant else self.emit(SPLIT, at + 1, 0)

    def _out(self, node: ast.PatternQuantified, split: int) -> None:
        """The end of a repetition is here."""
        (self.first if node.reluctant else self.second)[split] = len(self.ops)
