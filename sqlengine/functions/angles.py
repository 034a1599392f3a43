"""Trigonometry in degrees, as PostgreSQL has it: exact at the multiples of 30 and 45 that have a plain value."""

from __future__ import annotations

from sqlengine.functions.registry import Function, declare

_NAN = "CASE WHEN isnan({0}) THEN {0} WHEN isinf({0}) THEN error('input is out of range')::DOUBLE ELSE "


def _of_angle(name: str, description: str, example: str, value: str, exact: dict[int, str], period: int) -> Function:
    """A function of an angle: `exact` maps angles in [0, period) to their value."""
    turn = f"((({{0}}) % {period}) + {period}) % {period}"
    whens = "".join(f"WHEN {turn} = {angle} THEN {text}::DOUBLE " for angle, text in exact.items())
    return declare(
        f"{name}(degrees double precision) -> double precision",
        description,
        example=example,
        can_raise=True,
        duck=f"{_NAN}CASE {whens}ELSE {value.format(f'radians({turn})')} END END",
    )


def _of_value(name: str, description: str, example: str, exact: dict[str, int], bounded: bool) -> Function:
    """An inverse function, in degrees."""
    whens = "".join(f"WHEN {{0}} = {value} THEN {angle}::DOUBLE " for value, angle in exact.items())
    outside = "WHEN abs({0}) > 1 AND NOT isnan({0}) THEN error('input is out of range')::DOUBLE " if bounded else ""
    return declare(
        f"{name}(x double precision) -> double precision",
        description,
        example=example,
        can_raise=bounded,
        duck=f"CASE WHEN isnan({{0}}) THEN {{0}} {outside}{whens}ELSE degrees({name[:-1]}({{0}})) END",
    )


_INFINITE = "'infinity'"
sind = _of_angle(
    "sind", "sine of an angle in degrees", "sind(30) = 0.5", "sin({})",
    {0: "0", 30: "0.5", 90: "1", 150: "0.5", 180: "0", 210: "-0.5", 270: "-1", 330: "-0.5"}, 360,
)  # fmt: skip
cosd = _of_angle(
    "cosd", "cosine of an angle in degrees", "cosd(60) = 0.5", "cos({})",
    {0: "1", 60: "0.5", 90: "0", 120: "-0.5", 180: "-1", 240: "-0.5", 270: "0", 300: "0.5"}, 360,
)  # fmt: skip
tand = _of_angle(
    "tand", "tangent of an angle in degrees", "tand(45) = 1", "tan({})",
    {0: "0", 45: "1", 90: _INFINITE, 135: "-1", 180: "0", 225: "1", 270: f"-{_INFINITE}::DOUBLE", 315: "-1"}, 360,
)  # fmt: skip
cotd = _of_angle(
    "cotd", "cotangent of an angle in degrees", "cotd(45) = 1", "cot({})",
    {0: _INFINITE, 45: "1", 90: "0", 135: "-1", 180: f"-{_INFINITE}::DOUBLE", 225: "1", 270: "0", 315: "-1"}, 360,
)  # fmt: skip
asind = _of_value(
    "asind", "inverse sine, in degrees", "asind(0.5) = 30", {"0.5": 30, "-0.5": -30, "1": 90, "-1": -90, "0": 0}, True
)  # noqa: E501
acosd = _of_value(
    "acosd", "inverse cosine, in degrees", "acosd(0.5) = 60", {"0.5": 60, "-0.5": 120, "1": 0, "-1": 180, "0": 90}, True
)  # noqa: E501
atand = _of_value("atand", "inverse tangent, in degrees", "atand(1) = 45", {"1": 45, "-1": -45, "0": 0}, False)
atan2d = declare(
    "atan2d(y double precision, x double precision) -> double precision",
    "the angle of the point (x, y), in degrees",
    example="atan2d(1, 1) = 45",
    duck="degrees(atan2({0}, {1}))",
)
