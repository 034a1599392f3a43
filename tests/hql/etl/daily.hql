-- One day's load: ${hivevar:day}. May be run again for the same day, with the same result.

SET hive.exec.dynamic.partition.mode=nonstrict;
SET hivevar:gap_s=1800;
SET hivevar:hosts='shop.example', 'm.shop.example';

CREATE TEMPORARY MACRO clean (s STRING) CASE WHEN trim(lower(s)) = '' THEN NULL ELSE trim(lower(s)) END;
CREATE TEMPORARY MACRO with_vat (net DOUBLE, vat DOUBLE) round(net * (1 + nvl(vat, 0.0)), 2);
CREATE TEMPORARY MACRO is_money (x DECIMAL(10,2)) x IS NOT NULL AND x >= 0;

-- ---------------------------------------------------------------- new files

USE raw;
MSCK REPAIR TABLE clicks;
MSCK REPAIR TABLE app_orders;
ALTER TABLE access ADD IF NOT EXISTS PARTITION (ds = '${day}') LOCATION '${raw}/access/log-${day}';

SHOW PARTITIONS clicks;
SHOW PARTITIONS app_orders PARTITION (ds = '${day}');

-- ---------------------------------------------------------------- dimensions

INSERT OVERWRITE TABLE mart.dim_product
SELECT
  CAST(product_id AS INT),
  initcap(trim(name)),
  clean(category),
  CAST(price AS DECIMAL(10,2))
FROM products
WHERE product_id RLIKE '^[0-9]+$';

INSERT OVERWRITE TABLE mart.dim_user
SELECT /*+ MAPJOIN(c) */
  u.id,
  regexp_replace(trim(u.name), '\\s+', ' '),
  upper(u.country),
  c.name,
  coalesce(c.region, 'elsewhere'),
  c.vat,
  to_date(u.joined),
  u.address.city,
  if(u.interests IS NULL, 0, size(u.interests))
FROM users u
LEFT OUTER JOIN countries c ON upper(u.country) = c.code
WHERE u.id IS NOT NULL;

INSERT OVERWRITE TABLE mart.user_interest
SELECT id, i.place + 1, i.interest
FROM users
LATERAL VIEW posexplode(interests) i AS place, interest
WHERE i.interest != '';

-- ---------------------------------------------------------------- staging: one scan, the good and the bad

FROM (
  SELECT
    CAST(event_time AS TIMESTAMP) AS ts,
    event_time,
    user_id,
    clean(event) AS event,
    parse_url(url, 'HOST') AS host,
    parse_url(url, 'PATH') AS path,
    parse_url(url, 'QUERY', 'lang') AS lang,
    product_id,
    amount,
    tags,
    props,
    CASE
      WHEN event_time IS NULL OR user_id IS NULL THEN 'incomplete'
      WHEN CAST(event_time AS TIMESTAMP) IS NULL THEN 'time'
      WHEN clean(event) IS NULL OR clean(event) NOT IN ('view', 'cart', 'purchase') THEN 'event'
      WHEN clean(event) = 'purchase' AND NOT is_money(amount) THEN 'amount'
    END AS reason
  FROM clicks
  WHERE ds = '${day}'
) lines
INSERT OVERWRITE TABLE stage.events PARTITION (ds = '${day}')
  SELECT ts, user_id, event, host, path, lower(lang), product_id, amount, tags, props
  WHERE reason IS NULL AND host IN (${hosts})
  DISTRIBUTE BY user_id SORT BY user_id, ts
INSERT OVERWRITE TABLE stage.rejected PARTITION (ds = '${day}')
  SELECT reason, event_time, user_id, event
  WHERE reason IS NOT NULL;

INSERT OVERWRITE TABLE stage.order_lines PARTITION (ds = '${day}')
SELECT
  o.order_id,
  line.pos + 1,
  o.user_id,
  o.ordered_at,
  line.item.product,
  nvl(line.item.pieces, 1),
  line.item.price
FROM app_orders o
LATERAL VIEW posexplode(o.items) line AS pos, item
WHERE o.ds = '${day}' AND o.hr BETWEEN 0 AND 23 AND o.order_id IS NOT NULL AND line.item.product IS NOT NULL;

ANALYZE TABLE stage.events PARTITION (ds = '${day}') COMPUTE STATISTICS;
DESCRIBE FORMATTED stage.events;
SELECT ds, reason, count(*) AS n FROM stage.rejected GROUP BY ds, reason ORDER BY ds, reason;

-- ---------------------------------------------------------------- sessions

USE stage;

WITH marked AS (
  SELECT
    user_id,
    ts,
    event,
    path,
    CASE
      WHEN unix_timestamp(ts) - lag(unix_timestamp(ts)) OVER (PARTITION BY user_id ORDER BY ts) <= ${gap_s} THEN 0
      ELSE 1
    END AS begins
  FROM events
  WHERE ds = '${day}'
),
numbered AS (
  SELECT
    user_id,
    ts,
    event,
    path,
    CAST(sum(begins) OVER (PARTITION BY user_id ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS INT) AS session_no
  FROM marked
),
framed AS (
  SELECT
    user_id,
    ts,
    event,
    session_no,
    first_value(path) OVER w AS entry_path,
    last_value(path) OVER w AS exit_path
  FROM numbered
  WINDOW w AS (PARTITION BY user_id, session_no ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
)
INSERT OVERWRITE TABLE sessions PARTITION (ds = '${day}')
SELECT
  user_id,
  session_no,
  min(ts),
  max(ts),
  count(*),
  sum(if(event = 'purchase', 1, 0)),
  max(entry_path),
  max(exit_path),
  concat_ws(',', sort_array(collect_set(event)))
FROM framed
GROUP BY user_id, session_no;

-- ---------------------------------------------------------------- facts

USE mart;

INSERT OVERWRITE TABLE session_facts PARTITION (ds, country)
SELECT /*+ MAPJOIN(u) */
  s.user_id,
  s.started,
  unix_timestamp(s.ended) - unix_timestamp(s.started),
  s.clicks,
  s.purchases > 0,
  CASE
    WHEN s.clicks == 1 THEN 'bounce'
    WHEN unix_timestamp(s.ended) - unix_timestamp(s.started) < 300 THEN 'short'
    ELSE 'long'
  END,
  s.ds,
  u.country
FROM stage.sessions s
LEFT JOIN dim_user u ON s.user_id = u.user_id
WHERE s.ds = '${day}';

-- Clicks and the application: two channels of one table, a directory for each of their categories.
INSERT OVERWRITE TABLE sales PARTITION (ds = '${day}', channel, category)
SELECT
  sold.user_id,
  sold.product_id,
  sold.at,
  sold.pieces,
  CAST(sold.net AS DECIMAL(12,2)),
  CAST(with_vat(sold.net, u.vat) AS DECIMAL(12,2)),
  sold.channel,
  p.category
FROM (
  SELECT user_id, product_id, ts AS at, 1 AS pieces, CAST(amount AS DOUBLE) AS net, 'web' AS channel
  FROM stage.events
  WHERE ds = '${day}' AND event = 'purchase'
  UNION ALL
  SELECT user_id, product_id, ordered_at AS at, pieces, pieces * price AS net, 'app' AS channel
  FROM stage.order_lines
  WHERE ds = '${day}' AND pieces > 0
) sold
LEFT OUTER JOIN dim_product p ON (sold.product_id = p.product_id)
LEFT OUTER JOIN dim_user u ON (sold.user_id = u.user_id);

SHOW PARTITIONS sales;

-- ---------------------------------------------------------------- summaries

INSERT OVERWRITE TABLE sales_cube PARTITION (ds = '${day}')
SELECT
  region,
  category,
  channel,
  GROUPING__ID,
  count(*),
  count(DISTINCT user_id),
  sum(net)
FROM (
  SELECT nvl(u.region, 'unknown') AS region, s.category, s.channel, s.user_id, s.net
  FROM sales s
  LEFT JOIN dim_user u ON s.user_id <=> u.user_id
  WHERE s.ds = '${day}'
) joined
GROUP BY region, category, channel
GROUPING SETS ((region, category, channel), (region, channel), (category), ());

-- One scan of the day's events, four summaries.
FROM stage.events e
INSERT OVERWRITE TABLE hourly PARTITION (ds = '${day}')
  SELECT
    hour(e.ts),
    sum(CASE WHEN e.event = 'view' THEN 1 ELSE 0 END),
    sum(CASE WHEN e.event = 'cart' THEN 1 ELSE 0 END),
    sum(CASE WHEN e.event = 'purchase' THEN 1 ELSE 0 END),
    sum(count(*)) OVER (ORDER BY hour(e.ts))
  WHERE e.ds = '${day}'
  GROUP BY hour(e.ts)
INSERT OVERWRITE TABLE campaign_counts PARTITION (ds = '${day}')
  SELECT 'utm', nvl(e.props['utm'], '(none)'), count(*)
  WHERE e.ds = '${day}'
  GROUP BY nvl(e.props['utm'], '(none)')
INSERT INTO TABLE campaign_counts PARTITION (ds = '${day}')
  SELECT 'device', e.props['device'], count(*)
  WHERE e.ds = '${day}' AND e.props['device'] IS NOT NULL
  GROUP BY e.props['device']
  HAVING count(*) > 1
INSERT INTO TABLE campaign_counts PARTITION (ds = '${day}')
  SELECT 'language', coalesce(e.lang, '??'), count(*)
  WHERE e.ds = '${day}'
  GROUP BY coalesce(e.lang, '??');

INSERT OVERWRITE TABLE tag_counts PARTITION (ds = '${day}')
SELECT tag, clicks, users, rank() OVER (ORDER BY clicks DESC, users DESC)
FROM (
  SELECT t.tag AS tag, count(*) AS clicks, count(DISTINCT e.user_id) AS users
  FROM stage.events e
  LATERAL VIEW OUTER explode(e.tags) t AS tag
  WHERE e.ds = '${day}'
  GROUP BY t.tag
) counted;

INSERT OVERWRITE TABLE top_products PARTITION (ds = '${day}')
SELECT r.category, r.place, r.product_id, p.name, r.net, r.net / r.whole
FROM (
  SELECT
    category,
    product_id,
    net,
    row_number() OVER (PARTITION BY category ORDER BY net DESC, product_id) AS place,
    sum(net) OVER (PARTITION BY category) AS whole
  FROM (
    SELECT category, product_id, sum(net) AS net
    FROM sales
    WHERE ds = '${day}' AND category IS NOT NULL
    GROUP BY category, product_id
  ) per_product
) r
JOIN dim_product p ON r.product_id = p.product_id
WHERE r.place <= 3 AND r.whole > 0;

INSERT OVERWRITE TABLE errors PARTITION (ds)
SELECT
  CAST(status AS INT),
  nvl(method, '?'),
  count(*),
  sum(CAST(bytes AS BIGINT)),
  max(path),
  ds
FROM raw.access
WHERE ds = '${day}' AND (status >= 400 OR status IS NULL OR status = '-')
GROUP BY CAST(status AS INT), nvl(method, '?'), ds;

-- ---------------------------------------------------------------- people

INSERT OVERWRITE TABLE silent_users PARTITION (ds = '${day}')
SELECT u.user_id, u.name
FROM dim_user u
WHERE u.country IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM stage.events e WHERE e.ds = '${day}' AND e.user_id = u.user_id)
  AND u.joined < date_add('${day}', 1);

INSERT OVERWRITE TABLE returning_users PARTITION (ds = '${day}')
SELECT now.user_id, before.clicks, now.clicks, round((now.clicks - before.clicks) / before.clicks, 4)
FROM (SELECT user_id, count(*) AS clicks FROM stage.events WHERE ds = '${day}' GROUP BY user_id) now
JOIN (
  SELECT user_id, count(*) AS clicks
  FROM stage.events
  WHERE ds = date_sub('${day}', 1)
  GROUP BY user_id
) before ON now.user_id = before.user_id
LEFT SEMI JOIN dim_user known ON (now.user_id = known.user_id);

-- Days are counted from what is staged, so that a day that is loaded again counts once.
MERGE INTO customer_state AS target
USING (
  SELECT user_id, min(ds) AS first_seen, max(ds) AS last_seen, CAST(count(DISTINCT ds) AS INT) AS days
  FROM stage.events
  WHERE ds <= '${day}'
  GROUP BY user_id
) AS source
ON target.user_id = source.user_id
WHEN MATCHED THEN UPDATE SET first_seen = source.first_seen, last_seen = source.last_seen, days = source.days
WHEN NOT MATCHED THEN INSERT VALUES (source.user_id, source.first_seen, source.last_seen, source.days);

-- ---------------------------------------------------------------- made anew every day

DROP TABLE IF EXISTS lifetime;
CREATE TABLE lifetime
COMMENT 'what each customer has bought so far'
STORED AS PARQUET
TBLPROPERTIES ('made.on' = '${day}')
AS
SELECT
  s.user_id AS user_id,
  count(*) AS lines,
  sum(s.gross) AS gross,
  percentile(CAST(s.net AS BIGINT), 0.5) AS median,
  collect_set(s.channel)[0] IS NOT NULL AS any_channel,
  concat_ws('+', sort_array(collect_set(s.channel))) AS channels,
  date_format(max(s.at), 'yyyy/MM/dd HH') AS last_hour,
  datediff(to_date(max(s.at)), to_date(min(s.at))) AS span_days,
  named_struct('first', min(s.at), 'last', max(s.at)) AS seen
FROM sales s
WHERE s.user_id IN (SELECT user_id FROM dim_user WHERE size(split(name, ' ')) >= 1)
GROUP BY s.user_id
HAVING sum(s.net) > 0;

DROP VIEW IF EXISTS best_customers;
CREATE VIEW best_customers AS
SELECT u.name, u.city, l.gross, l.channels, ntile(4) OVER (ORDER BY l.gross DESC, l.user_id) AS quarter
FROM lifetime l JOIN dim_user u USING (user_id);

INSERT OVERWRITE LOCAL DIRECTORY '${raw}/../report/${day}'
ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' NULL DEFINED AS 'n/a'
SELECT category, place, name, net
FROM top_products
WHERE ds = '${day}'
SORT BY category, place;

SELECT * FROM daily_totals ORDER BY ds;
SHOW CREATE TABLE lifetime;
DESCRIBE EXTENDED sales PARTITION (ds = '${day}', channel = 'web', category = 'books');
EXPLAIN SELECT count(*) FROM sales WHERE ds = '${day}';
DROP TEMPORARY MACRO IF EXISTS clean;
DROP TEMPORARY MACRO with_vat;
DROP TEMPORARY MACRO is_money;
