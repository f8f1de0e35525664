"""How a notebook becomes slides; no other format is touched. Jupyter does not read this file by itself, so in this folder:

jupyter nbconvert --config jupyter_nbconvert_config.py --to slides 05_sampling.ipynb
"""

from importlib.util import find_spec
from pathlib import Path

from nbformat.v4 import new_markdown_cell

# The look of the slides is the one of the decks that `python -m ddpm_lite site` writes.
STYLE = f"<style>{(Path(find_spec('ddpm_lite').origin).parent / 'site' / 'slides.css').read_text()}</style>"


def add_style(nb, resources):
    """The template has no place for style, so it comes as a cell at the end, which shows nothing."""
    nb.cells.append(new_markdown_cell(STYLE))
    return nb, resources


c = get_config()
slides = c.SlidesExporter
slides.preprocessors = [add_style]
slides.TagRemovePreprocessor.enabled = True  # nbconvert ignores source_hidden: the tag keeps drawing code off the slides
slides.TagRemovePreprocessor.remove_input_tags = {"hide-input"}
# A view's filmstrip, and not the view: that would need a widget manager from the network.
slides.NbConvertBase.display_data_priority = [
    "text/html",
    "text/markdown",
    "image/svg+xml",
    "image/png",
    "text/latex",
    "text/plain",
]
slides.exclude_input_prompt = True
slides.exclude_output_prompt = True
slides.reveal_theme = "white"  # loads no fonts from Google, as the default one does
slides.reveal_transition = "none"
slides.reveal_number = "c/t"
slides.reveal_width = "1280"
slides.reveal_height = "720"
