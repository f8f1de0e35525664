"""Changes drawn on the pictures of the six artists, against Pillow and against what each of them means."""

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_lite.data import changes, emoji, grammar
from ddpm_lite.data.grammar import Scene

NUMBER = {thing.name: i for i, thing in enumerate(emoji.load().things)}
FOX, CAT, PIZZA = NUMBER["fox"], NUMBER["cat"], NUMBER["pizza"]


def draw(*scenes, by=2, size=64):
    return (changes.draw(scenes, [by] * len(scenes), size) + 1) / 2


def rgba(thing, by=2, tone=0):
    return emoji.load().pictures[emoji.load().row[thing, by, tone]].permute(1, 2, 0).numpy()


def on_white(picture, ground=(255, 255, 255)):
    paper = Image.new("RGBA", picture.shape[1::-1], (*ground, 255))
    paper.alpha_composite(Image.fromarray(picture, "RGBA"))
    return torch.from_numpy(np.asarray(paper.convert("RGB")).astype(np.float32) / 255).permute(2, 0, 1)


@pytest.mark.parametrize("ground", ["", *grammar.COLOURS])
def test_a_plain_thing_is_the_artists_picture_on_its_ground_as_pillow_puts_it(ground):
    for thing in (FOX, CAT, NUMBER["ghost"]):
        for by in range(6):
            own = on_white(rgba(thing, by), grammar.COLOURS.get(ground, (255, 255, 255)))
            assert (draw(Scene(thing, ground=ground), by=by)[0] - own).abs().max() < 0.02


@pytest.mark.parametrize("size", [1, 2, 4, 8, 16, 32])
def test_a_small_picture_is_the_mean_of_the_large_one(size):
    scene = Scene(FOX, worn="crown", ground="blue")
    large, small = draw(scene), draw(scene, size=size)
    torch.testing.assert_close(small, large.unflatten(3, (size, -1)).unflatten(2, (size, -1)).mean((3, 5)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("colour", grammar.COLOURS)
def test_a_colour_keeps_the_luminance_and_changes_the_hue(colour):
    weights = torch.tensor(changes.LUMINANCE)[:, None, None]
    for by in range(6):
        plain, coloured = draw(Scene(FOX), Scene(FOX, colour=colour), by=by)
        torch.testing.assert_close((plain * weights).sum(0), (coloured * weights).sum(0), atol=0.02, rtol=0)
        # Every pixel lies between black, the colour and white: the channels keep the colour's order.
        rgb = torch.tensor(grammar.COLOURS[colour]).float()
        for low, high in [(i, j) for i in range(3) for j in range(3) if rgb[i] < rgb[j] - 5]:
            assert (coloured[high] >= coloured[low] - 1e-4).all()


def test_several_are_copies_of_one_in_their_places():
    two, three, four = draw(*(Scene(FOX, number=n) for n in (2, 3, 4)))
    one = two[:, 16:48, :32]
    small = changes._resized(changes._sprites()[emoji.load().row[FOX, 2, 0]][None].float() / 255, 32, 32)
    assert (one - changes.over(small, torch.ones(1, 3, 32, 32))[0]).abs().max() < 1e-5
    assert torch.equal(two[:, 16:48, 32:], one) and (two[:, :16] == 1).all() and (two[:, 48:] == 1).all()
    assert (
        torch.equal(three[:, :32, 16:48], one) and torch.equal(three[:, 32:, :32], one) and torch.equal(three[:, 32:, 32:], one)
    )
    assert all(torch.equal(four[:, i : i + 32, j : j + 32], one) for i in (0, 32) for j in (0, 32))


def test_places():
    left, above, swapped = draw(
        Scene(CAT, place="left of", other=PIZZA), Scene(CAT, place="above", other=PIZZA), Scene(PIZZA, place="left of", other=CAT)
    )
    assert torch.equal(left[:, 16:48, :32], above[:, :32, 16:48]) and torch.equal(left[:, 16:48, 32:], above[:, 32:, 16:48])
    assert torch.equal(left[:, :, :32], swapped[:, :, 32:]) and torch.equal(left[:, :, 32:], swapped[:, :, :32])


def test_a_tiny_one_is_smaller_in_the_middle_of_its_place():
    alone, beside = draw(Scene(CAT, tiny=True), Scene(CAT, tiny=True, place="left of", other=PIZZA))
    assert (alone[:, :20] == 1).all() and (alone[:, 44:] == 1).all() and (alone[:, 20:44, 20:44] < 1).any()
    assert torch.equal(alone[:, 20:44, 20:44], beside[:, 20:44, 4:28])


def test_turned_is_upside_down_and_everything_stays_with_it():
    plain, turned, dressed, both = draw(
        Scene(FOX), Scene(FOX, turned=True), Scene(FOX, worn="crown"), Scene(FOX, worn="crown", turned=True)
    )
    assert torch.equal(plain.flip(1), turned) and torch.equal(dressed.flip(1), both)


@pytest.mark.parametrize("worn", grammar.WORN)
def test_what_is_worn_changes_a_part_that_its_wearer_has(worn):
    for thing in (FOX, PIZZA, NUMBER["snail"], NUMBER["rocket"]):
        sprite = changes._sprites()[emoji.load().row[thing, 2, 0]].float() / 255
        dressed = changes.dressed(sprite, worn)
        if worn in changes.ON_HEAD:
            small = torch.nn.functional.pad(changes._resized(sprite[None], 48, 48)[0], (8, 8, 16, 0))
            changed = (dressed - small).abs().amax(0) > 0.02
            rows = changed.nonzero()[:, 0]
            top = int((small[3] > 0.5).any(1).nonzero()[0])
            assert rows.min() < top and top - 6 < rows.max() < top + 16  # it stands on the head and covers little of it
            assert 14 <= changed.any(0).sum() <= 40
        else:
            changed = (dressed - sprite).abs().amax(0) > 0.02
            assert 0.02 < changed.float().mean() < 0.4
            solid = (sprite[3] > 0.5).nonzero()
            middle = changed.nonzero().float().mean(0)
            assert solid.min(0).values[1] < middle[1] < solid.max(0).values[1]
        assert changed.any() and dressed.min() >= 0 and dressed.max() < 1.00001


def test_sunglasses_sit_higher_than_a_scarf():
    sprite = changes._sprites()[emoji.load().row[FOX, 2, 0]].float() / 255
    rows = {
        w: ((changes.dressed(sprite, w) - sprite).abs().amax(0) > 0.02).nonzero()[:, 0].float().mean() for w in changes.ON_BODY
    }
    assert rows["sunglasses"] + 10 < rows["scarf"]


def test_no_two_values_of_a_change_look_alike():
    for scenes in (
        [Scene(FOX, colour=c) for c in grammar.COLOURS],
        [Scene(FOX, worn=w) for w in grammar.WORN],
        [Scene(FOX, ground=c) for c in grammar.COLOURS],
        [Scene(FOX, number=n) for n in (1, 2, 3, 4)],
        [Scene(FOX), Scene(FOX, turned=True), Scene(FOX, tiny=True)],
    ):
        shown = draw(*scenes, size=16).flatten(1)
        assert (torch.cdist(shown, shown) + 10 * torch.eye(len(shown))).min() / 768**0.5 * 255 > 5


def test_scenes_do_not_depend_on_those_beside_them():
    scenes = [
        Scene(FOX, colour="red"),
        Scene(CAT, worn="halo", ground="pink"),
        Scene(PIZZA, place="above", other=CAT),
        Scene(CAT),
    ]
    assert torch.equal(draw(*scenes), torch.cat([draw(scene) for scene in scenes]))


def test_a_size_that_does_not_divide_is_refused():
    for size in (0, 48, 128):
        with pytest.raises(ValueError, match=f"size = {size}, but the pictures come at sizes that divide 64"):
            changes.draw([Scene(FOX)], [0], size)


def test_what_an_artist_has_not_drawn_is_named():
    thing, artist = next((t, a) for t in range(1624) for a in range(6) if (t, a, 0) not in emoji.load().row)
    name = emoji.load().things[thing].name
    with pytest.raises(ValueError, match=f"{emoji.ARTISTS[artist]} has not drawn '{name}': see `grammar.artists_of`"):
        changes.draw([Scene(thing)], [artist])
    with pytest.raises(ValueError, match="twitter has not drawn 'fox' with dark skin"):
        changes.draw([Scene(FOX, tone=5)], [2])
    with pytest.raises(ValueError, match=f"has not drawn '{name}'"):
        changes.draw([Scene(FOX, place="above", other=thing)], [artist])


def test_pictures_are_in_range():
    drawn = changes.draw([Scene(i) for i in range(50)], [grammar.artists_of(i)[0] for i in range(50)])
    assert drawn.min() >= -1 and drawn.max() <= 1 and drawn.shape == (50, 3, 64, 64)
