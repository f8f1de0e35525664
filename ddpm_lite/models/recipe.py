"""What a model is: one record, from which its network, its schedule, its loss and its data follow."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import nn

from ..machine.weights import is_number, is_whole, misfit
from ..maths.schedule import Schedule
from ..networks.autoencoder import Autoencoder
from ..networks.classifier import Classifier
from ..networks.clip import CLIP
from ..networks.dit import DiT
from ..networks.prior import Prior
from ..networks.tokenizer import Tokenizer
from ..networks.unet import UNet


class Kind(NamedTuple):
    """What all models of a kind have in common."""

    network: type[nn.Module]
    options: tuple[str, ...] = ()  # the numbers that its loss takes
    reads: bool = False  # captions
    targets: tuple[str | None, ...] = ("eps", "x0", "v", "flow")  # what its network may predict; None where nothing is denoised


KINDS = {
    "classifier": Kind(Classifier, targets=(None,)),
    "class-conditional": Kind(UNet),
    "text-conditional": Kind(UNet, ("drop", "word_drop"), reads=True),
    "inpainting": Kind(UNet, ("drop", "word_drop", "everything"), reads=True),
    "decoder": Kind(UNet, ("both", "caption", "image", "word_drop"), reads=True),
    "upsampling": Kind(UNet, ("noise", "factor")),
    "prior": Kind(Prior, ("drop", "word_drop"), reads=True, targets=("x0",)),
    "clip": Kind(CLIP, ("word_drop", "shift"), reads=True, targets=(None,)),
    "autoencoder": Kind(Autoencoder, ("kl",), targets=(None,)),
    "latent": Kind(UNet, ("drop", "word_drop"), reads=True),
    "latent-transformer": Kind(DiT, ("drop", "word_drop"), reads=True),
    "few-steps": Kind(UNet, ("scale", "word_drop"), reads=True),
}
FACTOR = 4  # the side of a picture, divided by that of its latents
DATA = ("digits", "shape", "shapes", "emoji", "all-emoji", "folder")
SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "linear": Schedule.linear,
    "cosine": Schedule.cosine,
    "straight": Schedule.straight,
}


@dataclass(frozen=True)
class Training:
    """How long and how a model is trained: steps or minutes, pictures a step, and the numbers of AdamW."""

    batch_size: int
    lr: float
    steps: int | None = None
    minutes: float | None = None
    weight_decay: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        whole = {"batch_size": (self.batch_size, 1), "seed": (self.seed, 0)}
        whole |= {} if self.steps is None else {"steps": (self.steps, 1)}
        number = {"lr": self.lr, "weight_decay": self.weight_decay}
        number |= {} if self.minutes is None else {"minutes": self.minutes}
        for name, (value, least) in whole.items():
            _require(is_whole(value, least), f"training.{name}", value)
        for name, each in number.items():
            _require(is_number(each), f"training.{name}", each)
        if (self.steps is None) == (self.minutes is None):
            raise ValueError("Say how long to train: give either steps or minutes.")


@dataclass(frozen=True)
class Pictures:
    """Your own pictures: the folder, a CSV of captions (None: the files' names), the side to learn, and the fingerprint of
    pictures and captions."""

    path: str
    captions: str | None
    size: int
    fingerprint: str = ""

    def __post_init__(self) -> None:
        for name in ("path", "captions", "fingerprint"):
            value = getattr(self, name)
            _require(isinstance(value, str) or (value is None and name == "captions"), f"pictures.{name}", value)
        _require(is_whole(self.size, 1), "pictures.size", self.size)


@dataclass(frozen=True)
class Recipe:
    """A model before its weights. A preset is one, and a training stores one in the header of its checkpoint.

    name       of the preset
    kind       one of KINDS, which says what network it has and what it does
    data       one of DATA: what it learns from
    network    the keyword arguments of its network, without the size of the vocabulary, which `words` determine
    training   see `Training`
    about      what it does, in a phrase
    target     what the network predicts: "eps", "x0", "v" or "flow" (see `targets`), for a prior "x0", None where nothing is
               denoised
    schedule   {"kind": "linear", "cosine" or "straight", and its arguments}, where something is denoised, or a CLIP sees
               noisy pictures
    loss       the numbers that its loss takes: KINDS[kind].options, and where it denoises and t shall not all count the same,
               "min_snr" (see `denoising_loss`)
    begin      the shipped model whose weights its training starts from, and who teaches a student of few steps
    clip       the shipped CLIP whose embeddings it learns, and `clip_weights` the fingerprint of that CLIP
    autoencoder   the preset of the autoencoder whose latents it learns, and `autoencoder_weights` its fingerprint
    words      the vocabulary, where it reads captions: a preset has none before its data are read (`material.bind`)
    pictures   your own pictures, where data = "folder"
    ValueError, in one sentence, for what does not fit.
    """

    name: str
    kind: str
    data: str
    network: Mapping[str, Any]
    training: Training
    about: str = ""
    target: str | None = "eps"
    schedule: Mapping[str, Any] | None = None
    loss: Mapping[str, float] = field(default_factory=dict)
    begin: str | None = None
    clip: str | None = None
    clip_weights: str | None = None
    autoencoder: str | None = None
    autoencoder_weights: str | None = None
    words: tuple[str, ...] | None = None
    pictures: Pictures | None = None

    def __post_init__(self) -> None:
        kind = KINDS.get(self.kind) if isinstance(self.kind, str) else None
        for name in ("name", "about", "begin", "clip", "clip_weights", "autoencoder", "autoencoder_weights"):
            value = getattr(self, name)
            _require(isinstance(value, str) or (value is None and name not in ("name", "about")), name, value)
        _require(kind is not None, "kind", self.kind)
        assert kind is not None  # for mypy, which does not see it
        _require(self.data in DATA, "data", self.data)
        _require(self.target in kind.targets, "target", self.target)
        _require(isinstance(self.network, Mapping) and _wholes(self.network), "network", self.network)
        needed = self.target is not None or self.network.get("noisy")
        _require(_fits(self.schedule) if needed else self.schedule is None, "schedule", self.schedule)
        loss = isinstance(self.loss, Mapping) and self.loss.keys() - {"min_snr"} == set(kind.options)
        loss = loss and (self.target is not None or "min_snr" not in self.loss)
        loss = loss and is_whole(self.loss.get("factor", 2), 2)
        _require(loss and all(map(is_number, self.loss.values())), "loss", self.loss)
        texts = isinstance(self.words, tuple) and all(isinstance(word, str) for word in self.words)
        _require(self.words is None or (self.reads and texts), "words", self.words)
        _require(isinstance(self.training, Training), "training", self.training)
        own = self.data == "folder" and isinstance(self.pictures, Pictures)
        _require(own or self.pictures is None, "pictures", self.pictures)

    @property
    def reads(self) -> bool:
        """Whether it takes captions. An upsampler may or may not."""
        return KINDS[self.kind].reads or "caption" in self.network

    @property
    def size(self) -> int:
        """The side of its training pictures; a prior learns the embeddings of pictures of 16 x 16 pixels."""
        return self.network.get("size", 16) * (1 if self.autoencoder is None else FACTOR)

    @property
    def space(self) -> str | None:
        """The preset of the model in whose embeddings or latents it works."""
        return self.clip or self.autoencoder

    @property
    def space_weights(self) -> str | None:
        """The fingerprint of that model."""
        return self.autoencoder_weights if self.clip is None else self.clip_weights

    def in_space(self, weights: str | None) -> "Recipe":
        """The recipe with this fingerprint of the model in whose embeddings or latents it works."""
        return replace(self, autoencoder_weights=weights) if self.clip is None else replace(self, clip_weights=weights)

    @property
    def length(self) -> int:
        """How many tokens a caption has."""
        return (self.network if "length" in self.network else self.network["caption"])["length"]

    @property
    def tokenizer(self) -> Tokenizer:
        """What turns captions into tokens. ValueError before the words are known."""
        if self.words is None:
            raise ValueError(f"{self.name} has no words: they come from its data, with material.bind.")
        return Tokenizer(list(self.words), self.length)

    def make_schedule(self) -> Schedule:
        """The schedule by which it destroys and restores. ValueError where there is none."""
        if self.schedule is None:
            raise ValueError(f"{self.name} has no schedule: nothing is denoised.")
        arguments = dict(self.schedule)
        return SCHEDULES[arguments.pop("kind")](**arguments)

    def build(self, seed: int = 0) -> nn.Module:
        """The untrained network; the seed determines its first weights."""
        network = dict(self.network)
        if "length" in network:
            network["vocabulary"] = len(self.tokenizer)
        elif "caption" in network:
            network["caption"] = {"vocabulary": len(self.tokenizer), **network["caption"]}
        # torch's initialisers draw from the global generator: seed it for the moment, then restore it.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return KINDS[self.kind].network(**network)

    def as_json(self) -> dict[str, Any]:
        """What is stored of it in a header: see `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Any) -> "Recipe":
        """The recipe that `as_json` stored. ValueError, in one sentence, for anything else."""
        _require(isinstance(stored, dict), "recipe", stored)
        made = dict(stored)
        for name, record in (("training", Training), ("pictures", Pictures)):
            if isinstance(made.get(name), dict):
                made[name] = _record(record, made[name], name)
        if isinstance(made.get("words"), list):
            made["words"] = tuple(made["words"])
        return _record(cls, made, "recipe")


def _record(record: type, values: dict[str, Any], name: str) -> Any:
    try:
        return record(**values)
    except TypeError as error:  # an entry that is missing, or one too many
        raise ValueError(f"{name}: {str(error).removeprefix(f'{record.__name__}.__init__() ')}.") from error


def _require(fits: bool, name: str, value: Any) -> None:
    if not fits:
        raise ValueError(f"{misfit(name, value)}.")


def _wholes(value: Any) -> bool:
    """Are these whole numbers, lists of them, and dictionaries of both?"""
    if isinstance(value, Mapping):
        return all(map(_wholes, value.values()))
    return all(isinstance(each, int) and each >= 1 for each in (value if isinstance(value, list) else [value]))  # noisy: True


def _fits(schedule: Any) -> bool:
    return isinstance(schedule, Mapping) and schedule.get("kind") in [*SCHEDULES] and is_whole(schedule.get("T"), 1, 10**6)
