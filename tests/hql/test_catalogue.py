"""What is listed of Hive's functions: every name is there or says why not, and nothing is both."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import sqlengine
from sqlengine import errors
from sqlengine.expr.hive import catalogue
from sqlengine.functions.hive.gaps import GAPS, SPARK_GAPS
from sqlengine.functions.hive.hive4 import NAMES


def test_every_name_of_hive_is_there_or_says_why_not() -> None:
    found = {name: catalogue.entry(name) for name in NAMES}
    assert [name for name, entry in found.items() if entry is None] == []
    for name, entry in found.items():
        assert entry is not None
        assert bool(entry.signatures) != (entry.gap is not None), name
        assert entry.gap is None or (entry.gap.word in ("notimpl", "never") and entry.gap.reason), name


def test_what_is_there_is_described() -> None:
    assert [name for name in catalogue.names() if not catalogue.described(name, False)[0].partition(" - ")[2]] == []


def test_gaps_are_names_of_hive() -> None:
    """Of Hive 4, of Hive 2, whose bitmaps are gone, or of Spark."""
    assert [n for n in GAPS if n not in NAMES and n not in SPARK_GAPS and not n.startswith("ewah_bitmap")] == []
    assert [name for name in SPARK_GAPS if name in catalogue.names()] == []


def test_every_name_of_spark_is_there_or_says_why_not() -> None:
    lines = Path(__file__).with_name("spark_3_5_names.txt").read_text().splitlines()
    names = " ".join(line for line in lines if not line.startswith("#")).split()
    assert len(names) > 400
    assert [name for name in names if catalogue.entry(name) is None and name != "||"] == []


@pytest.mark.parametrize("name", SPARK_GAPS)
def test_gaps_are_told_to_who_calls_them(name: str) -> None:
    with (
        sqlengine.connect(":memory:", dialect="spark") as database,
        pytest.raises(errors.NotSupportedError, match=re.escape(name)) as raised,
    ):
        database.execute(f"SELECT {name}('a', 'b')")
    assert SPARK_GAPS[name].reason in str(raised.value)


def test_the_families_are_there() -> None:
    """Text, patterns, masks, addresses, JSON, XML, digests, choices and the session (LanguageManual UDF)."""
    wanted = """
    ascii base64 bin char_length character_length chr concat concat_ws decode elt encode field find_in_set
    format_number get_json_object hex unhex initcap instr lcase length levenshtein locate lower lpad ltrim mask
    mask_first_n mask_hash mask_last_n mask_show_first_n mask_show_last_n octet_length parse_url printf quote
    regexp regexp_extract regexp_replace repeat replace reverse rlike rpad rtrim sentences soundex space split
    str_to_map substr substring substring_index translate trim ucase unbase64 upper json_tuple parse_url_tuple
    xpath xpath_boolean xpath_double xpath_float xpath_int xpath_long xpath_number xpath_short xpath_string
    aes_encrypt aes_decrypt crc32 md5 sha sha1 sha2 hash murmur_hash uuid version current_user logged_in_user
    current_database nvl coalesce nullif isnull isnotnull if assert_true assert_true_oom greatest least between
    in like likeany likeall"""
    assert [name for name in wanted.split() if name not in catalogue.names()] == []


def test_described_lines() -> None:
    assert catalogue.described("ucase", False) == ["ucase(s text) -> text - in capitals"]
    assert catalogue.described("reflect", True) == ["reflect is not supported: it would call any Java method"]
    assert "  > SELECT substr('Facebook', -5) = 'ebook';" in catalogue.described("substr", True)
    with pytest.raises(errors.UndefinedFunction, match="nosuch"):
        catalogue.described("nosuch", False)
