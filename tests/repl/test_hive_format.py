"""The format `hive`.

Expected texts: Hive's language manual (Cli: "hive.cli.print.header"; Types: ARRAY, MAP and STRUCT as its examples print
them, [1,2], {"a":1}, {"col1":1}), Java's Double.toString for doubles, BigDecimal's plain digits for decimals.
"""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from repl.terminal import Screen
from tests.repl.rendering import render
from tests.server.forked import completed

VALUES = pa.table(
    {
        "i": [1, None],
        "d": [1e20, 0.5],
        "dec": pa.array([Decimal("1.50"), None], pa.decimal128(6, 2)),
        "b": [True, False],
        "t": [datetime.datetime(2024, 2, 29, 12, 0, 0, 500_000), datetime.datetime(2024, 2, 29)],
        "day": [datetime.date(2024, 2, 29), None],
        "a": [["x", None], None],
        "m": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int32())),
        "s": [{"f": 1, "g": "q\""}, None],
        "raw": [b"ab", None],
    }
)  # fmt: skip


def test_values_as_hive_prints_them() -> None:
    first = '1\t1.0E20\t1.50\ttrue\t2024-02-29 12:00:00.5\t2024-02-29\t["x",null]\t{"k":1}\t{"f":1,"g":"q\\""}\tab\n'
    second = "NULL\t0.5\tNULL\tfalse\t2024-02-29 00:00:00\tNULL\tNULL\t{}\tNULL\tNULL\n"
    assert render("hive", VALUES) == first + second
    names = "\t".join(VALUES.column_names) + "\n"
    assert render("hive", VALUES, hive_header=True) == names + first + second
    assert render("hive", VALUES, hive_header=True, header=False) == first + second
    assert render("hive", VALUES.slice(0, 0)) == ""
    assert render("hive", pa.table({"x": ["a\x1b[2J", None]}), Screen(width=80)) == "a\\x1b[2J\nNULL\n"
    assert render("hive", pa.table({"x": ["a\tb\x1b"]})) == "a\tb\x1b\n"  # into a pipe as it is


def test_the_command_prints_it(tmp_path: Path) -> None:
    script = tmp_path / "s.sql"
    script.write_text(
        "SELECT array(1, NULL) AS a, 5/2 AS q;\nSET hive.cli.print.header=true;\n"
        "SELECT named_struct('x', 1) AS s, CAST(NULL AS int) AS n;\n"
    )
    run = completed("--dialect", "hive", "--format", "hive", "-f", str(script))
    assert run.returncode == 0, run.stderr
    assert run.stdout == '[1,null]\t2.5\ns\tn\n{"x":1}\tNULL\n'
