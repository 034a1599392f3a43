"""The registry of connectors, the parsing of options, and the two small sinks."""

from __future__ import annotations

import dataclasses
import io
import subprocess
import sys

import pyarrow as pa
import pytest

from sqlengine import errors
from sqlengine.connectors import CONNECTORS, connector, parse_options
from sqlengine.connectors.base import Moment
from sqlengine.connectors.blackhole import BlackholeSink
from sqlengine.connectors.printer import PrintOptions, PrintSink
from sqlengine.formats.options import option, parse


def test_registry() -> None:
    assert [c.name for c in CONNECTORS] == ["file", "datagen", "nexmark", "blackhole", "print"]
    for kind in CONNECTORS:
        assert kind.description and (kind.source or kind.sink)
        assert dataclasses.is_dataclass(kind.options) and kind.options.__doc__
        assert all(f.metadata["help"] for f in dataclasses.fields(kind.options))
    assert connector("NEXMARK").name == "nexmark"
    with pytest.raises(errors.InvalidParameter) as error:
        connector("datgen", position=5)
    assert "datagen" in error.value.hint and error.value.position == 5 and error.value.sqlstate == "22023"


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, sqlengine.connectors; "
        "print([m for m in ('duckdb', 'sqlglot', 'pandas', 'polars', 'pyarrow.parquet') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@dataclasses.dataclass(frozen=True)
class Options:
    """For the tests."""

    name: str = option(dataclasses.MISSING, "needed")
    row_count: int = option(1, "a number", minimum=0, aliases=("rows",))
    ratio: float = option(0.5, "a number")
    loud: bool = option(False, "a switch")
    mode: str = option("fast", "a word", choices=("fast", "slow"))
    limit: int | None = option(None, "a number or nothing")


def test_parse() -> None:
    given = {"NAME": "x", "Row-Count": "7", "ratio": "1e2", "loud": "YES", "mode": "SLOW", "limit": 3}
    assert parse(Options, given, "x") == Options("x", 7, 100.0, True, "slow", 3)
    assert parse(Options, {"name": "x", "rows": "2"}, "x").row_count == 2


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({}, 'thing needs option "name"', "needed"),
        ({"name": "x", "raw_count": "1"}, 'thing has no option "raw_count"', "row_count"),
        ({"name": "x", "qqqq": "1"}, 'thing has no option "qqqq"', "options: name"),
        ({"name": "x", "rows": "1", "row.count": "2"}, 'option "row_count" of thing is given twice', None),
        ({"name": "x", "rows": "1.5"}, 'invalid value for option "row_count": "1.5"', "whole number"),
        ({"name": "x", "rows": "-1"}, 'option "row_count" must be at least 0, not -1', None),
        ({"name": "x", "ratio": "much"}, 'invalid value for option "ratio": "much"', "number"),
        ({"name": "x", "loud": "2"}, 'invalid value for option "loud": "2"', "true or false"),
        ({"name": "x", "mode": "slo"}, 'invalid value for option "mode": "slo"', "slow"),
    ],
)
def test_parse_errors(given: dict[str, str], message: str, hint: str | None) -> None:
    with pytest.raises(errors.InvalidParameter) as error:
        parse(Options, given, "thing", 11)
    assert (error.value.message, error.value.position) == (message, 11)
    assert hint is None or hint in error.value.hint


def test_print_and_blackhole() -> None:
    schema = pa.schema([("a", pa.int64()), ("b", pa.string())])
    batch = pa.record_batch([[1, 2], ["x", None]], schema=schema)
    out = io.StringIO()
    sink = PrintSink(PrintOptions("k"), schema, "a", out)
    sink.write(Moment(1, 0), batch, None)
    sink.write(Moment(2, 0), batch, [2, -1])
    sink.write(Moment(3, 0), None, None)
    sink.finish(for_good=True)
    sink.close()
    one, two = '{"a":1,"b":"x"}', '{"a":2,"b":null}'
    assert out.getvalue().splitlines() == [f"k> +{one}", f"k> +{two}", f"k> +{one}", f"k> +{one}", f"k> -{two}"]
    kind = connector("blackhole")
    hole = kind.sink(parse_options(kind, {}), schema)
    assert isinstance(hole, BlackholeSink)
    hole.write(Moment(1, 0), batch, None)
    hole.write(Moment(2, 0), None, None)
    assert hole.rows == 2
    with pytest.raises(errors.InvalidParameter):
        parse_options(kind, {"depth": "1"})
