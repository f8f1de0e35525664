"""Matrix: the cell that is read out, its words and its colours."""

import numpy as np
import pytest
import torch
import traitlets

from ddpm_lite.views import Matrix
from ddpm_lite.views.plots import png

VALUES = torch.tensor([[0.9, -0.125, 0.001], [0.2, 0.308, -0.004]])
LABELS = (["a red circle", "a dog"], ["one", "two", "three"], "Similarity")


def test_the_frame_and_the_words_are_those_of_the_cell():
    view = Matrix(VALUES, *LABELS, row=1)
    assert np.array_equal(view.frame()["values"], VALUES.numpy()) and view.frame()["value"] == np.float32(0.2)
    assert view.describe() == "Similarity: 0.20 for a dog and one; greatest in the row: two."
    view.row, view.column = 0, 1
    assert view.describe() == "Similarity: -0.12 for a red circle and two; greatest in the row: one."
    assert view.start == {"row": 1, "column": 0}


def test_what_rounds_to_nothing_has_no_sign():
    assert Matrix(VALUES, *LABELS).texts == ["0.90", "-0.12", "0.00", "0.20", "0.31", "0.00"]


def test_a_page_without_widgets_gets_the_whole_matrix():
    for size in (1, 10, 32):
        view = Matrix(torch.eye(size), [f"row {i}" for i in range(size)], [f"column {i}" for i in range(size)], "Same")
        assert len(png(view.filmstrip())) < 100_000


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (VALUES.T, r"2 x 3, not \(3, 2\)"),
        (VALUES + torch.nan, "finite"),
        (torch.zeros(0, 3), r"not \(0, 3\)"),
        (VALUES[0], r"not \(3,\)"),
    ],
)
def test_bad_data_is_refused_in_one_sentence(unchecked, values, says):
    with pytest.raises(ValueError, match=says):
        Matrix(values, *LABELS)


def test_more_than_32_rows_are_refused():
    with pytest.raises(ValueError, match="1 to 32"):
        Matrix(torch.zeros(33, 1), ["x"] * 33, ["y"], "Same")


def test_a_cell_that_there_is_not_is_refused():
    with pytest.raises(traitlets.TraitError, match="column = 3, but it must lie between 0 and 2"):
        Matrix(VALUES, *LABELS).column = 3


def test_a_matrix_of_zeros_is_a_matrix():
    assert Matrix(torch.zeros(1, 1), ["x"], ["y"], "Same").describe() == "Same: 0.00 for x and y; greatest in the row: y."
