"""The command line as a user meets it: what it writes, what it says, and its exit code."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_lite import __main__ as cli
from ddpm_lite.commands import lab
from ddpm_lite.machine import weights
from ddpm_lite.models import presets, trained


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "short"
    assert cli.main(["train", "digits", "--out", str(folder), "--steps", "3", "--device", "cpu"]) == 0
    return folder


def said(capsys, *argv, code=2):
    """What a command says on stderr; it must be one sentence on one line (above it there may be a progress bar)."""
    assert cli.main([str(a) for a in argv]) == code
    *above, last = capsys.readouterr().err.strip().splitlines()
    assert last.startswith("ddpm_lite: ") and all("pictures/s" in line for line in above)
    return last


def test_the_shipped_model_draws_the_digits_asked(tmp_path, capsys):
    from ddpm_lite.models.evaluation import recognise

    out = tmp_path / "pi.png"
    assert cli.main(["sample", "digits", "3", "1", "4", "1", "5", "-o", str(out), "--device", "cpu"]) == 0
    assert "5 pictures" in capsys.readouterr().out
    sheet = torch.tensor(list(Image.open(out).convert("L").tobytes())).reshape(Image.open(out).size[::-1])[4::8, 4::8]
    pictures = (
        1 - sheet[1:17, 1:].reshape(16, 5, 17)[:, :, :16].permute(1, 0, 2) / 127.5
    )  # ink is dark on the sheet, 1 in the data
    assert recognise(pictures[:, None].float()).tolist() == [3, 1, 4, 1, 5]
    first = out.read_bytes()
    cli.main(["sample", "digits", "3", "1", "4", "1", "5", "-o", str(out), "--device", "cpu"])
    assert out.read_bytes() == first


@pytest.mark.parametrize(("name", "asked", "enlarged"), [("digits", ["3", "1"], 0), ("unclip-emoji", ["a fox", "two robots"], 1)])
def test_an_animation_goes_from_noise_to_the_pictures_that_are_drawn_without_it(tmp_path, name, asked, enlarged):
    draw = ["sample", name, *asked, "--steps", "3", "--device", "cpu", "-o"]
    assert cli.main([*draw, str(tmp_path / "still.png")]) == cli.main([*draw, str(tmp_path / "film.png"), "--animate"]) == 0
    still = np.asarray(Image.open(tmp_path / "still.png"))[::2, ::2]
    film, frames = Image.open(tmp_path / "film.png"), []
    for i in range(film.n_frames):
        film.seek(i)
        frames.append(np.asarray(film.convert("RGB")))
    assert len(frames) == 1 + 4 + enlarged  # the picture where nothing moves; T and three steps; and larger
    assert np.array_equal(frames[0], still) and np.array_equal(frames[-1], still)
    distance = [np.abs(frame.astype(float) - still).mean() for frame in frames[1:]]
    assert distance == sorted(distance, reverse=True) and distance[0] > 50


def test_an_animation_of_too_many_pictures_is_refused(tmp_path, capsys):
    assert "at most 250 pictures" in said(capsys, "sample", "digits", "-n", "251", "--animate", "-o", tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()


def test_train_sample_and_score_take_a_run_s_folder(run_folder, tmp_path, capsys):
    assert cli.main(["sample", str(run_folder), "-n", "4", "--steps", "2", "-o", str(tmp_path / "a.png"), "--device", "cpu"]) == 0
    assert Image.open(tmp_path / "a.png").size == (8 * (4 * 17 + 1), 8 * 18)
    config = weights.load(run_folder / trained.CHECKPOINT)[1]
    assert config["step"] == config["steps"] == 3 and "train digits" in config["command"]


def test_a_run_with_a_seed_of_its_own_goes_on_and_its_command_can_be_typed_again(tmp_path, capsys):
    start = ["train", "digits-classifier", "--out", str(tmp_path), "--device", "cpu"]
    assert cli.main([*start, "--steps", "2", "--seed", "12345678"]) == 0
    assert cli.main([*start, "--resume"]) == 0
    config = weights.load(tmp_path / trained.CHECKPOINT)[1]
    typed = config["command"].replace("DIR", str(tmp_path)).split()[3:]
    assert vars(cli.parser().parse_args(typed))["seed"] == config["recipe"]["training"]["seed"] == 12345678


def test_a_folder_of_the_same_name_does_not_take_a_shipped_model_s_place(tmp_path, monkeypatch, capsys):
    (tmp_path / "digits-classifier").mkdir()
    monkeypatch.chdir(tmp_path)
    assert trained.load("digits-classifier", "cpu").card["name"] == "digits-classifier"
    assert "no weight file" in said(capsys, "score", "./digits-classifier")
    assert "no model or folder ''" in said(capsys, "score", "")


def test_a_complete_run_can_be_resumed_for_nothing(run_folder, capsys):
    before = (run_folder / trained.CHECKPOINT).read_bytes()
    assert cli.main(["train", "digits", "--out", str(run_folder), "--steps", "3", "--resume", "--device", "cpu"]) == 0
    assert "already complete" in capsys.readouterr().out
    assert (run_folder / trained.CHECKPOINT).read_bytes() == before


def test_score_prints_json(capsys):
    assert cli.main(["score", "digits-classifier", "--json", "--device", "cpu"]) == 0
    assert json.loads(capsys.readouterr().out) == {"accuracy": pytest.approx(0.98, abs=0.02)}


def test_help_explains_every_key_of_score(capsys):
    with pytest.raises(SystemExit):
        cli.main(["score", "--help"])
    text = capsys.readouterr().out
    for key in ("recognised", "recognised_10_steps", "frechet", "frechet_real", "precision", "recall"):
        assert f"  {key} " in text


def test_unknown_names_list_the_known_ones(tmp_path, capsys):
    models, chains = ", ".join(presets.PRESETS), "unclip-emoji"
    assert f"the known ones are {models}." in said(capsys, "train", "cats", "--out", tmp_path / "x")
    assert f"the known ones are {chains}, {models}." in said(capsys, "score", "cats")
    able = said(capsys, "sample", "cats", "-o", tmp_path / "a.png").partition("the known ones are ")[2]
    assert able.startswith(f"emoji, shapes, {chains}, digits, digits-32, glide-shapes, glide-emoji")
    assert {"folder", "clip-shapes", "prior-emoji", "upsampler-emoji"}.isdisjoint(able.rstrip(".").split(", "))
    assert "shapes stands for glide-shapes: name one of these" in said(capsys, "train", "shapes", "--out", tmp_path / "x")
    for command in (["score", "emoji"], ["train", "emoji", "--out", tmp_path / "x"]):
        assert "emoji stands for glide-emoji, upsampler-emoji: name one" in said(capsys, *command)
    assert "unclip-emoji stands for clip-emoji, prior-emoji" in said(capsys, "train", "unclip-emoji", "--out", tmp_path / "x")
    assert not (tmp_path / "x").exists()
    assert "no device 'tpu'" in said(capsys, "sample", "digits", "--device", "tpu")
    takes = "draws by label, a number from 0 to 9, or 10 for no condition"
    for label in ("12", "-1", "cat", "1.0", "9" * 30):
        assert f"{takes}: '{label}' does not fit." in said(capsys, "sample", "digits", label, "-o", tmp_path / "a.png")
    for asked in ([], ["cat"]):
        upsampler = said(capsys, "sample", "upsampler-emoji", *asked, "-o", tmp_path / "a.png")
        assert upsampler.endswith("enlarges the pictures of another model: 'sample emoji' draws and enlarges.")
    for command in ("sample", "score"):
        assert "folder --data PICTURES --out DIR) and give DIR" in said(capsys, command, "folder")
    assert f"does not draw pictures; these models do: {able}" in said(
        capsys, "sample", "digits-classifier", "-o", tmp_path / "a.png"
    )
    assert "steps = 0" in said(capsys, "sample", "digits", "--steps", "0", "-o", tmp_path / "a.png")
    assert "scale = nan" in said(capsys, "sample", "digits", "--scale", "nan", "-o", tmp_path / "a.png")
    for nothing in (("digits", "10"), ("glide-shapes",)):
        assert "but nothing is: say what to draw" in said(capsys, "sample", *nothing, "--scale", "3", "-o", tmp_path / "a.png")
    assert "no device 'cpu:x'" in said(capsys, "sample", "digits", "--device", "cpu:x")
    for minutes in ("nan", "inf", "-1", "0"):
        found = said(capsys, "train", "digits", "--out", tmp_path / "x", "--minutes", minutes)
        assert f"'{minutes}' is not a number from 0.001 to 1e+06" in found
    assert "'0' is not a whole number from 1 to 10,000" in said(capsys, "sample", "digits", "-n", "0", "-o", tmp_path / "a.png")
    assert "must end in .png" in said(capsys, "sample", "digits", "-o", tmp_path / "a.gif")
    assert list(tmp_path.iterdir()) == []


def test_missing_folders_damaged_files_and_foreign_runs_are_named(run_folder, tmp_path, capsys):
    assert "no folder" in said(capsys, "sample", "digits", "-o", tmp_path / "nowhere" / "a.png")
    assert "no model or folder" in said(capsys, "score", tmp_path / "nowhere")
    assert "no weight file" in said(capsys, "score", tmp_path)
    assert "already holds a run" in said(capsys, "train", "digits", "--out", run_folder, "--steps", "3")
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / trained.CHECKPOINT).write_bytes((run_folder / trained.CHECKPOINT).read_bytes()[:-100])
    assert "damaged" in said(capsys, "sample", damaged)
    assert "damaged" in said(capsys, "train", "digits", "--out", damaged, "--steps", "3", "--resume")
    resume = ("--out", run_folder, "--resume")
    assert "holds a run of digits, not of digits-classifier" in said(capsys, "train", "digits-classifier", *resume)
    assert "steps = 3, so it cannot go on with 4" in said(capsys, "train", "digits", *resume, "--steps", "4")
    assert "seed = 0, so it cannot go on with 1" in said(capsys, "train", "digits", *resume, "--seed", "1")
    assert "batch_size = 128, so it cannot go on with 64" in said(capsys, "train", "digits", *resume, "--batch-size", "64")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    tensors, _ = weights.load(run_folder / trained.CHECKPOINT)
    weights.save(foreign / trained.CHECKPOINT, tensors, {"step": 3})
    for command in (["sample", foreign], ["score", foreign], ["train", "digits", "--out", foreign, "--resume"]):
        assert "its header lacks name, net" in said(capsys, *command)
    assert "digits is not from a run" in said(capsys, "score", "digits", "--release")
    del tensors["optimizer.exp_avg.first.bias"]
    weights.save(foreign / trained.CHECKPOINT, tensors, weights.load(run_folder / trained.CHECKPOINT)[1])
    assert "lacks a part of the optimizer's state" in said(capsys, "train", "digits", "--out", foreign, "--resume")
    (tmp_path / "file").write_text("")
    assert "file" in said(capsys, "train", "digits", "--out", tmp_path / "file", "--steps", "1")


def test_a_full_disk_is_one_sentence(tmp_path, capsys, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weights.os, "fsync", full)
    assert "No space left on device" in said(capsys, "train", "digits", "--out", tmp_path / "run", "--steps", "2")
    assert "No space left on device" in said(capsys, "sample", "digits", "1", "-o", tmp_path / "a.png")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_lab_opens_the_notebooks(monkeypatch):
    started = []
    done = subprocess.CompletedProcess([], 0)
    monkeypatch.setattr(lab.subprocess, "run", lambda command, **_: started.append(command) or done)
    assert cli.main(["lab"]) == 0
    assert started[0][:3] == [sys.executable, "-m", "jupyterlab"] and started[0][3].endswith("notebooks")


def test_debug_shows_the_traceback():
    with pytest.raises(FileNotFoundError, match="no model or folder 'cats'"):
        cli.main(["--debug", "sample", "cats"])


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_ctrl_c_saves_and_resume_goes_on(tmp_path):
    command = [sys.executable, "-m", "ddpm_lite", "train", "digits", "--out", str(tmp_path), "--device", "cpu", "--steps"]
    process = subprocess.Popen([*command, "2000"], stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 120
    while not (tmp_path / trained.CHECKPOINT).exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    last = process.communicate(timeout=60)[1].strip().splitlines()[-1]
    step = weights.load(tmp_path / trained.CHECKPOINT)[1]["step"]
    assert process.returncode == 2 and step > 1
    assert last == f"ddpm_lite: Stopped by SIGINT at step {step}; --resume goes on from {tmp_path / trained.CHECKPOINT}."
    process = subprocess.Popen([*command[:-1], "--resume"], stderr=subprocess.PIPE, text=True, start_new_session=True)
    while b"step=" not in os.read(process.stderr.fileno(), 4096):
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    config = weights.load(tmp_path / trained.CHECKPOINT)[1]
    assert config["step"] > step and config["steps"] == 2000  # how long was said once, and kept


def test_the_command_line_and_the_shipped_models_load_without_the_compiler_and_figures():
    """Each of them takes a second to import, which is half of what a drawing takes."""
    code = """if True:
        import sys
        import ddpm_lite.__main__
        from ddpm_lite import load
        from ddpm_lite.models import trained
        for file in trained.ASSETS.glob("*.safetensors"):
            load(file.stem, "cpu")
        print(*{"torch._dynamo", "torch._inductor", "matplotlib", "ipywidgets", "sklearn"} & sys.modules.keys())
    """
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (found.stdout.strip(), found.stderr) == ("", "")
