"""A classifier of small pictures, whose features are the space in which distributions are compared."""

from jaxtyping import Float
from torch import Tensor, nn

from ..maths.schedule import require_floating


class Classifier(nn.Module):
    """A small convolutional classifier of pictures (B, channels, size, size); `features` gives what it decides by.

    size must be divisible by 4. Frechet distances are measured in the space of its features (B, num_features).

    depth      convolutions at full and at half size; at a quarter there is one
    groups     of a GroupNorm after each convolution (default none), which must divide width
    """

    def __init__(
        self,
        size: int,
        channels: int,
        num_classes: int,
        width: int = 32,
        num_features: int = 16,
        dropout: float = 0.5,
        depth: int = 1,
        groups: int | None = None,
    ):
        super().__init__()
        layers: list[nn.Module] = []
        for level, (out, convolutions) in enumerate(((width, depth), (2 * width, depth), (2 * width, 1))):
            for i in range(convolutions):
                layers.append(nn.Conv2d(channels, out, 3, padding=1, stride=2 if level and not i else 1))
                if groups is not None:
                    layers.append(nn.GroupNorm(groups, out))
                layers.append(nn.SiLU())
                channels = out
        features = nn.Linear(channels * (size // 4) ** 2, num_features)
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(dropout), features)
        self.head = nn.Linear(num_features, num_classes)

    def features(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b f"]:
        """The features that the decision is based on: (B, num_features), unbounded."""
        require_floating(x=x)
        return self.body(x)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b classes"]:
        return self.head(nn.functional.silu(self.features(x)))
