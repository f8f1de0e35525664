"""Pictures side by side, as one array that can be shown or written."""

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ..maths.checks import require_finite
from ..maths.schedule import require_floating


def tiles(images: Float[Tensor, "n c h w"], columns: int, zoom: int = 1, gap: int = 1) -> np.ndarray:
    """Pictures in [-1, 1] side by side on white, as one uint8 array (H, W, 3); grey ones as dark ink on white paper."""
    require_floating(images=images)
    require_finite(images=images)
    n, c, h, w = images.shape
    ink = -images if c == 1 else images
    pixels = ((ink.clamp(-1, 1) + 1) * 127.5).round().byte().expand(n, 3, h, w).permute(0, 2, 3, 1).cpu().numpy()
    rows = -(-n // columns)
    sheet = np.full((rows * (h + gap) + gap, columns * (w + gap) + gap, 3), 255, dtype=np.uint8)
    for i, picture in enumerate(pixels):
        top, left = gap + i // columns * (h + gap), gap + i % columns * (w + gap)
        sheet[top : top + h, left : left + w] = picture
    return sheet.repeat(zoom, axis=0).repeat(zoom, axis=1)
