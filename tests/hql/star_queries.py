"""Ninety-nine queries over a retailer's star schema in Hive's SQL: three channels, thirty-three questions each.

They have the shapes that decision support asks for (TPC-DS's kinds: reporting, ad hoc, iterative, mining): star joins,
roll-ups, windows, correlated sub-queries, unions of channels, semi and anti joins, pivots by CASE, years compared.
"""

from __future__ import annotations

TABLES = {
    "date_dim": "d_date_sk int, d_date date, d_year int, d_moy int, d_qoy int, d_dom int, d_week int,"
    " d_day_name string",
    "item": "i_item_sk int, i_item_id string, i_item_desc string, i_brand_id int, i_brand string, i_class string,"
    " i_category string, i_manufact_id int, i_current_price decimal(7,2), i_color string, i_size string",
    "customer": "c_customer_sk int, c_customer_id string, c_first_name string, c_last_name string, c_birth_year int,"
    " c_address_sk int, c_hdemo_sk int, c_email string, c_preferred string",
    "customer_address": "ca_address_sk int, ca_city string, ca_county string, ca_state string, ca_zip string,"
    " ca_country string, ca_gmt_offset decimal(5,2)",
    "household": "hd_demo_sk int, hd_dep_count int, hd_vehicle_count int, hd_buy_potential string",
    "promotion": "p_promo_sk int, p_name string, p_channel_email string, p_channel_event string",
    "outlet": "o_outlet_sk int, o_outlet_id string, o_name string, o_state string, o_county string,"
    " o_gmt_offset decimal(5,2)",
    "inventory": "inv_date_sk int, inv_item_sk int, inv_outlet_sk int, inv_quantity int",
}
SALES = (
    "{p}_date_sk int, {p}_time_sk int, {p}_item_sk int, {p}_customer_sk int, {p}_promo_sk int, {p}_outlet_sk int,"
    " {p}_address_sk int, {p}_hdemo_sk int, {p}_order bigint, {p}_quantity int, {p}_list_price decimal(7,2),"
    " {p}_price decimal(7,2), {p}_amount decimal(7,2), {p}_paid decimal(7,2), {p}_profit decimal(7,2)"
)
RETURNS = (
    "{r}_date_sk int, {r}_item_sk int, {r}_customer_sk int, {r}_outlet_sk int, {r}_order bigint, {r}_quantity int,"
    " {r}_amount decimal(7,2), {r}_loss decimal(7,2)"
)
CHANNELS = {"store": ("ss", "sr"), "catalog": ("cs", "cr"), "web": ("ws", "wr")}


def tables() -> dict[str, str]:
    """Every table's columns."""
    made = dict(TABLES)
    for channel, (p, r) in CHANNELS.items():
        made[f"{channel}_sales"] = SALES.format(p=p)
        made[f"{channel}_returns"] = RETURNS.format(r=r)
    return made


QUESTIONS = (
    # what a brand sold in a month, by year
    """SELECT d_year, i_brand_id, i_brand, sum({p}_amount) AS total
    FROM date_dim JOIN {sales} ON d_date_sk = {p}_date_sk JOIN item ON {p}_item_sk = i_item_sk
    WHERE i_manufact_id = 128 AND d_moy = 11
    GROUP BY d_year, i_brand_id, i_brand ORDER BY d_year, total DESC, i_brand_id LIMIT 100""",
    # customers who return more than others of their outlet
    """WITH returned AS (
      SELECT {r}_customer_sk AS who, {r}_outlet_sk AS place, sum({r}_amount) AS total
      FROM {returns} JOIN date_dim ON {r}_date_sk = d_date_sk WHERE d_year = 2000
      GROUP BY {r}_customer_sk, {r}_outlet_sk)
    SELECT c_customer_id FROM returned x JOIN outlet ON o_outlet_sk = x.place JOIN customer ON x.who = c_customer_sk
    WHERE x.total > (SELECT avg(total) * 1.2 FROM returned y WHERE x.place = y.place) AND o_state = 'TN'
    ORDER BY c_customer_id LIMIT 100""",
    # a week's sales by day, this year beside the next
    """WITH weeks AS (
      SELECT d_week, d_year, {p}_outlet_sk AS place,
        sum(CASE WHEN d_day_name = 'Sunday' THEN {p}_price END) AS sun,
        sum(CASE WHEN d_day_name = 'Monday' THEN {p}_price END) AS mon,
        sum(if(d_day_name = 'Friday', {p}_price, NULL)) AS fri
      FROM {sales}, date_dim WHERE d_date_sk = {p}_date_sk GROUP BY d_week, d_year, {p}_outlet_sk)
    SELECT a.place, a.d_week, a.sun / b.sun AS sun, a.mon / b.mon AS mon, a.fri / b.fri AS fri
    FROM (SELECT * FROM weeks WHERE d_year = 2001) a JOIN (SELECT * FROM weeks WHERE d_year = 2002) b
      ON a.place = b.place AND a.d_week = b.d_week - 52
    ORDER BY a.place, a.d_week LIMIT 100""",
    # categories that make more of their sales than others of the class, rolled up and ranked
    """SELECT i_category, i_class, sum({p}_profit) / sum({p}_amount) AS margin, grouping__id AS level,
      rank() OVER (PARTITION BY grouping__id, CASE WHEN grouping(i_class) = 0 THEN i_category END
        ORDER BY sum({p}_profit) / sum({p}_amount)) AS place
    FROM {sales} JOIN date_dim ON d_date_sk = {p}_date_sk JOIN item ON i_item_sk = {p}_item_sk
    WHERE d_year = 2001 GROUP BY i_category, i_class WITH ROLLUP
    ORDER BY level DESC, i_category, place LIMIT 100""",
    # sales, returns and what is left of them in a fortnight, by outlet
    """WITH sold AS (
      SELECT {p}_outlet_sk AS place, sum({p}_amount) AS sales, sum({p}_profit) AS profit
      FROM {sales} JOIN date_dim ON {p}_date_sk = d_date_sk
      WHERE d_date BETWEEN date '2000-08-23' AND date_add('2000-08-23', 14) GROUP BY {p}_outlet_sk),
    back AS (
      SELECT {r}_outlet_sk AS place, sum({r}_amount) AS returned, sum({r}_loss) AS loss
      FROM {returns} JOIN date_dim ON {r}_date_sk = d_date_sk
      WHERE d_date BETWEEN date '2000-08-23' AND date_add('2000-08-23', 14) GROUP BY {r}_outlet_sk)
    SELECT '{channel}' AS channel, sold.place, sales, coalesce(returned, 0) AS returned,
      profit - coalesce(loss, 0) AS profit
    FROM sold LEFT JOIN back ON sold.place = back.place ORDER BY sold.place LIMIT 100""",
    # states whose buyers pay more than usual for what they buy
    """SELECT ca_state, count(*) AS cnt
    FROM customer_address JOIN customer ON ca_address_sk = c_address_sk JOIN {sales} ON c_customer_sk = {p}_customer_sk
      JOIN date_dim ON {p}_date_sk = d_date_sk JOIN item i ON {p}_item_sk = i.i_item_sk
    WHERE d_year = 2001 AND d_moy = 1
      AND i.i_current_price > 1.2 * (SELECT avg(j.i_current_price) FROM item j WHERE j.i_category = i.i_category)
    GROUP BY ca_state HAVING count(*) >= 10 ORDER BY cnt, ca_state LIMIT 100""",
    # promotions that reach nobody by mail or event
    """SELECT i_item_id, avg({p}_quantity) AS a1, avg({p}_list_price) AS a2, avg({p}_price) AS a3
    FROM {sales}, date_dim, item, promotion
    WHERE {p}_date_sk = d_date_sk AND {p}_item_sk = i_item_sk AND {p}_promo_sk = p_promo_sk
      AND (p_channel_email = 'N' OR p_channel_event = 'N') AND d_year = 2000
    GROUP BY i_item_id ORDER BY i_item_id LIMIT 100""",
    # outlets in postal areas of preferred customers
    """SELECT o_name, sum({p}_profit)
    FROM {sales}, date_dim, outlet, (
      SELECT area FROM (SELECT substr(ca_zip, 1, 2) AS area FROM customer_address
        WHERE substr(ca_zip, 1, 5) IN ('24128', '76232', '65084', '87816')
        INTERSECT
        SELECT substr(ca_zip, 1, 2) AS area FROM customer_address JOIN customer ON ca_address_sk = c_address_sk
        WHERE c_preferred = 'Y' GROUP BY substr(ca_zip, 1, 2) HAVING count(*) > 10) q) areas
    WHERE {p}_outlet_sk = o_outlet_sk AND {p}_date_sk = d_date_sk AND d_qoy = 2 AND d_year = 1998
      AND substr(o_county, 1, 2) = areas.area
    GROUP BY o_name ORDER BY o_name LIMIT 100""",
    # buckets of quantities, each as a scalar sub-query
    """SELECT CASE WHEN (SELECT count(*) FROM {sales} WHERE {p}_quantity BETWEEN 1 AND 20) > 74129
        THEN (SELECT avg({p}_list_price) FROM {sales} WHERE {p}_quantity BETWEEN 1 AND 20)
        ELSE (SELECT avg({p}_paid) FROM {sales} WHERE {p}_quantity BETWEEN 1 AND 20) END AS bucket1,
      CASE WHEN (SELECT count(*) FROM {sales} WHERE {p}_quantity BETWEEN 21 AND 40) > 122840
        THEN (SELECT avg({p}_list_price) FROM {sales} WHERE {p}_quantity BETWEEN 21 AND 40)
        ELSE (SELECT avg({p}_paid) FROM {sales} WHERE {p}_quantity BETWEEN 21 AND 40) END AS bucket2""",
    # customers of some counties who bought here, and by another channel too
    """SELECT hd_buy_potential, count(*) AS cnt
    FROM customer c JOIN customer_address ON c_address_sk = ca_address_sk JOIN household ON hd_demo_sk = c_hdemo_sk
    WHERE ca_county IN ('Rush County', 'Toole County', 'Jefferson County')
      AND EXISTS (SELECT 1 FROM {sales}, date_dim WHERE c.c_customer_sk = {p}_customer_sk AND {p}_date_sk = d_date_sk
        AND d_year = 2002 AND d_moy BETWEEN 1 AND 4)
      AND EXISTS (SELECT 1 FROM {other}, date_dim WHERE c.c_customer_sk = {q}_customer_sk AND {q}_date_sk = d_date_sk
        AND d_year = 2002)
    GROUP BY hd_buy_potential ORDER BY hd_buy_potential LIMIT 100""",
    # customers whose spending here grew faster than by another channel
    """WITH yearly AS (
      SELECT c_customer_id AS id, d_year AS year, sum({p}_list_price - {p}_price) AS total, 's' AS kind
      FROM customer, {sales}, date_dim WHERE c_customer_sk = {p}_customer_sk AND {p}_date_sk = d_date_sk
      GROUP BY c_customer_id, d_year
      UNION ALL
      SELECT c_customer_id, d_year, sum({q}_list_price - {q}_price), 'o'
      FROM customer, {other}, date_dim WHERE c_customer_sk = {q}_customer_sk AND {q}_date_sk = d_date_sk
      GROUP BY c_customer_id, d_year)
    SELECT s2.id FROM yearly s1, yearly s2, yearly o1, yearly o2
    WHERE s2.id = s1.id AND s1.id = o2.id AND s1.id = o1.id AND s1.kind = 's' AND o1.kind = 'o' AND s2.kind = 's'
      AND o2.kind = 'o' AND s1.year = 2001 AND s2.year = 2002 AND o1.year = 2001 AND o2.year = 2002
      AND s1.total > 0 AND o1.total > 0
      AND CASE WHEN s1.total > 0 THEN s2.total / s1.total END > CASE WHEN o1.total > 0 THEN o2.total / o1.total END
    ORDER BY s2.id LIMIT 100""",
    # an item's share of its class
    """SELECT i_item_id, i_category, i_class, sum({p}_amount) AS revenue,
      sum({p}_amount) * 100 / sum(sum({p}_amount)) OVER (PARTITION BY i_class) AS share
    FROM {sales}, item, date_dim
    WHERE {p}_item_sk = i_item_sk AND i_category IN ('Sports', 'Books', 'Home') AND {p}_date_sk = d_date_sk
      AND d_date BETWEEN cast('1999-02-22' AS date) AND cast('1999-02-22' AS date) + interval '30' day
    GROUP BY i_item_id, i_category, i_class ORDER BY i_category, i_class, i_item_id, share LIMIT 100""",
    # households of some sizes, by conditions that exclude one another
    """SELECT avg({p}_quantity), avg({p}_amount), sum({p}_paid)
    FROM {sales} JOIN household ON {p}_hdemo_sk = hd_demo_sk JOIN customer_address ON {p}_address_sk = ca_address_sk
    WHERE (hd_dep_count = 3 AND {p}_price BETWEEN 100.00 AND 150.00 AND ca_state IN ('TX', 'OH'))
      OR (hd_dep_count = 1 AND {p}_price BETWEEN 50.00 AND 100.00 AND ca_state IN ('OR', 'NM', 'KY'))
      OR (hd_dep_count = 1 AND {p}_profit BETWEEN 150 AND 300 AND ca_country = 'United States')""",
    # brands, classes and categories sold by both channels, and above the average there
    """WITH both AS (
      SELECT i_item_sk AS sk FROM item JOIN (
        SELECT i_brand_id AS b, i_class AS c FROM {sales} JOIN item ON {p}_item_sk = i_item_sk
        INTERSECT SELECT i_brand_id, i_class FROM {other} JOIN item ON {q}_item_sk = i_item_sk) x
      ON i_brand_id = x.b AND i_class = x.c),
    usual AS (SELECT avg({p}_quantity * {p}_list_price) AS much FROM {sales})
    SELECT i_brand_id, i_class, i_category, sum({p}_quantity * {p}_list_price) AS sales, count(*) AS number_sales
    FROM {sales} JOIN item ON {p}_item_sk = i_item_sk
    WHERE {p}_item_sk IN (SELECT sk FROM both)
    GROUP BY i_brand_id, i_class, i_category
    HAVING sum({p}_quantity * {p}_list_price) > (SELECT much FROM usual)
    ORDER BY i_brand_id, i_class, i_category LIMIT 100""",
    # postal areas
    """SELECT ca_zip, sum({p}_price) FROM {sales}, customer, customer_address, date_dim
    WHERE {p}_customer_sk = c_customer_sk AND c_address_sk = ca_address_sk AND {p}_date_sk = d_date_sk
      AND (substr(ca_zip, 1, 5) IN ('85669', '86197', '88274') OR ca_state IN ('CA', 'WA', 'GA') OR {p}_price > 500)
      AND d_qoy = 2 AND d_year = 2001
    GROUP BY ca_zip ORDER BY ca_zip LIMIT 100""",
    # orders from several outlets of which nothing came back
    """SELECT count(DISTINCT a.{p}_order) AS orders, sum(a.{p}_amount) AS amount, sum(a.{p}_profit) AS profit
    FROM {sales} a JOIN date_dim ON a.{p}_date_sk = d_date_sk
    WHERE d_date BETWEEN '2002-02-01' AND '2002-04-02'
      AND EXISTS (SELECT 1 FROM {sales} b WHERE a.{p}_order = b.{p}_order AND a.{p}_outlet_sk <> b.{p}_outlet_sk)
      AND NOT EXISTS (SELECT 1 FROM {returns} x WHERE a.{p}_order = x.{r}_order)""",
    # quantities sold, returned and sold again, and how they scatter
    """SELECT i_item_id, o_state, count({p}_quantity) AS n, avg({p}_quantity) AS mean, stddev_samp({p}_quantity) AS dev,
      stddev_samp({p}_quantity) / avg({p}_quantity) AS cov
    FROM {sales} JOIN {returns} ON {p}_customer_sk = {r}_customer_sk AND {p}_item_sk = {r}_item_sk
        AND {p}_order = {r}_order
      JOIN outlet ON o_outlet_sk = {p}_outlet_sk JOIN item ON i_item_sk = {p}_item_sk
      JOIN date_dim d1 ON d1.d_date_sk = {p}_date_sk JOIN date_dim d2 ON d2.d_date_sk = {r}_date_sk
    WHERE d1.d_qoy = 1 AND d2.d_year = 2001 GROUP BY i_item_id, o_state ORDER BY i_item_id, o_state LIMIT 100""",
    # places by cube
    """SELECT i_item_id, ca_country, ca_state, ca_county, avg(cast({p}_quantity AS decimal(12,2))) AS a1,
      avg(cast({p}_list_price AS decimal(12,2))) AS a2, avg(c_birth_year) AS a3
    FROM {sales}, date_dim, customer, customer_address, item
    WHERE {p}_date_sk = d_date_sk AND {p}_item_sk = i_item_sk AND {p}_customer_sk = c_customer_sk
      AND c_address_sk = ca_address_sk AND d_year = 1998 AND ca_state IN ('MS', 'IN', 'ND')
    GROUP BY i_item_id, ca_country, ca_state, ca_county GROUPING SETS ((i_item_id, ca_country, ca_state, ca_county),
      (i_item_id, ca_country), (i_item_id), ())
    ORDER BY ca_country, ca_state, ca_county, i_item_id LIMIT 100""",
    # what was bought far from home
    """SELECT i_brand_id, i_brand, i_manufact_id, sum({p}_amount) AS total
    FROM date_dim, {sales}, item, customer, customer_address, outlet
    WHERE d_date_sk = {p}_date_sk AND {p}_item_sk = i_item_sk AND {p}_customer_sk = c_customer_sk
      AND c_address_sk = ca_address_sk AND substr(ca_zip, 1, 5) != substr(o_county, 1, 5)
      AND {p}_outlet_sk = o_outlet_sk AND d_moy = 11 AND d_year = 1998
    GROUP BY i_brand_id, i_brand, i_manufact_id ORDER BY total DESC, i_brand_id LIMIT 100""",
    # stock before and after a day
    """SELECT o_name, i_item_id,
      sum(CASE WHEN d_date < date '2000-03-11' THEN inv_quantity ELSE 0 END) AS before,
      sum(CASE WHEN d_date >= date '2000-03-11' THEN inv_quantity ELSE 0 END) AS after
    FROM inventory JOIN item ON i_item_sk = inv_item_sk JOIN outlet ON inv_outlet_sk = o_outlet_sk
      JOIN date_dim ON inv_date_sk = d_date_sk
    WHERE i_current_price BETWEEN 0.99 AND 1.49 AND inv_item_sk IN (SELECT {p}_item_sk FROM {sales})
      AND d_date BETWEEN date_sub('2000-03-11', 30) AND date_add('2000-03-11', 30)
    GROUP BY o_name, i_item_id
    HAVING CASE WHEN sum(if(d_date < '2000-03-11', inv_quantity, 0)) > 0
      THEN sum(if(d_date >= '2000-03-11', inv_quantity, 0)) / sum(if(d_date < '2000-03-11', inv_quantity, 0))
      END BETWEEN 2.0 / 3.0 AND 3.0 / 2.0
    ORDER BY o_name, i_item_id LIMIT 100""",
    # the best customers' share of what is sold often
    """WITH often AS (
      SELECT {p}_item_sk AS sk FROM {sales} JOIN date_dim ON {p}_date_sk = d_date_sk
      WHERE d_year IN (2000, 2001, 2002, 2003) GROUP BY {p}_item_sk, d_date HAVING count(*) > 4),
    best AS (
      SELECT {p}_customer_sk AS who, sum({p}_quantity * {p}_price) AS much FROM {sales}
      GROUP BY {p}_customer_sk
      HAVING sum({p}_quantity * {p}_price) > 0.95 * (SELECT max(m) FROM (
        SELECT sum({p}_quantity * {p}_price) AS m FROM {sales} GROUP BY {p}_customer_sk) x))
    SELECT c_last_name, c_first_name, sum({q}_quantity * {q}_list_price) AS sales
    FROM {other} JOIN customer ON {q}_customer_sk = c_customer_sk JOIN date_dim ON {q}_date_sk = d_date_sk
    WHERE d_year = 2000 AND d_moy = 2 AND {q}_item_sk IN (SELECT sk FROM often)
      AND {q}_customer_sk IN (SELECT who FROM best)
    GROUP BY c_last_name, c_first_name ORDER BY c_last_name, c_first_name, sales LIMIT 100""",
    # distinct prices in bands of quantities, side by side
    """SELECT * FROM
      (SELECT avg({p}_list_price) AS b1, count({p}_list_price) AS c1, count(DISTINCT {p}_list_price) AS d1
       FROM {sales} WHERE {p}_quantity BETWEEN 0 AND 5 AND ({p}_list_price BETWEEN 8 AND 18 OR {p}_profit > 57)) x
      CROSS JOIN (SELECT avg({p}_list_price) AS b2, count({p}_list_price) AS c2, count(DISTINCT {p}_list_price) AS d2
       FROM {sales} WHERE {p}_quantity BETWEEN 6 AND 10) y
      CROSS JOIN (SELECT avg({p}_list_price) AS b3, count({p}_list_price) AS c3, count(DISTINCT {p}_list_price) AS d3
       FROM {sales} WHERE {p}_quantity BETWEEN 11 AND 15) z LIMIT 100""",
    # counties that grow from quarter to quarter
    """WITH grown AS (
      SELECT ca_county, d_qoy, d_year, sum({p}_amount) AS total FROM {sales}, date_dim, customer_address
      WHERE {p}_date_sk = d_date_sk AND {p}_address_sk = ca_address_sk GROUP BY ca_county, d_qoy, d_year)
    SELECT a.ca_county, a.d_year, b.total / a.total AS q1_q2, c.total / b.total AS q2_q3
    FROM grown a JOIN grown b ON a.ca_county = b.ca_county AND b.d_qoy = 2 AND b.d_year = 2000
      JOIN grown c ON b.ca_county = c.ca_county AND c.d_qoy = 3 AND c.d_year = 2000
    WHERE a.d_qoy = 1 AND a.d_year = 2000
      AND CASE WHEN a.total > 0 THEN b.total / a.total END > CASE WHEN b.total > 0 THEN c.total / b.total END
    ORDER BY a.ca_county""",
    # discounts well above the item's usual one
    """SELECT sum({p}_list_price - {p}_price) AS excess FROM {sales} s JOIN item ON i_item_sk = s.{p}_item_sk
    WHERE i_manufact_id = 977 AND ({p}_list_price - {p}_price) > (
      SELECT 1.3 * avg(x.{p}_list_price - x.{p}_price) FROM {sales} x JOIN date_dim ON d_date_sk = x.{p}_date_sk
      WHERE x.{p}_item_sk = s.{p}_item_sk AND d_date BETWEEN '2000-01-27' AND date_add('2000-01-27', 90)) LIMIT 100""",
    # makers of the electronics sold by either channel
    """WITH a AS (
      SELECT i_manufact_id, sum({p}_amount) AS total FROM {sales}, item WHERE i_item_sk = {p}_item_sk
        AND i_manufact_id IN (SELECT i_manufact_id FROM item WHERE i_category = 'Electronics') GROUP BY i_manufact_id),
    b AS (
      SELECT i_manufact_id, sum({q}_amount) AS total FROM {other}, item WHERE i_item_sk = {q}_item_sk
        AND i_manufact_id IN (SELECT i_manufact_id FROM item WHERE i_category = 'Electronics') GROUP BY i_manufact_id)
    SELECT i_manufact_id, sum(total) AS total FROM (SELECT * FROM a UNION ALL SELECT * FROM b) t
    GROUP BY i_manufact_id ORDER BY total LIMIT 100""",
    # baskets of a size in the first days of a month
    """SELECT c_last_name, c_first_name, orders.n FROM (
      SELECT {p}_order, {p}_customer_sk, count(*) AS n FROM {sales}, date_dim, outlet, household
      WHERE {p}_date_sk = d_date_sk AND {p}_outlet_sk = o_outlet_sk AND {p}_hdemo_sk = hd_demo_sk
        AND (d_dom BETWEEN 1 AND 3 OR d_dom BETWEEN 25 AND 28)
        AND (hd_buy_potential = '>10000' OR hd_buy_potential = 'Unknown') AND hd_vehicle_count > 0
        AND CASE WHEN hd_vehicle_count > 0 THEN hd_dep_count / hd_vehicle_count ELSE NULL END > 1.2
      GROUP BY {p}_order, {p}_customer_sk) orders JOIN customer ON {p}_customer_sk = c_customer_sk
    WHERE orders.n BETWEEN 15 AND 20 ORDER BY c_last_name, c_first_name DESC, orders.n DESC""",
    # customers of one channel and not of the other
    """SELECT count(*) FROM (
      SELECT DISTINCT c_last_name, c_first_name, d_date FROM {sales}, date_dim, customer
      WHERE {p}_date_sk = d_date_sk AND {p}_customer_sk = c_customer_sk AND d_year = 2000
      EXCEPT
      SELECT DISTINCT c_last_name, c_first_name, d_date FROM {other}, date_dim, customer
      WHERE {q}_date_sk = d_date_sk AND {q}_customer_sk = c_customer_sk AND d_year = 2000) cool""",
    # months unlike the year's average, with the months before and after
    """WITH monthly AS (
      SELECT i_category, i_brand, o_name, d_year, d_moy, sum({p}_price) AS total,
        avg(sum({p}_price)) OVER (PARTITION BY i_category, i_brand, o_name, d_year) AS usual,
        rank() OVER (PARTITION BY i_category, i_brand, o_name ORDER BY d_year, d_moy) AS rn
      FROM item, {sales}, date_dim, outlet
      WHERE {p}_item_sk = i_item_sk AND {p}_date_sk = d_date_sk AND {p}_outlet_sk = o_outlet_sk
        AND (d_year = 1999 OR (d_year = 1998 AND d_moy = 12)) GROUP BY i_category, i_brand, o_name, d_year, d_moy)
    SELECT m.i_category, m.i_brand, m.d_year, m.d_moy, m.usual, m.total, l.total AS psum, n.total AS nsum
    FROM monthly m JOIN monthly l ON m.i_category = l.i_category AND m.i_brand = l.i_brand AND m.o_name = l.o_name
        AND m.rn = l.rn + 1
      JOIN monthly n ON m.i_category = n.i_category AND m.i_brand = n.i_brand AND m.o_name = n.o_name
        AND m.rn = n.rn - 1
    WHERE m.d_year = 1999 AND m.usual > 0 AND abs(m.total - m.usual) / m.usual > 0.1
    ORDER BY m.total - m.usual, m.o_name LIMIT 100""",
    # running totals of two channels, whichever is ahead
    """WITH a AS (
      SELECT {p}_item_sk AS item_sk, d_date, sum(sum({p}_price)) OVER (PARTITION BY {p}_item_sk ORDER BY d_date
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS run
      FROM {sales}, date_dim WHERE {p}_date_sk = d_date_sk AND {p}_item_sk IS NOT NULL GROUP BY {p}_item_sk, d_date),
    b AS (
      SELECT {q}_item_sk AS item_sk, d_date, sum(sum({q}_price)) OVER (PARTITION BY {q}_item_sk ORDER BY d_date
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS run
      FROM {other}, date_dim
      WHERE {q}_date_sk = d_date_sk AND {q}_item_sk IS NOT NULL GROUP BY {q}_item_sk, d_date)
    SELECT * FROM (
      SELECT coalesce(a.item_sk, b.item_sk) AS item_sk, coalesce(a.d_date, b.d_date) AS d_date,
        a.run AS ra, b.run AS rb,
        max(a.run) OVER (PARTITION BY coalesce(a.item_sk, b.item_sk) ORDER BY coalesce(a.d_date, b.d_date)
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS ca
      FROM a FULL OUTER JOIN b ON a.item_sk = b.item_sk AND a.d_date = b.d_date) x
    WHERE ca > rb ORDER BY item_sk, d_date LIMIT 100""",
    # the ten best and the ten worst items, side by side
    """SELECT best.rnk, i1.i_item_id AS best_item, i2.i_item_id AS worst_item FROM
      (SELECT * FROM (SELECT {p}_item_sk, rank() OVER (ORDER BY avg({p}_profit) ASC) AS rnk FROM {sales}
        WHERE {p}_outlet_sk = 4 GROUP BY {p}_item_sk HAVING avg({p}_profit) > 0.9 * (
          SELECT avg({p}_profit) FROM {sales} WHERE {p}_outlet_sk = 4 AND {p}_address_sk IS NULL)) v
       WHERE rnk < 11) best
      JOIN (SELECT * FROM (SELECT {p}_item_sk, rank() OVER (ORDER BY avg({p}_profit) DESC) AS rnk FROM {sales}
        WHERE {p}_outlet_sk = 4 GROUP BY {p}_item_sk) w WHERE rnk < 11) worst ON best.rnk = worst.rnk
      JOIN item i1 ON i1.i_item_sk = best.{p}_item_sk JOIN item i2 ON i2.i_item_sk = worst.{p}_item_sk
    ORDER BY best.rnk LIMIT 100""",
    # all channels together, by what was known of the buyer
    """SELECT channel, col_name, d_year, d_qoy, i_category, count(*) AS cnt, sum(amount) AS amount FROM (
      SELECT '{channel}' AS channel, 'address' AS col_name, d_year, d_qoy, i_category, {p}_amount AS amount
      FROM {sales}, item, date_dim WHERE {p}_address_sk IS NULL AND {p}_date_sk = d_date_sk AND {p}_item_sk = i_item_sk
      UNION ALL
      SELECT 'other', 'customer', d_year, d_qoy, i_category, {q}_amount
      FROM {other}, item, date_dim WHERE {q}_customer_sk IS NULL AND {q}_date_sk = d_date_sk AND {q}_item_sk = i_item_sk
      UNION ALL
      SELECT 'returns', 'outlet', d_year, d_qoy, i_category, {r}_amount
      FROM {returns}, item, date_dim WHERE {r}_outlet_sk IS NULL AND {r}_date_sk = d_date_sk AND {r}_item_sk = i_item_sk
    ) x GROUP BY channel, col_name, d_year, d_qoy, i_category
    ORDER BY channel, col_name, d_year, d_qoy, i_category LIMIT 100""",
    # two years of each item, less what came back, without a match in the other year too
    """WITH net AS (
      SELECT d_year, i_brand_id, sum(sales_cnt) AS cnt, sum(sales_amt) AS amt FROM (
        SELECT d_year, i_brand_id, {p}_quantity - coalesce({r}_quantity, 0) AS sales_cnt,
          {p}_amount - coalesce({r}_amount, 0.0) AS sales_amt
        FROM {sales} JOIN item ON i_item_sk = {p}_item_sk JOIN date_dim ON d_date_sk = {p}_date_sk
          LEFT JOIN {returns} ON {p}_order = {r}_order AND {p}_item_sk = {r}_item_sk
        WHERE i_category = 'Books') d GROUP BY d_year, i_brand_id)
    SELECT prev.d_year AS prev_year, cur.d_year AS year, cur.i_brand_id, prev.cnt AS prev_cnt, cur.cnt AS cur_cnt,
      cur.cnt - prev.cnt AS diff
    FROM net cur JOIN net prev ON cur.i_brand_id = prev.i_brand_id
    WHERE cur.d_year = 2002 AND prev.d_year = 2001
      AND cast(cur.cnt AS decimal(17,2)) / cast(prev.cnt AS decimal(17,2)) < 0.9
    ORDER BY diff, cur.i_brand_id LIMIT 100""",
    # texts and arrays of them, exploded again
    """SELECT word, count(*) AS cnt, collect_set(i_category) AS categories FROM (
      SELECT i_item_sk, i_category, split(lower(i_item_desc), '[^a-z]+') AS words FROM item
      WHERE i_item_sk IN (SELECT {p}_item_sk FROM {sales} WHERE {p}_quantity > 5)) d
      LATERAL VIEW explode(words) w AS word
    WHERE length(word) > 3 AND word NOT LIKE '%ing' AND NOT word RLIKE '^(the|and)$'
    GROUP BY word HAVING count(*) > 1 ORDER BY cnt DESC, word LIMIT 50""",
)


def queries() -> dict[str, str]:
    """The queries by name: channel and number."""
    made = {}
    names = list(CHANNELS)
    for at, channel in enumerate(names):
        other = names[(at + 1) % len(names)]
        (p, r), (q, _) = CHANNELS[channel], CHANNELS[other]
        words = {"channel": channel, "sales": f"{channel}_sales", "returns": f"{channel}_returns", "p": p, "r": r}
        for number, question in enumerate(QUESTIONS, 1):
            made[f"{channel}-{number:02}"] = question.format(**words, other=f"{other}_sales", q=q)
    return made
