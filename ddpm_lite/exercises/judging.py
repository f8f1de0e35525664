"""An exercise of notebook 05, on how a set of drawn pictures is judged: the share of the real ones that it covers."""

import torch

from ..maths import metrics
from .kit.exercise import write

# in section 5.7, after the figure of the cheats


def _covered(g):
    """Drawn points, real points and k."""

    def points(n, d, std=1.0, at=0.0):
        return std * torch.randn(n, d, generator=g, dtype=torch.float64) + at

    cases = []
    for label, n, m, d, std, k in (
        ("drawn points that scatter less", 40, 60, 2, 0.4, 3),
        ("drawn points that scatter more", 50, 45, 3, 1.7, 2),
        ("few drawn points", 8, 70, 2, 0.8, 1),
        ("features of pictures", 60, 50, 5, 0.8, 4),
    ):
        cases.append((label, points(n, d, std), points(m, d), k))
    two_of_three = torch.cat([points(20, 2, 0.5), points(25, 2, 0.5, 4.0)])
    three = torch.cat([points(20, 2, 0.5), points(20, 2, 0.5, 4.0), points(30, 2, 0.5, -4.0)])
    # On whole numbers many distances are equal, so that the border of a ball counts.
    drawn, real = (torch.randint(4, (n, 2), generator=g).double() for n in (12, 20))
    return [
        *cases,
        ("points with whole numbers", drawn, real, 3),
        ("one of three groups that is missing", two_of_three, three, 2),
    ]


@write(
    _covered,
    number="5.7",
    title="What does the model leave out?",
    line="L21",
    question="`my_recall(drawn, real, k)` gets the features of drawn pictures, `(n, D)`, and of real ones, `(m, D)`. Around each "
    "drawn one lies a ball that reaches to its `k`-th nearest *other* drawn one. It returns the share of the real ones that lie "
    "in at least one ball, the border included: a number from 0 to 1.",
    hints=[
        "torch.cdist(a, b) has the distances of all pairs: a row for each of a, a column for each of b.",
        "In the distances of the drawn ones to each other, the smallest of each row is 0: the item itself.",
        "Compare the distances of the real ones to the drawn ones with the radii: one radius for each column.",
    ],
    package=(metrics.precision_recall,),
)
def recall(drawn, real, k):
    """The balls are the region that the model reaches. A real picture outside all of them is of a kind that it does not draw.
    With the roles exchanged, the same lines give the precision: the share of drawn pictures that lie among the real ones."""
    radius = torch.cdist(drawn, drawn).sort(1).values[:, k]  # column 0 is the item itself
    return (torch.cdist(real, drawn) <= radius).any(1).double().mean()


def _radius(points, k):
    return torch.cdist(points, points).sort(1).values[:, k]


@recall.wrong(
    "That is the precision: the share of drawn ones that lie among the real ones. The balls belong around the drawn ones, and "
    "the real ones are counted."
)
def precision_instead(drawn, real, k):
    return (torch.cdist(drawn, real) <= _radius(real, k)).any(1).double().mean()


@recall.wrong("The balls are too small: each item counts as its own nearest neighbour. The k-th nearest other one is asked for.")
def itself_counted(drawn, real, k):
    return (torch.cdist(real, drawn) <= _radius(drawn, k - 1)).any(1).double().mean()


@recall.wrong("The balls are too large: they reach to the neighbour after the k-th.")
def one_neighbour_too_far(drawn, real, k):
    return (torch.cdist(real, drawn) <= _radius(drawn, k + 1)).any(1).double().mean()


@recall.wrong(
    "The balls are around the real ones, and a real one counts if something drawn lies in its own ball. That is another score, "
    "called coverage. Here the balls are around the drawn ones."
)
def coverage_instead(drawn, real, k):
    return (torch.cdist(real, drawn) <= _radius(real, k)[:, None]).any(1).double().mean()


@recall.wrong("This counts the drawn ones whose ball holds a real one. Count the real ones that lie in a ball.")
def balls_counted(drawn, real, k):
    return (torch.cdist(real, drawn) <= _radius(drawn, k)).any(0).double().mean()


@recall.wrong("A real one counts only if it lies in all balls. One ball is enough.")
def in_every_ball(drawn, real, k):
    return (torch.cdist(real, drawn) <= _radius(drawn, k)).all(1).double().mean()


@recall.wrong("All balls have the same radius, the mean of all. Each drawn one has its own: small where they lie close together.")
def one_radius_for_all(drawn, real, k):
    return (torch.cdist(real, drawn) <= _radius(drawn, k).mean()).any(1).double().mean()


@recall.wrong("The balls reach to the k-th nearest real one. They should reach to the k-th nearest other drawn one.")
def radius_to_real_ones(drawn, real, k):
    radius = torch.cdist(drawn, real).sort(1).values[:, k - 1]
    return (torch.cdist(real, drawn) <= radius).any(1).double().mean()


@recall.wrong("Squared distances are compared with radii that are not squared. Take the root, or square both.")
def squares_against_radii(drawn, real, k):
    return (torch.cdist(real, drawn) ** 2 <= _radius(drawn, k)).any(1).double().mean()


@recall.wrong(
    "Only the nearest drawn one is looked at. A real one may lie outside its small ball and inside a larger one farther away."
)
def nearest_ball_only(drawn, real, k):
    distance, index = torch.cdist(real, drawn).min(1)
    return (distance <= _radius(drawn, k)[index]).double().mean()


@recall.wrong("That is the number of pairs, divided by the number of real ones: some count several times. Each counts once.")
def pairs_counted(drawn, real, k):
    return (torch.cdist(real, drawn) <= _radius(drawn, k)).double().sum() / len(real)


@recall.wrong("That is the share of real ones that the model leaves out: 1 minus the recall.")
def share_left_out(drawn, real, k):
    return (torch.cdist(real, drawn) > _radius(drawn, k)).all(1).double().mean()
