"""The trained models: the shipped ones with their cards, found by the name of their preset, and the runs of yours, found
by their folder (`python -m ddpm_lite train NAME --out FOLDER`)."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from . import distributed, weights
from .batches import enlarge
from .device import choose_device, place
from .editing import inpaint
from .guidance import guided
from .presets import PRESETS, unknown
from .recipe import build, make_schedule, make_tokenizer
from .sample import sample
from .schedule import Schedule
from .tokenizer import Tokenizer
from .unclip import conditions
from .unet import UNet, beside

ASSETS = Path(__file__).parent / "assets" / "weights"
CHECKPOINT = "checkpoint.safetensors"
AT_ONCE = 250  # pictures drawn in one batch


@dataclass
class Trained:
    """A trained network with what belongs to it: its name, its configuration, its card (empty for a run of yours)."""

    name: str
    net: nn.Module
    config: dict[str, Any]
    card: dict[str, Any] = field(default_factory=dict)

    @property
    def schedule(self) -> Schedule:
        """The schedule it was trained with."""
        return make_schedule(self.config)

    @property
    def tokenizer(self) -> Tokenizer:
        """What turns captions into its tokens."""
        return make_tokenizer(self.config)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.net.parameters()).device

    @property
    def draws(self) -> bool:
        """Whether pictures come out of it: it is a U-Net."""
        return isinstance(self.net, UNet)

    @property
    def reads(self) -> bool:
        """Whether it takes captions."""
        return "words" in self.config

    @property
    def edits(self) -> bool:
        """Whether it fills in what is erased of a picture, as its preset says: the number of channels does not."""
        return self.draws and "everything" in self._learnt

    @property
    def enlarges(self) -> bool:
        """Whether it draws pictures of twice the size of those given."""
        return self.draws and "noise" in self._learnt

    @property
    def _learnt(self) -> dict[str, Any]:
        """The options of the loss that it was trained with."""
        return PRESETS.get(self.config.get("name"), {}).get("loss", {})

    def draw(
        self,
        asked: Tensor | Sequence[str],
        *,
        seed: int = 0,
        steps: int = 50,
        scale: float = 2.0,
        method: str = "ddim",
        embedding: Float[Tensor, "n d"] | None = None,
        noise: Float[Tensor, "n c h w"] | None = None,
    ) -> Float[Tensor, "n c h w"]:
        """One picture for each item asked, in [-1, 1], on the CPU, under guidance of this scale.

        asked       labels (n,), or captions, or for an upsampler the pictures (n, c, h/2, w/2) to enlarge (scale has no effect)
        embedding   for a decoder: CLIP embeddings of pictures, each of length sqrt(d); none, or zeros, is GLIDE
        noise       where to start, in place of what the seed gives

        The noise of every 250 pictures has a generator of its own: the processes of a torchrun share out the
        batches, and the pictures are the same on any number of them.
        """
        rows = [self.conditions(asked, embedding)]
        if self.edits:
            nothing = torch.zeros(len(rows[0]), *self.net.shape)
            rows += [nothing, nothing[:, :1]]
        return self._draw(rows, seed, steps, scale, method, noise)

    def edit(
        self,
        pictures: Float[Tensor, "n c h w"],
        known: Shaped[Tensor, "n 1 h w"],
        asked: Sequence[str],
        *,
        seed: int = 0,
        steps: int = 50,
        scale: float = 2.0,
        method: str = "ddim",
    ) -> Float[Tensor, "n c h w"]:
        """The pictures, in [-1, 1], as they are where known is 1, and drawn anew from the captions where it is 0: see
        `draw`, which is the same with nothing known. ValueError for a model that does not edit, and for what does not fit.
        """
        if not self.edits:
            able = ", ".join(name for name, preset in PRESETS.items() if "everything" in preset.get("loss", {}))
            raise ValueError(f"{self.name} edits nothing; these edit: {able}.")
        rows = self.conditions(asked)
        wanted = (len(rows), *self.net.shape)
        if tuple(pictures.shape) != wanted or len(known) != len(rows):
            got = f"{tuple(pictures.shape)} with {len(known)} masks"
            raise ValueError(f"{self.name} needs a picture and a mask for each caption, here {wanted}, not {got}.")
        if (pictures.abs() > 1).any():
            raise ValueError(f"Pictures lie in [-1, 1], but these go from {pictures.min():g} to {pictures.max():g}.")
        return self._draw([rows, pictures, known], seed, steps, scale, method)

    def _draw(
        self, rows: list[Tensor], seed: int, steps: int, scale: float, method: str, noise: Tensor | None = None
    ) -> Float[Tensor, "n c h w"]:
        mine, wanted = {}, (len(rows[0]), *self.net.shape)
        if noise is not None and tuple(noise.shape) != wanted:
            raise ValueError(f"The noise for these pictures has the shape {wanted}, not {tuple(noise.shape)}.")
        for i, batch in enumerate(zip(*(each.split(AT_ONCE) for each in rows), strict=True)):
            if i % distributed.world_size() == distributed.rank():
                generator = torch.Generator(self.device).manual_seed((seed * 1_000_003 + i) % 2**63)
                if noise is None:
                    x_T = torch.randn(len(batch[0]), *self.net.shape, generator=generator, device=self.device)
                else:
                    x_T = noise[i * AT_ONCE :][:AT_ONCE].to(self.device)
                model, cond = self.model(*(each.to(self.device) for each in batch), scale=scale)
                options = {"steps": steps, "method": method, "generator": generator}
                *_, last = sample(model, x_T, self.schedule, cond=cond, clip=True, **options)
                mine[i] = last.x_t.clamp(-1, 1).cpu()
        everyone = {i: x for share in distributed.gather_all(mine) for i, x in share.items()}
        return torch.cat([everyone[i] for i in sorted(everyone)]) if everyone else torch.zeros(0, *self.net.shape)

    def conditions(self, asked: Tensor | Sequence[str], embedding: Float[Tensor, "n d"] | None = None) -> Tensor:
        """What is asked, one row a picture, as the network takes it. ValueError for what this model does not draw; a warning
        names the words of a caption that it does not know."""
        if not isinstance(self.net, UNet):
            able = ", ".join(name for name, preset in PRESETS.items() if preset["kind"] == "unet")
            raise ValueError(f"{self.name} draws nothing; these draw: {able}.")
        net, words = self.config["net"], not isinstance(asked, Tensor)
        image = net.get("caption", {}).get("image", 0)
        if embedding is not None and tuple(embedding.shape) != (len(asked), image):
            takes = f"embeddings {(len(asked), image)}" if image else "no embeddings"
            raise ValueError(f"{self.name} takes {takes}, not {tuple(embedding.shape)}.")
        if "words" in self.config:
            if not words:
                raise ValueError(f"{self.name} draws what captions say: give a list of strings.")
            tokens = self.tokenizer.encode(asked)
            if not image:
                return tokens
            return conditions(tokens, torch.zeros(len(tokens), image) if embedding is None else embedding.cpu())
        if "extra" in net:
            small = (net["channels"], net["size"] // 2, net["size"] // 2)
            if words or asked.shape[1:] != small:
                raise ValueError(f"{self.name} enlarges pictures: give a tensor of them, (n, {', '.join(map(str, small))}).")
            return asked
        if words:
            raise ValueError(f"{self.name} draws by label: give a tensor of integers, not strings.")
        classes = net["num_classes"]
        if len(asked) and not (asked.min() >= 0 and asked.max() <= classes):
            raise ValueError(
                f"Labels go from 0 to {classes - 1}, and {classes} means 'no condition'; {asked.tolist()} does not fit."
            )
        return asked

    def model(self, rows: Tensor, *given: Tensor, scale: float) -> tuple[Callable[..., Tensor], Tensor | None]:
        """The network for a batch of `conditions`, and its cond: under guidance (beside the pictures and masks given to one
        that edits), or beside the pictures to enlarge."""
        if self.net.extra and not self.edits:
            return beside(self.net, enlarge(rows)), None
        null = self.net.null_label if self.net.caption is None else self.net.caption.empty
        net = inpaint(self.net, *given, self.schedule) if self.edits else self.net
        return guided(net, scale, null), rows


def load(name: str | Path, device: str | torch.device = "auto") -> Trained:
    """A shipped model by its name, or a run by its folder, ready to use: the averaged weights, in eval mode, placed.

    FileNotFoundError or ValueError, in one sentence, for what is not there or damaged.
    """
    device = choose_device(device) if isinstance(device, str) else device
    if str(name) in PRESETS:  # a folder of the same name in the working directory must not take its place: that is ./NAME
        file = ASSETS / f"{name}.safetensors"
        if not file.is_file():
            data = "--data PICTURES " * (PRESETS[name]["data"] == "folder")
            train = f"python -m ddpm_lite train {name} {data}--out DIR"
            raise FileNotFoundError(f"{name} comes without weights: train it ({train}) and name DIR in its place.")
        tensors, config = weights.load(file)
        card = json.loads(file.with_suffix(".json").read_text())
    elif not str(name) or not Path(name).is_dir():
        raise FileNotFoundError(unknown(str(name)))
    else:
        file, card = Path(name) / CHECKPOINT, {}
        tensors, config = weights.load(file)
        tensors = {k.removeprefix("ema."): v for k, v in tensors.items() if k.startswith("ema.")}
    weights.require(config, file, "name", "net")
    net = build(config)
    weights.fill(net, tensors, str(file))
    return Trained(config["name"], place(net.eval().requires_grad_(False), device), config, card)


def fingerprint(net: nn.Module) -> str:
    """16 letters that stand for the weights of a network: a prior and a decoder keep those of the CLIP whose embeddings they
    have learnt, as those of another CLIP mean nothing to them."""
    tensors = sorted(net.state_dict().items())
    return hashlib.sha256(b"".join(t.float().cpu().numpy().tobytes() for _, t in tensors)).hexdigest()[:16]


@cache
def shipped(name: str) -> Trained:
    """`load` on the CPU, kept: the classifier is asked for again and again."""
    return load(name, "cpu")
