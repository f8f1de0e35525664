"""The exercises of notebook 07: CLIP's gap, the better of two embeddings; the way along the sphere, and up the chain again."""

import math

import torch
from torch import nn

from ..networks.prior import closest as package_closest
from ..networks.prior import slerp as package_slerp
from ..sampling.editing import invert
from ..sampling.samplers import ddim_step
from .kit.drawing import normal, told
from .kit.drawing import schedule as drawn
from .kit.exercise import write


def _uniform(g, low, high, *shape):
    return low + (high - low) * torch.rand(shape, generator=g, dtype=torch.float64)


def _unit(x):
    return x / x.norm(dim=-1, keepdim=True)


# in section 7.1, before the gap is measured


def _encoded(g):
    """Features of pictures and of captions, each of another length: two cones, with the cosine of their axes."""
    cases = []
    for label, n, d, axes in (
        ("pairs, with a gap between the kinds", 5, 16, 0.6),
        ("pairs, with a gap between the kinds", 12, 6, 0.4),
        ("as many pairs as numbers", 8, 8, 0.5),
        ("pairs without a gap", 4, 10, 1.0),
        ("kinds that point away from each other", 6, 7, -0.9),
        ("a batch of two", 2, 5, 0.7),
    ):
        axis, turn, meant = normal(g, 1, d), normal(g, 1, d), 0.7 * normal(g, n, d)
        turned = axes * axis + math.sqrt(1 - axes**2) * turn
        image, text = (x + meant + 0.4 * normal(g, n, d) for x in (axis, turned))
        cases.append((label, _uniform(g, 0.3, 3, n, 1) * image, _uniform(g, 0.3, 3, n, 1) * text))
    return cases


@write(
    _encoded,
    number="7.1",
    title="Pairs and strangers",
    line="L26",
    question="`my_gap(image, text)` returns two numbers, one after the other: the mean cosine of each picture's feature and "
    "its own caption's, row $i$ with row $i$; and the mean cosine of a picture and a caption that do not belong together, over "
    "all such pairs. `image` and `text` are `(n, d)`, $n\\ge 2$; their rows have any length.",
    hints=[
        "Scale the rows of both to length 1. Which product then holds all cosines of pictures with captions at once?",
        "Where in that table do the pairs stand, and how many entries are left for the strangers?",
        "A table of true and false can choose the entries to average: torch.eye makes one, ~ inverts it.",
    ],
)
def gap(image, text):
    """The pairs stand on the diagonal of the table of cosines; the n (n - 1) other entries are strangers. CLIP's loss
    asks that a pair be closer than the strangers in its row and its column. It does not ask how close: a constant added
    to all cosines changes nothing. So pictures may lie in one region of the sphere and captions in another, and even a
    pair's cosine may stay well below 1. That is the modality gap (Liang et al. 2022); the prior bridges it."""
    image = image / image.norm(dim=1, keepdim=True)
    text = text / text.norm(dim=1, keepdim=True)
    cosine = image @ text.T
    own = torch.eye(len(cosine), dtype=torch.bool)
    return cosine[own].mean(), cosine[~own].mean()


def _pairs_and_strangers(table):
    """The means of a table on its diagonal and beside it."""
    own = torch.eye(len(table), dtype=torch.bool)
    return table[own].mean(), table[~own].mean()


def _cosines(image, text):
    return _unit(image) @ _unit(text).T


@gap.wrong("The features are not normalised: in these inner products a long one counts more. Divide each by its length.")
def features_not_normalised(image, text):
    return _pairs_and_strangers(image @ text.T)


@gap.wrong("Only the pictures' features are normalised. A cosine is the inner product of two features of length 1.")
def only_pictures_normalised(image, text):
    return _pairs_and_strangers(_unit(image) @ text.T)


@gap.wrong("Only the captions' features are normalised. A cosine is the inner product of two features of length 1.")
def only_captions_normalised(image, text):
    return _pairs_and_strangers(image @ _unit(text).T)


@gap.wrong("The length is taken down the batch, so one picture changes the cosines of another. Each row has a length of its own.")
def length_down_the_batch(image, text):
    return _pairs_and_strangers(image / image.norm(dim=0) @ (text / text.norm(dim=0)).T)


@gap.wrong("All features are divided by one length, that of the whole table: .norm() without an axis. Each row has its own.")
def one_length_for_all(image, text):
    return _pairs_and_strangers(image / image.norm() @ (text / text.norm()).T)


@gap.wrong("The features are divided by the sum of their squares. That is the squared length: the root is missing.")
def divided_by_squared_length(image, text):
    image, text = (x / x.square().sum(1, keepdim=True) for x in (image, text))
    return _pairs_and_strangers(image @ text.T)


@gap.wrong("The first is right. In the second the diagonal is still there: the pairs are not strangers, so leave them out.")
def pairs_among_strangers(image, text):
    cosine = _cosines(image, text)
    return cosine.diag().mean(), cosine.mean()


@gap.wrong(
    "The first is right. In the second the pairs are left out of the sum, which is then divided by n * n. There are only "
    "n * (n - 1) strangers."
)
def strangers_divided_by_table_size(image, text):
    cosine = _cosines(image, text)
    return cosine.diag().mean(), (cosine.sum() - cosine.trace()) / cosine.numel()


@gap.wrong(
    "Both sums are divided by n * n, the size of the table. There are n pairs and n * (n - 1) strangers: zeros in a product "
    "still count in its mean."
)
def both_divided_by_table_size(image, text):
    cosine, own = _cosines(image, text), torch.eye(len(image), dtype=image.dtype)
    return (cosine * own).mean(), (cosine * (1 - own)).mean()


@gap.wrong("These are sums. The exercise asks for means, over the n pairs and over the n * (n - 1) strangers.")
def sums_instead_of_means(image, text):
    cosine = _cosines(image, text)
    return cosine.trace(), cosine.sum() - cosine.trace()


@gap.wrong(
    "The first is right. The second compares pictures with other pictures. A stranger is a caption: the cosine goes across, "
    "from pictures to captions."
)
def pictures_with_pictures(image, text):
    return _pairs_and_strangers(_cosines(image, text))[0], _pairs_and_strangers(_cosines(image, image))[1]


@gap.wrong(
    "The first is right. The second compares captions with other captions. The cosine goes across, from pictures to captions."
)
def captions_with_captions(image, text):
    return _pairs_and_strangers(_cosines(image, text))[0], _pairs_and_strangers(_cosines(text, text))[1]


@gap.wrong("Both are right, in the wrong order: the pairs come first, then the strangers.")
def strangers_come_first(image, text):
    own, strangers = _pairs_and_strangers(_cosines(image, text))
    return strangers, own


@gap.wrong("The first is right. The second is the difference of the two means; the exercise asks for the strangers' own mean.")
def second_is_the_difference(image, text):
    own, strangers = _pairs_and_strangers(_cosines(image, text))
    return own, own - strangers


@gap.wrong("That is the difference of the two means. The exercise asks for both: the pairs' mean, and the strangers'.")
def only_the_difference(image, text):
    own, strangers = _pairs_and_strangers(_cosines(image, text))
    return own - strangers


@gap.wrong("That is the pairs' mean, the first of two numbers. The mean of the strangers' cosines is missing.")
def strangers_missing(image, text):
    return _cosines(image, text).diag().mean()


@gap.wrong("The first is right. The second gives each picture one stranger only, the neighbour's caption. All n * (n - 1) count.")
def one_stranger_each(image, text):
    cosine = _cosines(image, text)
    return cosine.diag().mean(), _cosines(image, text.roll(1, 0)).diag().mean()


@gap.wrong(
    "The first is right. The second sees one side of the diagonal only. Picture 1 with caption 2 and picture 2 with caption "
    "1 are two cosines: both count."
)
def one_side_of_diagonal(image, text):
    cosine = _cosines(image, text)
    above = torch.ones_like(cosine).triu(1).bool()
    return cosine.diag().mean(), cosine[above].mean()


@gap.wrong(
    "The first is right. The second is the cosine of the average picture and the average caption. Take the cosines first, then "
    "their mean."
)
def cosine_of_the_averages(image, text):
    return _cosines(image, text).diag().mean(), torch.cosine_similarity(image.mean(0), text.mean(0), dim=0)


@gap.wrong("These are probabilities, a softmax of the cosines. The exercise asks for the cosines themselves.")
def softmax_of_cosines(image, text):
    return _pairs_and_strangers(_cosines(image, text).softmax(1))


@gap.wrong("These are distances of features of length 1, so a pair has the smaller number. The exercise asks for cosines.")
def distances_instead_of_cosines(image, text):
    return _pairs_and_strangers(torch.cdist(_unit(image), _unit(text)))


@gap.wrong("These are angles, so a pair has the smaller number. The exercise asks for their cosines.")
def angles_instead_of_cosines(image, text):
    return _pairs_and_strangers(_cosines(image, text).acos())


# in section 7.2, after the prior can draw


def _imagined(g):
    """Candidates and the captions' embeddings; no two have the same length."""
    cases = []
    for label, k, n, d in (
        ("two candidates", 2, 12, 8),
        ("two candidates", 2, 9, 16),
        ("several candidates", 5, 10, 6),
        ("as many candidates as captions", 6, 6, 6),
        ("one caption", 3, 1, 8),
    ):
        candidates, text = (normal(g, *shape) for shape in ((k, n, d), (n, d)))
        cases.append((label, candidates * _uniform(g, 0.4, 2.5, k, n, 1), text * _uniform(g, 0.4, 2.5, n, 1)))
    return cases


@write(
    _imagined,
    number="7.2",
    title="The better of two",
    line="L26",
    question="`my_closest(candidates, text)` keeps for each caption one of the $k$ image embeddings that the prior has imagined "
    "for it: the one with the largest dot product with the caption's own embedding. `candidates` is `(k, n, d)`, `text` "
    "`(n, d)`, the result `(n, d)`.",
    hints=[
        "A dot product is a product, number by number, and a sum over the d numbers. What shape do all of them have?",
        "Which axis counts the candidates? Look for the largest along it, for each caption by itself.",
        "To take another candidate for each caption, index with two lists of n numbers: which candidate, which caption.",
    ],
    package=(package_closest,),
)
def closest(candidates, text):
    """The dot products form a table (k, n), and its largest entry is looked for down each column. Two lists of n numbers then
    choose n rows: candidate best[i] of caption i. The prior draws at random, and CLIP, which has learnt what fits a caption,
    chooses."""
    best = (candidates * text).sum(2).argmax(0)
    return candidates[best, torch.arange(len(text))]


def _chosen(candidates, best):
    return candidates[best, torch.arange(candidates.shape[1])]


def _dots(candidates, text):
    return (candidates * text).sum(2)


@closest.wrong(
    "One number of a candidate is chosen for the whole batch, the best one in the sum over all captions. Each caption has its "
    "own best."
)
def one_choice_for_batch(candidates, text):
    return candidates[_dots(candidates, text).sum(1).argmax()]


@closest.wrong("These are the candidates that fit least. A dot product is largest where two embeddings agree: argmax.")
def candidate_that_fits_least(candidates, text):
    return _chosen(candidates, _dots(candidates, text).argmin(0))


@closest.wrong("That is the mean of the candidates. A mean of two embeddings is not one that the prior has imagined: choose one.")
def mean_of_candidates(candidates, text):
    return candidates.mean(0)


@closest.wrong("That is a mixture, weighted by a softmax of the dot products. Keep one candidate, the best, as it is.")
def mixture_by_softmax(candidates, text):
    return (_dots(candidates, text).softmax(0)[:, :, None] * candidates).sum(0)


@closest.wrong(
    "These are the nearest ones, by distance. That would be the same if all candidates were equally long; they are not, and "
    "the exercise asks for the largest dot product."
)
def nearest_by_distance(candidates, text):
    return _chosen(candidates, (candidates - text).norm(dim=2).argmin(0))


@closest.wrong("These are the ones farthest away from the text embedding: argmax belongs to a dot product, argmin to a distance.")
def farthest_by_distance(candidates, text):
    return _chosen(candidates, (candidates - text).norm(dim=2).argmax(0))


@closest.wrong(
    "These have the largest cosine: the candidates' lengths are divided out. The exercise asks for the dot product, in which "
    "they count."
)
def cosine_instead_of_product(candidates, text):
    return _chosen(candidates, (_unit(candidates) * text).sum(2).argmax(0))


@closest.wrong("These are the longest candidates. The text embedding is not used, so nothing says which of them fits.")
def longest_candidate(candidates, text):
    return _chosen(candidates, candidates.norm(dim=2).argmax(0))


@closest.wrong("These are the first candidates. The text embedding should decide which one is kept.")
def first_candidate(candidates, text):
    return candidates[0]


@closest.wrong(
    "argmax looks along the captions here, and finds a caption for each candidate. Look along the candidates, axis 0 of (k, n)."
)
def caption_for_each_candidate(candidates, text):
    return candidates[torch.arange(len(candidates)), _dots(candidates, text).argmax(1)]


@closest.wrong(
    "candidates[best] takes whole tables: each caption gets the embeddings of all captions, (n, n, d). Index the captions, too."
)
def captions_not_indexed(candidates, text):
    return candidates[_dots(candidates, text).argmax(0)]


@closest.wrong(
    "candidates @ text.T takes the dot products of each candidate with all captions, (k, n, n). You need only those with its "
    "own caption, (k, n)."
)
def products_with_all_captions(candidates, text):
    return candidates[(candidates @ text.T).argmax(0)]


@closest.wrong("These are the numbers of the best candidates. The exercise asks for the candidates themselves, (n, d).")
def numbers_of_best_candidates(candidates, text):
    return _dots(candidates, text).argmax(0)


@closest.wrong("These are the largest dot products. The exercise asks for the embeddings that have them, (n, d).")
def largest_products_themselves(candidates, text):
    return _dots(candidates, text).max(0).values


@closest.wrong(
    "Each of the d numbers is the largest among the candidates, so the result mixes them. An embedding is chosen as a whole."
)
def largest_of_each_number(candidates, text):
    return candidates.max(0).values


@closest.wrong(
    "The sum of the dot product is missing: each of the d numbers chooses a candidate for itself. An embedding is chosen as a "
    "whole."
)
def each_number_chooses_alone(candidates, text):
    return candidates.gather(0, (candidates * text).argmax(0)[None])[0]


@closest.wrong(
    "The best of all k * n embeddings is taken, so a caption may get what was imagined for another. Each has k of its own."
)
def best_of_all_embeddings(candidates, text):
    flat = candidates.flatten(0, 1)
    return flat[(flat @ text.T).argmax(0)]


# at the end of section 7.2


class _Imagines(nn.Module):
    """Stands in for a prior with weights: its answer depends on all of its inputs."""

    def __init__(self, g):
        super().__init__()
        self.weights = nn.Parameter(_uniform(g, 0.5, 1.5, 3), requires_grad=False)

    def forward(self, z_t, t, y):
        if z_t.ndim != 2 or torch.as_tensor(t).ndim > 1 or y.ndim != 2:
            raise TypeError("the prior takes the noisy embeddings (n, d), their steps t (n,) and the conditions (n, k).")
        level = self.weights[1] * told(t, z_t).double().sin() + self.weights[2] * y.mean(1, keepdim=True)
        return self.weights[0] * torch.sin(z_t) + level


def _embeddings(g):
    """prior, z, t, eps, y and the schedule."""
    cases = []
    for label, n, d, k, T in (
        ("embeddings", 6, 16, 5, 1000),
        ("embeddings", 9, 4, 12, 300),
        ("short embeddings", 5, 2, 3, 20),
        ("a batch of one", 1, 8, 4, 100),
    ):
        t = torch.randint(1, T + 1, (n,), generator=g)
        z, eps, y = normal(g, n, d), normal(g, n, d), normal(g, n, k)
        cases.append((label, _Imagines(g), z, t, eps, y, drawn(g, T)))
    return cases


def _noisy(z, t, eps, schedule):
    a = schedule.alpha_bar[t][:, None]
    return a.sqrt() * z + (1 - a).sqrt() * eps


def prior_loss(prior, z, t, eps, y, schedule):
    a = schedule.alpha_bar[t][:, None]
    z_t = a.sqrt() * z + (1 - a).sqrt() * eps
    return ((prior(z_t, t, y) - eps) ** 2).mean()


@write(
    _embeddings,
    number="7.3",
    title="Find the fault: a prior that imagines noise",
    line="L26",
    given=prior_loss,
    question="`my_prior_loss` should train the prior of section 7.2, whose answer *is* the embedding of the picture; the "
    "samplers take it as $\\hat z$. `z` and `eps` are `(n, d)`, `t` is `(n,)`, `y` holds the conditions; the loss is averaged "
    "over all numbers. It falls, yet what the trained prior imagines has a cosine of about 0 with every picture. Fix it.",
    hints=[
        "What is the answer compared with? Which network of this course learns that?",
        "The samplers will take the answer as the clean embedding. So what should it be compared with in training?",
    ],
    trained="prior",
)
def prior_loss(prior, z, t, eps, y, schedule):
    """Both targets are right for a network that is used accordingly; this one was trained for the noise and used for the
    embedding. No shape tells the two apart, and the loss falls either way. Whoever changes what a network predicts has to
    change the loss and the samplers together. Ramesh et al. found that predicting z itself works better for the prior."""
    a = schedule.alpha_bar[t][:, None]
    z_t = a.sqrt() * z + (1 - a).sqrt() * eps
    return ((prior(z_t, t, y) - z) ** 2).mean()


@prior_loss.wrong(
    "The answer is compared with the noisy embedding, which the prior sees anyway. It should give the clean one, z."
)
def compared_with_noisy_embedding(prior, z, t, eps, y, schedule):
    z_t = _noisy(z, t, eps, schedule)
    return ((prior(z_t, t, y) - z_t) ** 2).mean()


@prior_loss.wrong("The prior is shown the clean embedding z, and could just repeat it. It must see the noisy one, z_t.")
def asked_about_clean_embedding(prior, z, t, eps, y, schedule):
    return ((prior(z, t, y) - z) ** 2).mean()


@prior_loss.wrong(
    "The embedding that follows from the answer, taken as noise, is compared with z. That trains a network for the noise: here "
    "the answer itself is the embedding."
)
def answer_taken_as_noise(prior, z, t, eps, y, schedule):
    a, z_t = schedule.alpha_bar[t][:, None], _noisy(z, t, eps, schedule)
    return (((z_t - (1 - a).sqrt() * prior(z_t, t, y)) / a.sqrt() - z) ** 2).mean()


@prior_loss.wrong("That is v as a target (L20), a mixture of noise and embedding. The samplers take this answer as z itself.")
def compared_with_v(prior, z, t, eps, y, schedule):
    a = schedule.alpha_bar[t][:, None]
    return ((prior(_noisy(z, t, eps, schedule), t, y) - (a.sqrt() * eps - (1 - a).sqrt() * z)) ** 2).mean()


@prior_loss.wrong("The squares are summed over the d numbers. The exercise asks for the average over all numbers.")
def summed_over_numbers(prior, z, t, eps, y, schedule):
    return ((prior(_noisy(z, t, eps, schedule), t, y) - z) ** 2).sum(1).mean()


@prior_loss.wrong("That is the absolute error. Section 7.2 has the squared one, whose best answer is the mean.")
def absolute_error_of_embedding(prior, z, t, eps, y, schedule):
    return (prior(_noisy(z, t, eps, schedule), t, y) - z).abs().mean()


@prior_loss.wrong(
    "That is 1 minus the cosine. It says nothing about the length of the answer, and the samplers need it: section 7.2 has the "
    "squared error."
)
def cosine_in_place_of_error(prior, z, t, eps, y, schedule):
    return 1 - torch.cosine_similarity(prior(_noisy(z, t, eps, schedule), t, y), z).mean()


# in section 7.3, after the shares of the paper


def _conditions(g):
    """tokens, embedding, empty, u, v, p_embedding and p_caption."""
    cases = []
    for label, n, length, d, p, q in (
        ("captions with embeddings", 40, 6, 8, 0.1, 0.5),
        ("captions with embeddings", 60, 5, 3, 0.3, 0.2),
        ("long captions", 30, 16, 4, 0.6, 0.7),
        ("shares of 0", 8, 5, 4, 0.0, 0.0),
        ("shares of 1", 8, 5, 4, 1.0, 1.0),
        ("a batch of two", 2, 4, 6, 0.5, 0.5),
    ):
        tokens = torch.randint(3, 30, (n, length), generator=g)
        empty = torch.tensor([1, 2, *[0] * (length - 2)])
        u, v = (torch.rand(n, generator=g, dtype=torch.float64) for _ in range(2))
        cases.append((label, tokens, normal(g, n, d), empty, u, v, p, q))
    tokens, empty = torch.tensor([[1, 5, 2], [1, 7, 2]]), torch.tensor([1, 2, 0])
    for label, one, other in (
        ("a batch of two", [0.2, 0.9], [0.9, 0.2]),
        ("numbers equal to the shares", [0.5, 0.1], [0.2, 0.5]),
    ):
        cases.append((label, tokens, normal(g, 2, 3), empty, torch.tensor(one), torch.tensor(other), 0.5, 0.5))
    return cases


@write(
    _conditions,
    number="7.4",
    title="One, the other, or both",
    line="L27",
    question="`my_withhold(tokens, embedding, empty, u, v, p, q)` withholds each of a decoder's two conditions by itself and "
    "returns both, tokens first: where `u` lies below `p`, the row of `embedding`, `(n, d)`, becomes zeros; where `v` lies "
    "below `q`, the row of `tokens`, `(n, length)`, becomes the empty caption `empty`, `(length,)`. `u` and `v` are `(n,)`. "
    "(The paper has $p=0.1$ and $q=0.5$.)",
    hints=[
        "There are two decisions for each row, and neither asks what the other was.",
        "torch.where needs the shape (n, 1) to decide about whole rows.",
        "Zeros of the shape of a tensor: torch.zeros_like.",
    ],
)
def withhold(tokens, embedding, empty, u, v, p, q):
    """Two numbers for each row, so that all four cases come up: both conditions, one of them, the other, none. A decoder that
    has seen them withheld only together has never learnt to draw from an embedding alone, and cannot make variations of a
    picture without words; and guidance by the caption alone would not work."""
    tokens = torch.where((v < q)[:, None], empty, tokens)
    embedding = torch.where((u < p)[:, None], torch.zeros_like(embedding), embedding)
    return tokens, embedding


def _without(tokens, embedding, empty, no_caption, no_embedding):
    return torch.where(no_caption[:, None], empty, tokens), torch.where(no_embedding[:, None], 0.0, embedding)


@withhold.wrong("u decides about both here. The caption has a number of its own, v.")
def embedding_s_number_for_both(tokens, embedding, empty, u, v, p, q):
    return _without(tokens, embedding, empty, u < q, u < p)


@withhold.wrong("v decides about both here. The embedding has a number of its own, u.")
def caption_s_number_for_both(tokens, embedding, empty, u, v, p, q):
    return _without(tokens, embedding, empty, v < q, v < p)


@withhold.wrong(
    "Both are withheld together, where one of the two decisions says so. Then nothing is learnt from an embedding alone, or from "
    "a caption alone."
)
def withheld_together(tokens, embedding, empty, u, v, p, q):
    either = (u < p) | (v < q)
    return _without(tokens, embedding, empty, either, either)


@withhold.wrong("Both are withheld only where both decisions say so. Each decision is about its own condition alone.")
def withheld_where_both_say_so(tokens, embedding, empty, u, v, p, q):
    both = (u < p) & (v < q)
    return _without(tokens, embedding, empty, both, both)


@withhold.wrong("The two decisions are swapped: u < p should decide about the embedding, and v < q about the caption.")
def decisions_swapped(tokens, embedding, empty, u, v, p, q):
    return _without(tokens, embedding, empty, u < p, v < q)


@withhold.wrong("The shares are swapped: p is the share of the embeddings, with u, and q that of the captions, with v.")
def shares_of_both_swapped(tokens, embedding, empty, u, v, p, q):
    return _without(tokens, embedding, empty, v < p, u < q)


@withhold.wrong("This is inverted: what lies below the share is kept, and all else is withheld.")
def kept_and_withheld_swapped(tokens, embedding, empty, u, v, p, q):
    return _without(tokens, embedding, empty, v >= q, u >= p)


@withhold.wrong("Only the caption is withheld. The embedding becomes zeros where u lies below p.")
def embedding_never_withheld(tokens, embedding, empty, u, v, p, q):
    return torch.where((v < q)[:, None], empty, tokens), embedding


@withhold.wrong("Only the embedding is withheld. The caption becomes the empty one where v lies below q.")
def caption_never_withheld(tokens, embedding, empty, u, v, p, q):
    return tokens, torch.where((u < p)[:, None], 0.0, embedding)


@withhold.wrong(
    "These captions become zeros. The network reads a caption at its end token, and these have none: the empty caption is an "
    "argument."
)
def captions_become_zeros(tokens, embedding, empty, u, v, p, q):
    return torch.where((v < q)[:, None], 0, tokens), torch.where((u < p)[:, None], 0.0, embedding)


@withhold.wrong("The first row's numbers decide for the whole batch. Each row has its own, so that each batch teaches all cases.")
def one_decision_for_batch(tokens, embedding, empty, u, v, p, q):
    return _without(tokens, embedding, empty, (v[:1] < q).expand(len(v)), (u[:1] < p).expand(len(u)))


@withhold.wrong("A number equal to its share withholds here, so a share of 0 may still take something away. Below means <.")
def boundary_withheld_too(tokens, embedding, empty, u, v, p, q):
    return _without(tokens, embedding, empty, v <= q, u <= p)


@withhold.wrong("These are the right two, in the other order: tokens first, then the embedding.")
def returned_in_other_order(tokens, embedding, empty, u, v, p, q):
    return _without(tokens, embedding, empty, v < q, u < p)[::-1]


@withhold.wrong("The rows without a caption or an embedding are thrown away. They must stay: the network learns from them too.")
def incomplete_rows_thrown_away(tokens, embedding, empty, u, v, p, q):
    stays = (u >= p) & (v >= q)
    return tokens[stays], embedding[stays]


# in section 7.7, before a picture is inverted


def _upward(g):
    """x, eps_hat, t, t_next and the schedule."""
    cases = []
    for label, shape, t, t_next, T in (
        ("pictures", (4, 3, 6, 6), 6, 17, 20),
        ("pictures", (2, 3, 4, 5), 300, 640, 1000),
        ("a batch of one", (1, 1, 8, 8), 2, 9, 14),
        ("embeddings", (5, 8), 12, 13, 30),
        ("embeddings", (3, 6), 40, 80, 150),
        ("the step from t = 0", (3, 1, 6, 6), 0, 5, 12),
        ("the step to t_next = T", (3, 4), 15, 20, 20),
    ):
        cases.append((label, normal(g, *shape), normal(g, *shape), t, t_next, drawn(g, T)))
    return cases


@write(
    _upward,
    number="7.5",
    title="The way back up",
    line="L27",
    question="`my_step_up(x, eps_hat, t, t_next, schedule)` takes a step of DDIM with $\\eta=0$ the other way, from `t` up to "
    "`t_next`: back to the guess $\\hat x_0$, then forward to step `t_next` with the noise `eps_hat` that the network saw. `x` "
    "and `eps_hat` have one shape; `t` and `t_next` are one number each, with 0 ≤ `t` < `t_next` ≤ $T$. "
    "`schedule.alpha_bar[0]` is 1.",
    hints=[
        "Two lines. In the first, solve the closed form of x_t for the picture, with eps_hat as the noise.",
        "In the second, write the closed form once more, for t_next. What is its picture, and what its noise?",
        "A check: from t = 0 the guess is x itself, because alpha_bar_0 = 1.",
    ],
    package=(invert, ddim_step),
)
def step_up(x, eps_hat, t, t_next, schedule):
    """Both lines are the closed form: once solved for the picture at step t, once written for step t_next. DDIM draws
    nothing at random, so down and up are the same formula with the two step numbers swapped. On the way up the network's
    answer at t stands in for its answer at t_next, so the way up is not quite the way down; the smaller the steps, the
    less they differ."""
    a, a_next = schedule.alpha_bar[t], schedule.alpha_bar[t_next]
    x0_hat = (x - (1 - a).sqrt() * eps_hat) / a.sqrt()
    return a_next.sqrt() * x0_hat + (1 - a_next).sqrt() * eps_hat


def _known(x, eps_hat, t, t_next, schedule):
    """alpha_bar at both steps, and the guess of the picture."""
    a = schedule.alpha_bar[t]
    return a, schedule.alpha_bar[t_next], (x - (1 - a).sqrt() * eps_hat) / a.sqrt()


@step_up.wrong("That leads back to x: alpha_bar_t stands on the way forward, too. Forward the step goes to t_next.")
def leads_back_to_itself(x, eps_hat, t, t_next, schedule):
    return x


@step_up.wrong("The two steps are swapped: x stands at t, and the way forward ends at t_next.")
def two_steps_swapped(x, eps_hat, t, t_next, schedule):
    _, a, x0_hat = _known(x, eps_hat, t_next, t, schedule)
    return a.sqrt() * x0_hat + (1 - a).sqrt() * eps_hat


@step_up.wrong(
    "The closed form is applied to x, as if it were the clean picture. It is, at t = 0 only: elsewhere go back to x0_hat first."
)
def noisy_taken_as_clean(x, eps_hat, t, t_next, schedule):
    a_next = schedule.alpha_bar[t_next]
    return a_next.sqrt() * x + (1 - a_next).sqrt() * eps_hat


@step_up.wrong(
    "That is one step of the forward chain, with beta of t_next. Its noise would be fresh; eps_hat is in x already, and what "
    "adds up is the noise itself, not its variance."
)
def one_step_of_forward_chain(x, eps_hat, t, t_next, schedule):
    return schedule.alpha[t_next].sqrt() * x + schedule.beta[t_next].sqrt() * eps_hat


@step_up.wrong(
    "That is the forward chain from t to t_next, whose noise is fresh. Here eps_hat is in x already, so variances do not add: "
    "go through x0_hat."
)
def forward_chain_between_steps(x, eps_hat, t, t_next, schedule):
    alpha = schedule.alpha_bar[t_next] / schedule.alpha_bar[t]
    return alpha.sqrt() * x + (1 - alpha).sqrt() * eps_hat


@step_up.wrong("The two weights of the way forward are swapped. The picture has sqrt(alpha_bar_next), which falls.")
def forward_weights_swapped(x, eps_hat, t, t_next, schedule):
    _, a_next, x0_hat = _known(x, eps_hat, t, t_next, schedule)
    return (1 - a_next).sqrt() * x0_hat + a_next.sqrt() * eps_hat


@step_up.wrong("On the way forward both weights lack their roots: alpha_bar_next is a share of the variance.")
def forward_roots_missing(x, eps_hat, t, t_next, schedule):
    _, a_next, x0_hat = _known(x, eps_hat, t, t_next, schedule)
    return a_next * x0_hat + (1 - a_next) * eps_hat


@step_up.wrong("On the way forward the weight of eps_hat lacks its root. The noise has the variance 1 - alpha_bar_next.")
def forward_noise_without_root(x, eps_hat, t, t_next, schedule):
    _, a_next, x0_hat = _known(x, eps_hat, t, t_next, schedule)
    return a_next.sqrt() * x0_hat + (1 - a_next) * eps_hat


@step_up.wrong("On the way forward the weight of x0_hat lacks its root: it should be sqrt(alpha_bar_next).")
def forward_picture_without_root(x, eps_hat, t, t_next, schedule):
    _, a_next, x0_hat = _known(x, eps_hat, t, t_next, schedule)
    return a_next * x0_hat + (1 - a_next).sqrt() * eps_hat


@step_up.wrong("In x0_hat the noise lacks its root: what is taken away from x is sqrt(1 - alpha_bar_t) eps_hat.")
def guess_noise_without_root(x, eps_hat, t, t_next, schedule):
    a, a_next = schedule.alpha_bar[t], schedule.alpha_bar[t_next]
    return a_next.sqrt() * (x - (1 - a) * eps_hat) / a.sqrt() + (1 - a_next).sqrt() * eps_hat


@step_up.wrong("In x0_hat the division lacks its root: x holds sqrt(alpha_bar_t) times the picture.")
def guess_divided_without_root(x, eps_hat, t, t_next, schedule):
    a, a_next, x0_hat = _known(x, eps_hat, t, t_next, schedule)
    return a_next.sqrt() * x0_hat / a.sqrt() + (1 - a_next).sqrt() * eps_hat


@step_up.wrong("In x0_hat the division is missing: what is left of x without the noise is sqrt(alpha_bar_t) times the picture.")
def guess_not_divided(x, eps_hat, t, t_next, schedule):
    a, a_next, x0_hat = _known(x, eps_hat, t, t_next, schedule)
    return a_next.sqrt() * x0_hat * a.sqrt() + (1 - a_next).sqrt() * eps_hat


@step_up.wrong("In x0_hat only x is divided by sqrt(alpha_bar_t). The whole bracket is.")
def only_x_divided(x, eps_hat, t, t_next, schedule):
    a, a_next = schedule.alpha_bar[t], schedule.alpha_bar[t_next]
    return a_next.sqrt() * (x / a.sqrt() - (1 - a).sqrt() * eps_hat) + (1 - a_next).sqrt() * eps_hat


@step_up.wrong("In x0_hat the noise is added to x. The picture is what is left when it is taken away.")
def guess_adds_noise(x, eps_hat, t, t_next, schedule):
    a, a_next = schedule.alpha_bar[t], schedule.alpha_bar[t_next]
    return a_next.sqrt() * (x + (1 - a).sqrt() * eps_hat) / a.sqrt() + (1 - a_next).sqrt() * eps_hat


@step_up.wrong("On the way forward the noise is taken away. A step up adds it: the sign of the second term is +.")
def forward_takes_noise_away(x, eps_hat, t, t_next, schedule):
    _, a_next, x0_hat = _known(x, eps_hat, t, t_next, schedule)
    return a_next.sqrt() * x0_hat - (1 - a_next).sqrt() * eps_hat


@step_up.wrong("That is x0_hat, half of the step. The second half leads forward to t_next, with the noise that was taken away.")
def stops_at_the_guess(x, eps_hat, t, t_next, schedule):
    return _known(x, eps_hat, t, t_next, schedule)[2]


@step_up.wrong("The picture is shrunk as step t_next asks, but no noise is added: the term of eps_hat is missing.")
def forward_noise_missing(x, eps_hat, t, t_next, schedule):
    _, a_next, x0_hat = _known(x, eps_hat, t, t_next, schedule)
    return a_next.sqrt() * x0_hat


@step_up.wrong("The noise grows as it should, but the picture does not shrink: from t to t_next its weight falls, too.")
def picture_not_shrunk(x, eps_hat, t, t_next, schedule):
    a, a_next, _ = _known(x, eps_hat, t, t_next, schedule)
    return x + ((1 - a_next).sqrt() - (1 - a).sqrt()) * eps_hat


@step_up.wrong("That always goes to t + 1. The step leads to t_next, which may lie further up.")
def always_one_step_up(x, eps_hat, t, t_next, schedule):
    _, a_next, x0_hat = _known(x, eps_hat, t, t + 1, schedule)
    return a_next.sqrt() * x0_hat + (1 - a_next).sqrt() * eps_hat


@step_up.wrong("alpha stands in place of alpha_bar: that is what a single step keeps, not what is left after all of them.")
def alpha_for_alpha_bar(x, eps_hat, t, t_next, schedule):
    a, a_next = schedule.alpha[t], schedule.alpha[t_next]
    return a_next.sqrt() * (x - (1 - a).sqrt() * eps_hat) / a.sqrt() + (1 - a_next).sqrt() * eps_hat


@step_up.wrong("x0_hat is kept within [-1, 1] here. Then the way down does not lead back to x: leave the guess as it is.")
def guess_clamped(x, eps_hat, t, t_next, schedule):
    _, a_next, x0_hat = _known(x, eps_hat, t, t_next, schedule)
    return a_next.sqrt() * x0_hat.clamp(-1, 1) + (1 - a_next).sqrt() * eps_hat


# in section 7.8, before two pictures are mixed


def _two_ends(g):
    """Two points of equal length in each row, with the angle between them in a range, and the share."""
    cases = []
    for label, n, d, (least, most), (short, long), share in (
        ("a wide angle", 5, 8, (2.2, 2.8), (0.5, 0.9), 0.3),
        ("a wide angle", 3, 3, (1.9, 2.7), (1.5, 3.0), 0.85),
        ("a narrow angle", 4, 6, (0.3, 1.0), (0.4, 0.8), 0.6),
        ("points of a circle", 6, 2, (0.5, 2.5), (0.3, 0.95), 0.25),
        ("one row", 1, 16, (1.2, 1.4), (0.6, 0.8), 0.7),
        ("the ends, share = 0 and share = 1", 3, 4, (1.2, 2.4), (1.2, 2.0), 0.0),
        ("the ends, share = 0 and share = 1", 3, 4, (1.2, 2.4), (0.5, 0.9), 1.0),
    ):
        a, other = _unit(normal(g, n, d)), normal(g, n, d)
        across = _unit(other - (other * a).sum(1, keepdim=True) * a)
        w, length = _uniform(g, least, most, n, 1), _uniform(g, short, long, n, 1)
        cases.append((label, length * a, length * (w.cos() * a + w.sin() * across), share))
    return cases


@write(
    _two_ends,
    number="7.6",
    title="Along the sphere",
    line="L27",
    question="`my_slerp(a, b, share)` returns the point that lies `share` of the way from `a` to `b` along the great circle, at "
    "constant speed: if $w$ is the angle between `a` and `b`, it stands at the angle `share`$\\cdot w$ from `a`, and it is as "
    "long as they are. `a` and `b` are `(n, d)`, in each row equally long, with $0<w<\\pi$; `share` is one number from 0 to 1.",
    hints=[
        "First the angle of each row, from its cosine. The rows do not have length 1. keepdim=True lets an angle multiply its "
        "row.",
        "The result is a part of a plus a part of b. Which sine is 0 while nothing of the angle is gone, and which one when "
        "nothing of it is left to go?",
        "The law of sines: a's weight is to b's as the sine of the angle still to go is to that of the angle gone. And at the "
        "ends the weights must be 1.",
    ],
    package=(package_slerp,),
)
def slerp(a, b, share):
    """A triangle of a part of a and a part of b ends at the point, and the law of sines gives the two parts: the sine of the
    angle still to go and that of the angle gone, over sin w. All of it happens in the plane of a and b, so the number of
    dimensions does not matter. The straight way would lead through the inside of the sphere, where no embedding of CLIP lies
    and where the decoder has learnt nothing."""
    lengths = a.norm(dim=1, keepdim=True) * b.norm(dim=1, keepdim=True)
    w = ((a * b).sum(1, keepdim=True) / lengths).acos()
    return (((1 - share) * w).sin() * a + (share * w).sin() * b) / w.sin()


def _cosine(a, b):
    return (_unit(a) * _unit(b)).sum(1, keepdim=True)


def _along(a, b, share, w):
    """The formula, with any w."""
    return (((1 - share) * w).sin() * a + (share * w).sin() * b) / w.sin()


@slerp.wrong("That is the straight line from a to b. It cuts through the inside of the sphere, so the point is too short.")
def straight_line(a, b, share):
    return (1 - share) * a + share * b


@slerp.wrong(
    "The circle and the length are right, but not the speed: a straight line, stretched to the sphere, is fastest in the "
    "middle. Divide the angle, not the line."
)
def line_stretched_to_sphere(a, b, share):
    return _unit((1 - share) * a + share * b) * a.norm(dim=1, keepdim=True)


@slerp.wrong("That is the straight line, scaled to length 1. Divide the angle, not the line, and keep the length of a and b.")
def line_scaled_to_one(a, b, share):
    return _unit((1 - share) * a + share * b)


@slerp.wrong("The shares are swapped: here share = 0 gives b. It should begin at a.")
def shares_swapped(a, b, share):
    return _along(b, a, share, _cosine(a, b).acos())


@slerp.wrong("The cosine is used as if it were the angle. The angle is its acos.")
def cosine_as_angle(a, b, share):
    return _along(a, b, share, _cosine(a, b))


@slerp.wrong("The angle is in degrees, but torch.sin expects radians, as acos returns them.")
def angle_in_degrees(a, b, share):
    return _along(a, b, share, _cosine(a, b).acos() * 180 / math.pi)


@slerp.wrong("The division by sin w is missing: at share = 0 it should be a, and it is sin(w) a.")
def sine_division_missing(a, b, share):
    w = _cosine(a, b).acos()
    return ((1 - share) * w).sin() * a + (share * w).sin() * b


@slerp.wrong("Only the second term is divided by sin w. Both are: brackets are missing around the sum.")
def only_second_term_divided(a, b, share):
    w = _cosine(a, b).acos()
    return ((1 - share) * w).sin() * a + (share * w).sin() * b / w.sin()


@slerp.wrong("The sum is divided by w. At share = 0 it should be a, so it must be sin w.")
def divided_by_the_angle(a, b, share):
    w = _cosine(a, b).acos()
    return (((1 - share) * w).sin() * a + (share * w).sin() * b) / w


@slerp.wrong(
    "The angle is the acos of the dot product, without the lengths. That is the cosine only if both have length 1; beyond 1 "
    "acos gives NaN."
)
def product_taken_as_cosine(a, b, share):
    return _along(a, b, share, (a * b).sum(1, keepdim=True).acos())


@slerp.wrong("For the cosine the dot product is divided by one of the two lengths. It must be divided by both.")
def divided_by_one_length(a, b, share):
    return _along(a, b, share, ((a * b).sum(1, keepdim=True) / a.norm(dim=1, keepdim=True)).acos())


@slerp.wrong(
    "The direction is right, but the length is 1: the result must be as long as a and b are. Normalise for the angle only."
)
def result_of_length_one(a, b, share):
    return _along(_unit(a), _unit(b), share, _cosine(a, b).acos())


@slerp.wrong("All rows share one angle, that of the whole table. Each row has its own: sum and length along axis 1.")
def one_angle_for_all(a, b, share):
    return _along(a, b, share, ((a * b).sum() / (a.norm() * b.norm())).acos())


@slerp.wrong(
    "cos(share w) a + sin(share w) b is right if b stands at a right angle to a. It does not, so the point has the wrong length "
    "and share = 1 does not give b."
)
def ends_taken_as_perpendicular(a, b, share):
    w = _cosine(a, b).acos()
    return (share * w).cos() * a + (share * w).sin() * b


@slerp.wrong("That is the way for a and b at a right angle, whatever their angle is. Work w out, in each row, from a and b.")
def always_a_right_angle(a, b, share):
    return _along(a, b, share, torch.tensor(math.pi / 2, dtype=a.dtype))


@slerp.wrong(
    "Roots of the shares keep the variance of two independent noises. a and b are two given points: divide the angle between "
    "them."
)
def roots_of_the_shares(a, b, share):
    return (1 - share) ** 0.5 * a + share**0.5 * b
