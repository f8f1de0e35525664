"""The picture at the top of each notebook, which a reader sees before the first sentence: `python tests/helpers/openings.py`
draws them and writes them into the notebooks, as attachments of their first cells."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from ddpm_lite import GaussianMixture, Schedule, load, load_chain, plots, q_sample, sample, slerp, x0_from_eps
from ddpm_lite.data import changes, digits, grammar, photos, points
from ddpm_lite.data.tiles import tiles

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
WIDTH = 640  # pixels
LINEAR = Schedule.linear(1000)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noised(x: Tensor, steps: tuple[int, ...], seed: int = 0) -> Tensor:
    """One picture at several t."""
    x0 = x[None].expand(len(steps), *x.shape)
    return q_sample(x0, torch.tensor(steps), torch.randn(x0.shape, generator=seeded(seed)), LINEAR)


def walk() -> Tensor:
    """A 3 and a 5 on their way from noise."""
    model, shown = load("digits"), (1000, 700, 500, 400, 350, 300, 250, 200, 100, 0)
    x_T = torch.randn(2, 1, 16, 16, generator=seeded(3))
    frames = sample(model.eps(), x_T, model.schedule, cond=torch.tensor([3, 5]), steps=100, generator=seeded(2))
    kept = {frame.t: frame.x_t for frame in frames}
    return torch.cat([torch.stack([kept[t][i] for t in shown]) for i in range(2)])


def flower() -> Tensor:
    return noised(photos.flower(64), (0, 50, 100, 150, 200, 300, 400, 600))


def jumps() -> Tensor:
    return noised(digits.load()[1].images[5], (0, 50, 100, 150, 200, 300, 400, 500, 700, 1000), 1)


def guesses() -> Tensor:
    """Noisy digits, and what the network takes them for."""
    model, held_out = load("digits"), digits.load()[1]
    of_each = [int((held_out.labels == d).nonzero()[2]) for d in range(10)]
    x0, labels, t = held_out.images[of_each], held_out.labels[of_each], 300
    x_t = q_sample(x0, t, torch.randn(x0.shape, generator=seeded(4)), model.schedule)
    with torch.no_grad():
        eps_hat = model.eps()(x_t, torch.full((10,), t), labels)
    return torch.cat([x_t, x0_from_eps(x_t, eps_hat, t, model.schedule)])


def drawn() -> Tensor:
    model = load("digits")
    x_T = torch.randn(10, 1, 16, 16, generator=seeded(6))
    return torch.cat([x_T, model.draw(torch.arange(10), noise=x_T, steps=50)])


def captions() -> Image.Image:
    """Five of the pictures on the README, as they end."""
    with Image.open(NOTEBOOKS.parent / "ddpm_lite" / "assets" / "words.png") as film:
        film.seek(film.n_frames - 1)
        last = film.convert("RGB")
    side = last.width // 5
    row = last.crop((0, 0, 5 * side, side))
    return row.resize((5 * 64, 64), Image.Resampling.BOX).resize((WIDTH, WIDTH // 5), Image.Resampling.NEAREST)


def drawn_by(fig: Figure) -> Image.Image:
    plt.close(fig)
    return Image.open(io.BytesIO(plots.png(fig)))


def bells() -> Image.Image:
    """A posterior between its prior and its likelihood."""
    x = torch.linspace(-3, 3, 300)
    wide = 0.5 * (-((x + 1.2) ** 2) / 0.5).exp() + 0.6 * (-((x - 0.9) ** 2) / 0.5).exp()
    step = (-((x - 0.4) ** 2) / 0.3).exp()
    fig, ax = plt.subplots(figsize=(8, 1.8))
    ax.plot(x, wide, ":", color=plots.GREEN)
    ax.plot(x, step, "--", color=plots.ORANGE)
    ax.plot(x, wide * step / (wide * step).max() * 1.3, color=plots.BLUE)
    ax.axis("off")
    return drawn_by(fig)


def between() -> Tensor:
    """From a fox to a panda, through embeddings and noises."""
    chain = load_chain("unclip-emoji")
    ends = changes.draw([grammar.scene("fox"), grammar.scene("panda")], [2, 2], 16)
    embeddings, noises = chain.encode(ends), torch.cat([chain.invert(x[None], 20).flatten(1) for x in ends])
    shares = [i / 9 for i in range(10)]
    e, n = (torch.cat([slerp(each[:1], each[1:], s) for s in shares]) for each in (embeddings, noises))
    return chain.enlarge(chain.decode(e, noise=n.reshape(10, 3, 16, 16), steps=20, scale=1.0, method="ddim"))


def cloud() -> Image.Image:
    """A round cloud of points flows into the letters of a word."""
    ink = points.letters("ODE", 600, seeded(3)).double()
    word = GaussianMixture(torch.ones(600), ink, torch.full((600,), 0.03**2))
    x_T = torch.randn(1500, 2, generator=seeded(4), dtype=torch.float64)
    frames = {f.t: f.x_t for f in sample(word.eps_model(LINEAR), x_T, LINEAR, steps=50, method="ddim")}
    fig, axes = plt.subplots(1, 5, figsize=(8, 1.6))
    for ax, t in zip(axes, (1000, 300, 140, 60, 0), strict=True):
        ax.scatter(*frames[t].T, s=1.5, c=frames[0][:, 0], cmap="viridis")
        ax.set(aspect="equal", xlim=(-2.3, 2.3), ylim=(-2.3, 2.3))
        ax.axis("off")
    return drawn_by(fig)


def emoji() -> Tensor:
    """Ten pictures of 64 x 64 pixels, drawn from words in latents."""
    captions = ("a blue heart", "a cactus with a crown", "an owl with sunglasses", "a red apple", "a panda with a party hat")
    captions += ("a ghost with a crown", "a red castle", "a star with a halo", "three robots", "a green elephant")
    return load("latent-emoji").draw(captions, seed=3, steps=30, method="dpm-solver++", scale=4.0)


OPENINGS: dict[str, tuple[Callable[[], Tensor | Image.Image], str]] = {
    "00": (walk, "Two rows of ten pictures: noise at the left becomes a handwritten 3 and a 5 at the right."),
    "01": (flower, "A photograph of a flower disappears in noise, in eight pictures."),
    "02": (jumps, "One handwritten digit at ten amounts of noise, from none to nothing else."),
    "03": (bells, "Three curves: where a walk may have been, what its last step allows, and what both together say."),
    "04": (guesses, "Ten noisy pictures, and below each the digit that a network sees in it."),
    "05": (drawn, "Ten pictures of noise, and below them the digits 0 to 9 that a network has made of them."),
    "06": (
        captions,
        "Drawn from captions: a green elephant, a teapot with a party hat, an orange whale, a cactus with a crown, a red castle.",
    ),
    "07": (between, "A fox becomes a panda, in ten pictures."),
    "08": (cloud, "A round cloud of coloured points flows into the letters ODE, in five pictures."),
    "09": (emoji, "Ten emoji of 64 by 64 pixels, drawn from words, among them a blue heart and a cactus with a crown."),
}


def png(x: Tensor | Image.Image) -> bytes:
    """A PNG of WIDTH pixels with few colours; pictures (n, c, h, w) side by side."""
    if isinstance(x, Tensor):
        columns = next(n for n in (10, 8) if len(x) % n == 0)
        x = Image.fromarray(tiles(x.float().clamp(-1, 1), columns, WIDTH // columns // x.shape[-1], gap=0))
    file = io.BytesIO()
    x.convert("RGB").quantize(32, dither=Image.Dither.NONE).save(file, format="png", optimize=True)
    return file.getvalue()


def put(path: Path, data: bytes, alt: str) -> None:
    """Into the first cell, below the title, in place of the one that is there."""
    notebook = json.loads(path.read_text())
    first = notebook["cells"][0]
    title, *rest = [part for part in "".join(first["source"]).split("\n\n") if "attachment:" not in part]
    first["source"] = "\n\n".join([title, f"![{alt}](attachment:opening.png)", *rest]).splitlines(keepends=True)
    first["attachments"] = {"opening.png": {"image/png": base64.b64encode(data).decode()}}
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


def main() -> None:
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if (number := path.name[:2]) in OPENINGS:
            draw, alt = OPENINGS[number]
            data = png(draw())
            put(path, data, alt)
            print(path.name, f"{len(data):,} bytes")


if __name__ == "__main__":
    main()
