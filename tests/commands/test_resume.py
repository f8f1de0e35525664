"""Runs that go on: with the same pictures wherever they lie now, never with others; and cards that count what was done."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from PIL import Image

from ddpm_lite import __main__ as cli
from ddpm_lite.data import folder
from ddpm_lite.machine import weights
from ddpm_lite.models import evaluation, material, presets, trained
from ddpm_lite.models.recipe import Pictures

SMALL = {"size": 16, "channels": 3, "width": 8, "mults": [1, 2], "depth": 1, "attention": [8], "groups": 4, "heads": 2}
SMALL |= {"caption": {"length": 8, "width": 8, "depth": 1, "heads": 2}}


def command(*given) -> int:
    return cli.main(["train", "folder", "--device", "cpu", *map(str, given)])


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """A run of two steps on three pictures, in tmp_path/run and tmp_path/pictures; what it was begun with can be changed."""
    monkeypatch.setitem(presets.PRESETS, "folder", replace(presets.PRESETS["folder"], network=SMALL))
    (tmp_path / "pictures").mkdir()
    for colour in ("red", "green", "blue"):
        Image.new("RGB", (20, 20), colour).save(tmp_path / "pictures" / f"{colour}.png")
    assert command("--data", tmp_path / "pictures", "--out", tmp_path / "run", "--size", 16, "--steps", 2, "--batch-size", 2) == 0
    capsys.readouterr()

    def resume(*given) -> str:
        """What a resumed run says, its exit code in front."""
        code = command("--out", tmp_path / "run", "--resume", *given)
        said = capsys.readouterr()
        return f"{code} {said.out}{said.err.splitlines()[-1] if said.err else ''}"

    return tmp_path, resume


def test_a_run_goes_on_where_its_pictures_are_and_where_they_have_moved_to(run):
    path, resume = run
    assert resume().startswith("0 The run in")
    assert resume("--data", path / "pictures", "--size", 16).startswith("0 ")
    (path / "pictures").rename(path / "moved")
    assert "no folder" in (said := resume()) and "say with --data where they are now" in said
    assert resume("--data", path / "moved").startswith("0 ")
    shutil.copytree(path / "moved", path / "copy")
    assert resume("--data", path / "copy").startswith("0 ")
    captions = "file,caption\nred.png,red\ngreen.png,green\nblue.png,blue\n"
    (path / "captions.csv").write_text(captions)
    assert resume("--data", path / "copy", "--captions", path / "captions.csv").startswith("0 ")  # they say the same
    (path / "captions.csv").write_text(captions.replace(",blue", ",dark blue"))
    assert "not those that this run began with" in resume("--data", path / "copy", "--captions", path / "captions.csv")
    assert "no file of captions" in resume("--data", path / "copy", "--captions", path / "none.csv")


def test_a_run_does_not_go_on_with_other_pictures_captions_or_sizes(run):
    path, resume = run
    other = "not those that this run began with: say with --data (and --captions) where those are now, or begin a new run."
    pictures, kept = path / "pictures", (path / "pictures" / "red.png").read_bytes()
    Image.new("RGB", (20, 20), "pink").save(pictures / "red.png")  # exchanged
    assert resume().startswith("2 ") and other in resume()
    (pictures / "red.png").write_bytes(kept)
    assert resume().startswith("0 ")
    (pictures / "red.png").rename(pictures / "crimson.png")  # the name is the caption
    assert other in resume()
    (pictures / "crimson.png").rename(pictures / "red.png")
    Image.new("RGB", (20, 20), "white").save(pictures / "white.png")  # one more
    assert other in resume()
    (pictures / "white.png").unlink()
    assert "size = 16, so it cannot go on with 32" in resume("--size", 32)
    assert resume().startswith("0 ")


def test_a_run_that_goes_on_elsewhere_says_where_and_is_begun_again_by_its_command(run, monkeypatch):
    path, resume = run
    checkpoint = path / "run" / trained.CHECKPOINT
    made = weights.load(checkpoint)[1]
    assert made["command"].endswith("--seed 0 --data PICTURES --size 16") and ";" not in made["machine"]
    kept = {}
    monkeypatch.setattr("ddpm_lite.commands.train.platform.machine", lambda: "abacus")
    monkeypatch.setattr(
        "ddpm_lite.commands.train.train_steps", lambda *_, **options: kept.update(options) or (step for step in ())
    )
    assert resume().startswith("0 ")
    assert kept["config"]["machine"].startswith(f"{made['machine']}; then abacus, ")


def test_a_fingerprint_is_that_of_bytes_and_captions_and_not_of_the_place(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (9, 9), "red").save(tmp_path / name / "red cat.png")
    same = folder.fingerprint(tmp_path / "a")
    assert same == folder.fingerprint(tmp_path / "b") and len(same) == 16
    (tmp_path / "b" / "broken.png").write_bytes(b"")
    assert same != folder.fingerprint(tmp_path / "b")


@pytest.mark.parametrize("given", [["--size", "32"], ["--captions", "none.csv"], ["--data", "."], ["--size", "0"]])
def test_options_of_your_own_pictures_are_refused_where_there_are_none(given, tmp_path, capsys):
    for name in ("digits", "digits-classifier", "upsampler-emoji"):
        assert cli.main(["train", name, "--out", str(tmp_path / "run"), "--steps", "1", *given]) == 2
        said = capsys.readouterr().err
        assert f"leave {given[0]} out" in said or "'0' is not a whole number from 1" in said
    assert not (tmp_path / "run").exists()


def test_clip_refuses_pictures_of_yours_that_teach_it_nothing(tmp_path, capsys):
    def said(*given):
        argv = ["train", "clip-folder", "--data", tmp_path, "--out", tmp_path / "run", "--size", 16, "--steps", 1, *given]
        assert cli.main([str(each) for each in argv]) == 2 and not (tmp_path / "run").exists()
        return capsys.readouterr().err

    Image.new("RGB", (9, 9), "red").save(tmp_path / "red-1.png")
    assert "two or more different pictures" in said()
    Image.new("RGB", (9, 9), "blue").save(tmp_path / "red-2.png")
    assert "two or more different captions" in said()
    Image.new("RGB", (9, 9), "blue").save(tmp_path / "blue-2.png")
    assert "a batch of 1 leaves no choice" in said("--batch-size", 1)


def test_a_card_counts_the_steps_that_were_taken(tmp_path, monkeypatch):
    out = tmp_path / "run"
    assert cli.main(["train", "digits-classifier", "--out", str(out), "--steps", "3", "--device", "cpu"]) == 0
    model = trained.load(out, "cpu")
    monkeypatch.setattr(trained, "ASSETS", tmp_path)
    monkeypatch.setattr(evaluation, "score", lambda model, seed: {})
    assert "planned_steps" not in evaluation.release(model)
    for planned in (5000, None):  # it was stopped; or stopped before the first of its minutes were timed
        model.made = replace(model.made, steps=planned)
        evaluation.release(model)
        card = json.loads((tmp_path / "digits-classifier.json").read_text())
        assert card["steps"] == 3 and card["pictures"] == 3 * 128 and card["planned_steps"] == planned


def test_a_size_without_a_level_of_its_own_for_attention_has_it_where_it_can(tmp_path):
    Image.new("RGB", (9, 9), "red").save(tmp_path / "red.png")
    for size, attention in ((64, [16, 8]), (128, [16]), (256, [])):
        recipe = material.bind(presets.PRESETS["folder"], Pictures(str(tmp_path), None, size))
        assert recipe.network["attention"] == attention and recipe.size == recipe.network["size"] == size
        with torch.device("meta"):
            recipe.build()
