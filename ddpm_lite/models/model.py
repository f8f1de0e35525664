"""A trained network with what belongs to it, and how a model draws."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..machine import distributed
from ..maths.schedule import Schedule
from ..networks.dit import DiT
from ..networks.tokenizer import Tokenizer
from ..networks.unet import UNet
from ..sampling.loop import Frame, sample
from ..sampling.noise import normal, seeds
from ..sampling.samplers import as_eps
from .header import Made
from .recipe import Recipe

AT_ONCE = 250  # pictures drawn in one batch
Predict = Callable[..., tuple[Callable[..., Tensor], Tensor | None]]  # a batch of conditions -> the network to sample, its cond


@dataclass
class Trained:
    """A trained network, its recipe, and its card (empty for your own runs); for a run, also what its checkpoint says of it."""

    recipe: Recipe
    net: nn.Module
    card: dict[str, Any] = field(default_factory=dict)
    made: Made | None = None

    @property
    def name(self) -> str:
        """The name of its preset."""
        return self.recipe.name

    @property
    def schedule(self) -> Schedule:
        """The schedule it was trained with."""
        return self.recipe.make_schedule()

    @property
    def tokenizer(self) -> Tokenizer:
        """What turns captions into its tokens."""
        return self.recipe.tokenizer

    def eps(self, network: Callable[..., Tensor] | None = None) -> Callable[..., Tensor]:
        """Its network, or one made of it, as a network that predicts the noise, which is what guidance and samplers take."""
        network = self.net if network is None else network
        return network if self.target == "eps" else as_eps(network, self.schedule, self.target)

    @property
    def target(self) -> str:
        """What its network predicts. ValueError where nothing is denoised."""
        if self.recipe.target is None:
            raise ValueError(f"{self.name} does not denoise, so its network has no target.")
        return self.recipe.target

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.net.parameters()).device


class DrawingModel(Trained):
    """A model that draws pictures.

    The i-th picture depends on the seed, on i and on what is asked for it, not on how many are drawn or how many processes of a
    torchrun share the work: each batch of 250 pictures takes its starting noise from its own generator, and DDPM takes the noise
    that it adds from one generator per picture.

    watch    (frames, their number) -> frames: what the frames of each batch pass through, a progress bar for example
    """

    net: UNet | DiT
    bounded = True  # whether what it denoises lies in [-1, 1], as pictures do
    watch: Callable[[Iterator[Frame], int], Iterator[Frame]] = staticmethod(lambda frames, count: frames)

    def picture(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c_out H W"]:
        """What it denoises, as pictures in [-1, 1]."""
        return x.clamp(-1, 1)

    def _draw(
        self,
        rows: list[Tensor],
        predict: Predict,
        seed: int | None,
        steps: int,
        method: str,
        noise: Tensor | None = None,
    ) -> Float[Tensor, "n c h w"]:
        """One picture for each row of all `rows`, by the network that `predict` makes of a batch of them."""
        mine, wanted = {}, (len(rows[0]), *self.net.shape)
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
                model, cond = predict(*(each.to(self.device) for each in batch))
                own = [torch.Generator(self.device).manual_seed(s) for s in seeds(n, number)] if method == "ddpm" else None
                frames = sample(
                    model, x_T, self.schedule, cond=cond, steps=steps, method=method, clip=self.bounded, generator=own
                )
                *_, last = self.watch(frames, steps + 1)
                mine[i] = self.picture(last.x_t).cpu()
        everyone = {i: x for share in distributed.gather_all(mine) for i, x in share.items()}
        return torch.cat([everyone[i] for i in sorted(everyone)])


def strength(scale: float | None, conditions: Tensor, null: int | Tensor) -> float:
    """The guidance scale that is given, or 2. ValueError for one that has no effect, since all conditions mean none."""
    if scale is not None and len(conditions) and bool((conditions == torch.as_tensor(null).cpu()).all()):
        raise ValueError("scale strengthens what is asked for, but nothing is: say what to draw, or leave scale out.")
    return 2.0 if scale is None else scale
