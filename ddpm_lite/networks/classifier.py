"""A classifier of small pictures, whose features are the space in which distributions are compared."""

from jaxtyping import Float
from torch import Tensor, nn

from ..maths.schedule import require_floating


class Classifier(nn.Module):
    """A small convolutional classifier of pictures (B, channels, size, size); `features` gives what it decides by.

    size must be divisible by 4. Frechet distances are measured in the space of its features (B, num_features).
    """

    def __init__(self, size: int, channels: int, num_classes: int, width: int = 32, num_features: int = 16, dropout: float = 0.5):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, 2 * width, 3, padding=1, stride=2),
            nn.SiLU(),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1, stride=2),
            nn.SiLU(),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(2 * width * (size // 4) ** 2, num_features),
        )
        self.head = nn.Linear(num_features, num_classes)

    def features(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b f"]:
        """The features that the decision is based on: (B, num_features), unbounded."""
        require_floating(x=x)
        return self.body(x)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b classes"]:
        return self.head(nn.functional.silu(self.features(x)))
