-- The flights of 2013 from New York's three airports: a topic of four partitions, declared as a stream.
CREATE STREAM flights (
    ts          TIMESTAMP,           -- scheduled departure, UTC
    carrier     TEXT,
    flight      INTEGER,
    tailnum     TEXT,
    origin      TEXT,
    dest        TEXT,
    dep_delay   DOUBLE PRECISION,    -- minutes, NULL when cancelled
    arr_delay   DOUBLE PRECISION,
    air_time    DOUBLE PRECISION,    -- minutes
    distance    INTEGER,             -- miles
    WATERMARK FOR ts AS ts - INTERVAL '5 minutes'
) WITH (topic = 'flights', partitions = 4, key = 'tailnum');

CREATE STREAM weather (
    ts          TIMESTAMP,
    origin      TEXT,
    temp        DOUBLE PRECISION,    -- degrees Fahrenheit
    wind_speed  DOUBLE PRECISION,    -- miles an hour
    precip      DOUBLE PRECISION,    -- inches
    visib       DOUBLE PRECISION,    -- miles
    WATERMARK FOR ts AS ts
);

CREATE TABLE airlines (carrier TEXT PRIMARY KEY, name TEXT NOT NULL);

-- 1. Departures and mean delay per origin and hour, each hour once, when the watermark has passed it.
CREATE MATERIALIZED VIEW departures_per_hour AS
SELECT origin, window_start, window_end, count(dep_delay) AS departures, avg(dep_delay) AS mean_delay
FROM TUMBLE(flights, ts, INTERVAL '1 hour')
GROUP BY origin, window_start, window_end
EMIT ON WINDOW CLOSE;

-- 2. The five most delayed carriers of every day, a new ranking every six hours.
CREATE MATERIALIZED VIEW most_delayed_carriers AS
SELECT window_start, window_end, rank, carrier, mean_delay, flights
FROM (
    SELECT window_start, window_end, carrier, mean_delay, flights,
           row_number() OVER (PARTITION BY window_start, window_end ORDER BY mean_delay DESC) AS rank
    FROM (
        SELECT carrier, window_start, window_end, avg(arr_delay) AS mean_delay, count(arr_delay) AS flights
        FROM HOP(flights, ts, INTERVAL '6 hours', INTERVAL '1 day')
        GROUP BY carrier, window_start, window_end
        HAVING count(arr_delay) >= 20
    ) AS per_carrier
) AS ranked
WHERE rank <= 5
EMIT ON WINDOW CLOSE;

-- 3. Flights joined with their airline: on-time figures under the airline's name.
CREATE MATERIALIZED VIEW airline_punctuality AS
SELECT a.name AS airline, count(*) AS flights, avg(f.arr_delay) AS mean_arrival_delay,
       count(*) FILTER (WHERE f.arr_delay > 60) AS over_an_hour_late
FROM flights AS f JOIN airlines AS a ON f.carrier = a.carrier
GROUP BY a.name;

-- 4. Each flight with the last weather report of its origin before it left.
CREATE MATERIALIZED VIEW flights_with_weather AS
SELECT f.ts, f.origin, f.carrier, f.flight, f.dep_delay, w.ts AS reported, w.temp, w.wind_speed, w.precip, w.visib
FROM flights AS f ASOF LEFT JOIN weather AS w ON f.origin = w.origin AND f.ts >= w.ts;

-- 5. Each plane's flying days: departures not more than eight hours apart belong together.
CREATE MATERIALIZED VIEW plane_days AS
SELECT tailnum, window_start AS first_departure, window_end, count(*) AS legs, sum(distance) AS miles
FROM TABLE(SESSION(TABLE flights PARTITION BY tailnum, DESCRIPTOR(ts), INTERVAL '8 hours'))
WHERE tailnum IS NOT NULL
GROUP BY tailnum, window_start, window_end;
