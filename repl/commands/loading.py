"""Data to work with: \\import of a file, \\copy, \\demo."""

from __future__ import annotations

import os
import re
import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from repl.commands.base import Command, is_run
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
    try:
        words = shlex.split(argument)
    except ValueError as error:
        raise InvalidParameter(f"\\import: {str(error).lower()}") from None
    if len(words) not in (1, 2):
        raise InvalidParameter(
            "\\import takes a file and maybe a stream's name", hint="put names with blanks in quotes"
        )
    path = os.path.abspath(os.path.expanduser(words[0]))
    name = words[1] if len(words) > 1 else stream_name(path)
    file = "'" + path.replace("'", "''") + "'"
    schema = shell.ask(f"SELECT * FROM {file} LIMIT 0").schema
    columns = ",\n".join(f"  {quote_identifier(f.name)} {types.to_sql(f.type)}" for f in schema)
    create = f"CREATE STREAM {quote_identifier(name)} (\n{columns}\n)"
    if shell.interactive:
        shell.say(create)
        if not shell.asks_whether(f"Create it and read {path}?"):
            shell.say("not done")
            return False
    return is_run(shell, create) and is_run(shell, f"COPY {quote_identifier(name)} FROM {file}")


def stream_name(path: str) -> str:
    """A name for the stream of a file: the file's without extensions, in lower case."""
    plain = re.sub(r"\W+", "_", os.path.basename(path).split(".")[0].lower()).strip("_")
    return plain if plain and not plain[0].isdigit() else f"file_{plain}".rstrip("_")


def _copy(shell: Shell, argument: str) -> bool:
    return is_run(shell, f"COPY {argument}")


def _demo(shell: Shell, _argument: str) -> bool:
    if not all(is_run(shell, statement) for statement in demo_statements(datetime.now(UTC))):
        return False
    shell.say(
        "clicks grows by 50 rows a second, per_page follows it; try:\n"
        "  SELECT * FROM per_page ORDER BY page;\n"
        "  SUBSCRIBE per_page;      (Ctrl-C ends it)\n"
        "  DROP STREAM clicks CASCADE;"
    )
    return True


LOADING_COMMANDS = (
    Command(("\\import",), "FILE [STREAM]", "make a stream of a csv, json, parquet or arrow file", _import, ("path",)),
    Command(("\\copy",), "...", "COPY between a stream, table or view and a file", _copy, ("sql",)),
    Command(("\\demo",), "", "a generator, a stream and a view to play with", _demo),
)
