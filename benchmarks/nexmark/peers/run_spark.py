"""Spark Structured Streaming: Parquet files as they are, one trigger after the other, into its noop sink.

Append mode where the query allows it (stateless ones, joins, windows that close), else update mode.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from benchmarks.nexmark.peers.peer import READS, STANDARD, main

WINDOW = "window(date_time, '10 seconds')"
DAY = "DATE_FORMAT(date_time, 'yyyy-MM-dd')"
MARKED = "(price < 10000)", "(price >= 10000 AND price < 1000000)", "(price >= 1000000)"
COUNTS = "count(*) AS total_bids, " + ", ".join(
    f"count_if{where} AS rank{i}_bids" for i, where in enumerate(MARKED, start=1)
)
TEXTS = {
    "q0": STANDARD["q0"],
    "q1": STANDARD["q1"],
    "q2": STANDARD["q2"],
    "q3": STANDARD["q3"],
    "q5": "SELECT window(date_time, '10 seconds', '2 seconds') AS w, auction, count(*) AS num FROM bid"
    " GROUP BY window(date_time, '10 seconds', '2 seconds'), auction",
    "q8": f"SELECT p.id, p.name FROM (SELECT DISTINCT id, name, {WINDOW} AS w FROM person) AS p"
    f" JOIN (SELECT DISTINCT seller, {WINDOW} AS w FROM auction) AS a ON p.id = a.seller AND p.w = a.w",
    "q11": "SELECT session_window(date_time, '10 seconds') AS w, bidder, count(*) AS bid_count FROM bid"
    " GROUP BY session_window(date_time, '10 seconds'), bidder",
    "q17": f"SELECT auction, {DAY} AS day, {COUNTS}, min(price) AS min_price, max(price) AS max_price,"
    f" avg(price) AS avg_price, sum(price) AS sum_price FROM bid GROUP BY auction, {DAY}",
    "q20": STANDARD["q20"],
    "q22": "SELECT auction, bidder, price, channel, split(url, '/')[3] AS dir1, split(url, '/')[4] AS dir2,"
    " split(url, '/')[5] AS dir3 FROM bid",
}
UPDATING = ("q17",)
FILES_PER_TRIGGER = 1


def run(folder: Path, query: str, text: str) -> tuple[float, None]:
    """From the start of the stream to the end of what is there."""
    from pyspark.sql import SparkSession  # in this process: it may not be installed

    threads = os.environ.get("NEXMARK_THREADS", "1")
    with tempfile.TemporaryDirectory() as work:
        spark = (
            SparkSession.builder.master(f"local[{threads}]")
            .config("spark.ui.enabled", "false")
            .config("spark.driver.memory", "4g")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.shuffle.partitions", threads)
            .getOrCreate()
        )
        spark.sparkContext.setLogLevel("ERROR")
        for table in READS[query]:
            source = Path(work) / table
            source.mkdir()
            (source / f"{table}.parquet").symlink_to(folder / f"{table}.parquet")
            schema = spark.read.parquet(str(source)).schema
            reader = spark.readStream.schema(schema).option("maxFilesPerTrigger", FILES_PER_TRIGGER)
            rows = reader.parquet(str(source)).withColumn("date_time", _instant("date_time"))
            rows.withWatermark("date_time", "4 seconds").createOrReplaceTempView(table)
        started = time.perf_counter()
        stream = (
            spark.sql(text)
            .writeStream.format("noop")
            .outputMode("update" if query in UPDATING else "append")
            .option("checkpointLocation", str(Path(work) / "checkpoint"))
            .trigger(availableNow=True)
            .start()
        )
        stream.awaitTermination()
        seconds = time.perf_counter() - started
        spark.stop()
    return seconds, None


def _instant(column: str):  # noqa: ANN202 - a Spark Column, whose package may not be installed
    """A wall-clock time as the instant that watermarks need."""
    from pyspark.sql import functions

    return functions.col(column).cast("timestamp")


if __name__ == "__main__":
    main("pyspark", TEXTS, run)
