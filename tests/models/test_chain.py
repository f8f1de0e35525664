"""The whole of DALL·E 2: from a caption to pixels, back from pixels to noise, and what does not belong together is refused."""

import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from ddpm_lite import GaussianMixture, Schedule
from ddpm_lite.__main__ import main
from ddpm_lite.data import changes, grammar
from ddpm_lite.machine import weights
from ddpm_lite.maths import metrics
from ddpm_lite.models import evaluation, trained
from ddpm_lite.models.evaluation import chains, claims, clips, exact
from ddpm_lite.models.unclip import Chain, imagine, load_chain
from ddpm_lite.networks.prior import closest, principal, text_difference
from ddpm_lite.sampling.editing import invert
from ddpm_lite.sampling.loop import sample


@pytest.fixture(scope="module")
def chain() -> Chain:
    return load_chain("unclip-emoji", "cpu")


def some(n: int) -> tuple[list[grammar.Scene], torch.Tensor]:
    """Scenes that a training may see, as many of each kind of change, and a true picture of each."""
    return chains.examples("seen", n)


def own(drawn: torch.Tensor, pictures: torch.Tensor) -> float:
    """The share of drawn pictures whose nearest among these is the one in their own place."""
    return float((metrics.nearest(drawn, pictures)[1] == torch.arange(len(drawn))).double().mean())


def test_the_chain_draws_what_a_caption_says(chain):
    scenes, _ = some(12)
    captions = exact.captions(scenes)
    drawn = chain.draw(captions, steps=8)
    assert drawn.shape == (12, 3, 64, 64) and drawn.abs().max() <= 1
    assert exact.Pixels().right(F.avg_pool2d(drawn, 4), scenes).sum() >= 4
    two = chain.draw(captions[:2], steps=8)
    assert torch.equal(two, chain.draw(captions[:2], steps=8)) and not torch.equal(two, chain.draw(captions[:2], steps=8, seed=1))


def test_the_decoder_hears_the_embedding_without_a_caption(chain):
    _, pictures = some(12)
    drawn = chain.variations(pictures, 2, steps=8)
    assert drawn.shape == (12, 2, 3, 64, 64) and not torch.equal(drawn[:, 0], drawn[:, 1])
    assert own(F.avg_pool2d(drawn[:, 0], 4), pictures) >= 0.6
    assert own(chain.decode(torch.zeros(12, 96), steps=8), pictures) <= 0.3  # it is deaf


def test_the_prior_imagines_an_embedding_near_the_picture_s_and_keeps_the_closer_of_two(chain):
    scenes, pictures = some(40)
    captions = exact.captions(scenes)
    text, true = chain.encode_text(captions), chain.encode(pictures)
    one, two = (chain.imagine(captions, candidates=k) for k in (1, 2))
    near = torch.cosine_similarity(one, true).mean()
    assert near > torch.cosine_similarity(text, true).mean() and near > torch.cosine_similarity(one.roll(1, 0), true).mean() + 0.2
    assert ((two * text).sum(1) >= (one * text).sum(1) - 1e-4).all() and not torch.equal(one, two)


def test_the_closest_candidate_is_kept():
    candidates = torch.tensor([[[1.0, 0], [0, 1]], [[0, 1], [1, 0]]])
    assert torch.equal(closest(candidates, torch.tensor([[1.0, 0.2], [1.0, 0.2]])), torch.tensor([[1.0, 0], [1, 0]]))


def test_a_text_difference_turns_the_embedding_by_a_share_of_the_angle(g):
    image, before, after = torch.randn(3, 5, 8, generator=g, dtype=torch.float64)
    towards = torch.nn.functional.normalize(after - before, dim=1)
    angle = torch.cosine_similarity(image, towards).acos()
    turned = text_difference(image, before, after, 0.4)
    assert torch.allclose(turned.norm(dim=1), image.norm(dim=1))
    assert torch.allclose(torch.cosine_similarity(image, turned).acos(), 0.4 * angle)
    assert torch.allclose(torch.cosine_similarity(towards, turned).acos(), 0.6 * angle)
    assert torch.allclose(text_difference(image, before, after, 0.0), image)
    with pytest.raises(ValueError, match="no difference"):
        text_difference(image, before, before, 0.4)


def test_principal_components_are_those_of_the_covariance(g):
    among = torch.randn(50, 6, generator=g, dtype=torch.float64) @ torch.randn(6, 6, generator=g, dtype=torch.float64)
    x = among[:4]
    assert torch.allclose(principal(x, among, 6), x)
    _, vectors = torch.linalg.eigh(among.T.cov())  # in rising order
    top, mean = vectors[:, -2:], among.mean(0)
    by_hand = mean + (x - mean) @ top @ top.T
    by_hand *= (x.norm(dim=1) / by_hand.norm(dim=1))[:, None]
    assert torch.allclose(principal(x, among, 2), by_hand)
    assert torch.allclose(torch.cosine_similarity(principal(x, among, 0), mean[None]), torch.ones(4, dtype=torch.float64))
    with pytest.raises(ValueError, match="0 to 6"):
        principal(x, among, 7)


def test_an_inverted_item_returns_the_closer_the_more_steps(g):
    """With the exact eps* of a mixture, where the noise of an item follows N(0, I)."""
    mixture = GaussianMixture(torch.ones(2), torch.tensor([[-1.0, 0.5], [1.0, 0.0]]), torch.tensor([0.1, 0.1]))
    schedule = Schedule.cosine(1000)
    x0, model = mixture.draw(1000, g)[0], mixture.eps_model(schedule)
    off = {}
    for steps in (10, 40, 160):
        noise = invert(model, x0, schedule, steps=steps)
        *_, last = sample(model, noise, schedule, steps=steps, method="ddim")
        off[steps] = float((last.x_t - x0).square().mean().sqrt())
    assert off[160] < 0.03 and off[160] < 0.5 * off[40] < 0.5 * off[10]
    assert noise.mean(0).abs().max() < 0.15 and (noise.std(0) - 1).abs().max() < 0.15


def test_an_inverted_picture_returns(chain):
    _, pictures = some(4)
    off = {}
    for steps in (4, 25):
        back = chain.decode(chain.encode(pictures), noise=chain.invert(pictures, steps), steps=steps, scale=1.0, method="ddim")
        off[steps] = float((back - pictures).square().mean().sqrt())
    assert off[25] < 0.2 and off[25] < 0.7 * off[4]


def test_models_made_for_another_clip_are_refused_by_name(chain):
    other, decoder = trained.shipped("clip-shapes"), chain.decoder
    with pytest.raises(ValueError, match="prior-emoji was not trained with this clip-shapes"):
        Chain("mixed", other, chain.prior, decoder)
    stranger = type(decoder)(replace(decoder.recipe, clip_weights="0" * 16), decoder.net)
    with pytest.raises(ValueError, match="decoder-emoji was not trained with this clip-emoji"):
        Chain("mixed", chain.clip, chain.prior, stranger)
    changed = trained.load("clip-emoji", "cpu")
    changed.net.logit_scale.add_(0.01)
    with pytest.raises(ValueError, match="prior-emoji"):
        imagine(chain.prior, changed, ["a red fox"])


def test_what_does_not_fit_the_chain_is_named(chain, unchecked):
    with pytest.raises(ValueError, match="known ones are unclip-emoji"):
        load_chain("unclip-faces")
    with pytest.raises(ValueError, match=r"not \(1, 3, 32, 32\)"):
        chain.encode(torch.zeros(1, 3, 32, 32))
    with pytest.raises(ValueError, match="at least one variation"):
        chain.variations(torch.zeros(1, 3, 16, 16), 0)
    with pytest.raises(ValueError, match="at least one"):
        chain.imagine(["a red fox"], candidates=0)
    with pytest.raises(ValueError, match=r"embeddings \(1, 96\)"):
        chain.decode(torch.zeros(1, 32), ["a red fox"])
    with pytest.raises(TypeError, match="unexpected keyword argument 'embedding'"):
        trained.shipped("glide-emoji").draw(["a red fox"], embedding=torch.zeros(1, 96))
    with pytest.raises(ValueError, match=r"noise .* \(1, 3, 16, 16\)"):
        chain.decode(torch.zeros(1, 96), noise=torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match="takes one caption for each of 2 pictures, and 1 were given"):
        chain.enlarge(torch.zeros(2, 3, 16, 16), ["a red fox"])


def test_the_command_line_draws_by_the_chain_and_varies_a_picture(tmp_path, capsys):
    assert main(["sample", "unclip-emoji", "a red fox", "-n", "2", "--steps", "2", "-o", str(tmp_path / "a.png")]) == 0
    assert Image.open(tmp_path / "a.png").width == 4 * (2 * 65 + 1)
    (fox,) = changes.draw([grammar.scene("fox")], [2])
    Image.fromarray(((fox.permute(1, 2, 0) + 1) * 127.5).byte().numpy()).resize((200, 160)).save(tmp_path / "fox.jpg")
    out = tmp_path / "b.png"
    assert main(["variations", str(tmp_path / "fox.jpg"), "-n", "3", "--steps", "2", "-o", str(out)]) == 0
    said = capsys.readouterr()
    assert Image.open(out).width == 4 * (4 * 65 + 1) and "4 pictures" in said.out and said.err == ""
    assert main(["sample", "unclip-emoji", "🐱", "--steps", "2", "-o", str(tmp_path / "a.png")]) == 0
    assert capsys.readouterr().err.count("so the model sees the empty caption") == 1  # the prior reads it, and the decoder
    (tmp_path / "c.png").write_text("no picture")
    assert main(["variations", str(tmp_path / "c.png"), "-o", str(out)]) == 2
    assert "c.png cannot be read: it is not a picture in a known format" in capsys.readouterr().err


def test_the_table_has_a_meaning_for_each_number_and_the_same_noise_in_each_column(chain, monkeypatch):
    monkeypatch.setattr(chains, "COUNT", 4)
    monkeypatch.setattr(chains, "SEEDS", 2)
    monkeypatch.setattr(chains, "TIMES", 2)
    # Eight pictures are too few for a distance in all 96 features.
    monkeypatch.setattr(clips, "judge_features", lambda pictures: pictures.flatten(1)[:, 100:700:200].contiguous())
    monkeypatch.setattr(claims, "variations", lambda chain, seed: dict.fromkeys(claims.MEANING, 0.0))
    seeds, given = [], []

    def decode(self, embedding, captions=None, **options):
        seeds.append(options["seed"])
        given.append((embedding, captions))
        return torch.rand(len(embedding), 3, 16, 16, generator=torch.Generator().manual_seed(seeds[-1]))

    monkeypatch.setattr(Chain, "decode", decode)
    found = evaluation.score(chain)
    assert found.keys() == chains.MEANING.keys() and seeds == [0, 1] * 7 * len(chains.PARTS)
    scenes, pictures = chains.examples("seen", 4)
    said = exact.captions(scenes)
    wanted = chain.encode_text(said), chain.imagine(said, seed=0), chain.encode(pictures), torch.zeros(4, 96)
    for i, embedding in zip((0, 4, 8, 12), wanted, strict=True):
        assert torch.allclose(given[i][0], embedding, atol=1e-5) and given[i][1] == said
    assert [given[i][1] for i in (2, 6, 10)] == [None] * 3  # the embedding alone
    assert found["gap_pairs"] > found["gap_others"]
    rows = chains.diversity(chain)
    assert [row["scale"] for row in rows] == [*chains.SCALES] * 2 and all(row["spread"] > 0 for row in rows)


def test_a_spread_over_seeds_is_that_of_each_caption(g):
    same = torch.randn(1, 3, 8, 8, generator=g).expand(4, -1, -1, -1)
    assert chains.over_seeds([same, same]) == 0
    assert chains.over_seeds([same, same + 1]) == pytest.approx(0.5**0.5)


def test_the_card_holds_the_table_that_the_score_gives(chain):
    card = json.loads((trained.ASSETS / "unclip-emoji.json").read_text())
    assert card["scores"].keys() == chains.MEANING.keys()
    assert card["models"] == chains.made_of(chain)["models"], "the table was measured with other models than these"
    live = chains.gap(chain)
    for key, value in live.items():
        assert card["scores"][key] == pytest.approx(value, abs=0.01)


def test_a_run_that_learns_from_another_clip_does_not_go_on(tmp_path, capsys):
    start = ["train", "prior-emoji", "--out", str(tmp_path), "--device", "cpu"]
    assert main([*start, "--steps", "2", "--batch-size", "4"]) == 0
    tensors, config = weights.load(tmp_path / trained.CHECKPOINT)
    weights.save(tmp_path / trained.CHECKPOINT, tensors, config | {"recipe": config["recipe"] | {"clip_weights": "0" * 16}})
    assert main([*start, "--resume"]) == 2
    assert "another clip-emoji than the one here" in capsys.readouterr().err
