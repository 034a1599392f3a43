-- The load of setup.hql and daily.hql as a pipeline: views over the same raw tables, which follow as files and partitions
-- come. Each has the rows of the table of its name, for all days at once.

CREATE DATABASE IF NOT EXISTS live COMMENT 'the same, kept up to date';
USE live;

CREATE TEMPORARY MACRO clean (s STRING) CASE WHEN trim(lower(s)) = '' THEN NULL ELSE trim(lower(s)) END;
CREATE TEMPORARY MACRO with_vat (net DOUBLE, vat DOUBLE) round(net * (1 + nvl(vat, 0.0)), 2);
CREATE TEMPORARY MACRO is_money (x DECIMAL(10,2)) x IS NOT NULL AND x >= 0;

CREATE MATERIALIZED VIEW dim_product AS
SELECT
  CAST(product_id AS INT) AS product_id,
  initcap(trim(name)) AS name,
  clean(category) AS category,
  CAST(price AS DECIMAL(10,2)) AS price
FROM raw.products
WHERE product_id RLIKE '^[0-9]+$';

CREATE MATERIALIZED VIEW dim_user AS
SELECT /*+ MAPJOIN(c) */
  u.id AS user_id,
  regexp_replace(trim(u.name), '\\s+', ' ') AS name,
  upper(u.country) AS country,
  c.name AS country_name,
  coalesce(c.region, 'elsewhere') AS region,
  c.vat AS vat,
  to_date(u.joined) AS joined,
  u.address.city AS city,
  if(u.interests IS NULL, 0, size(u.interests)) AS n_interests
FROM raw.users u
LEFT OUTER JOIN raw.countries c ON upper(u.country) = c.code
WHERE u.id IS NOT NULL;

CREATE MATERIALIZED VIEW user_interest AS
SELECT id, i.place + 1 AS place, i.interest
FROM raw.users
LATERAL VIEW posexplode(interests) i AS place, interest
WHERE i.interest != '';

-- One view that judges each line, two that take the good ones and the bad ones out of it.
CREATE VIEW lines AS
SELECT
  CAST(event_time AS TIMESTAMP) AS ts,
  event_time,
  user_id,
  clean(event) AS event,
  parse_url(url, 'HOST') AS host,
  parse_url(url, 'PATH') AS path,
  lower(parse_url(url, 'QUERY', 'lang')) AS lang,
  product_id,
  amount,
  tags,
  props,
  CASE
    WHEN event_time IS NULL OR user_id IS NULL THEN 'incomplete'
    WHEN CAST(event_time AS TIMESTAMP) IS NULL THEN 'time'
    WHEN clean(event) IS NULL OR clean(event) NOT IN ('view', 'cart', 'purchase') THEN 'event'
    WHEN clean(event) = 'purchase' AND NOT is_money(amount) THEN 'amount'
  END AS reason,
  ds
FROM raw.clicks;

CREATE MATERIALIZED VIEW events AS
SELECT ts, user_id, event, host, path, lang, product_id, amount, tags, props, ds
FROM lines
WHERE reason IS NULL AND host IN ('shop.example', 'm.shop.example');

CREATE MATERIALIZED VIEW rejected AS
SELECT reason, event_time, user_id, event, ds FROM lines WHERE reason IS NOT NULL;

CREATE MATERIALIZED VIEW order_lines AS
SELECT
  o.order_id,
  line.pos + 1 AS line,
  o.user_id,
  o.ordered_at,
  line.item.product AS product_id,
  nvl(line.item.pieces, 1) AS pieces,
  line.item.price AS price,
  o.ds
FROM raw.app_orders o
LATERAL VIEW posexplode(o.items) line AS pos, item
WHERE o.hr BETWEEN 0 AND 23 AND o.order_id IS NOT NULL AND line.item.product IS NOT NULL;

CREATE MATERIALIZED VIEW sessions AS
WITH marked AS (
  SELECT
    ds,
    user_id,
    ts,
    event,
    path,
    CASE
      WHEN unix_timestamp(ts) - lag(unix_timestamp(ts)) OVER (PARTITION BY ds, user_id ORDER BY ts) <= 1800 THEN 0
      ELSE 1
    END AS begins
  FROM events
),
numbered AS (
  SELECT
    ds,
    user_id,
    ts,
    event,
    path,
    CAST(sum(begins) OVER (PARTITION BY ds, user_id ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS INT) AS session_no
  FROM marked
),
framed AS (
  SELECT
    ds,
    user_id,
    ts,
    event,
    session_no,
    first_value(path) OVER w AS entry_path,
    last_value(path) OVER w AS exit_path
  FROM numbered
  WINDOW w AS (PARTITION BY ds, user_id, session_no ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
)
SELECT
  user_id,
  session_no,
  min(ts) AS started,
  max(ts) AS ended,
  CAST(count(*) AS INT) AS clicks,
  CAST(sum(if(event = 'purchase', 1, 0)) AS INT) AS purchases,
  max(entry_path) AS entry_path,
  max(exit_path) AS exit_path,
  concat_ws(',', sort_array(collect_set(event))) AS events,
  ds
FROM framed
GROUP BY user_id, session_no, ds;

CREATE MATERIALIZED VIEW session_facts AS
SELECT /*+ MAPJOIN(u) */
  s.user_id,
  s.started,
  unix_timestamp(s.ended) - unix_timestamp(s.started) AS seconds,
  s.clicks,
  s.purchases > 0 AS bought,
  CASE
    WHEN s.clicks == 1 THEN 'bounce'
    WHEN unix_timestamp(s.ended) - unix_timestamp(s.started) < 300 THEN 'short'
    ELSE 'long'
  END AS length,
  s.ds,
  u.country
FROM sessions s
LEFT JOIN dim_user u ON s.user_id = u.user_id;

CREATE MATERIALIZED VIEW sales AS
SELECT
  sold.user_id,
  sold.product_id,
  sold.at,
  sold.pieces,
  CAST(sold.net AS DECIMAL(12,2)) AS net,
  CAST(with_vat(sold.net, u.vat) AS DECIMAL(12,2)) AS gross,
  sold.ds,
  sold.channel,
  p.category
FROM (
  SELECT ds, user_id, product_id, ts AS at, 1 AS pieces, CAST(amount AS DOUBLE) AS net, 'web' AS channel
  FROM events
  WHERE event = 'purchase'
  UNION ALL
  SELECT ds, user_id, product_id, ordered_at AS at, pieces, pieces * price AS net, 'app' AS channel
  FROM order_lines
  WHERE pieces > 0
) sold
LEFT OUTER JOIN dim_product p ON (sold.product_id = p.product_id)
LEFT OUTER JOIN dim_user u ON (sold.user_id = u.user_id);

CREATE MATERIALIZED VIEW sales_cube AS
SELECT region, category, channel, grouping(region, category, channel) AS level, count(*) AS lines, count(DISTINCT user_id) AS buyers, sum(net) AS net, ds
FROM (
  SELECT nvl(u.region, 'unknown') AS region, s.category, s.channel, s.user_id, s.net, s.ds
  FROM sales s
  LEFT JOIN dim_user u ON s.user_id <=> u.user_id
) joined
GROUP BY ds, region, category, channel
GROUPING SETS ((ds, region, category, channel), (ds, region, channel), (ds, category), (ds));

CREATE MATERIALIZED VIEW hourly AS
SELECT
  hour(e.ts) AS hr,
  sum(CASE WHEN e.event = 'view' THEN 1 ELSE 0 END) AS views,
  sum(CASE WHEN e.event = 'cart' THEN 1 ELSE 0 END) AS carts,
  sum(CASE WHEN e.event = 'purchase' THEN 1 ELSE 0 END) AS purchases,
  sum(count(*)) OVER (PARTITION BY e.ds ORDER BY hour(e.ts)) AS so_far,
  e.ds
FROM events e
GROUP BY e.ds, hour(e.ts);

CREATE MATERIALIZED VIEW campaign_counts AS
SELECT 'utm' AS name, nvl(props['utm'], '(none)') AS value, count(*) AS clicks, ds
FROM events
GROUP BY ds, nvl(props['utm'], '(none)')
UNION ALL
SELECT 'device', props['device'], count(*), ds
FROM events
WHERE props['device'] IS NOT NULL
GROUP BY ds, props['device']
HAVING count(*) > 1
UNION ALL
SELECT 'language', coalesce(lang, '??'), count(*), ds
FROM events
GROUP BY ds, coalesce(lang, '??');

CREATE MATERIALIZED VIEW tag_counts AS
SELECT tag, clicks, users, rank() OVER (PARTITION BY ds ORDER BY clicks DESC, users DESC) AS rank, ds
FROM (
  SELECT e.ds AS ds, t.tag AS tag, count(*) AS clicks, count(DISTINCT e.user_id) AS users
  FROM events e
  LATERAL VIEW OUTER explode(e.tags) t AS tag
  GROUP BY e.ds, t.tag
) counted;

CREATE MATERIALIZED VIEW top_products AS
SELECT r.category, r.place, r.product_id, p.name, r.net, CAST(r.net / r.whole AS DOUBLE) AS share, r.ds
FROM (
  SELECT
    ds,
    category,
    product_id,
    net,
    row_number() OVER (PARTITION BY ds, category ORDER BY net DESC, product_id) AS place,
    sum(net) OVER (PARTITION BY ds, category) AS whole
  FROM (
    SELECT ds, category, product_id, sum(net) AS net
    FROM sales
    WHERE category IS NOT NULL
    GROUP BY ds, category, product_id
  ) per_product
) r
JOIN dim_product p ON r.product_id = p.product_id
WHERE r.place <= 3 AND r.whole > 0;

CREATE MATERIALIZED VIEW errors AS
SELECT CAST(status AS INT) AS status, nvl(method, '?') AS method, count(*) AS hits, sum(CAST(bytes AS BIGINT)) AS bytes, max(path) AS longest, ds
FROM raw.access
WHERE status >= 400 OR status IS NULL OR status = '-'
GROUP BY CAST(status AS INT), nvl(method, '?'), ds;

CREATE MATERIALIZED VIEW silent_users AS
SELECT u.user_id, u.name, d.ds
FROM dim_user u
CROSS JOIN (SELECT DISTINCT ds FROM events) d
WHERE u.country IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM events e WHERE e.ds = d.ds AND e.user_id = u.user_id)
  AND u.joined < date_add(d.ds, 1);

CREATE MATERIALIZED VIEW returning_users AS
SELECT now.user_id, before.clicks AS clicks_before, now.clicks AS clicks_now, round((now.clicks - before.clicks) / before.clicks, 4) AS change, now.ds
FROM (SELECT ds, user_id, count(*) AS clicks FROM events GROUP BY ds, user_id) now
JOIN (SELECT ds, user_id, count(*) AS clicks FROM events GROUP BY ds, user_id) before
  ON now.user_id = before.user_id AND CAST(before.ds AS DATE) = date_sub(now.ds, 1)
LEFT SEMI JOIN dim_user known ON (now.user_id = known.user_id);

CREATE MATERIALIZED VIEW customer_state AS
SELECT user_id, min(ds) AS first_seen, max(ds) AS last_seen, CAST(count(DISTINCT ds) AS INT) AS days
FROM events
GROUP BY user_id;

CREATE MATERIALIZED VIEW lifetime AS
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

CREATE MATERIALIZED VIEW daily_totals AS
SELECT ds, count(*) AS orders, sum(net) AS net, sum(gross) AS gross FROM sales GROUP BY ds;

CREATE MATERIALIZED VIEW best_customers AS
SELECT u.name, u.city, l.gross, l.channels, ntile(4) OVER (ORDER BY l.gross DESC, l.user_id) AS quarter
FROM lifetime l JOIN dim_user u USING (user_id);

-- And from a topic: what the servers would send instead of files.
CREATE EXTERNAL TABLE IF NOT EXISTS click_topic (
  event_time STRING,
  user_id    BIGINT,
  event      STRING,
  tags       ARRAY<STRING>,
  props      MAP<STRING, STRING>
)
STORED BY 'org.apache.hadoop.hive.kafka.KafkaStorageHandler'
TBLPROPERTIES ("kafka.topic" = "clicks", "kafka.bootstrap.servers" = "localhost:9092");

CREATE MATERIALIZED VIEW topic_props AS
SELECT substr(event_time, 1, 10) AS ds, p.k AS k, p.v AS v, count(*) AS n, count(DISTINCT user_id) AS users
FROM click_topic
LATERAL VIEW explode(props) p AS k, v
GROUP BY substr(event_time, 1, 10), p.k, p.v;

DROP TEMPORARY MACRO clean;
DROP TEMPORARY MACRO with_vat;
DROP TEMPORARY MACRO is_money;
