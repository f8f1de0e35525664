"""The browser halves of the views in node (see in_node.py): what they compute and say, and what their controls reach."""

import in_node
import pytest
import traitlets
from in_node import MAKE, compare, put, run

from ddpm_lite import views

pytestmark = in_node.marks
every = pytest.mark.parametrize("name", MAKE)
# The list that holds all values which a slider or a list of choices may take; the others take all between two ends.
LISTS = {
    "Asked": {"question": "known"},
    "Density": {"way": "ways", "strides": "counts"},
    "Field": {"t": "steps"},
    "Noise": {"schedule": "schedules", "way": "ways"},
    "ProbabilityFlow": {"u": "times", "path": "paths"},
    "Training": {"step": "steps", "t": "shown_t"},
}


@pytest.fixture
def made():
    return in_node.made()


@pytest.fixture
def found():
    return in_node.found()


@every
def test_it_computes_what_its_python_half_says(name, made, found):
    view = made[name]
    assert found[name]["first"]["state"] == view.start
    for shown in [found[name]["first"], *found[name]["moved"]]:
        compare(view, shown)
    assert found[name]["afterReset"] == view.start


@every
def test_its_sliders_and_lists_reach_what_the_python_half_takes_and_no_more(name, made, found):
    view, kind = made[name], type(made[name]).__name__
    put(view, view.start)
    for control in found[name]["controls"]:
        trait = control["trait"]
        if listed := LISTS.get(kind, {}).get(trait):
            assert control["values"] == getattr(view, listed), trait
        elif isinstance(view.traits()[trait], traitlets.Enum):
            assert control["values"] == list(view.traits()[trait].values), trait
        else:
            least, most, step = (control[key] for key in ("min", "max", "step"))
            for value in (least, most):
                setattr(view, trait, value)
            for value in (least - step, most + step):
                with pytest.raises(traitlets.TraitError):
                    setattr(view, trait, value)
    assert set(view.start) - {control["trait"] for control in found[name]["controls"]} == WITHOUT.get(name, set())


# What a reader moves otherwise, with a pen, or not at all.
WITHOUT = {"Bayes of a mixture": {"x_0"}, "Density": {"weights", "strides", "way"}, "Density back": {"weights"}}


# How far an arrow key and Page Up move a slider; 1 and 10 where nothing else is said.
STEPS = {
    "Bayes": {"x_t": (0.05, 0.5), "x_0": (0.05, 0.5), "t": (1, 4), "beta": (0.001, 0.01)},
    "Field": {"t": (1, 5), "start_x": (0.05, 0.5), "start_y": (0.05, 0.5)},
    "LiveTraining": {"moment": (1, 3)},
    "Matrix": {"row": (1, 5), "column": (1, 5)},
    "ProbabilityFlow": {"u": (1, 5), "x_start": (0.05, 0.5), "eta": (0.1, 0.5)},
    "Sampling": {"steps": (1, 2), "seed": (1, 3), "t": (1, 4)},
    "ScheduleView": {"T": (1, 100), "beta_1": (0.0001, 0.001), "beta_T": (0.001, 0.01), "s": (0.001, 0.01)},
    "Sheet": {"seed": (1, 2), "guidance": (1, 4)},
    "Sheet in colour": {"z": (1, 2)},
    "Sheet of 256 colours": {"z": (1, 1)},
    "Sheet that stands still": {"step": (1, 5)},
    "Training": {"step": (1, 2), "t": (1, 3)},
}
STEPS |= {"Bayes of a mixture": STEPS["Bayes"], "Density back": {"strides": (1, 4)}}
STEPS |= {"ProbabilityFlow of one path": STEPS["ProbabilityFlow"]}


@every
def test_its_sliders_move_in_these_steps(name, found):
    for control in found[name]["controls"]:
        if "step" in control:
            step, page = STEPS.get(name, {}).get(control["trait"], (1, 10))
            assert control["step"] == step and control["page"] == pytest.approx(page), control["trait"]


# What stands beside a slider in the first state.
WORDS = {
    "Bayes": {"x_t": "0.60", "x_0": "-0.40", "t": "t = 5 of 20, where the schedule's β is 0.121", "beta": "0.121"},
    "Density back": {"t": "t = 30 of 137", "strides": "10 steps"},
    "Field": {"t": "t = 20 of 100", "start_x": "2.00", "start_y": "1.00"},
    "LiveTraining": {"moment": "step 260"},
    "Matrix": {"row": "a red dog", "column": "r"},
    "Noise": {"t": "t = 9 of 100, 96 % signal"},
    "ProbabilityFlow": {"u": "u = 0.40", "x_start": "0.90", "steps": "10", "eta": "η = 1.0"},
    "Sampling": {"steps": "10", "seed": "7", "t": "1000"},
    "ScheduleView": {"T": "T = 1000", "beta_1": "0.0001", "beta_T": "0.020", "s": "0.008"},
    "Sheet": {"seed": "3", "guidance": "0"},
    "Sheet in colour": {"z": "1"},
    "Sheet of 256 colours": {"z": "1"},
    "Sheet that stands still": {"step": "1"},
    "Training": {"step": "60 of 60", "t": "t = 6 of 100"},
}


@pytest.mark.parametrize("name", WORDS)
def test_its_sliders_say_where_they_stand(name, found):
    assert {c["trait"]: c["words"] for c in found[name]["controls"] if "words" in c} == WORDS[name]


def test_the_order_of_the_buttons_is_that_of_the_presets(found):
    assert found["ScheduleView"]["buttons"] == [*views.ScheduleView.PRESETS, "Reset", "Big"]


# The trait that Play moves, and its values from the first on.
PLAYED = {
    "Density": ("t", range(20, 138)),
    "Density back": ("t", range(30, -1, -1)),
    "Field": ("t", [20, 15, 12, 10, 8, 6, 5, 4, 3, 2, 1]),
    "Noise": ("t", range(9, 101)),
    "Noise of several": ("t", range(30, 101)),
    "ProbabilityFlow": ("u", [k / 100 for k in range(40, 0, -1)]),
    "ProbabilityFlow of one path": ("u", [k / 100 for k in range(7, 0, -1)]),
    "Sampling": ("t", [1000, 700, 400, 100, 0]),
    "Sheet": ("guidance", [0.0, 1.0, 2.5, 8.0, 9.5]),
    "Sheet that stands still": ("step", [1, 2, 4, 8, 9, 10]),
    "Training": ("step", [1, 20, 60]),
}


@every
def test_play_runs_to_the_end(name, made, found):
    trait, values = PLAYED.get(name, (None, None))
    if trait is None:
        assert found[name]["played"] is None
        return
    seen = [state[trait] for state in found[name]["played"]]
    places = [list(values).index(value) for value in seen]
    assert places == sorted(places) and seen[-1] == values[-1] and len(set(seen)) > 2
    assert all({**state, trait: None} == {**made[name].start, trait: None} for state in found[name]["played"])


def test_on_a_phone_it_computes_the_same(made):
    for name, view in run(in_node.page(), width=390, places=0).items():
        for shown in (view["first"], view["moved"][-1]):
            compare(made[name], shown)


# A slip in a view's JavaScript, in a table or at the end of a slider: what was right and what became of it.
SLIPS = [
    ("Bayes of a mixture", "{ length: 47 }", "{ length: 46 }"),
    ("Bayes", "length: 1201 }, (_, i) => -3 + i / 200", "length: 1201 }, (_, i) => -3 + i / 201"),
    ("Bayes", "[min, max] = model", "[max, min] = model"),
    ("Density", "0, max: T, words: (t)", "0, max: T - 1, words: (t)"),
    ("Field", "const NODES = 31", "const NODES = 29"),
    (
        "Field",
        'slider(kit, "start_y", { label: "2nd coordinate", min: -REACH',
        'slider(kit, "start_y", { label: "2nd coordinate", min: 0',
    ),
    ("LiveTraining", "rows.slice(-10)", "rows.slice(-9)"),
    ("Matrix", "max: columns.length - 1", "max: columns.length"),
    ("Noise", 'slider(kit, "t", { label: "step t", min: 0', 'slider(kit, "t", { label: "step t", min: 1'),
    ("Noise", "names.map((name, k) => numbers", "names.map((name, k, { length }) => (k = length - 1 - k) + 1 && numbers"),
    ("ProbabilityFlow", "z) => ((Math.min(REACH", "z) => ((Math.min(2.9"),
    ("ProbabilityFlow", "min: 1, max: 64", "min: 1, max: 65"),
    ("ProbabilityFlow", "sigma * normal(1000 * (k + 1) + i)", "sigma * normal(1000 * k + i)"),
    ("ProbabilityFlow of one path", "const w = velocity(guess, next)", "const w = velocity(guess, now)"),
    ("Sampling", "values.indexOf(state[name] ?? model.get(name))", "values.indexOf(model.get(name))"),
    ("ScheduleView", "min: 0.0001, max: 0.02,", "min: 0.0001, max: 0.03,"),
    ("ScheduleView", '["linear", "cosine", "falling"]', '["linear", "cosine"]'),
    ("Sheet", "(index, [name, values]) => index * values.length", "(index, [name, values]) => index * 3"),
    ("Sheet that stands still", "since > 0 && same", "since > 1 && same"),
]


@pytest.mark.parametrize(("name", "right", "wrong"), SLIPS)
def test_a_slip_is_seen(name, right, wrong, made):
    page = in_node.page()
    model = dict(page["models"][name])
    module = page["modules"][model["module"]]
    assert right in module
    slipped = run({**page, "modules": [module.replace(right, wrong)], "models": {name: {**model, "module": 0}}}, places=2)
    with pytest.raises((AssertionError, traitlets.TraitError, pytest.fail.Exception)):
        test_it_computes_what_its_python_half_says(name, made, slipped)
        test_its_sliders_and_lists_reach_what_the_python_half_takes_and_no_more(name, made, slipped)
