"""Sheet: what is seen at a place on the axes is what was given there."""

import itertools
import json

import numpy as np
import pytest
import torch
import traitlets

from ddpm_lite.views import Sheet
from ddpm_lite.views.plots import png

AXES = {"guidance": [0.0, 1.0, 2.5, 8.0], "seed": [0, 1, 2]}
ROWS = ["plain", "guided"]


def pictures(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def sheet(**options):
    frames = pictures(4, 3, 2, 5, 1, 8, 8)
    return Sheet(frames, AXES, ROWS, "Five digits", **options), frames


def test_guidance_by_seed_is_one_call():
    view, frames = sheet(play="guidance")
    for (i, guidance), (j, seed) in itertools.product(*(enumerate(values) for values in AXES.values())):
        view.guidance, view.seed = guidance, seed
        assert np.abs(view.frame()["pictures"] - frames[i, j].numpy()).max() < 0.5 / 127.5 + 1e-6
    assert view.describe() == "Five digits: guidance 8, seed 2."


def test_an_interpolation_is_one_call():
    frames = pictures(11, 1, 4, 3, 16, 16)
    view = Sheet(
        frames, {"share": [i / 10 for i in range(11)]}, ["between"], "From a red to a blue circle", play="share", share=0.5
    )
    assert np.abs(view.frame()["pictures"] - frames[5].numpy()).max() < 0.5 / 127.5 + 1e-6
    assert view.start == {"share": 0.5} and view.describe() == "From a red to a blue circle: share 0.5."


def test_colour_pictures_of_more_than_384_pixels_are_sent_with_256_colours_each():
    ramp = torch.linspace(-1, 1, 20 * 20).reshape(1, 1, 1, 1, 20, 20)
    frames = torch.cat([ramp, ramp.flip(-1) / 2, ramp.new_zeros(ramp.shape)], 3).expand(2, 1, 1, 3, 20, 20).clone()
    frames[1, ..., :5, :] = 0.6  # fewer colours: all are kept, where none is lost
    view = Sheet(frames, {"k": [1, 2]}, ["x"], "Drawn")
    assert len(view.frames) == 2 * (768 + 400)
    for k in (1, 2):
        view.k = k
        away = np.abs(view.frame()["pictures"] - frames[k - 1].numpy())
        assert away.mean() < 1 / 127.5 and away.max() < 4 / 127.5
    assert len(Sheet(frames[..., :19], {"k": [1, 2]}, ["x"], "Drawn").frames) == 2 * 3 * 380  # as they are


def test_every_value_of_an_axis_can_be_seen_at_once():
    view, frames = sheet(several="seed", guidance=2.5, seed=1)
    assert view.comparisons == ["one seed", "plain of every seed", "guided of every seed"]
    view.compare = "guided of every seed"
    assert np.abs(view.frame()["pictures"] - frames[2, :, 1].numpy()).max() < 0.5 / 127.5 + 1e-6
    assert view.describe() == "Five digits: guidance 2.5, guided of every seed."
    assert view.start == {"guidance": 2.5, "seed": 1, "compare": "one seed"}


def test_what_stands_still_is_sent_once_and_said():
    frames = pictures(4, 3, 2, 5, 1, 8, 8)
    frames[1:3] = frames[0]
    frames[3, 0] = frames[0, 0]
    view = Sheet(frames, AXES, ROWS, "Five digits", play="guidance", several="seed", guidance=2.5)
    assert len(view.frames) == (3 + 2) * 2 * 5 * 64
    assert view.describe() == "Five digits: guidance 2.5 (unchanged since 0), seed 0."
    assert np.abs(view.frame()["pictures"] - frames[2, 0].numpy()).max() < 0.5 / 127.5 + 1e-6
    view.guidance = 8.0
    assert "guidance 8 (unchanged since 0), seed 0" in view.describe()
    view.compare = "plain of every seed"  # of which one stands still, and the others have moved
    assert "guidance 8, plain" in view.describe()


def test_a_list_of_words_is_an_axis_too():
    view = Sheet(pictures(2, 1, 3, 1, 4, 6), {"method": ["ddpm", "ddim"]}, ["x"], "Drawn", columns=["3", "1", "4"])
    view.method = "ddim"
    assert view.describe() == "Drawn: method ddim."
    with pytest.raises(traitlets.TraitError, match="method"):
        view.method = "euler"


def test_two_sheets_can_be_linked():
    (one, _), (two, _) = sheet(), sheet()
    traitlets.link((one, "seed"), (two, "seed"))
    one.seed = 2
    assert two.seed == 2


def test_the_axes_of_one_sheet_are_not_those_of_another():
    sheet()
    other = Sheet(pictures(2, 1, 3, 1, 4, 6), {"k": [1, 2]}, ["x"], "Drawn")
    assert not other.has_trait("seed") and other.has_trait("k")


def test_a_page_without_widgets_gets_a_picture_and_what_is_sent_is_plain():
    view, _ = sheet(play="guidance", several="seed")
    assert len(png(view.filmstrip())) < 100_000
    json.dumps({name: value for name, value in view.get_state().items() if not isinstance(value, bytes)})


x = torch.zeros(2, 1, 3, 1, 8, 8)


@pytest.mark.parametrize(
    ("frames", "axes", "options", "says"),
    [
        (x, {}, {}, "at least one axis"),
        (x[0], {"k": [1, 2]}, {}, r"not \(1, 3, 1, 8, 8\)"),
        (x, {"k": [1, 2, 3]}, {}, r"\[3, 1\] in front"),
        (x.expand(2, 1, 3, 2, 8, 8), {"k": [1, 2]}, {}, "1 or 3"),
        (x[:, :, :0], {"k": [1, 2]}, {}, "at least one picture"),
        (x + torch.nan, {"k": [1, 2]}, {}, "finite"),
        (x - 1.01, {"k": [1, 2]}, {}, r"within \[-1, 1\]"),
        (pictures(1000, 1, 3, 1, 20, 20), {"k": list(range(1000))}, {}, "take 1,200,000 bytes"),
        (x, {"k": []}, {}, "axis 'k' must be"),
        (x, {"k": [1, 1]}, {}, "different"),
        (x, {"k": [1, "two"]}, {}, "all of them numbers or all words"),
        (x, {"k": [1.0, float("nan")]}, {}, "all of them numbers"),
        (x, {"frames": [1, 2]}, {}, "cannot be called 'frames'"),
        (x, {"big": [1, 2]}, {}, "cannot be called 'big'"),
        (x, {"two words": [1, 2]}, {}, "cannot be called"),
        (x, {"k": [1, 2]}, {"play": "t"}, "play = 't' is none"),
        (x, {"k": [1, 2]}, {"several": "t"}, "several = 't' is none"),
        (x, {"k": [1, 2]}, {"several": "k", "play": "k"}, "cannot both"),
        (x, {"k": [1, 2]}, {"t": 3}, "no axis 't'"),
        (x, {"k": [1, 2]}, {"columns": ["a"]}, "1 columns, but there are 3"),
    ],
)
def test_bad_data_is_refused_in_one_sentence(unchecked, frames, axes, options, says):
    with pytest.raises(ValueError, match=says):
        Sheet(frames, axes, ["x"], "Drawn", **options)


def test_a_place_that_there_is_not_is_refused():
    with pytest.raises(traitlets.TraitError, match="guidance"):
        sheet(guidance=3.0)


def test_a_thousand_places_and_a_single_one_are_fine():
    many = Sheet(pictures(1000, 1, 1, 1, 8, 8), {"step": list(range(1000))}, ["x"], "Drawn", play="step", step=999)
    assert many.describe() == "Drawn: step 999."
    one = Sheet(pictures(1, 1, 1, 1, 8, 8), {"step": [7]}, ["x"], "Drawn", play="step")
    assert one.describe() == "Drawn: step 7." and one.filmstrip()
