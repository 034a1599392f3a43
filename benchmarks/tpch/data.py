"""TPC-H's eight tables: their definitions, and their rows by the generator tpchgen-cli, made once per folder.

The generator writes dbgen's rows, the same ones for the same scale factor.  It has no refresh sets, so
`refresh_sets` takes them from the tables: new sales are orders held back, old sales are others that go.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

TABLES = {
    "region": "r_regionkey INTEGER PRIMARY KEY, r_name CHAR(25), r_comment VARCHAR(152)",
    "nation": "n_nationkey INTEGER PRIMARY KEY, n_name CHAR(25), n_regionkey INTEGER, n_comment VARCHAR(152)",
    "supplier": "s_suppkey INTEGER PRIMARY KEY, s_name CHAR(25), s_address VARCHAR(40), s_nationkey INTEGER,"
    " s_phone CHAR(15), s_acctbal NUMERIC(15,2), s_comment VARCHAR(101)",
    "customer": "c_custkey INTEGER PRIMARY KEY, c_name VARCHAR(25), c_address VARCHAR(40), c_nationkey INTEGER,"
    " c_phone CHAR(15), c_acctbal NUMERIC(15,2), c_mktsegment CHAR(10), c_comment VARCHAR(117)",
    "part": "p_partkey INTEGER PRIMARY KEY, p_name VARCHAR(55), p_mfgr CHAR(25), p_brand CHAR(10), p_type VARCHAR(25),"
    " p_size INTEGER, p_container CHAR(10), p_retailprice NUMERIC(15,2), p_comment VARCHAR(23)",
    "partsupp": "ps_partkey INTEGER, ps_suppkey INTEGER, ps_availqty INTEGER, ps_supplycost NUMERIC(15,2),"
    " ps_comment VARCHAR(199), PRIMARY KEY (ps_partkey, ps_suppkey)",
    "orders": "o_orderkey INTEGER PRIMARY KEY, o_custkey INTEGER, o_orderstatus CHAR(1), o_totalprice NUMERIC(15,2),"
    " o_orderdate DATE, o_orderpriority CHAR(15), o_clerk CHAR(15), o_shippriority INTEGER, o_comment VARCHAR(79)",
    "lineitem": "l_orderkey INTEGER, l_partkey INTEGER, l_suppkey INTEGER, l_linenumber INTEGER,"
    " l_quantity NUMERIC(15,2), l_extendedprice NUMERIC(15,2), l_discount NUMERIC(15,2), l_tax NUMERIC(15,2),"
    " l_returnflag CHAR(1), l_linestatus CHAR(1), l_shipdate DATE, l_commitdate DATE, l_receiptdate DATE,"
    " l_shipinstruct CHAR(25), l_shipmode CHAR(10), l_comment VARCHAR(44), PRIMARY KEY (l_orderkey, l_linenumber)",
}
"""The specification's columns (section 1.4), which all are NOT NULL."""

REFRESH_SHARE = 1000
"""A refresh function adds or removes one order in so many (section 2.5)."""


def rows(scale_factor: float, cache: Path) -> dict[str, pa.Table]:
    """Every table's rows; generated into `cache` unless they are there, by one process at a time."""
    folder = cache / f"sf-{scale_factor:g}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _generate(scale_factor, folder)
    return {table: _plain(pq.read_table(folder / f"{table}.parquet")) for table in TABLES}


def _generate(scale_factor: float, folder: Path) -> None:
    """Run the generator; the folder appears when it is complete."""
    command = Path(sysconfig.get_path("scripts")) / "tpchgen-cli"
    if not command.exists():
        raise SystemExit("tpchgen-cli is not installed: pip install tpchgen-cli")
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    subprocess.run(
        [command, "parquet", "--scale-factor", f"{scale_factor:g}", "--output-dir", partial],
        check=True,
        capture_output=True,
    )
    partial.rename(folder)


def _plain(table: pa.Table) -> pa.Table:
    """Keys as INTEGER, text as strings."""
    kinds = {pa.int64(): pa.int32(), pa.string_view(): pa.string()}
    return table.cast(pa.schema([pa.field(f.name, kinds.get(f.type, f.type)) for f in table.schema]))


@dataclass(frozen=True, slots=True)
class Refresh:
    """`initial`: the tables without the new sales; `new`: orders and lineitems to insert; `old`: keys to delete."""

    initial: dict[str, pa.Table]
    new: dict[str, pa.Table]
    old: pa.Array


def refresh_sets(tables: dict[str, pa.Table], share: int = REFRESH_SHARE) -> Refresh:
    """One order in `share` is new, another old; both are spread over all keys, as the specification's are."""
    keys = tables["orders"]["o_orderkey"].combine_chunks()
    new, old = keys[1::share], keys[share // 2 :: share]
    initial, fresh = dict(tables), {}
    for table, key in (("orders", "o_orderkey"), ("lineitem", "l_orderkey")):
        is_new = pc.is_in(tables[table][key], new)
        fresh[table] = tables[table].filter(is_new)
        initial[table] = tables[table].filter(pc.invert(is_new))
    return Refresh(initial, fresh, old)
