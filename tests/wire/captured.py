"""The statements that clients send: one file a client, `-- statement` before each, its parameters in JSON behind."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).with_name("captured")
GOLDEN = Path(__file__).with_name("golden")
CLIENTS = sorted(path.stem for path in FOLDER.glob("*.sql"))
PARAMETERS = "-- parameters: "

SETUP = (
    "CREATE SCHEMA sales",
    "CREATE STREAM orders (id bigint, customer text, amount numeric(10,2), at timestamp, "
    "WATERMARK FOR at AS at - INTERVAL '5' SECOND)",
    "COMMENT ON STREAM orders IS 'orders as they come in'",
    "CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL, tags text[], born date, "
    "active boolean DEFAULT true, score double precision CONSTRAINT score_range CHECK (score >= 0))",
    "CREATE TABLE sales.items (sku text, warehouse integer, stock integer DEFAULT 0, data jsonb, "
    "PRIMARY KEY (sku, warehouse))",
    "CREATE VIEW big_orders AS SELECT id, customer FROM orders WHERE amount > 100",
    "CREATE MATERIALIZED VIEW totals AS SELECT customer, count(*) AS n, sum(amount) AS total FROM orders "
    "GROUP BY customer",
    "INSERT INTO customers (id, name) VALUES (1, 'Ada'), (2, 'Bo')",
    "INSERT INTO orders VALUES (1, 'Ada', 120, TIMESTAMP '2026-01-01'), (2, 'Bo', 5, TIMESTAMP '2026-01-02')",
)
"""A database with one of everything, which the clients were asked about."""


class Captured(NamedTuple):
    """A statement and the texts of its parameters."""

    text: str
    parameters: list[str | None]


def statements(client: str) -> list[Captured]:
    """What a client sent, in order."""
    text = (FOLDER / f"{client}.sql").read_text(encoding="utf-8")
    found = []
    for piece in re.split(r"^-- statement\n", text, flags=re.MULTILINE)[1:]:
        body, parameters = piece.strip(), []
        if body.startswith(PARAMETERS):
            head, _, body = body.partition("\n")
            parameters = json.loads(head.removeprefix(PARAMETERS))
        found.append(Captured(body.strip().rstrip(";"), parameters))
    return found
