"""Published CLIPs in the layout of the Hugging Face hub: weights, byte-pair tokenizer and image preparation."""

import json
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from jaxtyping import Float, Int
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor

# Where the hub keeps the safetensors if the main branch has only a pickle.
REVISIONS = {"openai/clip-vit-base-patch32": "refs/pr/15"}
FILES = ("config.json", "model.safetensors", "tokenizer.json")
PREPARATIONS = ("preprocessor_config.json", "processor_config.json")  # one of them: the first is the older layout


def read(
    name: str | Path, revision: str | None = None, local_files_only: bool = False
) -> tuple[dict[str, Any], dict[str, Tensor], "BytePairTokenizer", Callable[..., Tensor]]:
    """The arguments of `CLIP`, its weights, its tokenizer and its image preparation, from a folder or from the hub."""
    local = Path(name).is_dir()
    if local and revision is not None:
        raise ValueError(f"{name} is a folder, and only the hub has revisions: leave revision = {revision!r} out.")
    folder = Path(name) if local else fetch(str(name), revision, local_files_only)
    missing = [file for file in FILES if not (folder / file).is_file()]
    preparation = next((folder / file for file in PREPARATIONS if (folder / file).is_file()), None)
    if missing or preparation is None:
        raise FileNotFoundError(f"{name} has no {', '.join(missing) or PREPARATIONS[0]}, which a published CLIP needs.")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        seen = json.loads(preparation.read_text(encoding="utf-8"))
        net = arguments(config)
        tensors = from_transformers(safetensors.torch.load_file(folder / "model.safetensors"))
        seen = seen.get("image_processor", seen)
        prepared = partial(prepare, size=net["size"], mean=seen["image_mean"], std=seen["image_std"])
    except (SafetensorError, json.JSONDecodeError, KeyError) as error:
        raise ValueError(f"{name} is damaged or is not a CLIP ({type(error).__name__}: {error}).") from error
    return net, tensors, BytePairTokenizer(folder / "tokenizer.json", net["length"], net["end"]), prepared


def fetch(name: str, revision: str | None = None, local_files_only: bool = False) -> Path:
    """The folder of a model from the hub, downloaded once and cached by huggingface_hub. FileNotFoundError if it cannot be
    downloaded or, with local_files_only, is not in the cache."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ImportError(
            f"There is no folder {name!r}; to download it from the hub, pip install 'ddpm_lite[pretrained]'."
        ) from error
    try:
        revision = revision or REVISIONS.get(name)
        files = [*FILES, *PREPARATIONS]
        return Path(snapshot_download(name, revision=revision, allow_patterns=files, local_files_only=local_files_only))
    except (OSError, ValueError) as error:  # no connection, no such model, no such name
        if local_files_only:
            raise FileNotFoundError(f"There is no folder {name!r}, and no copy from the hub is on this disk.") from error
        why = str(error).splitlines()[0]
        raise FileNotFoundError(f"There is no folder {name!r}, and it cannot be downloaded from the hub ({why}).") from error


def arguments(config: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments of `CLIP` for the config.json of a transformers `CLIPModel`."""
    text, image = config["text_config"], config["vision_config"]
    if text["hidden_act"] != image["hidden_act"]:
        raise ValueError(
            f"Its activations differ ({text['hidden_act']} and {image['hidden_act']}), but CLIP uses one for both sides."
        )
    end = text["eos_token_id"]
    return {
        "vocabulary": text["vocab_size"],
        "length": text["max_position_embeddings"],
        "end": text["vocab_size"] - 1 if end == 2 else end,  # OpenAI's own files say 2, but the last token is meant
        "size": image["image_size"],
        "patch": image["patch_size"],
        "channels": image["num_channels"],
        "dim": config["projection_dim"],
        "activation": text["hidden_act"],
        **{f"text_{ours}": text[theirs] for ours, theirs in SIZES.items()},
        **{f"image_{ours}": image[theirs] for ours, theirs in SIZES.items()},
    }


SIZES = {"width": "hidden_size", "depth": "num_hidden_layers", "heads": "num_attention_heads"}
NAMES = {
    "logit_scale": "logit_scale",
    "text_model.embeddings.token_embedding.weight": "text.token.weight",
    "text_model.embeddings.position_embedding.weight": "text.position",
    "text_model.final_layer_norm": "text.norm",
    "text_projection": "text.projection",
    "vision_model.embeddings.class_embedding": "image.class_token",
    "vision_model.embeddings.patch_embedding": "image.patches",
    "vision_model.embeddings.position_embedding.weight": "image.position",
    "vision_model.pre_layrnorm": "image.norm_in",
    "vision_model.post_layernorm": "image.norm_out",
    "visual_projection": "image.projection",
}
PARTS = {"layer_norm1": "norm_1", "self_attn.q_proj": "qkv", "self_attn.out_proj": "out"}
PARTS |= {"layer_norm2": "norm_2", "mlp.fc1": "mlp_in", "mlp.fc2": "mlp_out"}


def from_transformers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a transformers `CLIPModel`, renamed for `CLIP` (load_state_dict takes them). KeyError for another model."""
    renamed: dict[str, Tensor] = {}
    for key, value in state.items():
        name, end = key.rpartition(".")[::2]
        if key in NAMES:
            renamed[NAMES[key]] = value
        elif name in NAMES:
            renamed[f"{NAMES[name]}.{end}"] = value
        elif ".encoder.layers." in name:
            side, rest = name.split("_model.encoder.layers.")
            i, part = rest.split(".", 1)
            if part in ("self_attn.k_proj", "self_attn.v_proj"):
                continue  # joined to q_proj
            if part == "self_attn.q_proj":
                value = torch.cat([state[key.replace("q_proj", f"{p}_proj")] for p in "qkv"])
            renamed[f"{ {'text': 'text', 'vision': 'image'}[side] }.transformer.blocks.{i}.{PARTS[part]}.{end}"] = value
        elif end != "position_ids":  # a buffer of older files: 0, 1, 2, ...
            raise KeyError(key)
    return renamed


class BytePairTokenizer:
    """The tokenizer that CLIP was trained with, read from its tokenizer.json: frequent pairs of letters are merged into
    tokens, so every word can be spelt and none is unknown. `encode` works as in `tokenizer.Tokenizer`.
    Slide L23; Sennrich et al. 2016, section 3.2."""

    def __init__(self, file: str | Path, length: int, end: int):
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise ImportError("CLIP's own tokenizer needs an extra: pip install 'ddpm_lite[pretrained]'.") from error
        self.length = length
        self._pairs = Tokenizer.from_file(str(file))
        self._pairs.enable_truncation(length)
        self._pairs.enable_padding(length=length, pad_id=end)  # as in OpenAI's files on the hub

    def encode(self, captions: Sequence[str]) -> Int[Tensor, "n {self.length}"]:
        """The tokens of each caption, on the CPU: start, pairs, end, then padding; a caption that is too long is cut,
        and a warning says so. TypeError for one string in place of a list."""
        if isinstance(captions, str):
            raise TypeError(f"encode takes a list of captions: [{captions[:40]!r}] instead of {captions[:40]!r}.")
        rows = self._pairs.encode_batch(list(captions))
        if cut := sum(bool(row.overflowing) for row in rows):
            warnings.warn(
                f"{cut} of {len(rows)} captions are cut to the {self.length} tokens that the model reads.", stacklevel=2
            )
        return torch.tensor([row.ids for row in rows]).reshape(len(rows), self.length)


def prepare(
    pictures: Sequence[Image.Image], size: int, mean: Sequence[float], std: Sequence[float]
) -> Float[Tensor, "n 3 {size} {size}"]:
    """Pillow images prepared as in CLIP's training: the shorter side resized to `size` (bicubic), the middle cut out, the
    values from 0..1 less `mean`, divided by `std` (one number per colour). Transparent parts become white."""
    rows = []
    for picture in pictures:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")
        short = min(picture.size)
        wide, high = (int(size * side / short) for side in picture.size)
        left, top = (wide - size) // 2, (high - size) // 2
        picture = picture.resize((wide, high), Image.Resampling.BICUBIC).crop((left, top, left + size, top + size))
        rows.append(torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255)
    centre, spread = (torch.tensor(x)[:, None, None] for x in (mean, std))
    return (torch.stack(rows) - centre) / spread
