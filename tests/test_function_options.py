"""Each argument that a public function or method can do without is used or refused, never silently without effect.

The arguments come from the signatures: a new one fails here until it is said below in which calls it is used and in which it
is refused. It is used if the same call without it gives another result; where it is refused, the sentence names it.
"""

import inspect
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from calls import CALLS, LABELS, S, T, X, seeded
from test_caption import READER
from test_same_picture import untrained

import ddpm_lite as d
from ddpm_lite.models import kinds
from ddpm_lite.models import unclip as chains
from ddpm_lite.models.model import Trained

LEFT_OUT = object()
ALONE: dict[str, Any] = {}


class Used(NamedTuple):
    """With this value the call gives another result than with that one, or without the argument, beside these others."""

    value: Any
    others: dict[str, Any] = ALONE
    than: Any = LEFT_OUT


class Refused(NamedTuple):
    """The argument is refused beside these others, in a sentence that says so much, or else names it."""

    value: Any
    others: dict[str, Any] = ALONE
    said: str | None = None


METHODS = ("ddpm", "ddim", "dpm-solver++", "euler", "heun")
STILL = METHODS[2:]  # they add no noise, and have no option of their own
SEEDED = partial(seeded, 7)  # called anew for each call
NULL, NOTHING, ASLEEP = torch.tensor([10, 10]), {"asked": ["", ""]}, {"method": "ddim", "eta": 0.0}
NOISE = torch.zeros(2, 3, 8, 8)
EMBEDDING = torch.ones(2, 8)
DRAWS = {"seed": [Used(7)], "steps": [Used(4)], "method": [Used("ddpm")]}
DRAWN = {**DRAWS, "noise": [Used(NOISE, {"method": method}) for method in METHODS]}
LED = {"scale": [Used(7.0), Refused(7.0, NOTHING)]}
SEED_BESIDE_NOISE = [
    Used(7, {"method": "ddpm", "noise": NOISE}),
    *(Refused(7, {"method": method, "noise": NOISE}) for method in ("ddim", *STILL)),
]
COND, TWO = {"cond": [Used(LABELS, {"labels": LABELS}), Refused(LABELS)]}, {"num_classes": 2}

# What is said of an argument in words is where it is shown elsewhere, or why it has no result of its own.
DENOISING: dict[str, Any] = {
    "drop": [Used(0.9, {"null": 2}), Refused(0.1), Refused(0.1, {"cond": None})],
    "null": [Used(9, {"drop": 0.9}, than=2), Refused(2, {"cond": None})],
}
TABLE: dict[str, dict[str, list[Used | Refused] | str]] = {
    "CLIP": {
        "channels": [Used(1)],
        "end": [Used(5)],
        "activation": [Used("gelu")],
        "noisy": [Used(True)],
        "image_heads": [Refused(None), Refused(5, said="divisible by the number of heads, 5")],
        "patch": [Used(2), Refused(3), Refused(None)],
        "image_mults": [Used((1, 2), {"patch": None, "image_heads": None}, than=(1, 1)), Refused((1, 2))],
    },
    "CLIP.encode_image": {"t": [Used(T.flip(0), {"noisy": True}), Refused(T)]},
    "CLIP.forward": {"t": [Used(T.flip(0), {"noisy": True}), Refused(T)], "gather": [Used(lambda features: 2 * features)]},
    "CLIP.from_pretrained": {
        "revision": [Refused("main")],  # of a folder
        "local_files_only": "test_clip.py::test_with_local_files_only_the_hub_is_not_asked",
    },
    "Autoencoder": {
        "mults": [Used((1, 1))],
        "depth": [Used(2)],
        "groups": [Used(2), Refused(3)],
        "patch": [Used(2), Refused(3, said="cannot be made 6 times smaller")],
    },
    "DiT": {
        "patch": [Used(4), Refused(3)],
        "num_classes": [Used(3), Refused(3, {"caption": READER})],
        "caption": [Used(READER), Refused(READER, TWO)],
    },
    "DiT.forward": {"cond": [Used(LABELS, TWO), Refused(LABELS)]},
    "DiTBlock": {"context_width": "test_dit.py::test_words_reach_the_patches_through_attention_and_padding_does_not"},
    **{
        f"DiTBlock.{name}": {"context": "test_dit.py::test_words_reach_the_patches_through_attention_and_padding_does_not"}
        for name in ("forward", "weights")
    },
    "Classifier": {
        "width": [Used(8)],
        "depth": [Used(2)],
        "num_features": [Used(4)],
        "groups": [Used(2)],
        "dropout": [Used(0.1)],
    },
    "FiniteData": {
        "labels": [Used(LABELS, {"cond": LABELS}, than=1 - LABELS)],
        "chunk": [Refused(0)],  # the result is the same for each: test_oracle
    },
    "FiniteData.draw": {"generator": [Used(SEEDED)]},
    "FiniteData.x0_mean": COND,
    "GaussianMixture": {"labels": [Used(LABELS)]},
    "GaussianMixture.draw": {"generator": [Used(SEEDED)]},
    "GaussianMixture.x0_mean": COND,
    "GaussianPath.vp": {"beta_min": [Used(1.0)], "beta_max": [Used(9.0)]},
    "GaussianPath.ve": {"sigma_min": [Used(0.1)], "sigma_max": [Used(9.0)]},
    "Loss": dict.fromkeys(("per_item", "bin"), "test_train.py::test_a_loss_with_bins_needs_the_losses_of_the_items"),
    "PointMLP": {
        "dim": [Used(3)],
        "width": [Used(16)],
        "depth": [Used(2)],
        "num_classes": [Used(3), Refused(3, {"cond_dim": 2})],
        "cond_dim": [Used(3), Refused(3, TWO)],
    },
    "Prior.forward": {"cond": [Used(torch.ones(4, 10))]},
    "as_eps": {"target": [Used("v"), Used("flow"), Refused("eps")]},
    **{name: {"device": [Refused("nowhere")]} for name in ("load", "load_chain")},
    "PointMLP.forward": {"cond": [Used(LABELS, TWO), Refused(LABELS)]},
    "Schedule.linear": {"T": [Used(30)], "beta_1": [Used(0.001)], "beta_T": [Used(0.1)]},
    "Schedule.cosine": {"T": [Used(30)], "s": [Used(0.1)], "beta_max": [Used(0.5)]},
    "Schedule.straight": {"T": [Used(30)], "beta_max": [Used(0.5)]},
    "UNet": {
        "mults": [Used((1, 1))],
        "depth": [Used(2)],
        "attention": [Used((8,)), Refused((16,))],
        "heads": "test_networks.py::test_heads_split_the_channels",
        "groups": [Used(2)],
        "dropout": [Used(0.5)],
        "num_classes": [Used(3), Refused(3, {"cond_dim": 2}), Refused(3, {"caption": READER})],
        "cond_dim": [Used(3), Refused(3, TWO), Refused(3, {"caption": READER})],
        "caption": [Used(READER), Refused(READER, TWO)],
        "extra": [Used(1)],
        "residual": "test_networks.py::test_a_residual_network_adds_the_picture_that_is_given_to_its_output",
        "patch": [Used(2), Refused(3)],
    },
    "UNet.forward": {"cond": [Used(LABELS, TWO), Refused(LABELS)]},
    "bound_step": {"var": [Used(S.beta)]},
    "captioned": {"word_drop": [Used(0.9), Refused(0.1, {"captions": None})], "shift": [Used(2), Used(2, {"captions": None})]},
    "choose_device": {"name": [Refused("nowhere", said="no device 'nowhere'")]},
    "class_loss": {"generator": "it draws nothing: `train` hands every loss a generator"},
    "clip_loss": {"schedule": [Used(S, {"noisy": True}, than=d.Schedule.linear(50)), Refused(S, said="takes no t")]},
    "ddim_step": {
        "z": [Used(X, {"eta": 0.5}, than=-X), Refused(X), Refused(X, {"eta": 0.0})],
        "eta": [Used(0.5, {"z": X}, than=0.9), Refused(0.5)],
    },
    "ddpm_step": {"var": [Used("beta"), Used(S.beta), Refused(S.beta, {"t_next": 20})]},
    "dpm_solver_step": {"last": [Used((40, X))]},
    "drop_condition": {"generator": [Used(SEEDED)]},
    "drop_words": {"generator": [Used(SEEDED)]},
    "eps_loss": DENOISING,
    "v_loss": DENOISING,
    "field_of": {"cond": [Used(LABELS)]},
    "flow_loss": DENOISING,
    "x0_loss": DENOISING,
    "inpaint": {"target": [Used("v"), Refused("u")]},
    "inpainting": {"everything": [Used(1.0)]},
    "log_likelihood": {
        "probes": [Used(torch.ones(1, 4, 2)), Refused(torch.ones(1, 4, 3))],
        "log_prior": [Used(lambda x: x.sum(1))],
    },
    "loss_floor": {
        "generator": [Used(SEEDED)],
        "drop": [Used(0.5), Refused(0.5, {"labels": None})],
        "target": [Used("v"), Used("x0"), Used("flow"), Refused("u")],
    },
    "low_discrepancy_t": {"generator": [Used(SEEDED)], "device": [Used("meta")]},
    "place": {"precision": [Used(torch.float64), Refused(torch.bfloat16, {"net": d.PointMLP})]},
    "precondition": {"sigma_data": [Used(1.0), Refused(0.0)]},
    "sample": {
        "cond": [Used(LABELS, {"method": method}) for method in METHODS],
        "steps": [Used(7, {"method": method}) for method in METHODS],
        "method": [Used("ddim"), Used("dpm-solver++"), Used("euler"), Used("heun", than="euler")],
        "var": [Used("beta"), *(Refused("beta", {"method": method}) for method in ("ddim", *STILL))],
        "eta": [Used(0.5, {"method": "ddim"}), *(Refused(0.5, {"method": method}) for method in ("ddpm", *STILL))],
        "clip": [Used(True, {"method": method}) for method in METHODS],
        "generator": [
            Used(SEEDED),
            Used(SEEDED, {"method": "ddim", "eta": 0.5}),
            *(Refused(SEEDED, others) for others in ({"method": "ddim"}, ASLEEP, *({"method": method} for method in STILL))),
        ],
    },
    "sdedit": {"steps": [Used(7)], "options": "those of `sample`"},
    "timesteps": {"steps": [Used(7), Used([30, 1])]},
    "train": {
        "generator": [Used(SEEDED)],
        "steps": [Used(4), Refused(4, {"minutes": 1.0})],
        "minutes": "test_train.py::test_minutes_become_a_number_of_steps",
        "batch_size": [Used(2)],
        "lr": [Used(0.1)],
        "warmup": [Used(1)],
        "weight_decay": [Used(5.0)],
        "ema_decay": [Used(0.05)],
        "clip_norm": [Used(1e-6)],
        "checkpoint": "test_train.py::test_minutes_are_counted_once_and_kept_when_the_run_goes_on",
        "save_every": [Refused(1.0)],  # used: test_wiring_training
        "config": [Refused({})],
        "compile": "test_wiring_training.py::test_compile_is_asked_for_where_it_is_wanted",
    },
    "upsampling": {"noise": [Used(1.0)], "factor": [Used(4), Refused(1)]},
    "Trained.eps": {"network": [Used(lambda x, t, cond=None: 0.5 * x)]},
    "Trained": {"card": [Used({"about": "x"})], "made": [Used("a run")]},
    "ClassModel.draw": {**DRAWN, "scale": [Used(7.0), Refused(7.0, {"asked": NULL})]},
    "TextModel.draw": {**DRAWN, **LED, "seed": [*DRAWS["seed"], *SEED_BESIDE_NOISE]},
    "FewStepsModel.draw": {
        name: "test_latent.py::test_a_student_draws_in_the_steps_it_is_told_of_and_without_guidance"
        for name in ("seed", "steps", "noise")
    }
    | {name: "test_latent.py::test_a_student_refuses_what_it_has_not_learnt" for name in ("scale", "method")},
    "DecoderModel.draw": {
        **DRAWN,
        **LED,
        "scale": [*LED["scale"], Used(7.0, {**NOTHING, "embedding": EMBEDDING})],
        "embedding": [Used(EMBEDDING)],
    },
    "DecoderModel.conditions": {"embedding": [Used(EMBEDDING[:1])]},
    "InpaintingModel.draw": {**DRAWN, **LED},
    "InpaintingModel.edit": {**DRAWN, "scale": LED["scale"]},
    "UpsamplingModel.draw": {**DRAWN, "captions": [Used(["red", ""])]},
    "ClipModel.encode": {"t": [Used(T.flip(0), than=T), Refused(T, {"noisy": False})]},
    "Chain": {"upsampler": [Used(partial(untrained, "upsampler-emoji"))], "card": [Used({"about": "x"})]},
    "Chain.imagine": {"options": "those of `imagine`"},
    "imagine": {"seed": [Used(7)], "steps": [Used(4)], "scale": [Used(7.0)], "candidates": [Used(9)]},
    "Chain.decode": {
        **DRAWS,
        "captions": [Used(["a red fox"])],
        "seed": [Used(7), Refused(7, {"noise": torch.zeros(1, 3, 16, 16)})],
        "scale": [Used(7.0), Refused(7.0, {"embedding": torch.zeros(1, 96)})],
        "noise": [Used(torch.zeros(1, 3, 16, 16))],
    },
    "Chain.enlarge": {"captions": [Used(["red"])], "seed": [Used(7)]},
    "Chain.draw": {**DRAWS, "scale": [Used(7.0)], "candidates": [Used(40)]},
    "Chain.variations": {**DRAWS, "scale": [Used(7.0)]},
    "Chain.invert": {"steps": [Used(4)]},
}


def public():
    """Every exported function, class and method, `imagine`, and those of the models and chains, by name."""
    every = {name: getattr(d, name) for name in d.__all__ if callable(getattr(d, name))}
    every |= {each.__name__: each for each in (Trained, *kinds.MODELS.values(), chains.Chain, chains.imagine)}
    for name, each in every.items():
        if not isinstance(each, type) or each.__init__ is not Trained.__init__ or each is Trained:
            yield name, each
        own = vars(each) if isinstance(each, type) else {}
        functions = (staticmethod, classmethod, type(public))
        yield from ((f"{name}.{k}", getattr(each, k)) for k, v in own.items() if k[0] != "_" and isinstance(v, functions))


def test_the_table_holds_every_argument_that_can_be_left_out():
    found = {}
    for name, function in public():
        given = inspect.signature(function).parameters.values()
        free = {p.name for p in given if p.default is not p.empty or p.kind > p.POSITIONAL_OR_KEYWORD}
        if free:
            found[name] = free
    assert {name: set(arguments) for name, arguments in TABLE.items()} == found
    for text in (each for arguments in TABLE.values() for each in arguments.values() if isinstance(each, str) and "::" in each):
        file, name = text.split("::")
        assert f"def {name}(" in next(Path(__file__).parent.rglob(file)).read_text(), text


def told(x):
    """A result as what can be compared."""
    if isinstance(x, torch.Tensor):
        return str(x.device), x.shape, x.tolist() if x.device.type == "cpu" else None
    if isinstance(x, dict):
        return {key: told(value) for key, value in x.items()}
    return [told(each) for each in x] if isinstance(x, list | tuple) else repr(x)


def called(name, /, **arguments):
    torch.manual_seed(0)
    with torch.set_grad_enabled(name == "train"):
        return told(CALLS[name](**{k: v() if isinstance(v, partial) else v for k, v in arguments.items()}))


@pytest.mark.parametrize("name", [name for name in TABLE if name in CALLS])
def test_an_argument_is_used_or_refused(name, unchecked):
    plain: dict[int, Any] = {}  # what is called without the argument, once for all that stand beside the same others
    for argument, cases in TABLE[name].items():
        for case in cases if isinstance(cases, list) else []:
            value, others, _ = case
            if isinstance(case, Refused):
                with pytest.raises((ValueError, TypeError)) as error:
                    called(name, **others, **{argument: value})
                assert (case.said or argument) in str(error.value), f"{argument} beside {others}: {error.value}"
                continue
            if case.than is not LEFT_OUT:
                without = called(name, **others, **{argument: case.than})
            else:
                if id(others) not in plain:
                    plain[id(others)] = called(name, **others)
                without = plain[id(others)]
            assert without != called(name, **others, **{argument: value}), f"{argument} beside {others} has no effect"
