"""A model that draws from captions, as GLIDE does, on which others are built."""

from collections.abc import Callable, Sequence

from jaxtyping import Float, Int
from torch import Tensor

from ..networks.caption import Caption
from ..sampling.guidance import guided
from .model import DrawingModel, Predict, strength


class TextModel(DrawingModel):
    """A model that draws from captions.

    Slides L22, L24; Nichol et al. 2022, section 3.
    """

    def draw(
        self,
        captions: Sequence[str],
        *,
        seed: int | None = None,
        steps: int = 50,
        scale: float | None = None,
        method: str = "ddim",
        noise: Float[Tensor, "n c h w"] | None = None,
    ) -> Float[Tensor, "n c_out H W"]:
        """One picture for each caption, in [-1, 1], on the CPU: see `ClassModel.draw`. A warning names the words
        that it does not know."""
        tokens = self.tokens(captions)
        return self._draw([tokens], self._led(tokens, scale), seed, steps, method, noise)

    def tokens(self, captions: Sequence[str]) -> Int[Tensor, "n length"]:
        """The captions as the network reads them. ValueError for anything else."""
        if isinstance(captions, Tensor):
            raise ValueError(f"{self.name} draws from captions: give a list of strings.")
        return self.tokenizer.encode(captions)

    @property
    def _reader(self) -> Caption:
        """The part of its network that reads captions."""
        assert self.net.caption is not None, "a network of this kind is built with one"
        return self.net.caption

    def _led(self, conditions: Tensor, scale: float | None) -> Predict:
        """The network under guidance of this scale towards these conditions."""
        null = self._reader.empty
        scale = strength(scale, conditions, null)
        return lambda cond, *given: (guided(self._network(*given), scale, null), cond)

    def _network(self, *given: Tensor) -> Callable[..., Tensor]:
        """What is guided."""
        return self.eps()
