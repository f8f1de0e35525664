"""The lines of the lecture, as the course teaches them, and where one has nothing of a kind, the reason."""

from typing import NamedTuple

COLUMNS = ("equation", "section", "function", "exercise", "view")


class Line(NamedTuple):
    """A line of the lecture: what it says, with formulas, in the correct form; and {column: why the line has nothing there}."""

    says: str
    reasons: dict[str, str] = {}  # noqa: RUF012  # never written to


FIGURES = "Its section shows figures: what is compared is drawn or trained once, for all readers."
SAME = "The formula is that of line {}, whose exercise asks for it."
MAP = "A map of published systems: there is no formula to ask for, and nothing to move."

LINES = {
    "L1": Line("Generative modelling turns a simple distribution into a complex one.", {"view": FIGURES}),
    "L2": Line("From noise to pictures in one shot is hard; the other direction is easy.", {"view": FIGURES}),
    "L3": Line(r"$x_t = \sqrt{1-p}\,x_{t-1} + \sqrt{p}\,\sigma$", {"exercise": SAME.format("L8")}),
    "L4": Line(
        r"A Markov chain: given $x_{t-1}$, a step does not depend on the past.",
        {
            "exercise": "A statement about two correlations, which the notebook measures; there is no formula to write.",
            "view": "Independence shows in a number, the correlation, and not in a picture of a path.",
        },
    ),
    "L5": Line(
        "A denoising autoencoder is the case of one noise level.",
        {"view": "Its section compares two losses and two rows of pictures, as figures."},
    ),
    "L6": Line(r"After $T$ steps, $x_T$ is noise: $q(x_T) \approx \mathcal{N}(0, I)$."),
    "L7": Line(r"Learn $p_\theta(x_{t-1}\mid x_t)$; the tractable target is $q(x_{t-1}\mid x_t, x_0)$."),
    "L8": Line(r"$q(x_t\mid x_{t-1}) = \mathcal{N}(\sqrt{1-\beta_t}\,x_{t-1},\; \beta_t I)$"),
    "L9": Line(
        r"$x_t = \sqrt{1-\beta_t}\,x_{t-1} + \sqrt{\beta_t}\,\epsilon$",
        {"view": "The slip of the slide is measured and drawn as a figure: a view would show it as a form to choose."},
    ),
    "L10": Line(r"The schedule: $\beta_t$ rises, and the signal $\bar\alpha_t$ falls."),
    "L11": Line(r"$q(x_t\mid x_0) = \mathcal{N}(\sqrt{\bar\alpha_t}\,x_0,\; (1-\bar\alpha_t)\,I)$"),
    "L12": Line(r"$x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon$"),
    "L13": Line(r"$\alpha_t = 1-\beta_t, \quad \bar\alpha_t = \prod_{s\le t}\alpha_s$"),
    "L14": Line(r"$p_\theta(x_{0:T}) = p(x_T) \prod_{t=1}^T p_\theta(x_{t-1}\mid x_t)$"),
    "L15": Line(
        r"$p_\theta(x_{t-1}\mid x_t) = \mathcal{N}(\mu_\theta(x_t, t),\; \Sigma_\theta(x_t, t))$",
        {"exercise": "A model that is chosen: the notebook tests how well it fits; its densities are asked for at line L14."},
    ),
    "L16": Line(
        r"$\mu_t = \frac{1}{\sqrt{\alpha_t}}\Big(x_t - \frac{1-\alpha_t}{\sqrt{1-\bar\alpha_t}}\,\epsilon_t\Big), \quad"
        r" \tilde\beta_t = \frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t}\,\beta_t$"
    ),
    "L17": Line(r"The reverse step is Gaussian if $\beta_t$ is small; its variance can be computed in advance."),
    "L18": Line(
        r"$\mu_\theta(x_t, t) = \frac{1}{\sqrt{\alpha_t}}\Big(x_t - \frac{1-\alpha_t}{\sqrt{1-\bar\alpha_t}}\,"
        r"\epsilon_\theta(x_t, t)\Big)$",
        {"exercise": "The conversions between the targets are asked for in the exercise of line L5."},
    ),
    "L19": Line(
        r"$\epsilon_\theta(x_t, t) \approx \epsilon_t, \quad x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon_t$",
        {"exercise": SAME.format("L12")},
    ),
    "L20": Line(r"$L(\theta) = \mathbb{E}\big[(\epsilon_t - \epsilon_\theta(x_t, t))^2\big]$"),
    "L21": Line(
        r"$x_{t-1} = \frac{1}{\sqrt{\alpha_t}}\Big(x_t - \frac{1-\alpha_t}{\sqrt{1-\bar\alpha_t}}\,\epsilon_\theta(x_t, t)\Big)"
        r" + \sigma_t z$"
    ),
    "L22": Line("Text to image joins a text encoder and a diffusion.", {"exercise": MAP}),
    "L23": Line("CLIP: pairs of text and image are similar, all others are different."),
    "L24": Line(r"GLIDE: $\epsilon_\theta(x_t, t, c) \approx \epsilon_t$, with the caption's features as $c$."),
    "L25": Line(
        "The caption is an input of the model.",
        {"exercise": "To train with and without the caption is asked for at line L24."},
    ),
    "L26": Line("The prior: a diffusion that generates the image embedding."),
    "L27": Line("The decoder draws the picture from the image embedding."),
}
