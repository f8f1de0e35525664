"""A checkpoint whose header or state is damaged or of another run: each command that reads one says so in one sentence."""

import pickle
import re
import shutil
from dataclasses import replace

import pytest
import safetensors.torch
import torch

from ddpm_lite import __main__ as cli
from ddpm_lite.data import emoji
from ddpm_lite.machine import weights
from ddpm_lite.models import header, presets
from ddpm_lite.models import trained as zoo
from ddpm_lite.models.kinds import TextModel
from ddpm_lite.models.recipes_course import COSINE

CPU = ("--device", "cpu")
pytestmark = pytest.mark.usefixtures("unchecked")  # headers are checked by the package itself


def as_run(name, folder):
    """The folder of a run with the weights of a shipped model, as a training leaves it."""
    tensors, config = weights.load(zoo.ASSETS / f"{name}.safetensors")
    config = {"recipe": header.read_recipe(config, name).as_json(), "machine": "", "command": ""}
    config |= {"step": 1, "steps": 1, "seconds": 1.0, "settings": {}, "scaler": None}
    folder.mkdir()
    weights.save(folder / zoo.CHECKPOINT, {f"ema.{k}": v for k, v in tensors.items()}, config)
    return folder


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return as_run("glide-shapes", tmp_path_factory.mktemp("runs") / "shapes")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run that can go on."""
    folder = tmp_path_factory.mktemp("runs") / "trained"
    assert cli.main(["train", "digits-classifier", "--out", str(folder), "--steps", "2", *CPU]) == 0
    return folder


def said(capsys, *argv):
    """The one sentence on one line that a command says before it ends with 2."""
    assert cli.main([str(each) for each in argv]) == 2
    out, err = capsys.readouterr()
    err = err.splitlines(keepends=True)[-1]
    assert err.endswith(".\n") and err.startswith("ddpm_lite: ") and "Unexpected" not in err, err
    assert out == ""
    return err


def copy(folder, to, change):
    """The run in another folder, its tensors and header changed."""
    to.mkdir(exist_ok=True)
    tensors, config = weights.load(folder / zoo.CHECKPOINT)
    change(tensors, config)
    weights.save(to / zoo.CHECKPOINT, tensors, config)
    return to


def lacks(*keys):
    def change(tensors, config):
        for key in keys[:-1]:
            config = config[key]
        del config[keys[-1]]

    return change


def has(value, *keys):
    def change(tensors, config):
        for key in keys[:-1]:
            config = config[key]
        config[keys[-1]] = value

    return change


def damage(network: str, *where: str) -> list:
    """What may be wrong with what a model is built from, in a header that holds it there."""

    def at(*keys):
        return (*where, network, *keys)

    return [
        *((has(name, *where, "name"), "holds a model called") for name in ("cats", "")),
        *((has(value, *at()), "network = ") for value in (None, [], "unet", {}, {"size": 16})),
        *((lacks(*at(key)), "network = ") for key in ("size", "width", "mults", "heads", "caption")),
        *((has(value, *at("width")), DAMAGED) for value in ("32", 32.5, None, -1, 0, 33, [32], {}, True)),
        *((has(value, *at("mults")), DAMAGED) for value in (1, ["1"], [[1]], None, [0])),
        *((has(value, *at("attention")), DAMAGED) for value in (8, None, ["8"], {})),
        *((has(value, *at("heads")), DAMAGED) for value in (0, 3, 2.0)),
        *((has(value, *at(key)), "network = ") for key in ("size", "channels") for value in (8, 0, "16", 10**30)),
        (has(3, *at("extra")), "network = "),
        (has(10, *at("num_classes")), "network = "),
        *((has(value, *at("caption")), "network = ") for value in (None, [], {"length": 16}, 5)),
        (has(17, *at("caption", "length")), "network = "),
        (has(64, *at("caption", "image")), "network = "),
        *((has(value, *where, "schedule"), "schedule = ") for value in (None, "cosine", [], {}, {"kind": "cosine"})),
        *((has(value, *where, "schedule", "kind"), "schedule = ") for value in ("quadratic", "from_beta", None, [], "__init__")),
        *((has(value, *where, "schedule", "T"), "schedule = ") for value in ("1000", 0, -5, None, 1e3, 10**15)),
        (has(1, *where, "schedule", "beta"), "unexpected keyword argument 'beta'"),
        *((has(value, *where, "words"), "words = ") for value in ("red", {}, [1], [["red"]])),
        (has(None, *where, "words"), "its header lacks words"),
        (has(["red", "red"], *where, "words"), "The vocabulary contains a word twice"),
    ]


DAMAGED = r"header of .* is damaged \("
OLD = [
    *damage("net"),
    *((lacks(key), f"its header lacks {key}") for key in ("name", "net", "words")),
    (lacks("schedule"), "schedule = "),
    *((has(name, "name"), "holds a model called") for name in (None, 3, ["digits"], {})),
    (has(3, "clip"), "clip_weights = "),
]
CHANGES = [
    *damage("network", "recipe"),
    (lacks("recipe"), "its header lacks name, net"),
    *((has(value, "recipe"), "recipe = ") for value in (None, [], "digits", 3)),
    *(
        (lacks("recipe", key), f"recipe: missing .* argument.*: '{key}'")
        for key in ("name", "kind", "data", "network", "training")
    ),
    *((lacks("recipe", key), f"{key} = ") for key in ("schedule", "loss")),
    (lacks("recipe", "words"), "its header lacks words"),
    (has(1, "recipe", "more"), "unexpected keyword argument 'more'"),
    *((has(value, "recipe", "name"), "name = ") for value in (None, 3, ["digits"], {})),
    *((has(value, "recipe", "kind"), "kind = ") for value in (None, "unet", [], 3)),
    *((has(kind, "recipe", "kind"), "loss = ") for kind in ("inpainting", "decoder", "upsampling", "class-conditional")),
    *((has(kind, "recipe", "kind"), "target = ") for kind in ("prior", "clip")),
    *((has(value, "recipe", "data"), "data = ") for value in (None, "cats", [], "emoji", "shape")),
    *((has(value, "recipe", "target"), "target = ") for value in (None, "u", 3)),
    *((has(value, "recipe", key), f"{key} = ") for key in ("about", "begin", "clip", "clip_weights") for value in (3, [])),
    *((has(value, "recipe", "loss"), "loss = ") for value in (None, [], {}, {"drop": "much", "word_drop": 0})),
    *((has(value, "recipe", "training"), "training = ") for value in (None, [], "long")),
    *((lacks("recipe", "training", key), "training: missing .* argument") for key in ("batch_size", "lr")),
    (lacks("recipe", "training", "steps"), "give either steps or minutes"),
    *((has(value, "recipe", "training", "seed"), r"training\.seed = ") for value in ("0", -1, 2**63, None, 0.5)),
    *((has(value, "recipe", "training", "batch_size"), r"training\.batch_size = ") for value in ("0", 0, None, 0.5)),
    *((has("fast", "recipe", "training", key), rf"training\.{key} = ") for key in ("lr", "steps", "minutes", "weight_decay")),
    *((has(value, "recipe", "pictures"), "pictures = ") for value in ("here", [], 3)),
    (has({"path": "here"}, "recipe", "pictures"), "pictures: missing 2 required"),
    (has({"path": 3, "captions": None, "size": 8}, "recipe", "pictures"), r"pictures\.path = 3"),
    (has({"path": "here", "captions": None, "size": 8}, "recipe", "pictures"), "pictures = "),  # they are not its own
]


def refused(config, words):
    with pytest.raises(ValueError, match=words) as error:
        header.read_recipe(config, "run")
    assert str(error.value).endswith(".") and "\n" not in str(error.value) and "run" in str(error.value)


@pytest.mark.parametrize("change, words", CHANGES)
def test_a_damaged_header_is_named(change, words, shapes):
    config = weights.load(shapes / zoo.CHECKPOINT)[1]
    header.read_recipe(config, "run")
    change({}, config)
    refused(config, words)


@pytest.mark.parametrize("change, words", OLD)
def test_a_damaged_header_of_an_older_file_is_named(change, words):
    config = weights.load(zoo.ASSETS / "glide-shapes.safetensors")[1]
    assert config.keys() == {"name", "net", "schedule", "words"}, "the file has been replaced: this test can go"
    change({}, config)
    refused(config, words)


def test_the_header_of_an_older_file_is_completed_by_its_preset(tmp_path):
    stored = {name: weights.load(zoo.ASSETS / f"{name}.safetensors")[1] for name in ("glide-shapes", "digits-classifier")}
    decoder = presets.PRESETS["decoder-emoji"]
    stored["decoder-emoji"] = {
        "name": decoder.name,
        "net": {**decoder.network},
        "schedule": COSINE,
        "words": ["red"],
    }
    stored["decoder-emoji"]["clip"] = "abc"
    for name, config in stored.items():
        preset = presets.PRESETS[name]
        own = {"words": tuple(config["words"])} if preset.reads else {}
        own |= {"clip_weights": config.get("clip"), "target": "eps" if preset.target else None}  # no network predicted v then
        assert header.read_recipe(config, "run").as_json() == preset.as_json() | own
    pictures = {"path": str(tmp_path), "captions": None, "size": 32, "fingerprint": "f"}
    network = {**presets.PRESETS["folder"].network, "size": 32, "attention": [16, 8]}
    config = {
        "name": "folder",
        "net": network,
        "schedule": COSINE,
        "words": ["red"],
        "pictures": pictures,
    }
    recipe = header.read_recipe(config, "run")
    assert recipe.size == 32 and recipe.words == ("red",) and recipe.as_json()["pictures"] == pictures
    del config["pictures"]
    refused(config, "its header lacks pictures")


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("decoder-emoji", {"clip_weights": None}, "its header lacks clip_weights"),
        ("decoder-emoji", {"clip": None}, "clip = None"),
        ("decoder-emoji", {"clip": "clip-shapes"}, "clip = 'clip-shapes'"),
        ("clip-emoji-noisy", {"schedule": None}, "schedule = None"),
    ],
)
def test_what_only_some_models_need_is_asked_of_them(name, change, words):
    preset = presets.PRESETS[name]
    config = {"recipe": replace(preset, words=("red",), clip_weights=preset.clip and "abc").as_json()}
    assert header.read_recipe(config, name).words == ("red",)
    refused({"recipe": config["recipe"] | change}, words)


def test_a_run_of_an_earlier_version_is_drawn_from_and_does_not_go_on(shapes, tmp_path, capsys):
    tensors = weights.load(shapes / zoo.CHECKPOINT)[0]
    old = weights.load(zoo.ASSETS / "glide-shapes.safetensors")[1] | {"made": {"seed": 0}, "step": 1, "steps": 1, "seconds": 1.0}
    weights.save(tmp_path / zoo.CHECKPOINT, tensors, old)
    assert zoo.load(tmp_path, "cpu").draw(["a red circle"], steps=1).shape == (1, 3, 16, 16)
    assert "earlier version" in said(capsys, "train", "glide-shapes", "--resume", "--out", tmp_path, *CPU)
    assert "is not from a run" in said(capsys, "score", tmp_path, "--release", *CPU)


def test_every_command_reads_the_header(shapes, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(TextModel, "draw", lambda *_, **__: pytest.fail("it was drawn from"))
    for i, (change, words) in enumerate(
        (
            (lacks("recipe", "schedule"), "schedule = None does not fit"),
            (lacks("recipe", "words"), "its header lacks words"),
            (has("cats", "recipe", "name"), "holds a model called 'cats'"),
            (has(["red"], "recipe", "words"), "does not fit this network"),
        )
    ):
        run, out = copy(shapes, tmp_path / f"run{i}", change), tmp_path / "a.png"
        for command in (
            ["sample", run, "-o", out],
            ["score", run, "--release"],
            ["train", "glide-shapes", "--resume", "--out", run],
        ):
            assert words in said(capsys, *command, *CPU)
        assert [each.name for each in run.iterdir()] == [zoo.CHECKPOINT] and not out.exists()


def file(**metadata):
    return safetensors.torch.save({"a": torch.ones(1)}, metadata)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00" * 64,
        b"PK\x03\x04" * 20,
        file(),
        *(file(config=text) for text in ("", "{", "[1]", "null", "3", '"digits"', "[" * 10**5)),
    ],
    ids=range(11),
)
def test_a_file_that_is_no_checkpoint_is_named(data, tmp_path, capsys):
    (tmp_path / zoo.CHECKPOINT).write_bytes(data)
    for command in (["sample", tmp_path], ["score", tmp_path], ["train", "digits", "--resume", "--out", tmp_path]):
        assert "damaged" in said(capsys, *command, *CPU)
    assert (tmp_path / zoo.CHECKPOINT).read_bytes() == data and len(list(tmp_path.iterdir())) == 1


def tensor(name, value):
    def change(tensors, config):
        tensors.pop(name)
        tensors |= {} if value is None else {name: value}

    return change


@pytest.mark.parametrize(
    "change, words",
    [
        *((lacks(key), f"its header lacks {key}") for key in ("machine", "command", "step", "steps", "seconds")),
        *((lacks(key), f"its header lacks {key}") for key in ("settings", "scaler")),
        *((has(value, key), f"{key} = ") for key in ("machine", "command") for value in (None, 3, [])),
        *((has(value, "step"), "step = ") for value in ("2", None, -1, 1.5, [])),
        *((has(value, "steps"), "steps = ") for value in ("2", 0, 1.5, {})),
        *((has(value, "seconds"), "seconds = ") for value in ("2", None, -1, {})),
        *((has(value, "settings"), "settings = ") for value in (None, [], "lr")),
        *((has(value, "scaler"), "scaler = ") for value in ([], 3, {"scale": "x"})),
        (lacks("settings", "lr"), "is a run with lr = None"),
        *((has(value, "recipe"), "recipe = ") for value in (None, [], "digits")),
        *((lacks("recipe", "training", key), DAMAGED) for key in ("batch_size", "lr", "steps")),
        *((has(value, "recipe", "training", "seed"), r"training\.seed = ") for value in ("0", -1, 2**63, None, 0.5)),
        *((has(value, "recipe", "training", "batch_size"), r"training\.batch_size = ") for value in ("0", 0, None, 0.5)),
        (has("fast", "recipe", "training", "lr"), r"training\.lr = "),
        (tensor("generator", None), "holds weights but no training run"),
        (tensor("generator", torch.zeros(16, dtype=torch.uint8)), "trained on another kind of device than cpu"),
        (tensor("generator", torch.zeros(5056, dtype=torch.uint8)), "its generator.s state is not valid"),
        (tensor("generator", torch.zeros(5056)), "trained on another kind of device than cpu"),
        *((tensor(name, None), "lacks a part") for name in ("history", "sums", "loss")),
        *((tensor(f"optimizer.{of}.head.bias", None), "lacks a part") for of in ("step", "exp_avg", "exp_avg_sq")),
        *((tensor(name, torch.zeros(3)), f"{name} has another shape") for name in ("history", "sums", "loss")),
        (tensor("optimizer.exp_avg_sq.head.bias", torch.zeros(3)), "optimizer.exp_avg_sq.head.bias has another shape"),
        *((tensor(f"{of}.head.bias", None), "head.bias is missing") for of in ("model", "ema")),
        (tensor("model.head.bias", torch.zeros(3)), r"head.bias is \(3,\) instead of \(10,\)"),
    ],
)  # fmt: skip
def test_a_training_does_not_go_on_from_a_damaged_run(change, words, trained, tmp_path, capsys):
    run = copy(trained, tmp_path, change)
    assert re.search(words, said(capsys, "train", "digits-classifier", "--resume", "--out", run, *CPU))
    assert [each.name for each in run.iterdir()] == [zoo.CHECKPOINT]


def test_the_run_of_another_gpu_s_scaler_is_named(trained, tmp_path):
    from ddpm_lite.training.checkpoint import Run

    run = copy(trained, tmp_path, has({"scale": 1.0}, "scaler"))
    fresh = Run(zoo.load(run, "cpu").net.requires_grad_(), torch.Generator(), None, {"lr": 1e-3, "weight_decay": 0.0}, None)
    fresh.settings, fresh.scaler = {}, torch.amp.GradScaler("cpu", enabled=True)
    with pytest.raises(ValueError, match=r"header of .* is damaged \(scaler lacks 'growth_factor'"):
        fresh.load(run / zoo.CHECKPOINT)


def test_a_damaged_installation_is_named(tmp_path, monkeypatch):
    shutil.copy(zoo.ASSETS / "digits.safetensors", tmp_path)
    monkeypatch.setattr(zoo, "ASSETS", tmp_path)
    for text in (None, "", "[]", "{", "\udcff"):
        if text is not None:
            (tmp_path / "digits.json").write_text(text, errors="surrogateescape")
        with pytest.raises(ValueError, match=r"digits\.json is damaged or missing: install ddpm_lite again\."):
            zoo.load("digits", "cpu")
    monkeypatch.setattr(emoji, "FILE", tmp_path / "emoji.npz")
    for data in (None, b"", b"PK\x03\x04", b"\x00" * 99, pickle.dumps(1)):
        if data is not None:
            emoji.FILE.write_bytes(data)
        with pytest.raises(ValueError, match=r"emoji\.npz is damaged or missing .*: install ddpm_lite again\."):
            emoji.load.__wrapped__()
