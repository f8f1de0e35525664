"""How a notebook becomes slides; no other format is touched. Jupyter does not read this file by itself, so in this folder:

jupyter nbconvert --config jupyter_nbconvert_config.py --to slides 05_sampling.ipynb
"""

from nbformat.v4 import new_markdown_cell

# A slide is 1280 x 720 and is scaled to the projector. A line holds 96 letters of code or some 80 of text. The fonts named
# for one purpose are equally wide, or the first is the widest, so what fits here fits on Windows, macOS and Linux.
STYLE = """<style>
.reveal { --jp-content-font-size1: 30px; --jp-code-font-size: 20px }
.reveal, .reveal h1, .reveal h2, .reveal h3, .reveal .jp-RenderedHTMLCommon {
  font-family: Helvetica, Arial, "Liberation Sans", sans-serif; line-height: 1.35; color: #222; text-transform: none }
.reveal pre, .reveal code { font-family: Menlo, "DejaVu Sans Mono", Consolas, "Liberation Mono", monospace }
.reveal code { font-size: 0.85em }
.reveal p, .reveal li { text-wrap: pretty }

/* Every slide is as high as the screen: headings stay at one place, and a formula that is set late moves nothing. */
.reveal .slides section section { top: 0 !important; height: 720px; padding: 35px 40px 45px; box-sizing: border-box }
.reveal .slides section section:not(:has(h1, h2)) { align-content: safe center }
.reveal .jp-Cell { padding: 0; margin: 0 0 16px }
.reveal .jp-Collapser { display: none }

/* Text. A formula on a line of its own is smaller, or the long ones would be broken. */
.reveal .jp-RenderedHTMLCommon h1 { font-size: 46px; margin: 0 0 24px }
.reveal .jp-RenderedHTMLCommon h2 { font-size: 36px; margin: 0 0 20px }
.reveal h2 em { font-size: 21px; font-weight: normal; color: #767676; white-space: nowrap }
.reveal .jp-RenderedHTMLCommon p, .reveal .jp-RenderedHTMLCommon :is(ul, ol) { margin-top: 0; margin-bottom: 16px }
.reveal .jp-RenderedHTMLCommon :is(ul, ol) { margin-left: 0; padding-left: 1.3em }
.reveal .jp-RenderedHTMLCommon blockquote {
  width: auto; margin: 0 0 16px; padding: 4px 0 4px 20px; border-left: 6px solid #E69F00; font-style: normal; box-shadow: none }
.reveal .jp-RenderedHTMLCommon table { font-size: 26px }
.reveal p:has(> script[type*="display"]) { font-size: 0.85em }

/* Code and what it prints: too long a line is wrapped, not cut off. */
.reveal div.highlight > pre, .reveal div.jp-OutputArea-output > pre {
  width: auto; margin: 0; padding: 6px 10px; line-height: 1.3; box-sizing: border-box; box-shadow: none;
  white-space: pre-wrap }
.reveal .jp-InputArea-editor { padding: 0; border: 0 }
.reveal .jp-OutputArea-child, .reveal .jp-OutputArea-output { padding: 0; margin: 0 }

/* Figures fill the width as long as there is room for three lines of caption, for a heading, for nine lines of code. */
.reveal .jp-RenderedImage img { width: 100%; max-width: 100%; max-height: 500px; margin: 0; object-fit: contain }
.reveal section:has(> .jp-Cell + .jp-Cell) img { max-height: 420px }
.reveal section .jp-Cell:has(.highlight) img { max-height: 290px }
.reveal .jp-OutputArea-output p { font-size: 25px; margin: 10px 0 0; text-align: center; text-wrap: balance }

.reveal .controls { font-size: 6px }
.reveal .slide-number { left: 8px; right: auto; background: none; color: #767676; font-size: 16px }
</style>"""


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
