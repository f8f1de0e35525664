"""One class for each kind of thing that a model does, and the table of them."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from ..maths.checks import require_finite
from ..networks.classifier import Classifier
from ..networks.clip import CLIP
from ..networks.prior import Prior, conditions
from ..sampling.editing import inpaint
from ..sampling.guidance import guided
from .autoencoding import AutoencoderModel
from .latent import FewStepsModel, LatentModel
from .model import DrawingModel, Trained, strength
from .text import TextModel
from .upsampling import UpsamplingModel


class ClassifierModel(Trained):
    """A model that says which class a picture shows."""

    net: Classifier

    @torch.no_grad()
    def predict(self, pictures: Float[Tensor, "n c h w"]) -> Int[Tensor, " n"]:
        """The class of each picture."""
        return self.net(pictures.to(self.device)).argmax(1).cpu()


class ClipModel(Trained):
    """A CLIP: it turns pictures and captions into unit vectors, which are the closer the better the two fit.

    Slide L23; Radford et al. 2021, fig. 3.
    """

    net: CLIP

    @torch.no_grad()
    def encode(self, pictures: Float[Tensor, "n c h w"], t: Int[Tensor, " n"] | None = None) -> Float[Tensor, "n d"]:
        """The embedding of each picture; a CLIP for noisy pictures also takes the t of each."""
        return self.net.encode_image(pictures.to(self.device), None if t is None else t.to(self.device))

    @torch.no_grad()
    def encode_text(self, captions: Sequence[str]) -> Float[Tensor, "n d"]:
        """The embedding of each caption."""
        return self.net.encode_text(self.tokenizer.encode(captions).to(self.device))


class ClassModel(DrawingModel):
    """A model that draws by label.

    Slide L21; Ho et al. 2020, Algorithm 2.
    """

    @property
    def classes(self) -> int:
        """How many classes it knows; as a label, this number means "no condition"."""
        assert self.net.null_label is not None, "a network of this kind is built with classes"
        return self.net.null_label

    def draw(
        self,
        labels: Shaped[Tensor, " n"],
        *,
        seed: int | None = None,
        steps: int = 50,
        scale: float | None = None,
        method: str = "ddim",
        noise: Float[Tensor, "n c h w"] | None = None,
    ) -> Float[Tensor, "n c h w"]:
        """One picture for each label, in [-1, 1], on the CPU.

        labels      0 to the number of classes, which means "no condition"
        seed        for all noise (default 0)
        scale       of the guidance (default 2) towards what is asked
        noise       the starting noise, in place of noise from the seed; then only DDPM uses a seed
        ValueError for labels that do not fit, for arguments that have no effect, and for numbers that are not finite.
        """
        classes = self.classes
        if not isinstance(labels, Tensor):
            raise ValueError(f"{self.name} draws by label: give a tensor of integers, not strings.")
        if wrong := [label for label in labels.tolist() if label not in range(classes + 1)]:
            raise ValueError(f"Labels go from 0 to {classes - 1}, and {classes} means 'no condition'; {wrong[0]} does not fit.")
        scale = strength(scale, labels, classes)
        return self._draw([labels], lambda cond: (guided(self.eps(), scale, classes), cond), seed, steps, method, noise)


class DecoderModel(TextModel):
    """DALL·E 2's decoder: it draws from CLIP embeddings, captions or both; without an embedding it is GLIDE.

    Slide L27; Ramesh et al. 2022, section 2.1.
    """

    def draw(
        self,
        captions: Sequence[str],
        *,
        embedding: Float[Tensor, "n d"] | None = None,
        seed: int | None = None,
        steps: int = 50,
        scale: float | None = None,
        method: str = "ddim",
        noise: Float[Tensor, "n c h w"] | None = None,
    ) -> Float[Tensor, "n c h w"]:
        """One picture for each caption and CLIP embedding, each of length sqrt(d); with none, or zeros, it is GLIDE. For the rest
        see `ClassModel.draw`."""
        rows = self.conditions(captions, embedding)
        return self._draw([rows], self._led(rows, scale), seed, steps, method, noise)

    def conditions(self, captions: Sequence[str], embedding: Float[Tensor, "n d"] | None = None) -> Float[Tensor, "n c"]:
        """Captions and embeddings, one row a picture, as the network takes them. ValueError for what does not fit."""
        tokens, dim = self.tokens(captions), self._reader.image
        if embedding is None:
            embedding = torch.zeros(len(tokens), dim)
        if tuple(embedding.shape) != (len(tokens), dim):
            raise ValueError(f"{self.name} takes embeddings {(len(tokens), dim)}, not {tuple(embedding.shape)}.")
        require_finite(embedding=embedding)
        return conditions(tokens, embedding.cpu())


class InpaintingModel(TextModel):
    """GLIDE's inpainting: it fills in from a caption what is erased of a picture.

    Slide L24; Nichol et al. 2022, section 3.3.
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
    ) -> Float[Tensor, "n c h w"]:
        """One picture for each caption, with nothing of it known: see `ClassModel.draw`."""
        tokens = self.tokens(captions)
        nothing = torch.zeros(len(tokens), *self.net.shape)
        return self._draw([tokens, nothing, nothing[:, :1]], self._led(tokens, scale), seed, steps, method, noise)

    def edit(
        self,
        pictures: Float[Tensor, "n c h w"],
        mask: Shaped[Tensor, "n 1 h w"],
        captions: Sequence[str],
        *,
        seed: int | None = None,
        steps: int = 50,
        scale: float | None = None,
        method: str = "ddim",
        noise: Float[Tensor, "n c h w"] | None = None,
    ) -> Float[Tensor, "n c h w"]:
        """The pictures, in [-1, 1], unchanged where the mask is 1, and drawn anew from the captions where it is 0; `draw` is the
        same with nothing known. ValueError for arguments that do not fit."""
        tokens = self.tokens(captions)
        wanted = (len(tokens), *self.net.shape)
        if tuple(pictures.shape) != wanted or len(mask) != len(tokens):
            got = f"{tuple(pictures.shape)} with {len(mask)} masks"
            raise ValueError(f"{self.name} needs a picture and a mask for each caption, here {wanted}, not {got}.")
        return self._draw([tokens, pictures, mask], self._led(tokens, scale), seed, steps, method, noise)

    def _network(self, *given: Tensor) -> Callable[..., Tensor]:
        """What is guided: the network beside the pictures and masks that are given."""
        pictures, mask = given
        return inpaint(self.net, pictures, mask, self.schedule, self.target)


class PriorModel(Trained):
    """A prior: `unclip.imagine` draws CLIP embeddings from it, with a CLIP."""

    net: Prior


MODELS: dict[str, type[Trained]] = {
    "classifier": ClassifierModel,
    "class-conditional": ClassModel,
    "text-conditional": TextModel,
    "inpainting": InpaintingModel,
    "decoder": DecoderModel,
    "upsampling": UpsamplingModel,
    "prior": PriorModel,
    "clip": ClipModel,
    "autoencoder": AutoencoderModel,
    "latent": LatentModel,
    "latent-transformer": LatentModel,
    "few-steps": FewStepsModel,
}
