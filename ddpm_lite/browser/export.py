"""A model as a script that a page loads, also from a disk: its recipe, and its weights in 8 or 16 bits a number.

The browser half is net.js, which reads what is written here.
"""

import base64
import copy
import json
import zlib
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ..models.kinds import AutoencoderModel
from ..models.model import Trained
from .scripts import SHELF

DrawnFrom = TypeVar("DrawnFrom", bound=Trained)
BITS = (8, 16)


class Exported(NamedTuple):
    """A model for the browser: what JavaScript must know of it, and its weights."""

    entry: dict[str, Any]
    data: bytes

    def script(self) -> str:
        """The classic script that puts the model on the page's shelf: a page from a disk may load scripts, and nothing else. Its
        data are compressed, and written in base 85: 5 letters for 4 bytes."""
        data = base64.b85encode(zlib.compress(self.data, 9)).decode()
        entry = json.dumps(self.entry | {"data": data}, ensure_ascii=False, separators=(",", ":"))
        return f"(globalThis.{SHELF} ??= {{}})[{json.dumps(self.entry['recipe']['name'])}] = {entry};\n"


def exported(model: Trained, bits: int = 8) -> Exported:
    """A model as the browser's engine takes it.

    bits   8: each row of a matrix, or channel of a convolution, is whole numbers from -127 to 127 times one float32, and all else
           has 16 bits. 16: all numbers are bfloat16, as which the shipped weights are stored, so nothing is lost
    Of an autoencoder, only the decoder is written. ValueError for other bits.
    """
    if bits not in BITS:
        raise ValueError(f"bits = {bits}, but weights have {' or '.join(map(str, BITS))} bits in a page.")
    data, tensors = b"", []
    for name, tensor in model.net.state_dict().items():
        if isinstance(model, AutoencoderModel) and name.startswith("down."):
            continue
        if _cuts_patches(model.net, name):
            tensor = tensor.flatten(1)  # a linear map of each patch
        code = "q8" if bits == 8 and tensor.ndim > 1 else "b16"
        tensors.append([name, list(tensor.shape), _form(model.net, name), code, len(data)])
        data += quantised(tensor) if code == "q8" else bfloat16(tensor)
    return Exported({"recipe": described(model), "tensors": tensors, "size": len(data), "checksum": zlib.crc32(data)}, data)


def rounded(model: DrawnFrom, bits: int = 8) -> DrawnFrom:
    """The model with the weights that a page has of it, in float32: what it draws is what the page draws."""
    net = copy.deepcopy(model.net)
    tensors = {
        name: tensor.bfloat16() if bits == 16 or tensor.ndim < 2 else _restored(tensor)
        for name, tensor in net.state_dict().items()
    }
    net.load_state_dict(tensors)
    net.precision = None  # type: ignore[assignment]  # all networks that draw have it
    return replace(model, net=net)


def described(model: Trained) -> dict[str, Any]:
    """What a page must know of a model beside its weights. Where your own pictures lie is nobody's business."""
    recipe = model.recipe
    kept = ("name", "kind", "about", "target", "network", "schedule", "clip", "autoencoder")
    words = " ".join(recipe.words or ())  # in one string, as a notebook gives each entry of a list a line of its own
    return {name: recipe.as_json()[name] for name in kept} | {"words": words, "length": recipe.length if recipe.reads else 0}


def quantised(x: Tensor) -> bytes:
    """A float32 for each row of x, which multiplies its numbers; then these, whole numbers from -127 to 127, one byte each."""
    scale, whole = _scaled(x)
    return scale.numpy().astype("<f4").tobytes() + whole.to(torch.int8).numpy().tobytes()


def _scaled(x: Tensor) -> tuple[Tensor, Tensor]:
    """The number that multiplies each row of x, and the whole numbers that it multiplies, (rows, numbers)."""
    rows = x.detach().float().cpu().flatten(1)
    scale = rows.abs().amax(1) / 127
    return scale, (rows / scale.clamp(min=torch.finfo(torch.float32).tiny)[:, None]).round().clamp(-127, 127)


def _restored(x: Tensor) -> Tensor:
    """The numbers that a page reads of `quantised`."""
    scale, whole = _scaled(x)
    return (scale[:, None] * whole).reshape(x.shape)


def bfloat16(x: Tensor) -> bytes:
    """The numbers of x as bfloat16: the upper halves of their float32."""
    bits = x.detach().cpu().bfloat16().contiguous().view(torch.int16)
    return np.asarray(bits).astype("<i2").tobytes()


def _cuts_patches(net: nn.Module, name: str) -> bool:
    """Whether a tensor belongs to a convolution that sees each pixel once."""
    layer = net.get_submodule(name.rpartition(".")[0])
    return isinstance(layer, nn.Conv2d) and layer.kernel_size == layer.stride != (1, 1)


def _form(net: nn.Module, name: str) -> str:
    """How the engine keeps a tensor: a matrix by which it multiplies in "panels", all else as it is."""
    owner, _, own = name.rpartition(".")
    layer = net.get_submodule(owner)
    return "panels" if isinstance(layer, nn.Linear | nn.Conv2d) and own == "weight" else "plain"
