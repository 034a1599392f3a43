"""TRANSFORM ... USING: may the session run scripts, which words start one, and what it makes of rows."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Sequence

import pyarrow as pa

from sqlengine.errors import InsufficientPrivilege, InvalidParameter
from sqlengine.errors import SyntaxError as QueryError
from sqlengine.runtime.script_rows import lines_of_rows, read_rows, rows_of_lines, written_rows
from sqlengine.runtime.scripts import Limits, run_script
from sqlengine.sql import ast
from sqlengine.sql.hive.variables import PARTIAL_CONSUMPTION, Words
from sqlengine.statements.context import Context


def may_run_scripts(context: Context) -> None:
    """InsufficientPrivilege (42501) over the network, and unless `allow_scripts` is on; which roles may is asked before
    (statements/access.py)."""
    if context.settings.is_remote:
        raise InsufficientPrivilege("TRANSFORM runs a program of this machine: it is not for sessions over the network")
    if context.settings.allow_scripts != "true":
        raise InsufficientPrivilege(
            "TRANSFORM runs a program of this machine, and scripts are off", hint="SET allow_scripts = true"
        )


def run_transform(context: Context, relation: ast.TransformRef, rows: pa.Table) -> pa.Table:
    """What the script writes of these rows; raises what `run_script` raises."""
    settings = context.settings
    limits = Limits(settings.script_timeout_ms, settings.script_memory_limit, settings.script_output_limit)
    given, written = read_rows(relation, rows.schema), written_rows(relation)
    with (
        tempfile.TemporaryDirectory(prefix="sqlengine-script-") as directory,
        tempfile.NamedTemporaryFile(dir=directory) as output,
    ):
        place = os.path.join(directory, "files") if settings.resources else None
        if place is not None:
            _link(settings.resources, place)
        run_script(
            relation.script,
            _words(relation, place),
            lines_of_rows(rows, given),
            output.file,
            context.instance.clock.now_us,
            directory=place,
            limits=limits,
            reads_all=Words.of(settings).configured(PARTIAL_CONSUMPTION) != "true",
            check=context.check,
        )
        return rows_of_lines(output.name, written)


def _words(relation: ast.TransformRef, place: str | None) -> list[str]:
    """The words of a command as a shell would cut them, without anything else that a shell does. The first is a file
    that was added before it is one of PATH, as in Hive."""
    try:
        words = shlex.split(relation.script)
    except ValueError as error:
        raise QueryError(f"the words of the script cannot be told apart: {error}", position=relation.position) from None
    if not words:
        raise QueryError("USING takes a command", position=relation.position)
    if place is not None and os.path.isfile(os.path.join(place, words[0])):
        words[0] = os.path.join(place, words[0])
    elif os.sep not in words[0]:
        words[0] = shutil.which(words[0]) or words[0]
    return words


def _link(resources: Sequence[str], place: str) -> None:
    """A directory in which the files that were added have their plain names."""
    os.mkdir(place)
    for path in resources:
        try:
            os.symlink(path, os.path.join(place, os.path.basename(path)))
        except FileExistsError:
            raise InvalidParameter(
                f'two files named "{os.path.basename(path)}" were added', hint="DELETE FILE one of them"
            ) from None
