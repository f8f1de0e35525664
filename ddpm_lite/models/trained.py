"""The trained models: the shipped ones with their cards, loaded by the name of their preset, and your own runs, loaded
by their folder (`python -m ddpm_lite train NAME --out FOLDER`)."""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from ..machine import distributed, weights
from ..machine.device import choose_device, place
from ..maths.checks import require_finite, require_pictures
from ..maths.schedule import Schedule
from ..networks.channels import beside, enlarge
from ..networks.prior import conditions
from ..networks.tokenizer import Tokenizer
from ..networks.unet import UNet
from ..sampling.editing import inpaint
from ..sampling.guidance import guided
from ..sampling.loop import sample
from . import header
from .presets import PRESETS, unknown
from .recipe import build, make_schedule, make_tokenizer

ASSETS = Path(__file__).parents[1] / "assets" / "weights"
CHECKPOINT = "checkpoint.safetensors"
AT_ONCE = 250  # pictures drawn in one batch


@dataclass
class Trained:
    """A trained network with what belongs to it: its name, its configuration, its card (empty for your own runs)."""

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
        """Whether it draws pictures, as every U-Net does."""
        return isinstance(self.net, UNet)

    @property
    def reads(self) -> bool:
        """Whether it takes captions."""
        return "words" in self.config

    @property
    def edits(self) -> bool:
        """Whether it fills in what is erased of a picture. Its preset says so; the number of channels does not."""
        return self.draws and "everything" in self._learnt

    @property
    def enlarges(self) -> bool:
        """Whether it draws pictures twice the size of those it is given."""
        return self.draws and "noise" in self._learnt

    @property
    def _learnt(self) -> dict[str, Any]:
        """The options of the loss that it was trained with."""
        return PRESETS.get(self.config.get("name"), {}).get("loss", {})

    def draw(
        self,
        asked: Tensor | Sequence[str],
        *,
        seed: int | None = None,
        steps: int = 50,
        scale: float | None = None,
        method: str = "ddim",
        embedding: Float[Tensor, "n d"] | None = None,
        noise: Float[Tensor, "n c h w"] | None = None,
    ) -> Float[Tensor, "n c h w"]:
        """One picture for each item in `asked`, in [-1, 1], on the CPU.

        asked       labels (n,), or captions, or for an upsampler the pictures (n, c, h/2, w/2) in [-1, 1] to enlarge
        seed        for all noise (default 0)
        scale       of the guidance (default 2) towards what is asked; an upsampler has none
        embedding   for a decoder: CLIP embeddings of pictures, each of length sqrt(d); with none, or zeros, it is GLIDE
        noise       the starting noise, in place of noise from the seed; then only DDPM uses a seed

        The i-th picture depends on the seed, on i and on what is asked for it, not on how many are drawn or how many
        processes of a torchrun share the work: each batch of 250 pictures takes its starting noise from its own generator,
        and DDPM takes the noise that it adds from one generator per picture. ValueError for arguments that do not fit this
        model or have no effect, and for numbers that are not finite.
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
        scale: float | None = None,
        method: str = "ddim",
    ) -> Float[Tensor, "n c h w"]:
        """The pictures, in [-1, 1], unchanged where known is 1, and drawn anew from the captions where it is 0; `draw` is the
        same with nothing known. ValueError for a model that does not edit, and for arguments that do not fit.
        """
        if not self.edits:
            able = ", ".join(name for name, preset in PRESETS.items() if "everything" in preset.get("loss", {}))
            raise ValueError(f"{self.name} does not edit pictures; these models do: {able}.")
        rows = self.conditions(asked)
        wanted = (len(rows), *self.net.shape)
        if tuple(pictures.shape) != wanted or len(known) != len(rows):
            got = f"{tuple(pictures.shape)} with {len(known)} masks"
            raise ValueError(f"{self.name} needs a picture and a mask for each caption, here {wanted}, not {got}.")
        return self._draw([rows, pictures, known], seed, steps, scale, method)

    def _draw(
        self,
        rows: list[Tensor],
        seed: int | None,
        steps: int,
        scale: float | None,
        method: str,
        noise: Tensor | None = None,
    ) -> Float[Tensor, "n c h w"]:
        mine, wanted = {}, (len(rows[0]), *self.net.shape)
        if scale is not None and not self.enlarges and len(rows[0]) and (rows[0] == torch.as_tensor(self._null).cpu()).all():
            raise ValueError("scale strengthens what is asked for, but nothing is: say what to draw, or leave scale out.")
        if noise is not None:
            if tuple(noise.shape) != wanted:
                raise ValueError(f"The noise for these pictures must have the shape {wanted}, not {tuple(noise.shape)}.")
            if seed is not None and method != "ddpm":
                raise ValueError(f"{method} starts from the noise that is given and adds none, so a seed has no effect.")
        for i, batch in enumerate(zip(*(each.split(AT_ONCE) for each in rows), strict=True)):
            if i % distributed.world_size() == distributed.rank():
                n, number = len(batch[0]), ((seed or 0) * 1_000_003 + i) % 2**63
                if noise is None:
                    x_T = normal(n, self.net.shape, torch.Generator(self.device).manual_seed(number))
                else:
                    x_T = noise[i * AT_ONCE :][:AT_ONCE].to(self.device)
                model, cond = self.model(*(each.to(self.device) for each in batch), scale=scale)
                own = [torch.Generator(self.device).manual_seed(s) for s in seeds(n, number)] if method == "ddpm" else None
                options = {"steps": steps, "method": method, "generator": own}
                *_, last = sample(model, x_T, self.schedule, cond=cond, clip=True, **options)
                mine[i] = last.x_t.clamp(-1, 1).cpu()
        everyone = {i: x for share in distributed.gather_all(mine) for i, x in share.items()}
        return torch.cat([everyone[i] for i in sorted(everyone)]) if everyone else torch.zeros(0, *self.net.shape)

    def conditions(self, asked: Tensor | Sequence[str], embedding: Float[Tensor, "n d"] | None = None) -> Tensor:
        """What is asked for, one row per picture, in the form that the network takes. ValueError for anything that this model
        does not draw and for numbers out of range; a warning names the words of a caption that it does not know."""
        if not isinstance(self.net, UNet):
            able = ", ".join(name for name, preset in PRESETS.items() if preset["kind"] == "unet")
            raise ValueError(f"{self.name} does not draw pictures; these models do: {able}.")
        net, words = self.config["net"], not isinstance(asked, Tensor)
        image = net.get("caption", {}).get("image", 0)
        if embedding is not None and tuple(embedding.shape) != (len(asked), image):
            takes = f"embeddings {(len(asked), image)}" if image else "no embeddings"
            raise ValueError(f"{self.name} takes {takes}, not {tuple(embedding.shape)}.")
        require_finite(embedding=embedding)
        if "words" in self.config:
            if not words:
                raise ValueError(f"{self.name} draws from captions: give a list of strings.")
            tokens = self.tokenizer.encode(asked)
            if not image:
                return tokens
            return conditions(tokens, torch.zeros(len(tokens), image) if embedding is None else embedding.cpu())
        if "extra" in net:
            small = (net["channels"], net["size"] // 2, net["size"] // 2)
            if words or asked.shape[1:] != small:
                raise ValueError(f"{self.name} enlarges pictures: give a tensor of shape (n, {', '.join(map(str, small))}).")
            require_pictures(asked=asked)
            return asked
        if words:
            raise ValueError(f"{self.name} draws by label: give a tensor of integers, not strings.")
        classes = net["num_classes"]
        if wrong := [label for label in asked.tolist() if label not in range(classes + 1)]:
            raise ValueError(f"Labels go from 0 to {classes - 1}, and {classes} means 'no condition'; {wrong[0]} does not fit.")
        return asked

    @property
    def _null(self) -> int | Tensor:
        """The label, or the row of `conditions`, that means "no condition"."""
        return self.net.null_label if self.net.caption is None else self.net.caption.empty

    def model(self, rows: Tensor, *given: Tensor, scale: float | None = None) -> tuple[Callable[..., Tensor], Tensor | None]:
        """The network for a batch of `conditions`, and its cond, with guidance of this scale (default 2). An editor also sees the
        pictures and masks given; an upsampler sees the pictures to enlarge. ValueError for a scale given to an upsampler, for
        pictures and masks given to a model that does not edit, and for an editor without them."""
        if len(given) != 2 * self.edits:
            need = "needs pictures and masks" if self.edits else "edits nothing, so it takes no pictures and masks"
            raise ValueError(f"{self.name} {need}: {len(given)} tensors were given besides the conditions.")
        if self.net.extra and not self.edits:
            if scale is not None:
                raise ValueError(f"{self.name} draws from a picture, not from words or labels, so it takes no scale.")
            return beside(self.net, enlarge(rows)), None
        scale = 2.0 if scale is None else scale
        net = inpaint(self.net, *given, self.schedule) if self.edits else self.net
        return guided(net, scale, self._null), rows


def normal(n: int, shape: tuple[int, ...], generator: torch.Generator) -> Float[Tensor, "n *d"]:
    """N(0, I), (n, *shape): the first rows are the same whatever n is. torch.randn draws blocks of 16 numbers one after the
    other, so each row is given whole blocks."""
    size = math.prod(shape)
    rows = torch.randn(n, -(-size // 16) * 16, generator=generator, device=generator.device)
    return rows[:, :size].reshape(n, *shape)


def seeds(n: int, seed: int) -> list[int]:
    """n seeds derived from one, for independent generators; the first seeds are the same whatever n is."""
    return torch.randint(2**63 - 1, (n,), generator=torch.Generator().manual_seed(seed)).tolist()


def load(name: str | Path, device: str | torch.device = "auto") -> Trained:
    """A shipped model by its name, or a run by its folder, ready to use: its averaged weights, in eval mode, on the device.

    FileNotFoundError or ValueError, in one sentence, for a model that is missing or damaged.
    """
    device = choose_device(device) if isinstance(device, str) else device
    if str(name) in PRESETS:  # a folder of the same name in the working directory is ./NAME instead
        file = ASSETS / f"{name}.safetensors"
        if not file.is_file():
            data = "--data PICTURES " * (PRESETS[name]["data"] == "folder")
            train = f"python -m ddpm_lite train {name} {data}--out DIR"
            raise FileNotFoundError(f"{name} comes without weights: train it ({train}) and give DIR in its place.")
        tensors, config = weights.load(file)
        card = read_card(str(name))
    elif not str(name) or not Path(name).is_dir():
        raise FileNotFoundError(unknown(str(name)))
    else:
        file, card = Path(name) / CHECKPOINT, {}
        tensors, config = weights.load(file)
        tensors = {k.removeprefix("ema."): v for k, v in tensors.items() if k.startswith("ema.")}
    header.check(config, file)
    net = build(config)
    weights.fill(net, tensors, str(file))
    return Trained(config["name"], place(net.eval().requires_grad_(False), device), config, card)


def read_card(name: str) -> dict[str, Any]:
    """The card of a shipped model or chain. ValueError for one that is damaged or missing."""
    file = ASSETS / f"{name}.json"
    try:
        card = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        card = None
    if not isinstance(card, dict):
        raise ValueError(f"{file} is damaged or missing: install ddpm_lite again.")
    return card


def fingerprint(net: nn.Module) -> str:
    """A hash of a network's weights, 16 characters. A prior and a decoder store that of the CLIP whose embeddings they have
    learned, since the embeddings of another CLIP mean nothing to them."""
    tensors = sorted(net.state_dict().items())
    return hashlib.sha256(b"".join(t.float().cpu().numpy().tobytes() for _, t in tensors)).hexdigest()[:16]


@cache
def shipped(name: str) -> Trained:
    """`load` on the CPU, cached, since the classifier is needed again and again."""
    return load(name, "cpu")
