"""Models that draw in the latents of an autoencoder: latent diffusion, and its student of few steps."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from ..training.distillation import in_steps
from .autoencoding import AutoencoderModel
from .text import TextModel


class LatentModel(TextModel):
    """A model that draws from captions in the latents of an autoencoder, which makes pictures of them.

    Rombach et al. 2022, section 3.3.

    autoencoder   set where the model is loaded: the one in whose latents it was trained
    """

    autoencoder: AutoencoderModel
    bounded = False  # latents have variance 1, and no range

    def picture(self, x: Float[Tensor, "n k h w"]) -> Float[Tensor, "n c H W"]:
        """The pictures, in [-1, 1], that the autoencoder makes of latents."""
        return self.autoencoder.decode(x)


class FewStepsModel(LatentModel):
    """A student of a model in latents: it draws in 1, 2, 4 or 8 steps what its teacher draws in many, guidance included.

    Salimans & Ho 2022, section 3; Meng et al. 2023, section 3.
    """

    def draw(
        self,
        captions: Sequence[str],
        *,
        seed: int | None = None,
        steps: int = 4,
        scale: float | None = None,
        method: str = "ddim",
        noise: Float[Tensor, "n k h w"] | None = None,
    ) -> Float[Tensor, "n c H W"]:
        """One picture for each caption, in [-1, 1], on the CPU: see `ClassModel.draw`. ValueError for other numbers of steps, for
        another method than DDIM, whose steps it has learnt, and for a scale: its teacher's is in its weights."""
        if scale is not None:
            raise ValueError(f"{self.name} has learnt its teacher's guidance, so scale has no effect: leave it out.")
        if method != "ddim":
            raise ValueError(f"{self.name} has learnt the steps of ddim, and {method} takes others: leave the method out.")
        cond = in_steps(self.tokens(captions), steps)
        return self._draw([cond], lambda cond: (self.eps(), cond), seed, steps, method, noise)
