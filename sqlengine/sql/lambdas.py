"""Which functions take a lambda among their arguments: there `x -> e` and `x => e` are one, elsewhere JSON's arrow and
a named argument."""

from __future__ import annotations


def takes_lambda(name: str) -> bool:
    """Whether a function of this name may have a lambda among its arguments."""
    name = name.lower()
    return name in _WITH_LAMBDAS or name.startswith(("list_", "array_"))


_WITH_LAMBDAS = frozenset(
    "aggregate all_match any_match apply exists filter forall map_filter none_match reduce transform transform_keys "
    "transform_values zip_with".split()
)
