"""Every option of every command, beside every name that the command takes, is used or refused.

The table is walked whole: the options come from the parser, the names from the presets, so that a new one of either fails here
until it is said below what to expect of it. A command is run without an option and with it, with the work itself replaced by a
note of what was asked for: an option is used if the note differs.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from ddpm_lite import __main__ as cli
from ddpm_lite.machine import weights
from ddpm_lite.models import evaluation, material, trained
from ddpm_lite.models.evaluation import chains, composing, styles
from ddpm_lite.models.kinds import MODELS, ClassModel, TextModel
from ddpm_lite.models.model import Trained
from ddpm_lite.models.presets import ALIASES, CHAINS, PRESETS
from ddpm_lite.models.recipe import Pictures, Recipe
from ddpm_lite.models.unclip import Chain

OWN = [name for name, preset in PRESETS.items() if preset.data == "folder"]  # presets of the user's own pictures
LATENT = [name for name in OWN if PRESETS[name].autoencoder]
SHIPPED = [name for name in PRESETS if (trained.ASSETS / f"{name}.safetensors").is_file()]
DRAWS = [n for n in SHIPPED if issubclass(MODELS[PRESETS[n].kind], ClassModel | TextModel)]
DRAWN = [*DRAWS, *ALIASES, *CHAINS]
SCORED = [*SHIPPED, *CHAINS]
SCORES = {judge: judge.score for judge in {*evaluation.JUDGES.values(), chains, composing, styles}}
SEEDLESS = {"digits-classifier"}  # judged by pictures that are always the same
NAMES = {
    "train": list(PRESETS),
    "sample": [*PRESETS, *ALIASES, *CHAINS],
    "variations": list(CHAINS),
    "score": [*PRESETS, *CHAINS],
}

# For each option: what is added to the command, and the names with which that is used; with all others it is refused.
# A device is used if one that is not there is refused. A text names the test elsewhere that shows what the option does.
NOWHERE = ["--device", "nowhere"]
TABLE: dict[str, dict[str, tuple[list[str], list[str]] | str]] = {
    "": {"debug": "test_cli.py::test_debug_shows_the_traceback"},
    "train": {
        "out": (["--out", "OTHER"], list(PRESETS)),
        "steps": (["--steps", "7"], list(PRESETS)),
        "minutes": (["--minutes", "7"], list(PRESETS)),
        "data": (["--data", "EXCHANGED"], OWN),
        "captions": (["--captions", "CSV"], [name for name in OWN if PRESETS[name].reads]),
        "size": (["--size", "32"], [name for name in OWN if name not in LATENT]),  # there it is the autoencoder's
        "autoencoder": (["--autoencoder", "another"], LATENT),
        "resume": "test_cli.py::test_a_complete_run_can_be_resumed_for_nothing",
        "seed": (["--seed", "7"], list(PRESETS)),
        "batch_size": (["--batch-size", "6"], list(PRESETS)),
        "compile": (["--compile"], list(PRESETS)),
        "device": (NOWHERE, []),
    },
    "sample": {
        "conditions": (["OTHERWISE"], DRAWN),
        "n": (["-n", "3"], DRAWN),
        "animate": "test_cli.py::test_an_animation_goes_from_noise_to_the_pictures_that_are_drawn_without_it",
        "out": (["-o", "OTHER.png"], DRAWN),
        "seed": (["--seed", "7"], DRAWN),
        "steps": (["--steps", "7"], DRAWN),
        "scale": (["--scale", "7"], DRAWN),
        "method": (["--method", "ddpm"], DRAWN),
        "device": (NOWHERE, []),
    },
    "variations": {
        "picture": ("test_chain.py::test_the_command_line_draws_by_the_chain_and_varies_a_picture"),
        "name": ("test_chain.py::test_the_command_line_draws_by_the_chain_and_varies_a_picture"),
        "n": (["-n", "3"], list(CHAINS)),
        "out": (["-o", "OTHER.png"], list(CHAINS)),
        "seed": (["--seed", "7"], list(CHAINS)),
        "steps": (["--steps", "7"], list(CHAINS)),
        "scale": (["--scale", "7"], list(CHAINS)),
        "method": (["--method", "ddpm"], list(CHAINS)),
        "device": (NOWHERE, []),
    },
    "score": {
        "json": (["--json"], SCORED),
        "seed": (["--seed", "7"], [name for name in SCORED if name not in SEEDLESS]),
        "release": (["--release"], list(CHAINS)),  # a run too: see test_zoo; a model that is shipped already comes from none
        "earlier": (["--earlier", "others"], []),  # needs --release; used: test_composing
        "device": (NOWHERE, []),
    },
    "lab": {},
    "site": {
        "out": (["--out", "OTHER"], [""]),
        "notebooks": (["--notebooks", "OTHER"], [""]),
        "repository": (["--repository", "https://github.com/o/n"], [""]),
    },
    "nbgrader": {"out": (["--out", "OTHER"], [""]), "notebooks": (["--notebooks", "OTHER"], [""])},
}


def parsers() -> dict[str, argparse.ArgumentParser]:
    top = cli.parser()
    (commands,) = (a for a in top._actions if isinstance(a, argparse._SubParsersAction))
    return {"": top, **commands.choices}


def test_the_table_holds_every_option_of_every_command():
    given = {
        command: {a.dest for a in parser._actions} - {"help", "command"} - ({"name"} if command != "variations" else set())
        for command, parser in parsers().items()
    }
    assert given == {command: set(options) for command, options in TABLE.items()}
    for entry in (entry for options in TABLE.values() for entry in options.values() if isinstance(entry, str)):
        file, name = entry.split("::")
        assert f"def {name}(" in next(Path(__file__).parents[1].rglob(file)).read_text()


class Untrained(nn.Linear):
    """In a network's place: it says only which seed its first weights are of."""

    extra = 0

    def __init__(self, seed: int):
        super().__init__(1, 1)
        self.seed = seed


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with pictures, others in their place, and captions, to work in."""
    place = tmp_path_factory.mktemp("place")
    for folder, colours in (("pictures", ("red", "blue")), ("others", ("red", "green"))):
        (place / folder).mkdir()
        for colour in colours:
            Image.new("RGB", (20, 20), colour).save(place / folder / f"{colour}.png")
    for seed, folder in enumerate(("one", "another")):  # autoencoders
        recipe = replace(PRESETS["autoencoder-folder"], pictures=Pictures("there", None, 128))
        tensors = {f"ema.{name}": tensor for name, tensor in recipe.build(seed).state_dict().items()}
        made = {"machine": "", "command": "", "step": 1, "steps": 1, "seconds": 1.0}
        (place / folder).mkdir()
        weights.save(place / folder / trained.CHECKPOINT, tensors, {"recipe": recipe.as_json(), **made})
    (place / "captions.csv").write_text("file,caption\nred.png,a red one\nblue.png,a blue one\n")
    return place


@pytest.fixture(scope="module")
def noted(place):
    """What the work of a command was asked to do."""
    notes: list = []

    def train(model, data, loss, **options):
        notes.append((model.seed, options.pop("generator").initial_seed(), options))
        return (step for step in ())

    def draw(self, asked, *said, **options):
        wanted = (tuple(asked.shape) if asked.ndim > 1 else asked.tolist()) if isinstance(asked, torch.Tensor) else list(asked)
        notes.append((self.name, wanted, options))
        return torch.zeros(len(asked), 3, 16, 16)

    def vary(self, picture, count, **options):
        notes.append((self.name, count, options))
        return torch.zeros(1, count, 3, 16, 16)

    def judged(model, seed):
        notes.append((model.name, seed))
        return {"accuracy": 1.0}

    bind, build = material.bind, Recipe.build
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setattr("ddpm_lite.commands.train.train_steps", train)
        for name in ("begin", "teacher_of"):
            patch.setattr(f"ddpm_lite.models.beginning.{name}", lambda *given: None)
        # A training gives a seed; what is loaded is built without one.
        patch.setattr(Recipe, "build", lambda recipe, seed=None: build(recipe) if seed is None else Untrained(seed))
        patch.setattr(material, "training_data", lambda recipe: (torch.zeros(1),))
        patch.setattr(material, "bind", lambda preset, own: bind(preset, own) if own else preset)
        patch.setattr("ddpm_lite.commands.train.make_loss", lambda recipe, space, teacher: notes.append(recipe.space_weights))
        patch.setattr(trained, "load", once_loaded(trained.load))
        patch.setattr("ddpm_lite.models.unclip.load", trained.load)
        for kind in {Chain, *(kind for kind in MODELS.values() if hasattr(kind, "draw"))}:
            patch.setattr(kind, "draw", draw)
        patch.setattr(Chain, "variations", vary)
        for judge in SCORES:
            patch.setattr(judge, "score", judged)
        patch.setattr(chains, "curves", lambda chain: [])
        patch.setattr(evaluation, "_write", lambda card: notes.append(card["name"]) or card)
        patch.setattr("ddpm_lite.site.build", lambda *given: notes.append(given) or [given[1]])
        patch.setattr("ddpm_lite.site.assignments.build", lambda books, out: notes.append((books, out)) or [out])
        yield notes


PLAIN: dict[str, dict[str, tuple[int, str, str]]] = {}  # what each command does with each name, without options
LOADED: dict[str, Trained] = {}


def once_loaded(load):
    """`load`, which reads each model once for all tests."""

    def loaded(name, device="auto"):
        if str(name) not in LOADED:
            LOADED[str(name)] = load(name, "cpu")
        return LOADED[str(name)]

    return loaded


def asked_of(name: str) -> tuple[list[str], list[str]]:
    """What a model is asked for at first, and otherwise."""
    return (["3"], ["4"]) if name in PRESETS and not PRESETS[name].reads else (["red cat"], ["blue cat"])


def words(command: str, name: str, added: list[str], place: Path) -> list[str]:
    """The command line, with what is added in the place of what it has of the same."""
    first, other = asked_of(name)
    line = {
        "train": {
            "--out": [str(place / "run")],
            **({"--data": [str(place / "pictures")]} if name in OWN else {}),
            **({"--autoencoder": [str(place / "one")]} if name in LATENT else {}),
        },
        "sample": {"": first, "-o": [str(place / "a.png")]},
        "variations": {"": [str(place / "pictures" / "red.png")], "--name": [name], "-o": [str(place / "a.png")]},
        "score": {},
        "site": {"--out": [str(place / "pages")]},
        "nbgrader": {"--out": [str(place / "pages")]},
    }[command]
    real = {"another": "another", "OTHER": "other", "OTHER.png": "b.png", "EXCHANGED": "others", "CSV": "captions.csv"}
    if added == ["OTHERWISE"]:
        line[""] = other
    elif added:
        option, *values = added
        line[option] = [str(place / real[value]) if value in real else value for value in values]
    named = [name] if command not in ("variations", "site", "nbgrader") else []
    bare = line.pop("", [])
    return [command, *named, *bare, *(part for option, values in line.items() for part in (option, *values))]


WALKED = [(command, option) for command, options in TABLE.items() for option in options if type(options[option]) is not str]


@pytest.mark.parametrize(("command", "option"), WALKED)
def test_an_option_is_used_or_refused(command, option, noted, place, capsys):
    added, used_with = TABLE[command][option]

    def run(name: str, added: list[str]):
        noted.clear()
        code = cli.main(words(command, name, added, place))
        said = capsys.readouterr()
        return code, repr(noted) + said.out, said.err

    plain = PLAIN.setdefault(command, {})
    for name in NAMES.get(command, [""]):
        code, did, said = run(name, added)
        if name in used_with:
            assert code == 0, f"{name} refuses it: {said}"
            if name not in plain:
                plain[name] = run(name, [])
            assert (0, did) != plain[name][:2], f"with {name} it has no effect"
        else:
            assert code == 2 and said.startswith("ddpm_lite: "), f"{name} takes it, without effect"


def test_scores_that_refuse_a_seed_draw_nothing_and_every_name_is_a_judge_s():
    models = {name: MODELS[preset.kind](preset, nn.Linear(1, 1)) for name, preset in PRESETS.items()}
    assert {name for name in PRESETS if name not in OWN and evaluation.draws_nothing(models[name])} == SEEDLESS
    for name in PRESETS:
        if name in OWN:
            with pytest.raises(ValueError, match=f"{name} cannot be scored"):
                evaluation.judge_of(models[name])
        else:
            assert evaluation.judge_of(models[name]) in SCORES
    chain = object.__new__(Chain)
    assert evaluation.judge_of(chain) is chains and not evaluation.draws_nothing(chain)
    for name in sorted(SEEDLESS & set(SHIPPED)):
        model, score = trained.shipped(name), SCORES[evaluation.judge_of(models[name])]
        assert score(model, 0) == score(model, 1)
        with pytest.raises(ValueError, match=f"Scoring {name} draws nothing, so a seed has no effect"):
            evaluation.score(model, 0)
