"""The exercises of notebook 06: CLIP's logits, its loss and what they are good for; captions withheld, and guidance."""

import math

import torch

from ..networks.clip import CLIP
from ..sampling import guidance
from ..training import losses
from ..training.losses import clip_loss as package_clip_loss
from .kit.drawing import normal
from .kit.exercise import write


def _features(g, n, d):
    """As they leave an encoder: each of another length."""
    return normal(g, n, d) * (0.3 + 3 * torch.rand(n, 1, generator=g, dtype=torch.float64))


def _length(features):
    return features.norm(dim=1, keepdim=True)


# in section 6.1, before a table of similarities is drawn


def _encoded(g):
    """Features of pictures and of captions, and the scale of the logits."""
    cases = []
    for label, n_images, n_captions, d, scale in (
        ("more pictures than captions", 5, 3, 16, math.log(1 / 0.07)),
        ("more captions than pictures", 3, 7, 4, 1.0),
        ("a batch", 4, 4, 8, math.log(100)),
        ("a batch", 6, 6, 3, 0.4),
        ("one picture", 1, 5, 8, math.log(1 / 0.07)),
        ("one caption", 4, 1, 6, 2.0),
    ):
        log_scale = torch.tensor(scale, dtype=torch.float64)
        cases.append((label, _features(g, n_images, d), _features(g, n_captions, d), log_scale))
    return cases


@write(
    _encoded,
    number="6.1",
    title="Each picture against each caption",
    line="L23",
    question="`my_clip_logits(image_features, text_features, logit_scale)` returns the logits, shape `(n_images, n_captions)`: "
    "the cosine of the angle between a picture's feature and a caption's, times the exponential of `logit_scale`, one "
    "number. `image_features` is `(n_images, D)`, `text_features` `(n_captions, D)`; their lengths are not yet 1.",
    hints=[
        "The cosine of two vectors is their inner product, after each has been divided by its own length.",
        "A length for each row: .norm with the axis that holds the D numbers, and keepdim=True so that it can divide them.",
        "All inner products at once are one matrix product. Which of the two must be transposed, so that a row is a picture?",
    ],
    package=(CLIP.forward,),
)
def clip_logits(image_features, text_features, logit_scale):
    """Only directions count: divided by its length, each feature is a point of the unit sphere, and the inner product of
    two such points is the cosine of their angle. It lies between -1 and 1, too little for a sharp softmax, so it is
    multiplied. The network learns the factor, 1 / temperature, and learns it as a logarithm, which keeps it positive."""
    image = image_features / image_features.norm(dim=1, keepdim=True)
    text = text_features / text_features.norm(dim=1, keepdim=True)
    return logit_scale.exp() * image @ text.T


def _cosines(image_features, text_features):
    return (image_features / _length(image_features)) @ (text_features / _length(text_features)).T


@clip_logits.wrong(
    "The features are not normalised, so a long one gets large logits whatever it means. Divide each by its own length."
)
def features_not_normalised(image_features, text_features, logit_scale):
    return logit_scale.exp() * image_features @ text_features.T


@clip_logits.wrong("Only the pictures' features are normalised. A long caption feature would fit every picture better.")
def only_pictures_normalised(image_features, text_features, logit_scale):
    return logit_scale.exp() * (image_features / _length(image_features)) @ text_features.T


@clip_logits.wrong("Only the captions' features are normalised. A long picture feature would fit every caption better.")
def only_captions_normalised(image_features, text_features, logit_scale):
    return logit_scale.exp() * image_features @ (text_features / _length(text_features)).T


@clip_logits.wrong(
    "The cosines are multiplied by logit_scale itself. It is a logarithm: the factor is exp(logit_scale), 1/0.07 at the start."
)
def scale_without_exponential(image_features, text_features, logit_scale):
    return logit_scale * _cosines(image_features, text_features)


@clip_logits.wrong(
    "The cosines are divided by exp(logit_scale). One divides by a temperature, and this is 1 / temperature already: multiply."
)
def divided_by_the_scale(image_features, text_features, logit_scale):
    return _cosines(image_features, text_features) / logit_scale.exp()


@clip_logits.wrong(
    "These are the cosines. logit_scale is not used, and logits between -1 and 1 make a softmax that is almost flat."
)
def scale_not_used(image_features, text_features, logit_scale):
    return _cosines(image_features, text_features)


@clip_logits.wrong("The table is transposed: a row should be a picture, a column a caption.")
def table_transposed(image_features, text_features, logit_scale):
    return logit_scale.exp() * _cosines(text_features, image_features)


@clip_logits.wrong(
    "The length is taken down the batch, so one picture changes the logits of another. Each row has a length of its own."
)
def length_down_the_batch(image_features, text_features, logit_scale):
    image = image_features / image_features.norm(dim=0, keepdim=True)
    return logit_scale.exp() * image @ (text_features / text_features.norm(dim=0, keepdim=True)).T


@clip_logits.wrong(
    "The features are divided by one length for the whole table: .norm() without an axis. Each row has a length of its own."
)
def one_length_for_all(image_features, text_features, logit_scale):
    return logit_scale.exp() * (image_features / image_features.norm()) @ (text_features / text_features.norm()).T


@clip_logits.wrong("The features are divided by the sum of their squares. That is the squared length: the root is missing.")
def divided_by_squared_length(image_features, text_features, logit_scale):
    image = image_features / _length(image_features) ** 2
    return logit_scale.exp() * image @ (text_features / _length(text_features) ** 2).T


@clip_logits.wrong(
    "That is a softmax of the logits. The exercise asks for the logits themselves: the softmax is part of the loss."
)
def softmax_of_logits(image_features, text_features, logit_scale):
    return (logit_scale.exp() * _cosines(image_features, text_features)).softmax(1)


@clip_logits.wrong(
    "The cosines are divided by logit_scale. It is the logarithm of 1 / temperature: take its exponential, and multiply."
)
def divided_by_the_logarithm(image_features, text_features, logit_scale):
    return _cosines(image_features, text_features) / logit_scale


# in section 6.2, before CLIP is trained


def _tables(g):
    """Logits of batches, from before the training to near its end."""
    return [
        ("a network that knows nothing", 2 * normal(g, 6, 6)),
        ("a network that knows nothing", normal(g, 4, 4)),
        ("partners that are found", 3 * normal(g, 8, 8) + 4 * torch.eye(8, dtype=torch.float64)),
        ("a large scale", 8 * normal(g, 5, 5)),
        ("a batch of two", 2 * normal(g, 2, 2)),
        ("a batch of one", normal(g, 1, 1)),
    ]


@write(
    _tables,
    number="6.2",
    title="Find your partner, both ways",
    line="L23",
    question="`my_clip_loss(logits)` returns one number. Row $i$ of `logits`, shape `(n, n)`, holds picture $i$ against all "
    "captions; caption $i$ is its partner. Each picture chooses among the captions by softmax, and each caption among the "
    "pictures. The loss is the mean of the two cross-entropies, each averaged over the batch.",
    hints=[
        "The cross-entropy of one choice is minus the logarithm of the probability that the partner gets.",
        "Along which axis do a picture's probabilities add up to 1? And a caption's?",
        "The partners stand on the diagonal. A check: if all logits are equal, the loss is ln n.",
    ],
    package=(package_clip_loss,),
    trained="logits",
)
def clip_loss(logits):
    """The logarithms of all probabilities, once along the rows and once along the columns; the partners' stand on the
    diagonal. The rows alone would accept a picture that is near to all captions, the columns alone a caption near to all
    pictures: a constant added along a softmax changes nothing. torch.nn.functional.cross_entropy of logits and of
    logits.T, with the partners 0 to n - 1, gives the same."""
    to_caption = logits.log_softmax(1).diag()
    to_picture = logits.log_softmax(0).diag()
    return -(to_caption + to_picture).mean() / 2


def _both(logits, cost):
    """The mean of a cost of the pictures' choices and of the captions'."""
    return (cost(logits) + cost(logits.T)) / 2


def _picture_s_choice(logits):
    return -logits.log_softmax(1).diag().mean()


@clip_loss.wrong(
    "Only the pictures choose here, along the rows. Each caption must also find its picture: the columns are missing."
)
def only_pictures_choose(logits):
    return _picture_s_choice(logits)


@clip_loss.wrong(
    "Only the captions choose here, along the columns. Each picture must also find its caption: the rows are missing."
)
def only_captions_choose(logits):
    return _picture_s_choice(logits.T)


@clip_loss.wrong(
    "The two cross-entropies are added. The exercise asks for their mean: if all logits are equal, the loss is ln n."
)
def two_losses_added(logits):
    return 2 * _both(logits, _picture_s_choice)


@clip_loss.wrong(
    "One softmax runs over all n^2 entries, so the pairs compete with each other. Each row, and each column, has its own."
)
def softmax_over_whole_table(logits):
    return -logits.flatten().log_softmax(0).view_as(logits).diag().mean()


@clip_loss.wrong("The batch is summed up. The exercise asks for its average, which does not grow with the batch.")
def batch_summed_up(logits):
    return len(logits) * _both(logits, _picture_s_choice)


@clip_loss.wrong(
    "The mean is taken over all n^2 entries, though only the n on the diagonal count: the loss is n times too small."
)
def mean_over_whole_table(logits):
    return _both(logits, _picture_s_choice) / len(logits)


@clip_loss.wrong(
    "The probabilities are averaged, without a logarithm. With the logarithm, a partner of very small probability counts most."
)
def probabilities_without_logarithm(logits):
    return -_both(logits, lambda x: x.softmax(1).diag().mean())


@clip_loss.wrong("The sign is missing: the logarithm of a probability is negative, and training would make this smaller still.")
def minus_sign_missing(logits):
    return -_both(logits, _picture_s_choice)


@clip_loss.wrong(
    "That is the mean of the partners' logits, with a minus. Without a softmax nothing pushes the others away: it "
    "is smallest where all features are equal."
)
def mean_of_partners_logits(logits):
    return -logits.diag().mean()


@clip_loss.wrong(
    "The softmax is taken twice: cross_entropy and log_softmax expect logits, not probabilities. The loss could never come "
    "near 0."
)
def softmax_taken_twice(logits):
    return _both(logits, lambda x: -x.softmax(1).log_softmax(1).diag().mean())


@clip_loss.wrong(
    "The two probabilities are averaged, and the logarithm is taken afterwards. One good choice then hides the bad one: take "
    "both logarithms first."
)
def averaged_before_the_logarithm(logits):
    return -_both(logits, lambda x: x.softmax(1).diag()).log().mean()


@clip_loss.wrong(
    "That judges each of the n^2 pairs by itself, with a sigmoid. There is a method that does so (SigLIP); in CLIP the "
    "captions of a batch compete, in a softmax."
)
def sigmoid_for_each_pair(logits):
    partners = torch.eye(len(logits), dtype=logits.dtype)
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, partners)


@clip_loss.wrong(
    "The partners are shifted by one: picture i is compared with caption i + 1. They stand on the diagonal, at the labels 0 to "
    "n - 1."
)
def labels_shifted(logits):
    return _both(logits, lambda x: -x.log_softmax(1).roll(-1, 1).diag().mean())


# in section 6.3, before captions never seen are asked for


def _captions_to_choose(g):
    """Features of pictures and of the captions to choose from."""
    return [
        (label, _features(g, n_images, d), _features(g, n_captions, d))
        for label, n_images, n_captions, d in (
            ("many pictures", 40, 6, 8),
            ("many pictures", 30, 9, 16),
            ("two captions", 20, 2, 4),
            ("more captions than pictures", 7, 25, 8),
            ("as many captions as pictures", 12, 12, 6),
            ("one picture", 1, 8, 5),
        )
    ]


@write(
    _captions_to_choose,
    number="6.3",
    title="The caption that fits best",
    line="L23",
    question="`my_zero_shot(image_features, text_features)` returns for each picture the number of its best caption, the one "
    "with the largest cosine: whole numbers from 0, shape `(n_images,)`. `image_features` is `(n_images, D)`, "
    "`text_features` `(n_captions, D)`; their lengths are not yet 1.",
    hints=[
        "Begin with a table of similarities, one row for each picture. What must not count in it?",
        "In each row, where does the largest number stand? Along which axis do you look for it?",
    ],
)
def zero_shot(image_features, text_features):
    """The captions are the classes: if you can write a caption you have a classifier, without training one. The captions'
    lengths must not count, so they are divided out. A picture's own length multiplies all of its row, and leaves the
    largest entry where it is; the same holds for the scale of the logits."""
    text = text_features / text_features.norm(dim=1, keepdim=True)
    return (image_features @ text.T).argmax(1)


@zero_shot.wrong(
    "The captions' lengths count here, so a long feature wins too often. Divide each caption's feature by its own length; "
    "a picture's length changes nothing."
)
def caption_lengths_count(image_features, text_features):
    return (image_features @ text_features.T).argmax(1)


@zero_shot.wrong(
    "That is the best picture for each caption. The exercise asks for the best caption for each picture: the other axis."
)
def best_picture_per_caption(image_features, text_features):
    return _cosines(image_features, text_features).argmax(0)


@zero_shot.wrong("That is the caption that fits least. A cosine is largest where two features agree, a distance is smallest.")
def caption_that_fits_least(image_features, text_features):
    return _cosines(image_features, text_features).argmin(1)


@zero_shot.wrong(
    "That is the nearest caption, with the features as they are: a distance mixes the angle with both lengths. Make them of "
    "length 1 first."
)
def nearest_without_normalising(image_features, text_features):
    return torch.cdist(image_features, text_features).argmin(1)


@zero_shot.wrong(
    "That is the nearest caption, with only the pictures' features of length 1: short captions win. It is the captions' "
    "length that must not count."
)
def nearest_with_pictures_normalised(image_features, text_features):
    return torch.cdist(image_features / _length(image_features), text_features).argmin(1)


@zero_shot.wrong("These are the largest cosines. The exercise asks where they stand: for the number of the caption.")
def cosine_instead_of_number(image_features, text_features):
    return _cosines(image_features, text_features).max(1).values


@zero_shot.wrong(
    "These are all the cosines. The exercise asks for the number of the column that holds the largest, for each row."
)
def all_cosines_returned(image_features, text_features):
    return _cosines(image_features, text_features)


@zero_shot.wrong(
    "argmax without an axis looks at the whole table and gives one place. Each picture, each row, has its own answer."
)
def best_of_whole_table(image_features, text_features):
    return _cosines(image_features, text_features).argmax()


@zero_shot.wrong(
    "The length is taken down the batch, so one caption changes the features of another. Each row has a length of its own."
)
def normalised_down_the_batch(image_features, text_features):
    image = image_features / image_features.norm(dim=0, keepdim=True)
    return (image @ (text_features / text_features.norm(dim=0, keepdim=True)).T).argmax(1)


@zero_shot.wrong("The captions are divided by their squared length, so now the short ones win too often: the root is missing.")
def captions_by_squared_length(image_features, text_features):
    return (image_features @ (text_features / _length(text_features) ** 2).T).argmax(1)


@zero_shot.wrong(
    "The captions are counted from 1. In Python the first has the number 0, so that text_features[0] is its feature."
)
def counted_from_one(image_features, text_features):
    return _cosines(image_features, text_features).argmax(1) + 1


@zero_shot.wrong("That marks the best caption by a 1 in a row of zeros. The exercise asks for its number.")
def best_caption_marked_by_one(image_features, text_features):
    best = _cosines(image_features, text_features).argmax(1)
    return torch.nn.functional.one_hot(best, len(text_features))


@zero_shot.wrong("These are the two best captions of each picture. The exercise asks for the best alone: one number for each.")
def two_best_captions(image_features, text_features):
    return _cosines(image_features, text_features).topk(min(2, len(text_features))).indices


# in section 6.4, before the network is trained with and without captions


def _captioned(g):
    """Rows of tokens, the empty caption, a uniform number for each row and the probability."""
    cases = []
    for label, b, length, p, (start, end, pad) in (
        ("a tenth", 40, 9, 0.1, (1, 2, 0)),
        ("a tenth", 25, 7, 0.1, (1, 2, 0)),
        ("a fifth", 30, 5, 0.2, (1, 2, 0)),
        ("as many rows as tokens", 8, 8, 0.4, (1, 2, 0)),
        ("another tokenizer", 12, 10, 0.3, (90, 91, 91)),
        ("a batch of one", 1, 6, 0.3, (1, 2, 0)),
        ("a batch of one", 1, 6, 0.95, (1, 2, 0)),
        ("the ends, p = 0 and p = 1", 6, 7, 0.0, (1, 2, 0)),
        ("the ends, p = 0 and p = 1", 6, 7, 1.0, (1, 2, 0)),
    ):
        words = torch.randint(3, 60, (b, length), generator=g)
        place, stop = torch.arange(length), torch.randint(2, length, (b, 1), generator=g)
        tokens = torch.where(place < stop, words, torch.where(place == stop, end, pad))
        tokens[:, 0] = start
        u = torch.rand(b, generator=g, dtype=torch.float64)
        u[0] = 0.0 if p == 0 else u[0]  # not below p, exactly
        cases.append((label, tokens, torch.tensor([start, end] + [pad] * (length - 2)), u, p))
    return cases


@write(
    _captioned,
    number="6.4",
    title="Now and then without a caption",
    line="L24",
    question="`my_drop_captions(tokens, empty, u, p)` withholds captions with probability `p`: a row of `tokens`, shape `(b, "
    "length)`, becomes the empty caption `empty`, shape `(length,)`, if its number in `u`, shape `(b,)`, $0\\le u<1$, lies "
    "below `p`. All others stay. The result is a new tensor of the shape of `tokens`.",
    hints=[
        "torch.where(condition, a, b) takes a where the condition holds and b elsewhere; the three must fit by broadcasting.",
        "u has the shape (b,). To decide about rows of (b, length) it needs the shape (b, 1).",
    ],
    package=(losses.drop_condition,),
)
def drop_captions(tokens, empty, u, p):
    """One decision for each row. Where the caption was withheld the network learns to predict the noise of any picture,
    and so a single network can answer with a caption and without one: guidance needs both. The empty caption is a caption
    like any other, with its start and end, so nothing else in the network has to know about it."""
    return torch.where(u[:, None] < p, empty, tokens)


def _below(u, p):
    return (u < p)[:, None]


@drop_captions.wrong("This is inverted: the rows with u below p keep their caption, and all others lose it.")
def kept_and_dropped_swapped(tokens, empty, u, p):
    return torch.where(_below(u, p), tokens, empty)


@drop_captions.wrong(
    "Here the rows with u below 1 - p lose their caption, so p = 0.1 withholds nine out of ten. It should be those with u "
    "below p."
)
def dropped_with_opposite_probability(tokens, empty, u, p):
    return torch.where(_below(u, 1 - p), empty, tokens)


@drop_captions.wrong(
    "The share is right, but these are the rows with the largest u. The exercise asks for those whose u lies below p."
)
def largest_numbers_lose_caption(tokens, empty, u, p):
    return torch.where(_below(u, 1 - p), tokens, empty)


@drop_captions.wrong(
    "These are the right rows, but they become zeros. The network reads a caption at its end token, and these have none: the "
    "empty caption is an argument."
)
def rows_become_zeros(tokens, empty, u, p):
    return torch.where(_below(u, p), 0, tokens)


@drop_captions.wrong(
    "These are the right rows, but only their words became padding. In the empty caption the end follows the start at once; "
    "here it still tells how long the caption was."
)
def only_words_become_padding(tokens, empty, u, p):
    return torch.where(_below(u, p) & (tokens > 2), 0, tokens)


@drop_captions.wrong(
    "These are the right rows, but they are filled with the first token of the empty caption. All of it belongs there, token "
    "by token."
)
def filled_with_start_token(tokens, empty, u, p):
    return torch.where(_below(u, p), empty[0], tokens)


@drop_captions.wrong(
    "One number decides for the whole batch here. Each row has its own number in u, so that each batch teaches both."
)
def one_number_for_batch(tokens, empty, u, p):
    return torch.where(u[0] < p, empty, tokens)


@drop_captions.wrong(
    "The rows without a caption are thrown away. They must stay, with the empty caption: the network learns from their "
    "pictures too."
)
def rows_thrown_away(tokens, empty, u, p):
    return tokens[u >= p]


@drop_captions.wrong("A row with u = p exactly loses its caption here, so p = 0 may still take one away. Below p means u < p.")
def boundary_also_dropped(tokens, empty, u, p):
    return torch.where((u <= p)[:, None], empty, tokens)


@drop_captions.wrong("Every row keeps its caption here. Those with u below p should become the empty caption.")
def no_caption_dropped(tokens, empty, u, p):
    return tokens


# in section 6.5, after guidance has been derived from Bayes' rule


def _answers(g):
    """The network's answer without the caption and with it, and the scale."""
    return [
        (label, normal(g, *shape), normal(g, *shape), scale)
        for label, shape, scale in (
            ("pictures", (4, 3, 8, 8), 3.0),
            ("pictures", (2, 1, 6, 6), 7.5),
            ("points", (5, 2), 1.5),
            ("between the two", (3, 3, 4, 5), 0.4),
            ("a batch of one", (1, 3, 8, 8), 4.0),
            ("the ends, s = 0 and s = 1", (3, 2), 0.0),
            ("the ends, s = 0 and s = 1", (3, 2), 1.0),
        )
    ]


@write(
    _answers,
    number="6.5",
    title="Further than the caption says",
    line="L24",
    question="`my_guided(eps_null, eps_cond, scale)` returns the noise that a guided sampler works with. It begins at the "
    "answer without a caption, `eps_null`, and goes towards the answer with it, `eps_cond`, `scale` times the way from the "
    "one to the other. `scale` is one number, GLIDE's $s$; everything else has one shape, and so has the result.",
    hints=[
        "The way from one point to another is their difference. Which of the two comes first in it?",
        "A check: what must come out for a scale of 0, and what for a scale of 1?",
    ],
    package=(guidance.guided,),
)
def guided(eps_null, eps_cond, scale):
    """The difference of the two answers is what the caption changes, and the scale says how much of it to add: 0 is
    the network without a caption, 1 the network with it, and more than 1 exaggerates. Then pictures fit their captions
    better, and resemble each other more."""
    return eps_null + scale * (eps_cond - eps_null)


@guided.wrong("The two are swapped: here a scale of 0 gives the answer with the caption. Begin at eps_null.")
def two_answers_swapped(eps_null, eps_cond, scale):
    return eps_cond + scale * (eps_null - eps_cond)


@guided.wrong(
    "That begins at eps_cond, so it goes one length too far: it is (1 + w) eps_cond - w eps_null, with the w of Ho & "
    "Salimans. GLIDE's s is 1 + w."
)
def one_length_too_far(eps_null, eps_cond, scale):
    return eps_cond + scale * (eps_cond - eps_null)


@guided.wrong("That begins at eps_null and goes s - 1 lengths. From eps_cond there are s - 1 left to go, from eps_null all s.")
def one_length_too_short(eps_null, eps_cond, scale):
    return eps_null + (scale - 1) * (eps_cond - eps_null)


@guided.wrong("That goes the opposite way, from eps_null away from eps_cond: the picture would avoid what its caption says.")
def away_from_the_caption(eps_null, eps_cond, scale):
    return eps_null - scale * (eps_cond - eps_null)


@guided.wrong("That is the mean of the two answers, half-way between them whatever the scale is. The scale says how far to go.")
def mean_of_two_answers(eps_null, eps_cond, scale):
    return (eps_null + eps_cond) / 2


@guided.wrong("That is the answer with the caption, as it is. The scale is not used, so there is no guidance.")
def captioned_answer_unchanged(eps_null, eps_cond, scale):
    return eps_cond


@guided.wrong(
    "That is only the way from one answer to the other. It must begin at eps_null: without it most of the noise is missing."
)
def difference_without_beginning(eps_null, eps_cond, scale):
    return scale * (eps_cond - eps_null)


@guided.wrong(
    "That is scale times eps_cond: all of the noise is multiplied, not only what the caption changes. Are brackets missing?"
)
def scale_times_captioned_answer(eps_null, eps_cond, scale):
    return scale * eps_cond


@guided.wrong("All of eps_cond is added to eps_null, so the noise that both see counts twice. Add what the caption changes.")
def whole_answer_added(eps_null, eps_cond, scale):
    return eps_null + scale * eps_cond


@guided.wrong("Here scale multiplies the sum. It belongs to the difference alone, and eps_null counts once.")
def scale_times_the_sum(eps_null, eps_cond, scale):
    return scale * (eps_null + eps_cond)
