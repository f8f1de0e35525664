"""Mutants of the wiring: one place of a file of the package written wrongly, and the test that must fail then.

The slips here are not of the maths (for these see slips.py) but of what is passed on, stored, chosen or left out: faults with
which a network still trains and still draws, only not as it was asked to. A file of the package, below it tests, below each the
slips that it must see, old text => new text. `python tests/test_mutants.py WORD` tries those in which a word stands.
"""

from typing import NamedTuple


class Mutant(NamedTuple):
    """A file of the package, a text that stands in it once, what stands there in its place, and the test that must fail."""

    file: str
    old: str
    new: str
    test: str


TABLE = r"""
train.py
  test_wiring_training.py::test_with_a_given_number_of_steps_or_minutes_the_learning_rate_falls_to_0
    learning_rate(run.step, run.steps, lr, warmup) => lr
    learning_rate(run.step, run.steps, lr, warmup) => learning_rate(run.step, None, lr, warmup)
    learning_rate(run.step, run.steps, lr, warmup) => learning_rate(run.step, TIMED, lr, warmup)
  test_wiring_training.py::test_the_loop_is_the_one_written_by_hand[{'lr': 0.03}]
    learning_rate(run.step, run.steps, lr, warmup) => learning_rate(run.step, run.steps, 1e-2, warmup)
  test_wiring_training.py::test_the_loop_is_the_one_written_by_hand[{'warmup': 55}]
    learning_rate(run.step, run.steps, lr, warmup) => learning_rate(run.step, run.steps, lr, TIMED)
  test_wiring_training.py::test_the_loop_is_the_one_written_by_hand[{'warmup': 10}]
    learning_rate(run.step, run.steps, lr, warmup) => learning_rate(run.step, run.steps, lr, max(warmup, TIMED))
  test_wiring_training.py::test_the_loop_is_the_one_written_by_hand[{'clip_norm': 0.1}]
    (model.parameters(), clip_norm) => (model.parameters(), 10 * clip_norm)
    (model.parameters(), clip_norm) => (model.parameters(), math.inf)
    (model.parameters(), clip_norm) => (model.parameters(), 1.0)
  test_wiring_training.py::test_the_loop_is_the_one_written_by_hand[{'weight_decay': 0.5}]
    "weight_decay": weight_decay} => "weight_decay": 0.0}
    "weight_decay": weight_decay} => "weight_decay": 0.01}
  test_wiring_training.py::test_the_loop_is_the_one_written_by_hand[{}]
    torch.randint(len(data[0]), (batch_size,) => torch.randint(min(len(data[0]), 64), (batch_size,)
    tuple(d[rows] for d in data) => tuple(d[rows.roll(i)] for i, d in enumerate(data))
    for d in data), generator) => for d in data), torch.Generator(device))
  test_wiring_training.py::test_the_loop_is_the_one_written_by_hand[{'batch_size': 5}]
    torch.randint(len(data[0]), (batch_size,) => torch.randint(len(data[0]), (16,)
  test_wiring_training.py::test_scaled_gradients_train_as_plain_ones
    run.scaler.unscale_(run.optimizer) => pass
  test_wiring_training.py::test_an_infinite_scaled_gradient_skips_a_step_and_the_lower_scale_is_kept
    value.isfinite() if run.scaler.is_enabled() else value => value
    run.scaler.scale(result.value).backward() => result.value.backward()
  test_wiring_training.py::test_the_average_forgets_at_the_rate_asked
    run.advance(ema_decay, => run.advance(0.999,
  test_wiring_training.py::test_compile_is_asked_for_where_it_is_wanted
    torch.compile(model) if compile else model => model
    torch.compile(model) if compile else model => torch.compile(model)
  test_wiring_training.py::test_a_run_is_saved_as_often_as_asked_and_at_its_end
    now - saved > save_every => now - saved > 60.0
    or run.step == run.steps: => or False:
    good is None or now - saved => now - saved
  test_wiring_training.py::test_a_number_of_steps_is_saved_as_soon_as_it_is_known
    good = None  # the number => pass  # the number
  test_wiring_training.py::test_seconds_and_config_are_those_of_all_parts_of_a_run
    run.seconds + now - last, now => run.seconds + now - start, now
    run = Run(model, generator, steps, settings, config) => run = Run(model, generator, steps, settings, None)
  test_wiring_training.py::test_the_loss_that_is_reported_is_the_mean_of_all_processes
    distributed.mean(result.value.detach().float()) => result.value.detach().float()
  test_wiring_training.py::test_dropout_leaves_the_global_generator_alone_and_differs_between_processes
    ) + distributed.rank() => )
    dropout.set_state(before) => pass
    _dropout_from(generator, device) if has_dropout else nullcontext() => nullcontext()
  test_wiring_training.py::test_a_classifier_s_loss_is_the_mean_cross_entropy
    Loss(per_item.mean(), per_item.detach()) => Loss(per_item.sum(), per_item.detach())
  test_wiring_presets.py::test_a_label_is_dropped_now_and_then_and_a_classifier_learns_all
    drop = 0.1 if drop is None => drop = 0.0 if drop is None
  test_wiring_presets.py::test_all_randomness_of_a_loss_is_the_generator_s
    eps = torch.randn(x0.shape, generator=generator, => eps = torch.randn(x0.shape,
    eps = torch.randn(pictures.shape, generator=generator, => eps = torch.randn(pictures.shape,
    low_discrepancy_t(n, schedule.T, generator, device) => low_discrepancy_t(n, schedule.T, None, device)
    low_discrepancy_t(len(x0), schedule.T, generator, x0.device) => low_discrepancy_t(len(x0), schedule.T, None, x0.device)
    drop_condition(cond, drop, null, generator) => drop_condition(cond, drop, null)
  test_wiring_presets.py::test_conditions_are_dropped_at_the_preset_s_rate
    drop_condition(cond, drop, null, generator) => drop_condition(cond, 0.1, null, generator)
  test_clip.py::test_one_of_several_captions_is_drawn_by_the_generator
    tokens = draw_caption(tokens, generator) => tokens = tokens[:, 0]
    tokens = draw_caption(tokens, generator) => tokens = draw_caption(tokens)
  test_clip.py::test_the_loss_and_its_slope_in_the_temperature_are_those_worked_out_by_hand
    cross_entropy(logits.mT, partner => cross_entropy(logits, partner
  test_clip.py::test_with_a_schedule_the_pictures_are_noised_to_their_t
    distributed.shard(per_item.detach()), bins) => distributed.shard(per_item.detach()), None)
run.py
  test_wiring_training.py::test_the_loop_is_the_one_written_by_hand[{'weight_decay': 0.5}]
    weight_decay=settings["weight_decay"] => weight_decay=0.0
    weight_decay=settings["weight_decay"] => weight_decay=0.01
    torch.optim.AdamW( => torch.optim.Adam(
  test_wiring_training.py::test_statistics_of_the_network_are_copied_and_not_averaged
    mine.copy_(theirs) => pass
  test_wiring_training.py::test_a_row_of_the_history_is_the_mean_of_its_own_steps
    self._loss.zero_() => pass
    self._sums.zero_() => pass
    index_add_(0, bins, torch.ones_like(per_item)) => index_add_(0, bins, per_item)
  test_wiring_training.py::test_seconds_and_config_are_those_of_all_parts_of_a_run
    config["steps"], config["seconds"] => config["steps"], 0.0
    self.config = self.config or config => pass
    "seconds": self.seconds => "seconds": 0.0
    {**(self.config or {}), **state} => state
  test_wiring_training.py::test_an_infinite_scaled_gradient_skips_a_step_and_the_lower_scale_is_kept
    self.scaler.load_state_dict(config["scaler"]) => pass
    self.scaler.update() => pass
    == torch.float16 => == torch.bfloat16
  test_wiring_training.py::test_a_run_goes_on_with_the_numbers_it_was_started_with_or_not_at_all
    for name, value in self.settings.items(): => for name, value in list(self.settings.items())[:5]:
  test_wiring_training.py::test_the_optimizer_s_state_has_the_memory_format_of_the_weights_when_a_run_goes_on
    torch.empty_like(parameter).copy_(value) => value
  test_train.py::test_a_stopped_run_goes_on_bit_for_bit[mlp-7]
    tensors["loss"].to(self._loss) => self._loss
    tensors["sums"].to(self._sums) => self._sums
    self.generator.set_state(tensors["generator"]) => pass
    _under("ema.", tensors) => _under("model.", tensors)
    self.ema.state_dict().items() => self.model.state_dict().items()
    value = tensors[f"optimizer.{part}.{name}"] => value = torch.zeros_like(tensors[f"optimizer.{part}.{name}"])
  test_train.py::test_a_checkpoint_of_another_run_is_refused
    if self.steps not in (None, config["steps"]) => if False
recipe.py
  test_wiring_presets.py::test_a_picture_is_denoised_to_its_noise_and_an_embedding_to_itself
    imagining(x0_loss(schedule, options["drop"], null), clip) => imagining(eps_loss(schedule, options["drop"], null), clip)
  test_wiring_presets.py::test_conditions_are_dropped_at_the_preset_s_rate
    imagining(x0_loss(schedule, options["drop"], null), clip) => imagining(x0_loss(schedule, 0.0, null), clip)
    imagining(x0_loss(schedule, options["drop"], null), clip) => imagining(x0_loss(schedule, options["drop"]), clip)
    imagining(x0_loss(schedule, options["drop"], null), clip) => imagining(x0_loss(schedule, null=null), clip)
    loss = eps_loss(schedule, options["drop"], empty) => loss = eps_loss(schedule, null=empty)
    loss = eps_loss(schedule, options["drop"], empty) => loss = eps_loss(schedule, options["drop"])
  test_wiring_presets.py::test_words_are_dropped_at_the_preset_s_rate
    null), clip), options["word_drop"]) => null), clip))
    clip_loss(schedule), options["word_drop"], options["shift"] => clip_loss(schedule), shift=options["shift"]
    **rates), options["word_drop"]) => **rates))
    captioned(loss, options["word_drop"]) => captioned(loss)
  test_wiring_presets.py::test_a_clip_sees_the_caption_and_the_picture_moved_or_noised
    clip_loss(schedule), options["word_drop"], options["shift"] => clip_loss(schedule), options["word_drop"], 1
    clip_loss(schedule), options["word_drop"], options["shift"] => clip_loss(schedule), options["word_drop"]
    clip_loss(schedule) => clip_loss()
  test_wiring_presets.py::test_a_decoder_is_given_caption_and_embedding_at_the_preset_s_rates
    options[name] for name in ("both" => options[name.replace("image", "caption")] for name in ("both"
  test_wiring_presets.py::test_everything_is_erased_at_the_preset_s_rate
    inpainting(loss, options["everything"]) => inpainting(loss)
    inpainting(loss, options["everything"]) => inpainting(loss, 0.0)
  test_wiring_presets.py::test_an_upsampler_sees_the_small_picture_with_the_preset_s_noise
    upsampling(eps_loss(schedule), options["noise"]) => upsampling(eps_loss(schedule))
    upsampling(eps_loss(schedule), options["noise"]) => upsampling(eps_loss(schedule), 0.0)
  test_wiring_presets.py::test_a_label_is_dropped_now_and_then_and_a_classifier_learns_all
    eps_loss(schedule, null=config["net"].get("num_classes")) => eps_loss(schedule)
  test_wiring_presets.py::test_your_own_pictures_are_kept_with_their_captions_and_never_mirrored
    to_bytes(found.images), torch.zeros(n, dtype=torch.bool) => to_bytes(found.images), torch.ones(n, dtype=torch.bool)
    ("net", "schedule", "loss") => ("net", "schedule")
    {**chosen["net"], "size": pictures["size"]} => chosen["net"]
    captions for caption in each) => captions for caption in each[:1])
    tokens.short()[index] => tokens.short()[index.roll(1)]
  test_wiring_presets.py::test_no_held_out_drawing_and_all_of_the_others_are_in_the_material
    torch.zeros(len(images), dtype=torch.bool), captions, index) => torch.ones(len(images), dtype=torch.bool), captions, index)
    drawn, captions = shapes.draw(DRAWINGS, g, size) => drawn, captions = shapes.draw(DRAWINGS, g, size, "all")
    two = scenes.draw(DRAWINGS, g, size) => two = scenes.draw(DRAWINGS, g, size, "all")
    n + two.index => two.index
  test_wiring_presets.py::test_the_training_parts_are_whole_and_as_large_as_the_cards_say
    DRAWINGS = 20_000 => DRAWINGS = 2_000
    return tuple(digits.load()[0]) => return tuple(digits.load()[1])
    emoji.load(size)[0]\n => emoji.load(size)[1]\n
    Captioned(to_bytes(images), mirrorable, captions => Captioned(to_bytes(images), torch.ones_like(mirrorable), captions
  test_wiring_presets.py::test_a_run_keeps_what_its_preset_says
    ("net", "schedule", "loss") => ("net", "loss")
  test_wiring_presets.py::test_the_first_weights_are_those_of_the_seed
    torch.default_generator.manual_seed(seed) => torch.default_generator.manual_seed(0)
  test_zoo.py::test_build_leaves_the_global_generator_alone
    torch.random.fork_rng(devices=[]) => torch.no_grad()
  test_wiring_presets.py::test_the_schedule_has_all_the_arguments_of_the_preset
    for k, v in config["schedule"].items() if k != "kind"} => for k, v in config["schedule"].items() if k == "T"}
batches.py
  test_wiring_presets.py::test_a_clip_sees_the_caption_and_the_picture_moved_or_noised
    if shift: => if shift > 9:
    value=1.0 => value=-1.0
  test_wiring_presets.py::test_all_randomness_of_a_loss_is_the_generator_s
    x0 = shifted(x0, shift, generator) => x0 = shifted(x0, shift)
    drop_words(caption, rate, generator)), generator) => drop_words(caption, rate)), generator)
    drop_words(caption, rate, generator)), generator) => drop_words(caption, rate, generator)))
    return loss(model, (x0,), generator) => return loss(model, (x0,))
    std * torch.randn(small.shape, generator=generator, => std * torch.randn(small.shape,
    everything, generator, x0.device) => everything, None, x0.device)
    u = torch.rand(len(x0), 1, generator=generator, => u = torch.rand(len(x0), 1,
  test_wiring_presets.py::test_mirroring_and_the_choice_of_a_caption_are_the_generator_s
    mirror & (torch.rand(n, generator=generator, device=device) < 0.5) => mirror & (torch.rand(n, device=device) < 0.5)
    draw_caption(tokens[0], generator) => draw_caption(tokens[0])
  test_wiring_presets.py::test_conditions_are_dropped_at_the_preset_s_rate
    embed(clip.encode_image(x0)), embed(clip.encode_text(tokens)) => clip.encode_image(x0), clip.encode_text(tokens)
    (image, conditions(tokens, text)), generator) => (image, conditions(tokens, image)), generator)
  test_wiring_presets.py::test_a_decoder_is_given_caption_and_embedding_at_the_preset_s_rates
    embedding = embed(clip.encode_image(x0)) => embedding = clip.encode_image(x0)
guidance.py
  test_wiring_presets.py::test_all_randomness_of_a_loss_is_the_generator_s
    generator=generator, device=cond.device) < p => device=cond.device) < p
  test_wiring_presets.py::test_conditions_are_dropped_at_the_preset_s_rate
    device=cond.device) < p => device=cond.device) < min(p, 0.1)
scores/digits.py
  test_wiring_scores.py::test_each_number_of_the_digits_is_what_its_meaning_says
    fmean(metrics.frechet(a, b) for a, b in halves) => fmean(metrics.frechet(a, a) for a, b in halves)
    ("recognised", 50, 2.0) => ("recognised", 50, 1.0)
    ("recognised_10_steps", 10, 2.0) => ("recognised_10_steps", 50, 2.0)
    ("recognised_unguided", 50, 1.0) => ("recognised_unguided", 50, 2.0)
    seed=seed, steps=steps, scale=scale) => steps=steps, scale=scale)
    seed=seed + 1, scale=1.0 => seed=seed + 1
    seed=seed + 1, scale=0.0 => seed=seed + 1, scale=1.0
    ("_real", lambda b: b) => ("_real", lambda b: drawn)
    ("", lambda b: drawn) => ("", lambda b: b)
    (p.precision for p in pairs), fmean(p.recall => (p.recall for p in pairs), fmean(p.precision
    metrics.nearest(unguided, train.images) => metrics.nearest(unguided, held_out.images)
    metrics.nearest(held_out.images, train.images) => metrics.nearest(train.images, train.images)
    metrics.nearest(held_out.images, train.images)[0].median() => metrics.nearest(held_out.images, train.images)[0].mean()
    fmean(metrics.frechet(drawn, half) for half, _ in real_halves()) => metrics.frechet(drawn, real_halves()[0][0])
    .net.features(images) => .net(images)
  test_wiring_scores.py::test_a_classifier_is_judged_by_the_held_out_digits
    model.net(held_out.images => model.net(train.images
  test_wiring_scores.py::test_a_curve_of_the_digits_holds_mean_and_deviation_over_seeds
    range(10, 10 + seeds) => [10] * seeds
    steps=steps, method=method, scale=1.0) => steps=steps, scale=1.0)
    steps=steps, method=method, scale=1.0) => steps=steps, method=method)
  test_zoo.py::test_real_halves_are_disjoint_balanced_and_close
    for start in (0, each)] => for start in (0, each // 2)]
  test_zoo.py::test_the_judges_know_real_digits_and_never_saw_the_held_out_ones
    train, _ = digits.load() => _, train = digits.load()
scores/clips.py
  test_wiring_scores.py::test_the_names_of_all_emoji_compete_and_each_part_is_counted_by_itself
    own = start + torch.arange(len(part.images)) => own = torch.arange(len(part.images))
    recall(rank, k) for k in (1, 5) => recall(rank, 5) for k in (1, 5)
    (scores > scores.gather( => (scores >= scores.gather(
    ranks(model, part.images, own, t=1) => ranks(model, part.images, own)
  test_wiring_scores.py::test_a_clip_of_shapes_is_judged_by_fresh_drawings_of_each_part
    seed + 12345 => 0
    shapes.draw(2000, g, 16, part) => shapes.draw(2000, g, 16)
  test_wiring_scores.py::test_a_clip_of_noisy_pictures_is_asked_at_each_t_with_that_much_noise
    torch.arange(len(eps)), t) => torch.arange(len(eps)), 1)
    a**0.5 * part.images + (1 - a) ** 0.5 * eps => part.images
    emoji.load(16)[0], [] => emoji.load(16)[1], []
scores/texts.py
  test_wiring_scores.py::test_right_is_the_best_five_of_the_judge_that_nothing_else_uses
    zoo.shipped("judge-emoji"), pictures, own) < 5 => zoo.shipped("clip-emoji"), pictures, own) < 5
    zoo.shipped("judge-emoji"), pictures, own) < 5 => zoo.shipped("judge-emoji"), pictures, own) < 1
  test_wiring_scores.py::test_each_number_of_a_model_of_emoji_is_what_its_meaning_says
    clips.ranks(zoo.shipped("judge-emoji"), drawn, => clips.ranks(zoo.shipped("clip-emoji"), drawn,
    chosen + (len(train.images) if name else 0) => chosen
    steps=STEPS, scale=SCALE) => steps=STEPS)
    seed=seed, steps=STEPS => steps=STEPS
    train.images[train.mirrorable].flip(3)] => train.images[train.mirrorable].flip(2)]
    torch.cat([train.images, => torch.cat([train.images[:0],
    = float(distance.median()) => = float(distance.mean())
    metrics.accuracy(which[index], chosen) => metrics.accuracy(index, chosen)
    metrics.nearest(held_out.images, known) => metrics.nearest(held_out.images, train.images)
  test_wiring_scores.py::test_a_composition_counts_where_its_own_caption_fits_better_than_both_it_is_made_of
    judge = zoo.shipped("judge-emoji") => judge = zoo.shipped("clip-emoji")
    (fit.argmax(1) == 0) => (fit.argmax(1) < 2)
  test_wiring_scores.py::test_each_number_of_a_model_of_shapes_is_what_its_meaning_says
    asked_shapes(part, COUNT, g) => asked_shapes("train", COUNT, g)
    own = scenes.PARTS[part] => own = scenes.PARTS["train"]
  test_wiring_scores.py::test_the_curves_of_shapes_compare_with_drawings_in_the_eye_that_comes_with_the_data
    encode_image(real[: len(drawn)]) => encode_image(drawn)
    seed=2, steps=STEPS, scale=scale) => seed=2, steps=STEPS)
    spread(drawn) / spread(real) => spread(drawn)
  test_wiring_scores.py::test_the_curves_of_emoji_ask_the_judge_and_for_clip_guidance_the_guide_too
    clips.ranks(guide, drawn, => clips.ranks(zoo.shipped('judge-emoji'), drawn,
    zoo.load("clip-emoji-noisy", model.device) => zoo.load("clip-emoji", model.device)
    own[: len(drawn)]) => own[: len(drawn)].flip(0))
  test_wiring_scores.py::test_clip_guidance_leads_the_network_without_a_caption_by_the_noise_aware_clip
    model.schedule, scale) => model.schedule, 1.0)
    steps=50, method="ddim", clip=True) => steps=50, method="ddim")
scores/edits.py
  test_wiring_cards.py::test_what_is_filled_in_is_half_of_a_picture_of_each_part_and_blank_paper_is_the_yardstick
    pictures.where(known > 0, 1.0) => pictures
    steps=25, scale=3.0 => steps=25
    first + rows, [chosen => rows, [chosen
    shapes.draw(COUNT, g, 16, part) => shapes.draw(COUNT, g, 16)
    held_out, len(train.images), torch.arange(len(held_out.images)) => train, 0, torch.arange(len(held_out.images))
scores/priors.py
  test_wiring_cards.py::test_a_prior_is_measured_by_the_cosines_with_the_picture_of_its_caption
    candidates=1) => candidates=2)
    shapes.draw(COUNT, g, 16, part) => shapes.draw(COUNT, g, 16)
    emoji.load(16)[name != ""] => emoji.load(16)[0]
    again = pictures.flip(3) => again = pictures
    for x in (text, other)) => for x in (other, text))
    (imagined * image).sum(1) => (imagined * text).sum(1)
    candidates=1), dim=1) => candidates=1), p=1, dim=1)
scores/upsampler.py
  test_wiring_cards.py::test_an_upsampler_is_measured_by_held_out_emoji_against_bicubic
    emoji.load(32)[1].images => emoji.load(32)[0].images
    model.draw(small, seed=seed) => model.draw(small)
    mode="bicubic" => mode="bilinear"
scores/chains.py
  test_wiring_cards.py::test_what_a_chain_is_asked_belongs_together
    own = rows if part == "seen" else rows + len(train.images) => own = rows
    texts.asked_shapes({"seen": "train"}.get(part, part), n, g) => texts.asked_shapes("train", n, g)
  test_wiring_cards.py::test_each_cell_of_the_table_is_drawn_as_it_says
    pictures, seed + i) for i in range(SEEDS)] => pictures, i) for i in range(SEEDS)]
    steps=100, scale=SCALE, method="ddim") => scale=SCALE)
    None if alone else captions, seed=seed, scale=scale) => captions, seed=seed, scale=scale)
    None if alone else captions, seed=seed, scale=scale) => None if alone else captions, seed=seed)
    _std": stdev(right) => _std": stdev(right) ** 2
    chain.imagine(captions, seed=seed),\n => chain.imagine(captions),\n
  test_wiring_cards.py::test_the_modality_gap_is_that_of_pairs_and_of_strangers
    (image @ text.T)[other] => (image @ text.T)[~other]
    (text @ text.T)[other] => (image @ image.T)[other]
scores/__init__.py
  test_wiring_cards.py::test_a_card_and_its_file_hold_what_was_trained_and_what_was_scored
    parameter.copy_(parameter.bfloat16()) => pass
    v.bfloat16() for k, v in model.net.state_dict() => v for k, v in model.net.state_dict()
    ("name", "net", "schedule", "words", "clip") => ("name", "net", "schedule", "words")
    steps * card["batch_size"] => steps
    model.config["seconds"] / 60 => model.config["seconds"]
    "scores": score(model, seed)}\n => "scores": score(model)}\n
    .score(model, seed) => .score(model)
  test_wiring_cards.py::test_a_chain_s_card_names_the_seed_s_scores_and_the_weights_of_its_models
    "scores": score(model, seed), "curves" => "scores": score(model), "curves"
    **chains.made_of(model), => 
"""


def read(table: str) -> list[Mutant]:
    """The mutants of a table as above; \\n in a text is the end of a line."""
    mutants, file, test = [], "", ""
    for line in table.strip("\n").split("\n"):
        if not line.startswith("  "):
            file = line
        elif not line.startswith("    "):
            test = line.strip()
        else:
            old, new = line[4:].replace(r"\n", "\n").split(" => ")
            mutants.append(Mutant(file, old, new, test))
    return mutants


MUTANTS = read(TABLE)
