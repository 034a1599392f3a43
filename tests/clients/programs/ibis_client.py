"""What Ibis asks through its backend for PostgreSQL: `python ibis_client.py PORT DATABASE`."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import ibis
import pyarrow as pa
from answers import Answers
from ibis import _

warnings.simplefilter("ignore")


def main(port: str, database: str) -> None:
    """Ask everything."""
    connection = ibis.postgres.connect(host="127.0.0.1", port=int(port), user="me", database=database)
    orders, customers = connection.table("orders"), connection.table("customers")
    answers = Answers()

    def rows(name: str, question: Any) -> None:
        answers.ask(name, lambda: [str(question().schema()), question().to_pyarrow().to_pylist()])

    ask = answers.ask
    ask("tables", lambda: sorted(t for t in connection.list_tables() if not t.startswith("ibis_")))
    ask("tables of a schema", lambda: connection.list_tables(database="sales"))
    ask("no table", lambda: connection.table("nope"))
    for name, schema in (
        ("customers", None),
        ("orders", None),
        ("big_orders", None),
        ("totals", None),
        ("items", "sales"),
    ):
        ask(f"schema of {name}", lambda n=name, s=schema: str(connection.table(n, database=s).schema()))
    rows("filter", lambda: orders.filter(orders.amount > 10).select("id", "amount", "at"))
    sums = {"n": _.count(), "s": _.amount.sum(), "x": _.amount.max(), "d": _.id.nunique()}
    rows("aggregate", lambda: orders.group_by("customer").aggregate(**sums).order_by("customer"))
    rows(
        "join",
        lambda: orders.join(customers, orders.customer == customers.name).select(customers.id, "at").order_by("id"),
    )
    rows(
        "expressions",
        lambda: orders.select(
            big=ibis.cases((orders.amount > 100, "big"), else_="small"),
            up=orders.customer.upper(),
            length=orders.customer.length(),
            year=orders.at.year(),
            month=orders.at.truncate("M"),
            text=orders.at.strftime("%Y-%m-%d"),
            later=orders.at + ibis.interval(days=1),
            day=orders.at.cast("date"),
            float=orders.amount.cast("float64"),
        ).order_by("up"),
    )
    rows(
        "window",
        lambda: orders.select(
            "id", r=ibis.row_number().over(order_by=orders.at), c=orders.id.sum().over(order_by=orders.at)
        ),
    )
    rows("lag", lambda: orders.select("id", before=orders.amount.lag(1).over(order_by=orders.at)).order_by("id"))
    rows("distinct", lambda: orders.select("customer").distinct().order_by("customer"))
    rows(
        "patterns",
        lambda: orders.filter(orders.customer.like("A%") | orders.customer.re_search("^B")).select("id").order_by("id"),
    )
    rows("lists", lambda: customers.select("id", n=customers.tags.length()).order_by("id"))
    rows("some", lambda: orders.filter(orders.id.isin([1, 2, 9])).count().as_table())
    rows("a median", lambda: orders.id.median().as_table())
    rows(
        "written out",
        lambda: connection.sql("SELECT customer, sum(amount) AS s FROM orders GROUP BY customer ORDER BY 1"),
    )
    rows("a view", lambda: connection.table("totals").filter(_.total > 10))
    ask("in batches", lambda: sum(batch.num_rows for batch in orders.to_pyarrow_batches()))
    ask("as pandas", lambda: customers.select("id", "name").order_by("id").execute().to_dict("list"))
    _write(answers, connection)
    answers.tell()


def _write(answers: Answers, connection: Any) -> None:
    """Tables and views that Ibis makes itself."""
    ask, orders = answers.ask, connection.table("orders")
    made = pa.table({"a": [1, 2], "b": ["x", None], "c": [1.5, 2.5], "e": [[1], [2, 3]]})
    ask("a table of its own", lambda: connection.create_table("made", made).order_by("a").to_pyarrow().to_pylist())
    ask("rows put in", lambda: connection.insert("made", made.slice(0, 1)))
    ask("rows read back", lambda: connection.table("made").count().execute())
    ask("emptied", lambda: [connection.truncate_table("made"), connection.table("made").count().execute()])
    ask(
        "a table of a query",
        lambda: connection.create_table("copied", orders.filter(_.id == 1)).to_pyarrow().to_pylist(),
    )
    ask("a view of its own", lambda: connection.create_view("seen", orders.filter(_.id == 2)).to_pyarrow().to_pylist())
    ask(
        "dropping",
        lambda: [connection.drop_view("seen"), connection.drop_table("made"), connection.drop_table("copied")],
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
