-- The shop's tables: what lies outside (raw), what is cleaned (stage), what is read (mart).
-- Run before every load; whatever exists already stays as it is.
--
--   sqlengine DATA_DIR --dialect hive --hivevar raw=/where/the/logs/are -f setup.hql -f daily.hql

SET hive.exec.dynamic.partition=true;
SET hive.exec.dynamic.partition.mode=nonstrict;
SET hive.exec.max.dynamic.partitions=1000;
SET hive.auto.convert.join=true;
SET mapreduce.job.reduces=8;

CREATE DATABASE IF NOT EXISTS raw COMMENT 'what the front ends write';
CREATE DATABASE IF NOT EXISTS stage COMMENT 'cleaned, one partition a day'
WITH DBPROPERTIES ('owner' = 'data', 'keep.days' = '30');
CREATE DATABASE IF NOT EXISTS mart COMMENT 'what reports read';

-- ---------------------------------------------------------------- raw

USE raw;

-- One line a click, tabs between the fields, a directory a day.
CREATE EXTERNAL TABLE IF NOT EXISTS clicks (
  event_time STRING COMMENT 'yyyy-MM-dd HH:mm:ss, UTC',
  user_id    BIGINT,
  event      STRING COMMENT 'view, cart, purchase',
  url        STRING,
  product_id INT,
  amount     DECIMAL(10,2),
  tags       ARRAY<STRING>,
  props      MAP<STRING, STRING>
)
COMMENT 'clicks as the web servers log them'
PARTITIONED BY (ds STRING)
ROW FORMAT DELIMITED
  FIELDS TERMINATED BY '\t'
  ESCAPED BY '\\'
  COLLECTION ITEMS TERMINATED BY ','
  MAP KEYS TERMINATED BY ':'
  LINES TERMINATED BY '\n'
  NULL DEFINED AS '-'
STORED AS TEXTFILE
LOCATION '${hivevar:raw}/clicks';

-- Orders of the phone application: Hive's own delimiters, ^A ^B ^C and \N, hours below days.
CREATE EXTERNAL TABLE IF NOT EXISTS app_orders (
  order_id   BIGINT,
  user_id    BIGINT,
  ordered_at TIMESTAMP,
  items      ARRAY<STRUCT<product: INT, pieces: INT, price: DOUBLE>>,
  note       STRING
)
PARTITIONED BY (ds STRING, hr INT)
STORED AS TEXTFILE
LOCATION '${hivevar:raw}/app_orders';

-- What the load balancer says, by a regular expression; its directories have names of their own.
CREATE EXTERNAL TABLE IF NOT EXISTS access (
  host    STRING,
  at      STRING,
  method  STRING,
  path    STRING,
  status  STRING,
  bytes   STRING
)
PARTITIONED BY (ds STRING)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.RegexSerDe'
WITH SERDEPROPERTIES (
  "input.regex" = "([^ ]*) \\[([^\\]]*)\\] \"([^ ]*) ([^\"]*)\" (\\d+|-) (\\d+|-)"
)
STORED AS TEXTFILE
LOCATION '${hivevar:raw}/access';

-- The catalogue comes as CSV with quotes: every column is a string.
CREATE EXTERNAL TABLE IF NOT EXISTS products (
  product_id STRING,
  name       STRING,
  category   STRING,
  price      STRING
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'
WITH SERDEPROPERTIES (
  "separatorChar" = ",",
  "quoteChar"     = "\"",
  "escapeChar"    = "\\"
)
STORED AS TEXTFILE
LOCATION '${hivevar:raw}/products'
TBLPROPERTIES ("skip.header.line.count" = "1");

-- Customers come as JSON, one object a line.
CREATE EXTERNAL TABLE IF NOT EXISTS users (
  id        BIGINT,
  name      STRING,
  country   STRING,
  joined    STRING,
  address   STRUCT<city: STRING, zip: STRING>,
  interests ARRAY<STRING>
)
ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'
STORED AS TEXTFILE
LOCATION '${hivevar:raw}/users';

CREATE EXTERNAL TABLE IF NOT EXISTS countries (
  code   CHAR(2),
  name   VARCHAR(40),
  region STRING,
  vat    DOUBLE
)
ROW FORMAT DELIMITED FIELDS TERMINATED BY '|'
LOCATION '${hivevar:raw}/countries';

-- ---------------------------------------------------------------- stage

USE stage;

CREATE TABLE IF NOT EXISTS events (
  ts         TIMESTAMP,
  user_id    BIGINT,
  event      STRING,
  host       STRING,
  path       STRING,
  lang       STRING,
  product_id INT,
  amount     DECIMAL(10,2),
  tags       ARRAY<STRING>,
  props      MAP<STRING, STRING>
)
PARTITIONED BY (ds STRING)
CLUSTERED BY (user_id) SORTED BY (ts) INTO 8 BUCKETS
STORED AS ORC
TBLPROPERTIES ("orc.compress" = "SNAPPY");

CREATE TABLE IF NOT EXISTS rejected (
  reason     STRING,
  event_time STRING,
  user_id    BIGINT,
  event      STRING
)
PARTITIONED BY (ds STRING)
ROW FORMAT DELIMITED FIELDS TERMINATED BY '\001'
STORED AS TEXTFILE;

CREATE TABLE IF NOT EXISTS order_lines (
  order_id   BIGINT,
  line       INT,
  user_id    BIGINT,
  ordered_at TIMESTAMP,
  product_id INT,
  pieces     INT,
  price      DOUBLE
)
PARTITIONED BY (ds STRING)
STORED AS PARQUET
TBLPROPERTIES ("parquet.compression" = "SNAPPY");

CREATE TABLE IF NOT EXISTS sessions (
  user_id     BIGINT,
  session_no  INT,
  started     TIMESTAMP,
  ended       TIMESTAMP,
  clicks      INT,
  purchases   INT,
  entry_path  STRING,
  exit_path   STRING,
  events      STRING
)
PARTITIONED BY (ds STRING)
STORED AS ORC;

-- ---------------------------------------------------------------- mart

USE mart;

CREATE TABLE IF NOT EXISTS dim_product (
  product_id INT,
  name       STRING,
  category   STRING,
  price      DECIMAL(10,2)
)
STORED AS ORC;

CREATE TABLE IF NOT EXISTS dim_user (
  user_id     BIGINT,
  name        STRING,
  country     STRING,
  country_name STRING,
  region      STRING,
  vat         DOUBLE,
  joined      DATE,
  city        STRING,
  n_interests INT
)
STORED AS PARQUET;

CREATE TABLE IF NOT EXISTS user_interest (user_id BIGINT, place INT, interest STRING) STORED AS ORC;

CREATE TABLE IF NOT EXISTS session_facts (
  user_id   BIGINT,
  started   TIMESTAMP,
  seconds   BIGINT,
  clicks    INT,
  bought    BOOLEAN,
  length    STRING
)
PARTITIONED BY (ds STRING, country STRING)
STORED AS ORC;

CREATE TABLE IF NOT EXISTS sales (
  user_id    BIGINT,
  product_id INT,
  at         TIMESTAMP,
  pieces     INT,
  net        DECIMAL(12,2),
  gross      DECIMAL(12,2)
)
PARTITIONED BY (ds STRING, channel STRING, category STRING)
STORED AS PARQUET;

CREATE TABLE IF NOT EXISTS sales_cube (
  region   STRING,
  category STRING,
  channel  STRING,
  level    BIGINT,
  lines    BIGINT,
  buyers   BIGINT,
  net      DECIMAL(20,2)
)
PARTITIONED BY (ds STRING)
STORED AS ORC;

CREATE TABLE IF NOT EXISTS tag_counts (tag STRING, clicks BIGINT, users BIGINT, rank INT)
PARTITIONED BY (ds STRING)
STORED AS PARQUET;

CREATE TABLE IF NOT EXISTS campaign_counts (name STRING, value STRING, clicks BIGINT)
PARTITIONED BY (ds STRING)
STORED AS PARQUET;

CREATE TABLE IF NOT EXISTS hourly (hr INT, views BIGINT, carts BIGINT, purchases BIGINT, so_far BIGINT)
PARTITIONED BY (ds STRING)
STORED AS ORC;

CREATE TABLE IF NOT EXISTS top_products (category STRING, place INT, product_id INT, name STRING, net DECIMAL(20,2), share DOUBLE)
PARTITIONED BY (ds STRING)
STORED AS ORC;

CREATE TABLE IF NOT EXISTS errors (status INT, method STRING, hits BIGINT, bytes BIGINT, longest STRING)
PARTITIONED BY (ds STRING)
STORED AS ORC;

CREATE TABLE IF NOT EXISTS silent_users (user_id BIGINT, name STRING)
PARTITIONED BY (ds STRING)
STORED AS ORC;

CREATE TABLE IF NOT EXISTS returning_users (user_id BIGINT, clicks_before BIGINT, clicks_now BIGINT, change DOUBLE)
PARTITIONED BY (ds STRING)
STORED AS ORC;

-- The only table whose rows change one by one.
CREATE TABLE IF NOT EXISTS customer_state (
  user_id     BIGINT,
  first_seen  STRING,
  last_seen   STRING,
  days        INT,
  PRIMARY KEY (user_id) DISABLE NOVALIDATE
)
TBLPROPERTIES ('transactional' = 'true');

CREATE VIEW IF NOT EXISTS daily_totals (ds COMMENT 'day', orders, net, gross)
COMMENT 'what was sold, by day'
AS SELECT ds, count(*), sum(net), sum(gross) FROM sales GROUP BY ds;

SHOW TABLES IN stage;
SHOW TABLES LIKE 's*';
DESCRIBE raw.clicks;
