"""The project's own files as data for the tests that hold its style: paths, syntax trees, imports.

It reads what lies in the checkout and never imports any of it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ("sqlengine", "storage", "repl")
EVERYTHING = (*LIBRARY, "tests", "benchmarks", "examples", "docs")
_TEXTS = {".py", ".pyx", ".md", ".toml", ".lark", ".slt", ".case", ".txt", ".sql", ".yml"}
_OUTSIDE = {".git", ".venv", "build", "dist", "node_modules", "__pycache__", "results"}


@dataclass(frozen=True)
class Source:
    """One Python file: `path` relative to the checkout, its text and its syntax tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def module(self) -> str:
        """`sqlengine.plan` for sqlengine/plan/__init__.py."""
        dotted = self.path.removesuffix(".py").replace("/", ".")
        return dotted.removesuffix(".__init__")

    @property
    def package(self) -> str:
        """What relative imports are relative to."""
        return self.module if self.path.endswith("__init__.py") else self.module.rpartition(".")[0]


def _import_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Import statements: they stand among statements, so expressions need not be looked through."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif not isinstance(node, ast.expr):
            yield from _import_nodes(node)


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    """The Python files below some top folders, and setup.py with the library."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")) if _inside(path)]
    return tuple(_source(path) for path in paths)


@cache
def _source(path: Path) -> Source:
    text = path.read_text(encoding="utf-8")
    return Source(path.relative_to(ROOT).as_posix(), text, ast.parse(text))


def _inside(path: Path) -> bool:
    return not _OUTSIDE.intersection(path.relative_to(ROOT).parts)


@cache
def text_files() -> tuple[Path, ...]:
    """Every text file that belongs to the project."""
    below = [path for folder in (*EVERYTHING, ".ci") for path in sorted((ROOT / folder).rglob("*"))]
    top = sorted(ROOT.glob("*"))
    named = {"Makefile", "run", "LICENSE"}
    return tuple(
        path
        for path in (*top, *below)
        if path.is_file() and _inside(path) and (path.suffix in _TEXTS or path.name in named)
    )


@dataclass(frozen=True)
class Definition:
    """A function or class with its dotted place in the file; `depth` 0 = at the top of the module."""

    name: str
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    parent: ast.AST | None

    @property
    def lines(self) -> int:
        """Lines from `def` to the end."""
        return (self.node.end_lineno or self.node.lineno) - self.node.lineno + 1

    @property
    def is_public(self) -> bool:
        """No part of the dotted name begins with an underscore."""
        return not any(part.startswith("_") for part in self.name.split("."))


def definitions(tree: ast.AST, prefix: str = "", parent: ast.AST | None = None) -> Iterator[Definition]:
    """All functions and classes, outer before inner."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            name = prefix + node.name
            yield Definition(name, node, parent)
            yield from definitions(node, name + ".", node)
        elif not isinstance(node, ast.expr):
            yield from definitions(node, prefix, parent)


def imported(source: Source, tree: ast.AST | None = None) -> Iterator[tuple[str, int]]:
    """(dotted name, line) of everything imported; `from a import b` gives both a and a.b."""
    yield from _imported_by(source.path) if tree is None else _imports(source, tree)


@cache
def _imported_by(path: str) -> tuple[tuple[str, int], ...]:
    source = _source(ROOT / path)
    return tuple(_imports(source, source.tree))


def _imports(source: Source, tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in _import_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = _base(source, node)
            yield base, node.lineno
            for alias in node.names:
                yield f"{base}.{alias.name}", node.lineno


def _base(source: Source, node: ast.ImportFrom) -> str:
    if node.level == 0:
        return node.module or ""
    parts = source.package.split(".")
    kept = parts[: len(parts) - node.level + 1]
    return ".".join([*kept, node.module] if node.module else kept)


def assigned(source: Source, name: str) -> ast.expr | None:
    """The value of the module's top-level assignment to `name`."""
    for node in source.tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            return node.value
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return node.value
    return None
