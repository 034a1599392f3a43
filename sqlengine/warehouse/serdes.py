"""What Hive's class names mean here: SerDes and input formats to ours, STORED AS words to both."""

from __future__ import annotations

from sqlengine.errors import NotSupportedError, UndefinedObject, did_you_mean
from sqlengine.quick_dataclass import dataclass

LAZY_SIMPLE, OPEN_CSV, REGEX, JSON, AVRO, PARQUET, ORC, CSV = (
    "lazysimple",
    "opencsv",
    "regex",
    "json",
    "avro",
    "parquet",
    "orc",
    "csv",
)
_SERDES = {
    "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe": LAZY_SIMPLE,
    "org.apache.hadoop.hive.serde2.MetadataTypedColumnsetSerDe": LAZY_SIMPLE,
    "org.apache.hadoop.hive.serde2.OpenCSVSerde": OPEN_CSV,
    "org.apache.hadoop.hive.serde2.RegexSerDe": REGEX,
    "org.apache.hadoop.hive.contrib.serde2.RegexSerDe": REGEX,
    "org.apache.hadoop.hive.serde2.JsonSerDe": JSON,
    "org.apache.hive.hcatalog.data.JsonSerDe": JSON,
    "org.openx.data.jsonserde.JsonSerDe": JSON,
    "org.apache.hadoop.hive.serde2.avro.AvroSerDe": AVRO,
    "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe": PARQUET,
    "parquet.hive.serde.ParquetHiveSerDe": PARQUET,
    "org.apache.hadoop.hive.ql.io.orc.OrcSerde": ORC,
    "org.apache.spark.sql.execution.datasources.csv.CSVFileFormat": CSV,
}
_INPUT = "org.apache.hadoop.mapred.TextInputFormat"
_OUTPUT = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"


@dataclass(frozen=True, slots=True)
class StoredAs:
    """A file format: its SerDe when none is named, and the class names that DESCRIBE and SHOW CREATE TABLE print."""

    name: str
    serde: str
    serde_class: str
    input_format: str
    output_format: str


_AVRO_IO = "org.apache.hadoop.hive.ql.io.avro.AvroContainer"
_PARQUET_IO = "org.apache.hadoop.hive.ql.io.parquet.MapredParquet"
_ORC_IO = "org.apache.hadoop.hive.ql.io.orc.Orc"
FORMATS = {
    row.name: row
    for row in (
        StoredAs("textfile", LAZY_SIMPLE, next(iter(_SERDES)), _INPUT, _OUTPUT),
        StoredAs("csv", CSV, "org.apache.spark.sql.execution.datasources.csv.CSVFileFormat", _INPUT, _OUTPUT),
        StoredAs("jsonfile", JSON, "org.apache.hadoop.hive.serde2.JsonSerDe", _INPUT, _OUTPUT),
        StoredAs(
            "parquet",
            PARQUET,
            "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
            f"{_PARQUET_IO}InputFormat",
            f"{_PARQUET_IO}OutputFormat",
        ),
        StoredAs(
            "orc", ORC, "org.apache.hadoop.hive.ql.io.orc.OrcSerde", f"{_ORC_IO}InputFormat", f"{_ORC_IO}OutputFormat"
        ),
        StoredAs(
            "avro",
            AVRO,
            "org.apache.hadoop.hive.serde2.avro.AvroSerDe",
            f"{_AVRO_IO}InputFormat",
            f"{_AVRO_IO}OutputFormat",
        ),
    )
}
_ALIASES = {
    "text": "textfile",
    "json": "jsonfile",
    "parquetfile": "parquet",
    "orcfile": "orc",
    "avrofile": "avro",
}
_REFUSED = ("sequencefile", "rcfile")
_BY_INPUT_FORMAT = {
    "org.apache.hadoop.mapred.TextInputFormat": "textfile",
    "parquet.hive.DeprecatedParquetInputFormat": "parquet",
    f"{_PARQUET_IO}InputFormat": "parquet",
    f"{_ORC_IO}InputFormat": "orc",
    f"{_AVRO_IO}InputFormat": "avro",
    "org.apache.hadoop.mapred.SequenceFileInputFormat": "sequencefile",
    "org.apache.hadoop.hive.ql.io.RCFileInputFormat": "rcfile",
}


def stored_as(word: str) -> StoredAs:
    """The file format that STORED AS names; NotSupportedError (0A000) for sequencefile and rcfile, UndefinedObject
    (42704) for a word that Hive does not know."""
    name = _ALIASES.get(word.lower(), word.lower())
    if name in _REFUSED:
        raise NotSupportedError(
            f"tables stored as {name} are not supported", hint="textfile, parquet, orc, avro and jsonfile are"
        )
    if name not in FORMATS:
        raise UndefinedObject(f'file format "{word}" does not exist', hint=did_you_mean(name, [*FORMATS, *_ALIASES]))
    return FORMATS[name]


def stored_by_classes(input_format: str) -> StoredAs:
    """The file format that STORED AS INPUTFORMAT names by its class; NotSupportedError (0A000) for others."""
    name = _BY_INPUT_FORMAT.get(input_format)
    if name is None:
        raise NotSupportedError(
            f'input format "{input_format}" is not supported', hint=did_you_mean(input_format, _BY_INPUT_FORMAT)
        )
    return stored_as(name)


def serde_of(class_name: str) -> str:
    """Our word for a SerDe class; NotSupportedError (0A000) for a class that is not here."""
    if class_name not in _SERDES:
        raise NotSupportedError(
            f'SerDe "{class_name}" is not supported',
            hint=did_you_mean(class_name, _SERDES)
            or "supported: " + ", ".join(name.rpartition(".")[2] for name in _SERDES),
        )
    return _SERDES[class_name]


def is_text(serde: str) -> bool:
    """Whether a SerDe of ours makes lines of text."""
    return serde in (LAZY_SIMPLE, OPEN_CSV, REGEX, JSON, CSV)


def serde_class(serde: str) -> str:
    """The class name that Hive prints for our word."""
    return next(name for name, word in _SERDES.items() if word == serde)
