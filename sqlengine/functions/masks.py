"""Masking: letters and digits made unreadable, their kinds and places kept (Hive, Spark; ksqlDB's names as there).

Upper-case letters become X, lower-case ones x, digits n.  Other characters stay, in ksqlDB's functions of the left and
the right they become `-`.
"""

from __future__ import annotations

from sqlengine.functions.registry import Function, declare


def _masked(text: str, upper: str = "'X'", lower: str = "'x'", digit: str = "'n'", other: str = "c") -> str:
    """DuckDB text: every character of `text` replaced by its kind's; NULL for a kind leaves it as it is."""
    whens = "".join(
        f"WHEN regexp_matches(c, '\\p{{{{{kind}}}}}') THEN {'c' if by == 'c' else f'coalesce({by}, c)'} "
        for kind, by in (("Lu", upper), ("Ll", lower), ("Nd", digit))
    )
    rest = "c" if other == "c" else f"coalesce({other}, c)"
    return f"array_to_string(list_transform(string_split({text}, ''), lambda c: CASE {whens}ELSE {rest} END), '')"


def _ends(count: str) -> dict[str, str]:
    """Pieces of a text before and behind the n-th character from either end."""
    left, right = f"left({{0}}, {count})", f"right({{0}}, {count})"
    after, before = f"substring({{0}}, {count} + 1)", f"left({{0}}, greatest(length({{0}}) - {count}, 0)::BIGINT)"
    return {"left": left, "right": right, "after": after, "before": before}


def _family(
    name: str, description: str, example: str, masked: str, plain: str, other: str, default: int | None
) -> tuple[Function, ...]:
    """The function with a count and, in Hive and Spark, the one that takes `default` for it."""
    made = []
    for count in ("greatest({1}, 0)::BIGINT", *([] if default is None else [str(default)])):
        pieces = _ends(count)
        parts = {"masked": _masked(pieces[masked], other=other), "plain": pieces[plain]}
        order = ("masked", "plain") if masked in ("left", "before") else ("plain", "masked")
        params = "s text, n integer" if "{1}" in count else "s text"
        made.append(
            declare(
                f"{name}({params}) -> text",
                description if "{1}" in count else f"{description}; of {default}",
                example=example if "{1}" in count else "",
                duck=" || ".join(parts[part] for part in order),
            )
        )
    return tuple(made)


mask = declare(
    "mask(s text) -> text",
    "the text with X for upper-case letters, x for lower-case ones and n for digits (Hive, Spark)",
    example="mask('Ab-12') = 'Xx-nn'",
    duck=_masked("{0}"),
)
mask_by = declare(
    "mask(s text, upper text, lower text, digit text, other text) -> text",
    "the text with a character for each kind; NULL leaves a kind as it is (Spark, ksqlDB)",
    example="mask('Ab-12', 'U', 'l', NULL, '#') = 'Ul#12'",
    strict=False,
    duck=_masked("{0}", "{1}", "{2}", "{3}", "{4}"),
)
mask_first_n, mask_first_4 = _family(
    "mask_first_n", "the text with its first n characters masked (Hive)", "mask_first_n('Ab-12', 2) = 'Xx-12'",
    "left", "after", "c", 4,
)  # fmt: skip
mask_last_n, mask_last_4 = _family(
    "mask_last_n", "the text with its last n characters masked (Hive)", "mask_last_n('Ab-12', 2) = 'Ab-nn'",
    "right", "before", "c", 4,
)  # fmt: skip
mask_show_first_n, mask_show_first_4 = _family(
    "mask_show_first_n", "the text with all but its first n characters masked (Hive)",
    "mask_show_first_n('Ab-12', 2) = 'Ab-nn'", "after", "left", "c", 4,
)  # fmt: skip
mask_show_last_n, mask_show_last_4 = _family(
    "mask_show_last_n", "the text with all but its last n characters masked (Hive)",
    "mask_show_last_n('Ab-12', 2) = 'Xx-12'", "before", "right", "c", 4,
)  # fmt: skip
(mask_left,) = _family(
    "mask_left", "the text with its first n characters masked, others as - (ksqlDB)",
    "mask_left('Ab-12', 3) = 'Xx-12'", "left", "after", "'-'", None,
)  # fmt: skip
(mask_right,) = _family(
    "mask_right", "the text with its last n characters masked, others as - (ksqlDB)",
    "mask_right('Ab.12', 3) = 'Ab-nn'", "right", "before", "'-'", None,
)  # fmt: skip
(mask_keep_left,) = _family(
    "mask_keep_left", "the text with all but its first n characters masked, others as - (ksqlDB)",
    "mask_keep_left('Ab.12', 2) = 'Ab-nn'", "after", "left", "'-'", None,
)  # fmt: skip
(mask_keep_right,) = _family(
    "mask_keep_right", "the text with all but its last n characters masked, others as - (ksqlDB)",
    "mask_keep_right('Ab.12', 2) = 'Xx-12'", "before", "right", "'-'", None,
)  # fmt: skip
mask_hash = declare(
    "mask_hash(s text) -> text",
    "SHA-256 of the text, in hexadecimal (Hive)",
    example="mask_hash('a') = sha256('a')",
    duck="system.main.sha256({0})",
)
