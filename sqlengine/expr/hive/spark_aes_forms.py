"""Spark's aes_encrypt(b, key[, mode[, padding[, iv[, aad]]]]) and aes_decrypt(b, key[, mode[, padding[, aad]]])."""

from __future__ import annotations

import pyarrow as pa

from sqlengine.expr import tree
from sqlengine.expr.hive.coercion import STRING, to
from sqlengine.expr.hive.form_parts import Form, made, wrong

_BYTES = pa.binary()
_DEFAULTS = (tree.Const(STRING, "GCM"), tree.Const(STRING, "DEFAULT"))
_NOTHING = tree.Const(_BYTES, b"")


def _encrypted(args: list[tree.Expr]) -> tree.Expr:
    if not 2 <= len(args) <= 6:
        raise wrong(
            "aes_encrypt", args, "what to encrypt, a key, and maybe mode, padding, vector and authenticated data"
        )
    head = _head(args)
    vector, aad = ([to(a, _BYTES) for a in args[4:]] + [_NOTHING, _NOTHING])[:2]
    without = isinstance(head[2], tree.Const) and str(head[2].value).upper() == "ECB"
    is_random = isinstance(vector, tree.Const) and not vector.value and vector.value is not None and not without
    if is_random:  # not computed here: each row has another vector
        return tree.Call(_BYTES, "hive$spark_aes_random", (*head, aad))
    return made(_BYTES, "hive$spark_aes_fixed", [*head, vector, aad])


def _decrypted(name: str, function: str) -> Form:
    def form(args: list[tree.Expr]) -> tree.Expr:
        if not 2 <= len(args) <= 5:
            raise wrong(name, args, "what was encrypted, a key, and maybe mode, padding and authenticated data")
        aad = to(args[4], _BYTES) if len(args) == 5 else _NOTHING
        return made(_BYTES, f"hive${function}", [*_head(args), aad])

    return form


def _head(args: list[tree.Expr]) -> list[tree.Expr]:
    """The data, the key, the mode and the padding."""
    said = [to(a, STRING) for a in args[2:4]]
    return [to(args[0], _BYTES), to(args[1], _BYTES), *said, *_DEFAULTS[len(said) :]]


SPARK_AES: dict[str, Form] = {
    "spark_aes_encrypt": _encrypted,
    "spark_aes_decrypt": _decrypted("aes_decrypt", "spark_aes_decrypted"),
    "try_aes_decrypt": _decrypted("try_aes_decrypt", "try_aes_decrypted"),
}
