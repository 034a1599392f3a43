-- Scripts that random testing found and that once went wrong.  Whatever the last line of a block is, every view of it
-- is compared with its query after each statement, and made once more at the end.  Blocks are divided by blank lines.

-- window columns of the keys as arguments of an aggregate
CREATE STREAM s (k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts);
CREATE MATERIALIZED VIEW a AS SELECT window_end, max(window_end) AS m, count(*) AS n FROM HOP(s, ts, INTERVAL '5 seconds', INTERVAL '10 seconds') GROUP BY window_end;
CREATE MATERIALIZED VIEW b AS SELECT window_start, window_end, count(window_start) AS n FROM TUMBLE(s, ts, INTERVAL '5 seconds') WHERE k > 0 GROUP BY window_start, window_end;
INSERT INTO s VALUES (1, '2024-01-01 00:00:01'), (2, '2024-01-01 00:00:07'), (NULL, '2024-01-01 00:00:08');
INSERT INTO s VALUES (1, '2024-01-01 00:00:09');

-- NULL with a type keeps it in CASE and coalesce
CREATE TABLE t (id BIGINT PRIMARY KEY, f BOOLEAN);
CREATE MATERIALIZED VIEW a AS (SELECT f FROM t) INTERSECT ALL (SELECT CASE WHEN id = 1 THEN CAST(NULL AS BOOLEAN) END FROM t);
CREATE MATERIALIZED VIEW b AS SELECT coalesce(CAST(NULL AS BIGINT), NULL) + id AS c, nullif(CAST(NULL AS BIGINT), id) AS d FROM t;
INSERT INTO t VALUES (1, NULL), (2, true);

-- first_value as an aggregate, string_agg(DISTINCT), medians of numeric: one meaning in views and snapshots
CREATE TABLE t (id BIGINT PRIMARY KEY, s TEXT, n NUMERIC(10, 2));
CREATE MATERIALIZED VIEW a AS SELECT first_value(s ORDER BY id DESC) AS x, last_value(s ORDER BY id DESC) FILTER (WHERE id > 1) AS y FROM t;
CREATE MATERIALIZED VIEW b AS SELECT string_agg(DISTINCT s, ',' ORDER BY s DESC) AS x, string_agg(DISTINCT s, '') AS y FROM t WHERE s = 'a' OR s IS NULL;
CREATE MATERIALIZED VIEW c AS SELECT median(n) AS x, percentile_cont(0.25) WITHIN GROUP (ORDER BY n) AS y, quantile_cont(n, 0.75) AS z FROM t;
CREATE MATERIALIZED VIEW d AS SELECT id, median(n) OVER (ORDER BY id) AS m, first_value(s) OVER (ORDER BY id) AS f FROM t;
INSERT INTO t VALUES (1, 'a', 1.00), (2, 'b', 1.01), (3, 'a', NULL), (4, NULL, 7.25);
DELETE FROM t WHERE id = 2;

-- a comma binds less than RIGHT and FULL JOIN
CREATE TABLE t (id BIGINT PRIMARY KEY, k BIGINT);
CREATE TABLE u (id BIGINT PRIMARY KEY, k BIGINT);
CREATE MATERIALIZED VIEW a AS SELECT x.id AS c0, t.id AS c1, u.id AS c2 FROM t AS x, t RIGHT JOIN u ON t.k = u.k;
CREATE MATERIALIZED VIEW b AS SELECT x.id AS c0, t.id AS c1, u.id AS c2 FROM t AS x, t FULL JOIN u ON t.k = u.k, u AS y;
INSERT INTO u VALUES (1, 1), (2, 2);
INSERT INTO t VALUES (1, 2), (2, NULL);
DELETE FROM t;

-- a cumulating window's start is not the window, nor a session's without its key
CREATE STREAM s (k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts);
CREATE MATERIALIZED VIEW a AS SELECT window_start, count(*) AS n FROM CUMULATE(s, ts, INTERVAL '5 seconds', INTERVAL '20 seconds') GROUP BY window_start;
CREATE MATERIALIZED VIEW b AS SELECT window_end, count(*) AS n FROM CUMULATE(s, ts, INTERVAL '5 seconds', INTERVAL '20 seconds') GROUP BY window_end;
CREATE MATERIALIZED VIEW c AS SELECT k, window_start, count(*) AS n FROM SESSION(s PARTITION BY k, ts, INTERVAL '5 seconds') GROUP BY k, window_start;
INSERT INTO s VALUES (1, '2024-01-01 00:00:01'), (2, '2024-01-01 00:00:01'), (1, '2024-01-01 00:00:06'), (2, '2024-01-01 00:00:16');

-- a snapshot's sessions over rows of one time
CREATE TABLE t (id BIGINT PRIMARY KEY, k BIGINT, ts TIMESTAMP);
CREATE MATERIALIZED VIEW a AS SELECT window_start, max(ts) AS m, count(*) AS n FROM SESSION((SELECT x.ts FROM t AS x, t AS y) AS q, ts, INTERVAL '10 seconds') AS w GROUP BY window_start, window_end;
INSERT INTO t VALUES (1, 1, '2024-01-01 00:00:13'), (2, 1, '2023-12-31 23:59:50');
INSERT INTO t VALUES (3, 1, '2024-01-01 00:01:11'), (4, 1, '2024-01-01 00:00:56'), (5, 1, '2024-01-01 00:00:52');

-- conditions on the bounds of sessions, from below and from above
CREATE TABLE t (id BIGINT PRIMARY KEY, k BIGINT, ts TIMESTAMP);
CREATE MATERIALIZED VIEW a AS SELECT k, window_start, window_end, count(*) AS n FROM SESSION(t PARTITION BY k, ts, INTERVAL '5 seconds') WHERE window_end - window_start > INTERVAL '6 seconds' AND k > 0 GROUP BY k, window_start, window_end;
CREATE MATERIALIZED VIEW b AS SELECT * FROM (SELECT k, window_start AS s, window_end AS e, count(*) AS n FROM SESSION(t PARTITION BY k, ts, INTERVAL '5 seconds') GROUP BY k, window_start, window_end) AS q WHERE e > TIMESTAMP '2024-01-01 00:00:10';
INSERT INTO t VALUES (1, 1, '2024-01-01 00:00:01'), (2, 1, '2024-01-01 00:00:04'), (3, 2, '2024-01-01 00:00:09'), (4, 0, '2024-01-01 00:00:19');
DELETE FROM t WHERE id = 2;
INSERT INTO t VALUES (5, 2, '2024-01-01 00:00:05'), (6, 0, '2024-01-01 00:00:23');

-- a full join of which one side's rows must be there keeps the other side's conditions above it
CREATE TABLE t (id BIGINT PRIMARY KEY, d DATE);
CREATE TABLE v (id BIGINT PRIMARY KEY, k BIGINT, x DOUBLE PRECISION);
CREATE MATERIALIZED VIEW a AS SELECT v.x FROM v FULL JOIN t ON v.k = t.id WHERE t.d IS NOT NULL AND NOT (v.x BETWEEN v.x AND v.x);
CREATE MATERIALIZED VIEW b AS SELECT v.x, t.id FROM v FULL JOIN t ON v.k = t.id WHERE t.d > DATE '2024-01-01' AND (v.x IS NULL OR v.x > 1);
INSERT INTO t VALUES (3, '2024-01-02'), (5, '2024-01-01'), (6, NULL);
INSERT INTO v VALUES (4, 3, 0.5), (5, 5, 0.5), (6, 6, 2), (7, NULL, 3);

-- of the columns of a window that a grouping set does not have, those of other sets are NULL
CREATE STREAM s (id BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts);
CREATE MATERIALIZED VIEW a AS SELECT window_start AS g, count(*) AS n FROM TUMBLE(s, ts, INTERVAL '60 seconds') GROUP BY GROUPING SETS ((window_end), (window_start), ());
CREATE MATERIALIZED VIEW b AS SELECT window_start, window_end, grouping(window_start, window_end) AS g, count(*) AS n FROM TUMBLE(s, ts, INTERVAL '60 seconds') GROUP BY CUBE (window_start, window_end);
CREATE MATERIALIZED VIEW c AS SELECT q.y AS g FROM (SELECT 0 AS z, window_end AS x, window_start AS y FROM TUMBLE(s, ts, INTERVAL '60 seconds')) AS q GROUP BY GROUPING SETS ((q.z), (q.x), (q.y), ());
INSERT INTO s VALUES (1, '2024-01-01 00:02:06'), (2, '2024-01-01 00:02:16'), (3, '2024-01-01 00:05:00');
