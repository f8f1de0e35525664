"""The model that enlarges pictures: GLIDE's second diffusion model."""

from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Tensor

from ..maths.checks import require_pictures
from ..networks.channels import enlarge, with_channels
from .model import DrawingModel


class UpsamplingModel(DrawingModel):
    """A model that enlarges pictures, as GLIDE's upsampler does: the network sees the small picture beside x_t, and may read a
    caption. It has no guidance.

    Slide L24; Nichol et al. 2022, section 3.1.
    """

    @property
    def factor(self) -> int:
        """How many times larger its pictures are."""
        return int(self.recipe.loss["factor"])

    def draw(
        self,
        small: Float[Tensor, "n c h w"],
        captions: Sequence[str] | None = None,
        *,
        seed: int | None = None,
        steps: int = 4,
        method: str = "ddim",
        noise: Float[Tensor, "n c H W"] | None = None,
    ) -> Float[Tensor, "n c H W"]:
        """The pictures, in [-1, 1], enlarged: see `ClassModel.draw`. The small picture leaves little open, so a few steps
        are enough. captions say what they show (default: nothing is said);
        ValueError for a model that reads none, and for another number of them."""
        channels, height, width = self.net.shape
        wanted = (channels, height // self.factor, width // self.factor)
        if not isinstance(small, Tensor) or tuple(small.shape[1:]) != wanted:
            raise ValueError(f"{self.name} enlarges pictures: give a tensor of shape (n, {', '.join(map(str, wanted))}).")
        require_pictures(small=small)

        if captions is not None and (not self.recipe.reads or len(captions) != len(small)):
            why = f"takes one caption for each of {len(small)} pictures" if self.recipe.reads else "reads no captions"
            raise ValueError(f"{self.name} {why}, and {len(captions)} were given.")
        rows = [small, self.tokenizer.encode(captions or [""] * len(small))] if self.recipe.reads else [small]

        def predict(small: Tensor, *tokens: Tensor) -> tuple[Callable[..., Tensor], Tensor | None]:
            return self.eps(with_channels(self.net, enlarge(small, self.factor))), tokens[0] if tokens else None

        return self._draw(rows, predict, seed, steps, method, noise)
