"""Widths of columns: cutting, padding, and which columns fit."""

from __future__ import annotations

import pyarrow as pa
import wcwidth
from hypothesis import given, settings
from hypothesis import strategies as st

from repl.render.layout import FRAMES, ColumnSize, arrange
from repl.render.width import cut_text, fit, fit_text, text_width, visible, visible_text, widest
from tests.depth import rounds

sizes = st.builds(ColumnSize, st.integers(0, 200), st.integers(0, 40), st.integers(0, 20), st.booleans())
texts = st.text(st.sampled_from("ab 日本é🙂\u0301👨\u200d👩"), max_size=30)
modest = settings(max_examples=rounds(40, 100), deadline=None)


@modest
@given(st.lists(sizes, max_size=30), st.integers(1, 250))
def test_a_layout_fits_or_shows_one_column(columns: list[ColumnSize], available: int) -> None:
    layout = arrange(columns, available)
    assert list(layout.columns) == sorted(set(layout.columns))
    assert len(layout.columns) == len(layout.widths) and all(w >= 1 for w in layout.widths)
    hidden = len(columns) - len(layout.columns)
    assert (layout.gap_at is not None) == (hidden > 0)
    cells = [*layout.widths, *([1] if hidden else [])]
    assert FRAMES[2].cells(cells) <= available or len(layout.columns) <= 1
    for column, width in zip(layout.columns, layout.widths):
        assert width <= columns[column].natural
        if len(layout.columns) > 1 and columns[column].rigid:
            assert width >= columns[column].values


@modest
@given(st.lists(sizes, max_size=10))
def test_without_a_screen_nothing_is_cut(columns: list[ColumnSize]) -> None:
    layout = arrange(columns, None)
    assert layout.columns == tuple(range(len(columns))) and layout.gap_at is None
    assert layout.widths == tuple(c.natural for c in columns)


def test_cut_columns_share_what_is_left() -> None:
    long = ColumnSize(100, 1, 4, rigid=False)
    assert arrange([long, ColumnSize(4, 1, 4, rigid=True), long], 60).widths == (23, 4, 23)


@modest
@given(texts, st.integers(1, 40), st.booleans())
def test_fitted_texts_have_the_width_asked_for(text: str, width: int, right: bool) -> None:
    fitted = fit_text(visible_text(text), width, right)
    assert max(0, wcwidth.wcswidth(fitted)) == width
    assert fit(pa.array([visible_text(text), None]), width, right, "…").to_pylist() == [fitted, None]


@modest
@given(st.text("abc", max_size=20), st.integers(1, 15), st.booleans())
def test_ascii_columns_are_fitted_as_single_texts_are(text: str, width: int, right: bool) -> None:
    assert fit(pa.array([text]), width, right, "…").to_pylist() == [fit_text(text, width, right)]


@modest
@given(texts, st.integers(0, 40))
def test_a_cut_text_begins_the_text(text: str, width: int) -> None:
    cut = cut_text(text, width)
    assert text.startswith(cut) and text_width(cut) <= width


def test_widest_and_visible() -> None:
    assert widest(pa.array(["a", None, "日本"])) == 4
    assert widest(pa.array([], pa.string())) == widest(pa.array([None], pa.string())) == 0
    assert visible(pa.array(["a\x00b", None, "é\x1b"])).to_pylist() == ["a\\x00b", None, "é\\x1b"]
    assert visible_text("\u2028\u202e\n") == "\\u2028\\u202e\\n"
