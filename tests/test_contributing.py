"""The page for contributors: its drawing is the plan that the tests hold, and each of its worked examples works."""

import linecache
import re
from itertools import pairwise
from pathlib import Path

import pytest
from in_node import NODE, compare, on_a_page, run
from test_project import ALONG, FLOORS

from ddpm_lite import Schedule
from ddpm_lite import __main__ as cli
from ddpm_lite.exercises import Exercise
from ddpm_lite.models.presets import PRESETS
from ddpm_lite.sampling.samplers import SAMPLERS
from ddpm_lite.views import base

PAGE = (Path(__file__).parents[1] / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")


def block(place: str) -> str:
    """The block of code that begins with the name of its file."""
    (found,) = re.findall(rf"```\w+\n((?:#|//) {re.escape(place)}\n.*?)```", PAGE, re.DOTALL)
    return found


def commands() -> list[str]:
    """The lines that are typed in a terminal."""
    return re.findall(r"^python -m ddpm_lite (.*)$", PAGE, re.MULTILINE)


def execute(place: str, names: dict | None = None) -> dict:
    """The names of a block after it was run; its source can be read, as that of a file."""
    code, names = block(place), {"__name__": place} | (names or {})
    linecache.cache[place] = (len(code), None, code.splitlines(True), place)
    exec(compile(code, place, "exec"), names)
    return names


def test_the_drawing_is_the_plan():
    rows = re.findall(r"^\| (.*?) \|", PAGE, re.MULTILINE)
    assert [set(re.findall(r"\w+", row)) for row in rows] == FLOORS[::-1]
    arrows = [pair for row in rows for pair in pairwise(re.findall(r"\w+|>", row))]
    assert {(a, c) for (a, b), (_, c) in pairwise(arrows) if b == ">"} == set(ALONG)


def test_every_block_is_run_by_one_of_these_tests():
    places = re.findall(r"```(?:python|js)\n(?:#|//) (\S+)\n", PAGE)
    assert len(places) == len(re.findall(r"```(?:python|js)\n", PAGE)) == len(set(places))
    source = Path(__file__).read_text(encoding="utf-8")
    assert all(f'("{place}' in source for place in places)


def test_the_sampler_draws(monkeypatch):
    monkeypatch.setitem(SAMPLERS, "flow", None)  # and takes it away afterwards
    execute("ddpm_lite/sampling/samplers.py")
    execute("tests/sampling/test_sample.py")


def test_the_exercise_says_what_is_wrong_and_what_is_right(monkeypatch, unchecked):
    monkeypatch.setattr(Exercise, "all", dict(Exercise.all))
    names = execute("ddpm_lite/exercises/closed_form.py")
    snr = names["snr"]
    answer = execute("notebooks/02_closed_form.ipynb", names)["my_snr"]
    assert snr.state == "misconception" and "That is the ratio of the factors." in str(snr.check(answer))
    assert snr.points(lambda alpha_bar: 1 / (1 / alpha_bar - 1)) == 1 and snr.stub().startswith("def my_snr(alpha_bar):\n")


def test_the_view_is_the_same_in_both_halves(monkeypatch, tmp_path, unchecked):
    (tmp_path / "base.js").write_text((base.HERE / "base.js").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "shares.js").write_text(block("ddpm_lite/views/shares.js"), encoding="utf-8")
    monkeypatch.setattr(base, "HERE", tmp_path)
    view = execute("ddpm_lite/views/shares.py")["Shares"](Schedule.cosine(30), t=7)
    assert view.describe() in view._repr_mimebundle_()[0]["text/plain"] and view.filmstrip().axes
    if not NODE:
        pytest.skip("no node: the browser half is not run")
    found = run(on_a_page(tmp_path, {"Shares": view}))["Shares"]
    for shown in [found["first"], *found["moved"]]:
        compare(view, shown)


def test_the_preset_is_trained_and_draws(monkeypatch, tmp_path, unchecked):
    monkeypatch.setitem(PRESETS, "digits-small", None)
    recipe = execute("ddpm_lite/models/presets.py")["recipe"]
    weights = [sum(p.numel() for p in each.build().parameters()) for each in (recipe, PRESETS["digits"])]
    assert 6 < weights[1] / weights[0] < 8, "a seventh"
    train, draw = (command.split() for command in commands())
    monkeypatch.chdir(tmp_path)
    assert cli.main([*train, "--steps", "2", "--batch-size", "4", "--device", "cpu"]) == 0
    assert cli.main([*draw, "--steps", "2", "--device", "cpu"]) == 0
    assert (tmp_path / "digits.png").stat().st_size > 100
