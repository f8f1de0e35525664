"""What holds for every notebook, as committed. (nbval runs them, in the same pytest call.)"""

import ast
import importlib
import json
import re
from base64 import b64decode
from io import BytesIO
from itertools import pairwise, takewhile
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

import ddpm_lite
from ddpm_lite.views.narrow import WIDTH
from ddpm_lite.views.plots import NARROW

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
every = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code(path):
    return [c for c in read(path).cells if c.cell_type == "code"]


def outputs(path):
    return [o for c in code(path) for o in c.outputs]


@every
def test_it_was_executed_in_order_from_a_fresh_kernel(path):
    assert [c.execution_count for c in code(path)] == list(range(1, len(code(path)) + 1))


@every
def test_its_outputs_hold_no_error_no_warning_and_nothing_of_the_machine(path):
    for output in outputs(path):
        assert output.output_type != "error"
        assert not (output.output_type == "stream" and output.name == "stderr"), output.text
        data = output.get("data", {"text": output.get("text", "")})
        text = json.dumps({k: v for k, v in data.items() if not k.startswith("image/") and k != NARROW})
        assert not re.search(r"/(home|root|work|tmp|Users|usr|opt)/|[A-Z]:\\\\", text), text
        assert not re.search(r"Warning|0x[0-9a-f]{6,}|localhost|\b\d+(\.\d+)? ?(s|ms|seconds)\b", text), text
    for cell in read(path).cells:
        assert "execution" not in cell.metadata, "a time of execution is stored"


@every
def test_its_size_is_within_the_limits(path):
    assert path.stat().st_size <= 2_000_000
    for output in outputs(path):
        for kind, data in output.get("data", {}).items():
            if kind.startswith("image/") or kind == NARROW:
                assert len(data) * 3 / 4 <= 150_000


@every
def test_nothing_of_a_figure_is_cut_off(path):
    """No ink on its rim."""
    for output in outputs(path):
        for kind in {"image/png", NARROW} & set(output.get("data", {})):
            shade = np.asarray(Image.open(BytesIO(b64decode(output.data[kind]))).convert("L"))
            rim = np.concatenate([shade[0], shade[-1], shade[:, 0], shade[:, -1]])
            assert rim.min() >= 200, output.metadata["image/png"]["alt"]


@every
def test_every_figure_has_a_form_that_is_legible_on_a_phone(path):
    """One laid out by `narrow.restack`, whose letters tests/test_plots.py measures, at twice the pixels; its caption is true of
    both forms, so it says of no panel that it is at the left or the right."""
    for output in outputs(path):
        if "image/png" in output.get("data", {}):
            alt = output.metadata["image/png"]["alt"]
            assert Image.open(BytesIO(b64decode(output.data[NARROW]))).width == 160 * WIDTH, alt
            assert not re.search(r"(^|[.;] )(Left|Right)\b|From the left", alt), alt


@every
def test_every_picture_has_a_text_alternative_and_a_caption_below(path):
    for cell in code(path):
        for picture, below in pairwise([*cell.outputs, None]):
            if any(kind.startswith("image/") for kind in picture.get("data", {})):
                alt = picture.metadata["image/png"]["alt"]
                assert "nbval-check-output" not in cell.metadata.get("tags", []), "pictures differ between machines"
                assert len(alt) >= 40 and below is not None and below["data"]["text/markdown"] == f"*{alt}*"


@every
def test_a_picture_is_seen_before_its_first_sentence(path):
    title, picture, *_ = read(path).cells[0].source.split("\n\n")
    alt = re.fullmatch(r"!\[(.{30,})\]\(attachment:opening\.png\)", picture)
    assert title.startswith("# ") and alt, "run tests/helpers/openings.py"
    with Image.open(BytesIO(b64decode(read(path).cells[0].attachments["opening.png"]["image/png"]))) as image:
        assert image.width >= 500 and image.height <= 150 and len(set(image.convert("L").getdata())) > 3


@every
def test_only_public_names_are_imported(path):
    for cell in code(path):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("ddpm_lite"):
                room = importlib.import_module(node.module)
                assert node.module == "ddpm_lite" or node.module.removeprefix("ddpm_lite.") in ddpm_lite.__all__
                assert {alias.name for alias in node.names} <= set(room.__all__)
            if isinstance(node, ast.Attribute):
                assert not re.match(r"_[a-z]", node.attr), f"{node.attr} is private"


# What a notebook shows -> whose it is, and its licence, as its last cell says.
SOURCES = {
    r"\bdigits\b": "Digits: MNIST by Y. LeCun, C. Cortes and C. J. C. Burges, CC BY-SA 3.0.",
    r"\bemoji\b": "Emoji: Google's Noto Emoji, Apache 2.0; Twemoji by Twitter and others, CC BY 4.0; Microsoft's Fluent "
    "Emoji, MIT; Emoji One, CC BY 4.0.",
    r"\bphotos\b": "Photograph of the flower: vultilion, CC BY 2.0.",
}


@every
def test_it_names_the_makers_of_the_pictures_that_it_uses_and_no_others(path):
    used = "\n".join(cell.source for cell in code(path))
    last = read(path).cells[-1].source
    for word, source in SOURCES.items():
        assert (source in last) == bool(re.search(word, used)), source
    assert last.count("CC BY") + last.count("Apache") == 1 + sum(
        source.count("CC BY") + source.count("Apache") for source in SOURCES.values() if source in last
    ), "a source that is not used here"


BOX = re.compile(r"<details>\n<summary>If you follow the lecture: (.+)</summary>\n\n(.+?)\n\n</details>", re.DOTALL)
OF_THE_LECTURE = re.compile(r"\b(slides?|lectures?|errat(um|a))\b", re.IGNORECASE)


@every
def test_it_reads_whole_without_the_slides_which_are_told_in_folded_boxes(path):
    for cell in read(path).cells:
        told = BOX.sub("", cell.source)
        assert "<details" not in told and "</details" not in told, cell.source
        if not told.startswith(("**The lecture:**", "**Read on:**")):  # the lines that it teaches, and the credit
            assert not OF_THE_LECTURE.search(told), told
        for summary, text in BOX.findall(cell.source):
            assert re.search(r"\bslides? L\d+", summary) and not re.search(r"[$*`<]", summary), "plain words, of a slide"
            assert cell.cell_type == "markdown" and len(text) >= 40


def test_every_slip_of_the_slides_is_told_in_a_box():
    found = [BOX.findall(cell.source) for path in NOTEBOOKS for cell in read(path).cells if cell.cell_type == "markdown"]
    told = {line for boxes in found for summary, _ in boxes for line in re.findall(r"L\d+", summary)}
    assert told >= {f"L{n}" for n in (9, 10, 11, 12, 16, 17, 19, 20, 21, 22, 26)}


@every
def test_it_checks_what_it_claims(path):
    cells = code(path)
    assert sum("nbval-check-output" in c.metadata.get("tags", []) for c in cells) >= 5
    for cell in cells:
        if any(re.fullmatch(r"L\d+", tag) for tag in cell.metadata.get("tags", [])):
            assert "assert " in cell.source
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert len(lines) <= 15, f"a cell of {len(lines)} lines: {lines[0]}"


@every
def test_it_says_what_it_teaches_and_how_long_it_takes(path):
    cells = read(path).cells
    first = "\n".join(c.source for c in takewhile(lambda c: c.cell_type == "markdown" and not c.source.startswith("## "), cells))
    last = cells[-2].source + cells[-1].source
    assert first.startswith(f"# {path.stem[:2]} · ") and "able to" in first and "minute" in first and re.search(r"\bL\d+", first)
    assert "## To remember" in last and "Read on" in last
    for cell in cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## ") and "To remember" not in cell.source:
            assert re.search(r"\*\d+ min to teach, \d+ s to run\*", cell.source.splitlines()[0]), cell.source.splitlines()[0]
    assert not re.search(r"\b(simply|clearly|obviously)\b", " ".join(c.source for c in cells if c.cell_type == "markdown"), re.I)


HEADED = {number for path in NOTEBOOKS for number in re.findall(r"## (\d\.\d) ", "\n".join(c.source for c in read(path).cells))}
# What no native editor would leave: "what the picture shall mean", "drawn in vain", "whoever knows", "Asked for is the mean".
QUAINT = re.compile(
    r"\b(shall|whom|whoever|nobody outside|in vain|times of (two|three|ten)|not any longer|asked for (is|are)|names? the noise"
    r"|changed places|lost its root|can be moved|the matter of)\b",
    re.IGNORECASE,
)


@every
def test_a_section_that_is_referred_to_is_there(path):
    for cell in read(path).cells:
        assert set(re.findall(r"\bsections? (\d\.\d)\b", cell.source)) <= HEADED, cell.source


@every
def test_it_speaks_plain_modern_english(path):
    for cell in read(path).cells:
        assert not (found := QUAINT.search(cell.source)), found


def printed_lines(text: str) -> int:
    """About how many lines of 85 letters a piece of Markdown takes, without headings and formulas of their own."""
    text = re.sub(r"\]\([^)]*\)", "", re.sub(r"\$\$.*?\$\$", "", text, flags=re.DOTALL))
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return sum(-(-len(re.sub(r"[\[*_`${}]", "", re.sub(r"\\[a-zA-Z]+", "x", line))) // 85) for line in lines)


@every
def test_each_cell_fits_on_its_slide(path):
    """One figure, five lines of text, or one code cell; notes and plumbing are on no slide."""
    for cell in read(path).cells:
        kind = cell.metadata["slideshow"]["slide_type"]
        assert kind in ("slide", "subslide", "notes", "skip")
        if kind in ("notes", "skip"):
            continue
        if cell.cell_type == "markdown":
            assert printed_lines(BOX.sub("A folded box.", cell.source)) <= 5, cell.source  # it opens and scrolls
        elif "hide-input" not in cell.metadata.get("tags", []):
            assert max(map(len, cell.source.splitlines())) <= 96, cell.source
            assert not any("image/png" in o.get("data", {}) for o in cell.outputs), "a figure and its code: split them"
            assert all(len(line) <= 96 for o in cell.outputs for line in o.get("text", "").splitlines())
