"""What the load must leave in each table, by DuckDB from the raw files: queries that share no code with the script.

Text is cut by hand here, with string functions, so that neither side's reader is trusted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

PREPARE = r"""
CREATE MACRO clean(s) AS nullif(lower(trim(s, ' ')), '');
CREATE MACRO dash(s) AS nullif(s, '-');
CREATE MACRO backslash_n(s) AS nullif(s, '\N');
CREATE MACRO money(x) AS CAST(CAST(CAST(x AS VARCHAR) AS DECIMAL(38,20)) AS DECIMAL(12,2));
CREATE MACRO whole(s) AS CASE WHEN regexp_full_match(s, '-?[0-9]+') THEN TRY_CAST(s AS BIGINT) END;

CREATE TABLE click_lines AS
SELECT ds, string_split(line, chr(9)) AS f
FROM (
  SELECT regexp_extract(filename, 'ds=([^/]*)', 1) AS ds,
         unnest(string_split(regexp_replace(content, '\n$', ''), chr(10))) AS raw,
         replace(replace(replace(raw, '\\', chr(2)), '\' || chr(9), chr(3)), '\,', chr(4)) AS line
  FROM read_text('RAW/clicks/*/*.log')
);
CREATE MACRO unescaped(s) AS replace(replace(replace(s, chr(2), '\'), chr(3), chr(9)), chr(4), ',');
CREATE TABLE clicks AS
SELECT ds,
  unescaped(dash(f[1])) AS event_time,
  whole(dash(f[2])) AS user_id,
  unescaped(dash(f[3])) AS event,
  unescaped(dash(f[4])) AS url,
  CAST(whole(dash(f[5])) AS INTEGER) AS product_id,
  TRY_CAST(TRY_CAST(dash(f[6]) AS DOUBLE) AS DECIMAL(18,6))::DECIMAL(10,2) AS amount,
  CASE WHEN nullif(dash(f[7]), '') IS NOT NULL
    THEN list_transform(string_split(f[7], ','), lambda x: unescaped(x)) END AS tags,
  CASE WHEN nullif(dash(f[8]), '') IS NOT NULL
    THEN map_from_entries(list_transform(string_split(f[8], ','),
      lambda x: (split_part(x, ':', 1), split_part(x, ':', 2)))) END
    AS props
FROM click_lines;

CREATE TABLE judged AS
SELECT *, TRY_CAST(event_time AS TIMESTAMP) AS ts,
  CASE
    WHEN event_time IS NULL OR user_id IS NULL THEN 'incomplete'
    WHEN TRY_CAST(event_time AS TIMESTAMP) IS NULL THEN 'time'
    WHEN coalesce(clean(event), '') NOT IN ('view', 'cart', 'purchase') THEN 'event'
    WHEN clean(event) = 'purchase' AND coalesce(amount, -1) < 0 THEN 'amount'
  END AS reason
FROM clicks;

CREATE TABLE events AS
SELECT * FROM (
  SELECT ts, user_id, clean(event) AS event,
    regexp_extract(url, '^https?://([^/?#]*)', 1) AS host,
    regexp_extract(url, '^https?://[^/?#]*([^?#]*)', 1) AS path,
    CASE WHEN regexp_matches(url, '[?&]lang=') THEN lower(regexp_extract(url, '[?&]lang=([^&#]*)', 1)) END AS lang,
    product_id, amount, tags, props, ds
  FROM judged WHERE reason IS NULL
) WHERE host IN ('shop.example', 'm.shop.example');

CREATE TABLE order_lines AS
SELECT backslash_n(f[1])::BIGINT AS order_id, CAST(pos AS INTEGER) AS line, backslash_n(f[2])::BIGINT AS user_id,
  f[3]::TIMESTAMP AS ordered_at, string_split(item, chr(3))[1]::INTEGER AS product_id,
  coalesce(backslash_n(string_split(item, chr(3))[2])::INTEGER, 1) AS pieces,
  string_split(item, chr(3))[3]::DOUBLE AS price, ds
FROM (
  SELECT ds, f, unnest(string_split(f[4], chr(2))) AS item, generate_subscripts(string_split(f[4], chr(2)), 1) AS pos
  FROM (
    SELECT regexp_extract(filename, 'ds=([^/]*)', 1) AS ds,
           string_split(unnest(string_split(regexp_replace(content, '\n$', ''), chr(10))), chr(1)) AS f
    FROM read_text('RAW/app_orders/*/*/*')
  ) WHERE backslash_n(f[4]) IS NOT NULL
) WHERE backslash_n(f[1]) IS NOT NULL;

CREATE TABLE dim_product AS
SELECT CAST(product_id AS INTEGER) AS product_id,
  array_to_string(list_transform(string_split(trim(name), ' '), lambda w: upper(w[1]) || lower(w[2:])), ' ') AS name,
  clean(category) AS category, TRY_CAST(price AS DECIMAL(10,2)) AS price
FROM (
  SELECT q[1] AS product_id, q[2] AS name, q[3] AS category, q[4] AS price
  FROM (
    SELECT list_transform(regexp_extract_all(line || ',', '(?:"(?:[^"]|"")*"|[^",]*),'),
      lambda x: replace(regexp_replace(x, '^"?(.*?)"?,$', '\1'), '""', '"')) AS q
    FROM (
      SELECT unnest(string_split(content, chr(10))) AS raw,
        -- opencsv 2.3 leaves a field out whose quote is never closed
        CASE WHEN len(replace(raw, '"', '')) % 2 <> len(raw) % 2 THEN regexp_replace(raw, ',"[^"]*$', '')
          ELSE raw END AS line
      FROM read_text('RAW/products/*.csv')
    )
  )
)
WHERE regexp_full_match(product_id, '[0-9]+');

CREATE TABLE countries AS
SELECT f[1] AS code, f[2] AS name, backslash_n(f[3]) AS region, TRY_CAST(f[4] AS DOUBLE) AS vat
FROM (SELECT string_split(unnest(string_split(regexp_replace(content, '\n$', ''), chr(10))), '|') AS f
      FROM read_text('RAW/countries/*'));
CREATE TABLE users AS SELECT * FROM read_json('RAW/users/*.json', columns = {'id': 'BIGINT', 'name': 'VARCHAR',
  'country': 'VARCHAR', 'joined': 'VARCHAR', 'address': 'STRUCT(city VARCHAR, zip VARCHAR)', 'interests': 'VARCHAR[]'});
CREATE TABLE dim_user AS
SELECT u.id AS user_id, regexp_replace(trim(u.name, ' '), '\s+', ' ', 'g') AS name, upper(u.country) AS country,
  c.name AS country_name, coalesce(c.region, 'elsewhere') AS region, c.vat, CAST(u.joined AS DATE) AS joined,
  u.address.city AS city, CAST(coalesce(len(u.interests), 0) AS INTEGER) AS n_interests
FROM users u LEFT JOIN countries c ON upper(u.country) = c.code;

CREATE TABLE stops AS
SELECT *, sum(CASE WHEN gap <= 1800 THEN 0 ELSE 1 END) OVER (PARTITION BY ds, user_id ORDER BY ts) AS session_no
FROM (SELECT *, epoch(ts) - lag(epoch(ts)) OVER (PARTITION BY ds, user_id ORDER BY ts) AS gap FROM events);
CREATE TABLE sessions AS
SELECT user_id, CAST(session_no AS INTEGER) AS session_no, min(ts) AS started, max(ts) AS ended,
  CAST(count(*) AS INTEGER) AS clicks, CAST(count(*) FILTER (event = 'purchase') AS INTEGER) AS purchases,
  arg_min(path, ts) AS entry_path, arg_max(path, ts) AS exit_path,
  array_to_string(list_sort(list(DISTINCT event)), ',') AS events, ds
FROM stops GROUP BY ds, user_id, session_no;

CREATE TABLE sales AS
SELECT sold.user_id, sold.product_id, sold.at, sold.pieces, money(sold.net) AS net,
  money(sold.net * (1 + coalesce(u.vat, 0))) AS gross, sold.ds, sold.channel, p.category
FROM (
  SELECT ds, user_id, product_id, ts AS at, 1 AS pieces, CAST(amount AS DOUBLE) AS net, 'web' AS channel
  FROM events WHERE event = 'purchase'
  UNION ALL
  SELECT ds, user_id, product_id, ordered_at, pieces, pieces * price, 'app' FROM order_lines WHERE pieces > 0
) sold LEFT JOIN dim_product p USING (product_id) LEFT JOIN dim_user u ON sold.user_id = u.user_id;
"""

ANSWERS = {
    "mart.dim_product": "SELECT * FROM dim_product",
    "mart.dim_user": "SELECT * FROM dim_user",
    "mart.user_interest": "SELECT id, CAST(place AS INTEGER), interest FROM (SELECT id, unnest(interests) AS interest, "
    "generate_subscripts(interests, 1) AS place FROM users) WHERE interest <> ''",
    "stage.events": "SELECT * FROM events",
    "stage.rejected": "SELECT reason, event_time, user_id, clean(event), ds FROM judged WHERE reason IS NOT NULL",
    "stage.order_lines": "SELECT * FROM order_lines",
    "stage.sessions": "SELECT * FROM sessions",
    "mart.session_facts": """
        SELECT s.user_id, started, CAST(epoch(ended) - epoch(started) AS BIGINT), clicks, purchases > 0,
          CASE WHEN clicks = 1 THEN 'bounce' WHEN ended - started < INTERVAL 5 MINUTE THEN 'short' ELSE 'long' END,
          ds, country
        FROM sessions s LEFT JOIN dim_user USING (user_id)""",
    "mart.sales": "SELECT * FROM sales",
    "mart.sales_cube": """
        SELECT region, category, channel, GROUPING(region, category, channel),
          count(*), count(DISTINCT user_id), sum(net), ds
        FROM (SELECT s.*, coalesce(u.region, 'unknown') AS region FROM sales s LEFT JOIN dim_user u USING (user_id))
        GROUP BY GROUPING SETS ((ds, region, category, channel), (ds, region, channel), (ds, category), (ds))""",
    "mart.hourly": """
        SELECT CAST(h AS INTEGER), v, c, p, sum(n) OVER (PARTITION BY ds ORDER BY h), ds FROM (
          SELECT ds, hour(ts) AS h, count(*) AS n, count(*) FILTER (event = 'view') AS v,
            count(*) FILTER (event = 'cart') AS c, count(*) FILTER (event = 'purchase') AS p
          FROM events GROUP BY ds, h)""",
    "mart.campaign_counts": """
        SELECT 'utm', coalesce(props['utm'], '(none)') AS v, count(*), ds FROM events GROUP BY v, ds
        UNION ALL SELECT 'device', props['device'] AS v, count(*), ds FROM events WHERE v IS NOT NULL GROUP BY v, ds
          HAVING count(*) > 1
        UNION ALL SELECT 'language', coalesce(lang, '??') AS v, count(*), ds FROM events GROUP BY v, ds""",
    "mart.tag_counts": """
        SELECT tag, clicks, users, CAST(rank() OVER (PARTITION BY ds ORDER BY clicks DESC, users DESC) AS INTEGER), ds
        FROM (
          SELECT ds, tag, count(*) AS clicks, count(DISTINCT user_id) AS users
          FROM (SELECT ds, user_id, unnest(coalesce(tags, [NULL])) AS tag FROM events) GROUP BY ds, tag)""",
    "mart.top_products": """
        SELECT category, CAST(place AS INTEGER), product_id, name, net, CAST(net AS DOUBLE) / CAST(whole AS DOUBLE), ds
        FROM (
          SELECT *, row_number() OVER (PARTITION BY ds, category ORDER BY net DESC, product_id) AS place,
            sum(net) OVER (PARTITION BY ds, category) AS whole
          FROM (SELECT ds, category, product_id, sum(net) AS net FROM sales WHERE category IS NOT NULL GROUP BY ALL)
        ) JOIN (SELECT product_id, name FROM dim_product) USING (product_id) WHERE place <= 3 AND whole > 0""",
    "mart.errors": r"""
        SELECT TRY_CAST(status AS INTEGER) AS status, coalesce(method, '?') AS method, count(*),
          CAST(sum(TRY_CAST(bytes AS BIGINT)) AS BIGINT), max(path), ds
        FROM (
          SELECT ds, m.status, m.method, m.path, m.bytes
          FROM (SELECT regexp_extract(filename, 'log-([^/]*)', 1) AS ds,
                  regexp_extract(unnest(string_split(content, chr(10))),
                    '^([^ ]*) \[([^\]]*)\] "([^ ]*) ([^"]*)" (\d+|-) (\d+|-)$',
                    ['host', 'at', 'method', 'path', 'status', 'bytes']) AS n
                FROM read_text('RAW/access/*/*')),
            LATERAL (SELECT CASE WHEN n.status <> '' THEN n END AS m)
        ) WHERE status IS NULL OR status = '-' OR CAST(status AS INTEGER) >= 400 GROUP BY ALL""",
    "mart.silent_users": """
        SELECT user_id, name, ds FROM dim_user, (SELECT DISTINCT ds FROM events)
        WHERE country IS NOT NULL AND joined <= CAST(ds AS DATE)
          AND (user_id, ds) NOT IN (SELECT (user_id, ds) FROM events)""",
    "mart.returning_users": """
        SELECT user_id, b.n, a.n, round((a.n - b.n) / b.n, 4), a.ds
        FROM (SELECT user_id, ds, count(*) AS n FROM events GROUP BY ALL) a
        JOIN (SELECT user_id, ds, count(*) AS n FROM events GROUP BY ALL) b USING (user_id)
        WHERE CAST(a.ds AS DATE) = CAST(b.ds AS DATE) + 1 AND user_id IN (SELECT user_id FROM dim_user)""",
    "mart.customer_state": """
        SELECT user_id, min(ds), max(ds), CAST(count(DISTINCT ds) AS INTEGER) FROM events GROUP BY user_id""",
    "mart.lifetime": """
        SELECT user_id, count(*), sum(gross), quantile_cont(CAST(trunc(net) AS BIGINT), 0.5), true,
          array_to_string(list_sort(list(DISTINCT channel)), '+'), strftime(max("at"), '%Y/%m/%d %H'),
          CAST(date_diff('day', CAST(min("at") AS DATE), CAST(max("at") AS DATE)) AS INTEGER),
          {'first': min("at"), 'last': max("at")}
        FROM sales WHERE user_id IN (SELECT user_id FROM dim_user) GROUP BY user_id HAVING sum(net) > 0""",
    "mart.daily_totals": "SELECT ds, count(*), sum(net), sum(gross) FROM sales GROUP BY ds",
    "mart.best_customers": """
        SELECT u.name, u.city, gross, channels, CAST(ntile(4) OVER (ORDER BY gross DESC, l.user_id) AS INTEGER)
        FROM (SELECT user_id, sum(gross) AS gross, array_to_string(list_sort(list(DISTINCT channel)), '+') AS channels
              FROM sales WHERE user_id IN (SELECT user_id FROM dim_user) GROUP BY user_id HAVING sum(net) > 0) l
        JOIN dim_user u USING (user_id)""",
}
"""The columns of each table in the order of its DDL, partition columns last."""


def report(connection: duckdb.DuckDBPyConnection, day: str) -> list[str]:
    """The lines of a day's report, in order of their text."""
    rows = connection.sql(f"SELECT * FROM ({ANSWERS['mart.top_products']}) WHERE ds = '{day}'").fetchall()
    return sorted(f"{category}|{place}|{name}|{net}" for category, place, _, name, net, _, _ in rows)


def over(raw: Path) -> duckdb.DuckDBPyConnection:
    """A connection with the raw files as tables."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(PREPARE.replace("RAW", str(raw)))
    return connection


def answer(connection: duckdb.DuckDBPyConnection, table: str, raw: Path) -> list[tuple[Any, ...]]:
    """The rows a table must have."""
    return connection.sql(ANSWERS[table].replace("RAW", str(raw))).fetchall()
