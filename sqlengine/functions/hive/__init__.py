"""Hive's scalar functions: kernels named `hive$...`, and what is known of every name Hive has.

FAMILIES names the modules that declare functions; HIVE is their registry, which the built-in one asks for names with
a `$` (functions/__init__.py), so that a bound expression needs no dialect.  `same.py` lists the functions that mean in
Hive what ours of that name mean, `gaps.py` those that are not there, and why.
"""

from __future__ import annotations

from sqlengine.functions.hive import (
    casts,
    collections,
    conditions,
    decimals,
    digests,
    hashes,
    json,
    json_read,
    masks,
    math,
    numbers,
    of_values,
    patterns,
    rounding,
    row_lists,
    spark_aes,
    spark_arrays,
    spark_bytes,
    spark_hashes,
    spark_json_read,
    spark_json_schema,
    spark_json_write,
    spark_maps,
    spark_math,
    spark_number_format,
    spark_patterns,
    spark_rounding,
    spark_sequences,
    spark_text,
    spark_times,
    spark_units,
    text,
    times,
    urls,
    xml,
)
from sqlengine.functions.registry import Registry, collect

FAMILIES = (
    casts,
    collections,
    decimals,
    math,
    numbers,
    of_values,
    rounding,
    row_lists,
    times,
    text,
    conditions,
    patterns,
    urls,
    json,
    json_read,
    xml,
    digests,
    hashes,
    masks,
    spark_aes,
    spark_arrays,
    spark_hashes,
    spark_json_read,
    spark_json_schema,
    spark_json_write,
    spark_bytes,
    spark_rounding,
    spark_maps,
    spark_math,
    spark_number_format,
    spark_patterns,
    spark_sequences,
    spark_text,
    spark_times,
    spark_units,
)

HIVE: Registry = collect(FAMILIES)
