"""The command line: one frozen Options from argv.  Errors name the nearest right spelling and end with
status 2."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any, NoReturn

from repl.render import FORMATS
from repl.variables import is_variable_name
from sqlengine.errors import did_you_mean
from sqlengine.quick_dataclass import dataclass

DIALECTS = ("postgres", "hive", "spark")
_UNITS_S = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_DEFAULT_IDLE = "1s"
_SQL_START = re.compile(r"(select|with|create|insert|show|drop|describe|explain|subscribe|values|set)\s", re.IGNORECASE)
_EPILOG = """\
examples:
  sqlengine                             a prompt; nothing is kept
  sqlengine ./data                      a prompt over a data directory
  sqlengine ./data -c "SHOW TABLES"     one statement
  sqlengine ./data -f setup.sql --format csv > out.csv
  echo "SELECT 1" | sqlengine --format json
  sqlengine postgresql://me@host:5433   a prompt over a server
  sqlengine serve ./data                a server for PostgreSQL clients; see sqlengine serve --help

exit status: 0 all went well, 1 a statement failed, 2 the command line is wrong, 130 stopped by Ctrl-C
"""


@dataclass(frozen=True, slots=True)
class Script:
    """One -c or -f, in the order typed; `kind` is "command" (text) or "file" (a path, "-" = standard
    input)."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Options:
    """What was typed.  Times in seconds; None = no limit."""

    data_dir: str | None = None
    replicas: tuple[str, ...] = ()
    scripts: tuple[Script, ...] = ()
    format: str | None = None
    dialect: str = "postgres"
    header: bool = True
    quiet: bool = False
    timing: bool | None = None
    max_rows: int | None = None
    timeout_s: float | None = None
    idle_s: float | None = None
    keep_going: bool = False
    version: bool = False
    progress: str = "auto"
    no_color: bool = False
    config: str | None = None
    variables: tuple[tuple[str, str], ...] = ()
    hive_variables: tuple[tuple[str, str], ...] = ()


def is_address(text: str) -> bool:
    """Whether a name on the command line is the address of a server."""
    return text.startswith(("postgresql://", "postgres://"))


class Parser(argparse.ArgumentParser):
    """argparse whose complaints suggest what was meant."""

    def error(self, message: str) -> NoReturn:
        hint = None
        if (found := re.match(r"unrecognized arguments: (--?[\w-]+)", message)) is not None:
            hint = did_you_mean(found[1], [o for a in self._actions for o in a.option_strings])
        elif message.startswith("unrecognized arguments: "):
            message = f"only one data directory can be opened: {message.partition(': ')[2]} is one too many"
        if "did you mean" not in message and "\nhint: " not in message:
            message += f"\nhint: {hint or 'sqlengine --help lists the options'}"
        print(f"sqlengine: {message.removeprefix('argument ')}", file=sys.stderr)
        raise SystemExit(2)


class _AddScript(argparse.Action):
    """Keeps -c and -f in the order they were typed."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option: str | None = None,
    ) -> None:
        """See argparse.Action."""
        kind = "file" if option in ("-f", "--file") else "command"
        namespace.scripts = [*(namespace.scripts or []), Script(kind, values)]


def parse_arguments(argv: Sequence[str]) -> Options:
    """Options of a command line (without the program's name); SystemExit(2) when it is wrong, (0) after
    --help."""
    found = _parser().parse_args(_spell_out(argv))
    _check_data_dir(found.data_dir)
    return Options(
        data_dir=found.data_dir,
        replicas=tuple(found.replicas or ()),
        scripts=tuple(found.scripts or ()),
        format=found.format,
        dialect=found.dialect,
        header=not found.no_header,
        quiet=found.quiet,
        timing=found.timing,
        max_rows=found.max_rows,
        timeout_s=found.timeout,
        idle_s=found.until_idle,
        keep_going=found.keep_going,
        version=found.version,
        progress=found.progress,
        no_color=found.no_color,
        config=found.config,
        variables=tuple(found.variables or ()),
        hive_variables=tuple(found.hive_variables or ()),
    )


def _parser() -> Parser:
    parser = Parser(
        prog="sqlengine",
        description="A streaming database in one process: a prompt, or SQL from -c, -f or a pipe.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "data_dir",
        nargs="?",
        metavar="DATA_DIR",
        help="directory that keeps the data, or postgresql://... of a server; without it all is in memory",
    )
    add(
        "--replica",
        metavar="DIR",
        dest="replicas",
        action="append",
        help="a further directory, to which all data is replicated; repeatable, and remembered by the data",
    )
    add(
        "-c",
        "--command",
        metavar="SQL",
        dest="scripts",
        action=_AddScript,
        help="run SQL and leave; repeatable",
    )
    add(
        "-f",
        "--file",
        metavar="FILE",
        dest="scripts",
        action=_AddScript,
        help="run a script and leave; - = stdin",
    )
    add("--format", metavar="NAME", type=_choice(FORMATS), help=", ".join(FORMATS))
    add("--dialect", metavar="NAME", type=_choice(DIALECTS), default="postgres", help=", ".join(DIALECTS))
    add("--no-header", action="store_true", help="leave out the names of the columns")
    add("--quiet", action="store_true", help="only results and errors: no tags, notices, footers or banner")
    add("--timing", action=argparse.BooleanOptionalAction, help="show how long each statement took")
    add("--max-rows", metavar="N", type=_count, help="stop each result after N rows")
    add(
        "--timeout",
        metavar="TIME",
        type=seconds,
        help="cancel a statement after TIME (30, 500ms, 2m); a result without end just ends",
    )
    add(
        "--until-idle",
        metavar="TIME",
        type=seconds,
        help="end a result without end when no row came for TIME (1s)",
    )
    add("--keep-going", action="store_true", help="run the statements after one that failed, too")
    add(
        "--progress",
        metavar="WHEN",
        type=_choice(("auto", "always", "never")),
        default="auto",
        help="progress of long statements on stderr: auto (a terminal), always, never",
    )
    _add_setup(parser)
    return parser


def _add_setup(parser: Parser) -> None:
    """Options of the command's surroundings."""
    add = parser.add_argument
    add(
        "-v",
        "--set",
        metavar="NAME=VALUE",
        dest="variables",
        action="append",
        type=_variable,
        help="a variable for :NAME, :'NAME' and :\"NAME\" in scripts; repeatable",
    )
    for space, what in (
        ("hivevar", "${NAME} or ${hivevar:NAME}"),
        ("hiveconf", "${hiveconf:NAME}, a setting of Hive's"),
    ):
        add(
            f"--{space}",
            metavar="NAME=VALUE",
            dest="hive_variables",
            action="append",
            type=partial(_hive_variable, space),
            help=f"a variable for {what} in text of Hive's dialect; repeatable",
        )
    add("--no-color", action="store_true", help="no colours, as with NO_COLOR in the environment")
    add("--config", metavar="FILE", help="read this configuration (~/.config/sqlengine/config.toml)")
    add("--version", action="store_true", help="print the version and leave")


def _spell_out(argv: Sequence[str]) -> list[str]:
    """`--until-idle` may stand without its time; argparse would take the next word for it."""
    words = list(argv)
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) else ""
        if word == "--until-idle" and not following[:1].isdigit():
            words[index] = f"--until-idle={_DEFAULT_IDLE}"
    return words


def seconds(text: str) -> float:
    """`30`, `1.5s`, `500ms` or `2m` in seconds; ArgumentTypeError for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if found is None or found[2] not in _UNITS_S:
        raise argparse.ArgumentTypeError(f'"{text}" is not a time such as 30, 500ms or 2m')
    return float(found[1]) * _UNITS_S[found[2]]


def _variable(text: str) -> tuple[str, str]:
    name, is_given, value = text.partition("=")
    if not is_given or not is_variable_name(name):
        raise argparse.ArgumentTypeError(f'"{text}" sets no variable\nhint: write NAME=VALUE')
    return name, value


def _hive_variable(space: str, text: str) -> tuple[str, str]:
    """(name with its namespace, value)."""
    name, is_given, value = text.partition("=")
    if not is_given or re.fullmatch(r"[\w.-]+", name) is None:
        raise argparse.ArgumentTypeError(f'"{text}" sets no variable\nhint: write NAME=VALUE')
    return f"{space}:{name}", value


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of rows')
    return int(text)


def _choice(names: tuple[str, ...]) -> Any:
    """A checker for one of `names` that suggests the nearest."""

    def check(text: str) -> str:
        if text.lower() in names:
            return text.lower()
        hint = did_you_mean(text.lower(), names) or "one of: " + ", ".join(names)
        raise argparse.ArgumentTypeError(f'unknown value "{text}"; {hint}')

    return check


def _check_data_dir(path: str | None) -> None:
    """Catch what is typed for a data directory but is a script or a statement."""
    if path is None:
        return
    problem = None
    if _SQL_START.match(path):
        problem = f'"{path}" looks like a statement, not a directory', "run it with -c"
    elif path == "":
        problem = "the data directory's name is empty", "leave it out to work in memory"
    elif os.path.isfile(path):
        problem = f'"{path}" is a file, not a directory', f"to run it as a script: -f {path}"
    if problem is not None:
        print(f"sqlengine: {problem[0]}\nhint: {problem[1]}", file=sys.stderr)
        raise SystemExit(2)
