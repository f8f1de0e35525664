"""In whose style: who is asked for what, from what the classifier learns, and that artist and thing must both be right."""

import pytest
import torch

from ddpm_lite.data import changes, emoji, grammar
from ddpm_lite.models import evaluation, material, trained
from ddpm_lite.models.evaluation import clips, composing, styles
from ddpm_lite.models.kinds import ClassifierModel
from ddpm_lite.models.presets import PRESETS

ARTISTS = len(emoji.ARTISTS)


def new(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("held_out", [True, False])
def test_scores_ask_for_things_by_an_artist_who_drew_them(held_out):
    scenes = styles.asked(held_out, 50, new())
    assert len(set(scenes)) == 50 == len(scenes)
    for scene in scenes:
        assert scene.artist in grammar.artists_of(scene.thing) and not scene.changes and grammar.is_judged(scene.thing)
        assert grammar.is_held_out(scene) == held_out
        assert grammar.caption(scene).endswith(f" by {emoji.ARTISTS[scene.artist]}")
    assert scenes != styles.asked(held_out, 50, new(1))


def test_there_are_enough_held_out_pairs_and_about_half_of_the_things_are_judged():
    assert len(styles.asked(True, styles.COUNT, new())) == styles.COUNT
    things = len(emoji.load().things)
    assert 0.45 < sum(map(grammar.is_judged, range(things))) / things < 0.55


def test_the_classifier_learns_the_artists_from_the_other_things(monkeypatch):
    drawn = []

    def draw(scenes, by, size):
        drawn.extend(zip(scenes, by, strict=True))
        return torch.zeros(len(scenes), 3, size, size)

    monkeypatch.setattr(changes, "draw", draw)
    pictures, labels = material.training_data(PRESETS["artist-emoji"])(40, new())
    assert pictures.shape == (40, 3, 16, 16) and labels.tolist() == [artist for _, artist in drawn]
    assert set(labels.tolist()) == set(range(ARTISTS))
    things = [thing for scene, _ in drawn for thing in (scene.thing, scene.other) if thing is not None]
    assert len(things) > 40 and not any(map(grammar.is_judged, things))
    assert not any(grammar.is_held_out(scene, artist) for scene, artist in drawn)


class Predicts(ClassifierModel):
    """A classifier that says what it is told."""

    def __init__(self, labels):  # without a network
        self.labels = torch.tensor(labels)

    def predict(self, pictures):
        return self.labels[: len(pictures)]


def test_right_is_the_artist_and_the_thing(monkeypatch):
    scenes = styles.asked(True, 4, new())
    artists = [scene.artist for scene in scenes]
    named = [artists[0], (artists[1] + 1) % ARTISTS, artists[2], (artists[3] + 1) % ARTISTS]
    monkeypatch.setattr(trained, "shipped", {"artist-emoji": Predicts(named), "judge-emoji": "judge"}.__getitem__)
    asked = []
    monkeypatch.setattr(clips, "fits", lambda *given: asked.append(given) or torch.tensor([True, True, False, False]))
    pictures = torch.zeros(4, 3, 16, 16)
    assert styles.right(pictures, scenes).tolist() == [True, False, False, False]
    assert asked == [("judge", pictures, scenes)]


def test_a_classifier_is_judged_by_true_pictures_of_both_parts(monkeypatch):
    monkeypatch.setattr(styles, "COUNT", 10)
    g = new(3)
    artists = [scene.artist for scene in styles.asked(True, 5, g) + styles.asked(False, 5, g)]
    assert styles.score(Predicts([*artists[:9], (artists[9] + 1) % ARTISTS]), 3) == {"artist": 0.9}
    assert evaluation.judge_of(ClassifierModel(PRESETS["artist-emoji"], torch.nn.Linear(1, 1))) is styles


def test_the_numbers_by_artist_are_those_of_each_part_and_of_the_truth(monkeypatch):
    def right(pictures, scenes):
        return torch.arange(len(scenes)) < int(pictures.sum())  # as many as the picture says

    monkeypatch.setattr(styles, "right", right)
    monkeypatch.setattr(styles, "true_pictures", lambda scenes: torch.ones(9))
    asked = []
    found = composing.by_artist(lambda scenes: asked.append(scenes) or torch.ones(5 + len(asked)), n=10)
    assert found == pytest.approx({"composed_artist": 0.6, "composed_artist_true": 0.9, "composed_artist_seen": 0.7})
    assert [all(map(grammar.is_held_out, scenes)) for scenes in asked] == [True, False]
    assert found.keys() <= evaluation.MEANING.keys()
