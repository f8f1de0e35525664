"""Every line of the lecture is taught in a cell that asserts it, and that assertion can fail.

A cell tagged L9 asserts line L9. Each is run here cut out of its notebook, with the cells whose names it uses; then
once more with a slip put in: for the slides' wrong formulas the slide's own, for the others one that is typical.
"""

import re
from pathlib import Path

import matplotlib
import nbformat
import pytest
from cut import NOTEBOOKS, cut

matplotlib.use("Agg")
LINES = range(1, 28)  # L1 to L21: DDPM; L22 to L25: CLIP and GLIDE; L26 and L27: DALL·E 2

# line: [(old, new), ...] replaced in the tagged cell, each found there exactly once
SLIPS = {
    "L1": [("noise = torch.randn(", "noise = torch.rand(")],
    "L2": [
        ("p ** 0.5 * sigma", "p * sigma"),
        ("precision_recall(real, clip.encode(x))", "precision_recall(clip.encode(x), real)"),
    ],
    "L3": [("math.sqrt(p) * sigma", "p * sigma")],
    "L4": [
        (
            "torch.randn(n, generator=g, dtype=torch.float64)",
            "sigma if t > 1 else torch.randn(n, generator=g, dtype=torch.float64)",
        )
    ],
    "L5": [("shipped(a.sqrt() * corrupted, at_t, cond)", "shipped(corrupted, at_t, cond)")],
    "L6": [("torch.log(1 - a))", "torch.log(a))")],
    "L7": [
        ("weight = x0_density(x_t, t, schedule)", "weight = data.log_prob(x[:, None]).exp()"),
        ("weight = x0_density(here, 3, coarse)", "weight = data.log_prob(x[:, None]).exp()"),
    ],
    "L8": [("schedule.beta[t].sqrt() * eps", "schedule.beta[t] * eps")],
    "L9": [("noise=math.sqrt(beta)", "noise=beta")],
    "L10": [("Schedule.linear(1000), ", "Schedule.from_beta(Schedule.linear(1000).beta[1:].flip(0)), ")],
    "L11": [("return a.sqrt() * x0, 1 - a", "return (1 - a).sqrt() * x0, a")],
    "L12": [("(1 - a).sqrt() * eps", "(1 - a) * eps")],
    "L13": [("torch.cumprod(alpha, dim=0)", "torch.cumprod(alpha.flip(0), dim=0)")],
    "L14": [("normal(walks[:, 8], 0, end_var).log()", "torch.zeros(1_000)")],
    "L15": [("/ Sigma.sqrt()", "/ Sigma")],
    "L16": [
        ("var = (1 - a_before) / (1 - a) * beta ", "var = ((1 - a_before) / (1 - a) * beta) ** 2 "),
        ("(x_t - (1 - alpha) / (1 - a).sqrt() * eps) / alpha.sqrt()", "(x_t - (1 - alpha) / (1 - a) * eps) / alpha.sqrt()"),
        ("abs(left.var() / var - 1)", "abs(left.var() / var**2 - 1)"),
    ],
    "L17": [("return known + unknown", "return known"), ("humps.diffused(1, s), float(s.beta[1])", "humps.diffused(1, s), 0.3")],
    "L18": [
        ("(1 - alpha) / (1 - alpha_bar).sqrt() * eps", "(1 - alpha) / (1 - alpha_bar) * eps"),
        ("((x0 - x0_hat) ** 2).mean(), (1 - a) / a * loss", "((x0 - x0_hat) ** 2).mean(), loss"),
    ],
    "L19": [("a.sqrt() * x0 + (1 - a).sqrt() * eps", "(1 - a).sqrt() * x0 + a * eps")],
    "L20": [
        (
            "return beta**2 / (2 * schedule.posterior_var[t] * alpha * (1 - alpha_bar))",
            "return beta / (2 * alpha * (1 - alpha_bar))",
        ),
        ("a.sqrt() * x0 + (1 - a).sqrt() * eps", "(1 - a).sqrt() * x0 + a * eps"),
    ],
    "L21": [("V[t] + sigma_var[t]", "V[t] + sigma_var[t] ** 2")],
    "L22": [('"a blue circle left of a red square"])', '"a red circle left of a blue square"])')],
    "L23": [(".encode(sentences)", ".encode(sentences[::-1])")],
    "L24": [("torch.full((200,), t), cond)", "torch.full((200,), t), None)")],
    "L25": [('read([""])', 'read(["red"])')],
    "L26": [("chain.imagine(texts, candidates=1)", "chain.encode_text(texts)")],
    "L27": [("chain.decode(chain.encode(pictures), ", "chain.decode(chain.encode(pictures).roll(1, 0), ")],
}


def tagged() -> dict[str, list[tuple[Path, int]]]:
    """Where each line is asserted: the notebook and the number of the cell."""
    found = {}
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        for i, cell in enumerate(nbformat.read(path, as_version=4).cells):
            for tag in cell.metadata.get("tags", []):
                if re.fullmatch(r"L\d+", tag):
                    found.setdefault(tag, []).append((path, i))
    return found


def run(sources: list[str], space: dict | None = None) -> dict:
    space = {"__name__": "__main__"} if space is None else dict(space)
    for source in sources:
        exec(compile(source, "<cell>", "exec"), space)
    return space


def test_every_line_of_the_lecture_is_asserted():
    found = tagged()
    assert set(found) == {f"L{n}" for n in LINES}
    assert set(SLIPS) == set(found)


@pytest.mark.parametrize("line", sorted(SLIPS, key=lambda line: int(line[1:])))
def test_its_assertion_holds_alone_and_fails_with_the_slip(line):
    caught = 0
    for path, i in tagged()[line]:
        *before, cell = cut(path, i).values()
        space = run(before)
        run([cell], space)
        for old, new in SLIPS[line]:
            if cell.count(old) == 1:
                with pytest.raises(AssertionError):
                    run([cell.replace(old, new)], space)
                caught += 1
    assert caught == len(SLIPS[line]), f"{caught} of {len(SLIPS[line])} slips were put in"
