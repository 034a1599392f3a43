"""Data to work with: \\import of a file, \\copy, \\demo."""

from __future__ import annotations

import os
import re
import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from repl.client_copy import ClientCopy, copy_from_server, copy_to_server, cut_copy, quoted
from repl.commands.base import Command, is_run
from repl.importing import Found, look_into
from repl.statements import Statement
from sqlengine import types
from sqlengine.errors import InvalidParameter
from sqlengine.sql import quote_identifier

if TYPE_CHECKING:
    from repl.shell import Shell


def demo_statements(now: datetime) -> tuple[str, str]:
    """A stream of made-up clicks that begin now and lie as densely as they come, and a view of them."""
    return (
        "CREATE STREAM clicks (id BIGINT, page TEXT, seconds DOUBLE PRECISION, at TIMESTAMP, "
        "WATERMARK FOR at AS at - INTERVAL '5 seconds') WITH (connector = 'datagen', rows_per_second = 50, "
        "fields.id.kind = 'sequence', fields.page.values = 'home,search,cart,help', fields.seconds.min = '0', "
        f"fields.seconds.max = '60', fields.at.kind = 'sequence', fields.at.start = '{now:%Y-%m-%d %H:%M:%S}', "
        "fields.at.step = '20')",
        "CREATE MATERIALIZED VIEW per_page AS "
        "SELECT page, count(*) AS visits, avg(seconds) AS seconds FROM clicks GROUP BY page",
    )


def _import(shell: Shell, argument: str) -> bool:
    """A file becomes a stream: what its columns are is shown, and asked about at a prompt."""
    words, bracket, options = argument.partition(" (")
    try:
        given = shlex.split(words)
    except ValueError as error:
        raise InvalidParameter(f"\\import: {str(error).lower()}") from None
    if len(given) not in (1, 2):
        raise InvalidParameter(
            "\\import takes a file and maybe a stream's name",
            hint="put names with blanks in quotes; COPY's options may follow: \\import trips.csv trips (delimiter ';')",
        )
    path = os.path.abspath(os.path.expanduser(given[0]))
    name = given[1] if len(given) > 1 else stream_name(path)
    found = look_into(path, f"({options}" if bracket else "")
    columns = ",\n".join(f"  {quote_identifier(f.name)} {types.to_sql(f.type)}" for f in found.schema)
    create = f"CREATE STREAM {quote_identifier(name)} (\n{columns}\n)"
    for remark in found.remarks:
        shell.say(f"NOTICE: {remark}")
    if shell.interactive:
        shell.say(create)
        if not shell.asks_whether(f"Create it and read {path}?"):
            shell.say("not done")
            return False
    return is_run(shell, create) and _load(shell, _copy_of(name, path, found))


def _copy_of(name: str, path: str, found: Found) -> ClientCopy:
    options = ", ".join(f"{option} {quoted(value)}" for option, value in found.options.items())
    return ClientCopy(quote_identifier(name), True, path, f"({options})" if options else "")


def stream_name(path: str) -> str:
    """A name for the stream of a file: the file's without extensions, in lower case."""
    plain = re.sub(r"\W+", "_", os.path.basename(path).split(".")[0].lower()).strip("_")
    return plain if plain and not plain[0].isdigit() else f"file_{plain}".rstrip("_")


def _copy(shell: Shell, argument: str) -> bool:
    return _load(shell, cut_copy(argument))


def _load(shell: Shell, copied: ClientCopy) -> bool:
    """Carry a COPY out with a file of whoever sits here."""
    if copied.path is None or not shell.is_remote:
        return is_run(shell, copied.statement())
    carry_out = copy_to_server if copied.is_from else copy_from_server
    return shell.run(Statement(copied.statement()), lambda session: carry_out(session, copied, shell.hear_progress))


def _demo(shell: Shell, _argument: str) -> bool:
    stream, view = demo_statements(datetime.now(UTC))
    made = is_run(shell, stream)
    if not (made and is_run(shell, view)):
        if made:
            is_run(shell, "DROP STREAM clicks")
        shell.say('nothing is left of it: \\demo needs the names "clicks" and "per_page" for itself')
        return False
    shell.say(
        "clicks grows by 50 rows a second, per_page follows it; try:\n"
        "  SELECT * FROM per_page ORDER BY page;\n"
        "  SUBSCRIBE per_page;      (q ends it)\n"
        "  DROP STREAM clicks CASCADE;"
    )
    return True


LOADING_COMMANDS = (
    Command(
        ("\\import",),
        "FILE [STREAM] [(OPTIONS)]",
        "make a stream of a csv, tsv, json, parquet or arrow file",
        _import,
        ("path",),
    ),
    Command(("\\copy",), "...", "COPY between a stream, table, view or query and a file of yours", _copy, ("sql",)),
    Command(("\\demo",), "", "a generator, a stream and a view to play with", _demo),
)
