"""The project as a whole: that its files keep what they promise each other."""

import ast
import importlib
import json
import pkgutil
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import ddpm_lite
from ddpm_lite.__main__ import parser
from ddpm_lite.machine.precision import PRECISIONS

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
README = (ROOT / "README.md").read_text()
INSTALL = "python3 -m venv .venv && .venv/bin/pip install -e "
COMMAND_1 = INSTALL + '".[course]" && .venv/bin/jupyter lab notebooks'
COMMAND_2 = INSTALL + '".[course,test]" && .venv/bin/pytest'
BOTH = COMMAND_1, COMMAND_2
TORCH = next(r for r in EXTRAS["course"] if r.startswith("torch=="))
CPU_TORCH = f"python3 -m venv .venv && .venv/bin/pip install uv && .venv/bin/uv pip install {TORCH} --torch-backend cpu"


def windows(command: str) -> str:
    """A command in the form of PowerShell 7 on Windows."""
    return command.replace("python3", "py").replace(".venv/bin/", ".venv\\Scripts\\")


# The rooms of the design, floor by floor: an import goes down. ALONG lists the arrows on one floor, and why they are there.
FLOORS = [
    {"maths", "machine"},
    {"networks"},
    {"training", "sampling"},
    {"data", "models"},
    {"browser"},
    {"views", "exercises"},
    {"site", "commands"},
    {"__init__", "__main__"},
]
FLOOR = {room: number for number, floor in enumerate(FLOORS) for room in floor}
ALONG = {
    ("training", "sampling"): "a student learns the steps that its teacher takes: see distillation",
    ("models", "data"): "a preset names its data, and a score asks for them",
    ("commands", "site"): "the commands read notebooks as the site does",
}


def modules():
    return sorted((ROOT / "ddpm_lite").rglob("*.py"))


def imports(path: Path) -> set[str]:
    """The names that a file of the package imports: 'torch', 'ddpm_lite.schedule', ..."""
    found = set()
    package = ["ddpm_lite", *path.relative_to(ROOT / "ddpm_lite").parent.parts]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {f"{module}.{alias.name}" for alias in node.names} if module == "ddpm_lite" else {module}
    return found


def part(path: Path) -> str:
    return path.relative_to(ROOT / "ddpm_lite").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_downward(path):
    own = part(path)
    assert own in FLOOR, f"{own} has no place in the plan: give it one"
    used = imports(path)
    for name in used:
        if name.startswith("ddpm_lite."):
            other = name.split(".")[1]
            assert other == own or FLOOR[other] < FLOOR[own] or (own, other) in ALONG, f"{own} imports {other}, not below it"
    if own == "maths":
        assert not {n.split(".")[0] for n in used} & {"matplotlib", "ipywidgets", "IPython"}
    assert not any(name.split(".")[0] == "notebooks" for name in used)


def is_misconception(node: ast.FunctionDef | ast.ClassDef) -> bool:
    """Whether a function is decorated with `exercise.wrong(sentence)`."""
    calls = [each.func for each in node.decorator_list if isinstance(each, ast.Call)]
    return any(isinstance(call, ast.Attribute) and call.attr == "wrong" for call in calls)


def test_text_files_have_an_encoding_of_their_own():
    """Else Windows reads them in the encoding of its language."""
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("read_text", "write_text")
            ):
                named = any(keyword.arg == "encoding" for keyword in node.keywords)
                assert named or "/proc" in ast.unparse(node), f"{path.name}:{node.lineno}: {ast.unparse(node)}"


def test_a_browser_s_tests_wait_for_what_a_page_shows():
    """`expect` asks until the page has drawn; `is_visible()` asks once, and on a busy machine that is too early."""
    for path in Path(__file__).parent.rglob("test_*.py"):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            assert not re.search(r"assert .*\.is_(visible|hidden)\(\)", line), f"{path.name}:{number}: {line}"


def test_every_public_function_has_a_docstring():
    for path in modules():
        public = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        # Of one name, the last: after the types that `overload` gives it, or after an exercise's faulty function, its reference.
        public = list({node.name: node for node in public}.values())
        if path.parent.name == "exercises":
            public = [node for node in public if not is_misconception(node)]  # the sentence in its decorator describes it
        for node in public:
            if not node.name.startswith("_"):
                assert ast.get_docstring(node) or node.name == "forward", f"{path.name}: {node.name}"
                for method in getattr(node, "body", []) if isinstance(node, ast.ClassDef) else []:
                    if isinstance(method, ast.FunctionDef) and not method.name.startswith("_") and method.name != "forward":
                        assert ast.get_docstring(method), f"{path.name}: {node.name}.{method.name}"


def test_all_public_names_are_there():
    names = ddpm_lite.__all__  # ruff keeps them sorted: constants, classes, functions
    assert len(set(names)) == len(names) and all(hasattr(ddpm_lite, name) for name in names)


def test_no_name_hides_a_module():
    found = [each.name for each in pkgutil.walk_packages(ddpm_lite.__path__, "ddpm_lite.") if each.name != "ddpm_lite.__main__"]
    modules = {name: importlib.import_module(name) for name in found}
    for name, module in modules.items():
        room, _, own = name.rpartition(".")
        assert getattr(sys.modules[room], own) is module, f"{room} exports another {own} than its module"


def test_the_readme_s_commands_are_the_ones_that_work():
    assert COMMAND_1 in README and COMMAND_2 in README
    ci = (ROOT / ".ci" / "run").read_text()
    assert f"\n{COMMAND_2}\n" in ci
    assert set(re.findall(r"DDPM_LITE_PRECISION=(\w+)", ci)) == set(PRECISIONS), "it runs in both"
    assert windows(COMMAND_1) in README and windows(COMMAND_2) in README
    assert f"{CPU_TORCH}\n" in README and "-m ddpm_lite lab" in README
    for block in re.findall(r"```\w+\n(.*?)```", README, re.DOTALL):  # all else is typed in the environment, on any system
        assert ".venv" not in block or block.rstrip() in (*BOTH, *map(windows, BOTH), CPU_TORCH)


def test_the_changes_begin_with_this_version():
    changes = re.findall(r"^\*\*(\d+\.\d+\.\d+)\*\*", README.partition("## What has changed")[2], re.MULTILINE)
    assert changes[0] == PYPROJECT["project"]["version"] and len(changes) == len(set(changes))
    places = re.findall(rf"\b{re.escape(changes[0])}\b", README)
    assert len(places) == 1, "the version stands in pyproject.toml, and over its changes"


def test_the_workflows_run_the_readme_s_commands_on_three_systems_and_two_pythons():
    folder = ROOT / ".github" / "workflows"
    tests, site = (yaml.safe_load((folder / f"{name}.yml").read_text(encoding="utf-8")) for name in ("tests", "site"))
    oldest = PYPROJECT["project"]["requires-python"].removeprefix(">=")
    opened = " lab notebooks"  # the browser that the first command opens
    for job, form in (("unix", str), ("windows", windows)):
        runs = [step["run"] for step in tests["jobs"][job]["steps"] if "run" in step]
        assert runs[-2:] == [form(COMMAND_1).replace(opened, " lab --version"), form(COMMAND_2)], job
        assert tests["jobs"][job]["strategy"]["matrix"]["python"][0] == oldest
    systems = [*tests["jobs"]["unix"]["strategy"]["matrix"]["os"], tests["jobs"]["windows"]["runs-on"]]
    assert systems == ["ubuntu-latest", "macos-latest", "windows-latest"] and CPU_TORCH in [*every("run", tests)]
    (command,) = [run for run in every("run", site) if "-m ddpm_lite" in run]
    words = command.replace("${{ github.server_url }}/${{ github.repository }}", "https://github.com/owner/course").split()
    asked = parser().parse_args(words[words.index("ddpm_lite") + 1 :])
    assert asked.command == "site" and str(asked.out) in [*every("path", site)]


def test_the_dev_container_and_pre_commit_hold_what_the_tests_hold():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    create = container["postCreateCommand"]
    assert create.startswith(CPU_TORCH) and create.endswith(" && " + COMMAND_2.split(" && ")[1].replace('"', "'"))
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    pinned = [requirement for hook in hooks for requirement in hook.get("additional_dependencies", [])]
    assert pinned and all(requirement in EXTRAS["test"] for requirement in pinned)


def every(key: str, within) -> Iterator:
    """What stands under a key anywhere in a workflow."""
    for name, value in within.items() if isinstance(within, dict) else enumerate(within):
        if name == key:
            yield value
        elif isinstance(value, dict | list):
            yield from every(key, value)


def versions(requirements: list[str]) -> dict[str, str]:
    return {re.match(r"[\w-]+", r).group().replace("_", "-"): r[re.match(r"[\w-]+", r).end() :] for r in requirements}


def test_conda_and_the_extras_agree():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert conda["channels"] == ["conda-forge"]
    packages = dict(re.fullmatch(r"([\w-]+)=?(.*)", d).groups() for d in conda["dependencies"] if isinstance(d, str))
    packages["torch"] = packages.pop("pytorch")
    course = versions(EXTRAS["course"])
    assert all(version.startswith("==") for version in course.values()), "the classroom is pinned"
    assert {k: v for k, v in packages.items() if k not in ("python", "pip")} == {
        k: v.removeprefix("==") for k, v in course.items()
    }
    assert conda["dependencies"][-1] == {"pip": ["-e ."]}
    minimum = PYPROJECT["project"]["requires-python"].removeprefix(">=")
    assert tuple(map(int, packages["python"].split("."))) >= tuple(map(int, minimum.split(".")))


def test_the_classroom_holds_everything_the_package_needs():
    course = versions(EXTRAS["course"])
    assert set(versions(PYPROJECT["project"]["dependencies"])) <= set(course)
    for name in ("jupyterlab", "torch", "matplotlib", "ipywidgets", "numpy", "nbval"):
        assert name in course
    assert "torchvision" not in str(EXTRAS["course"] + EXTRAS["test"])


def test_only_the_fixed_entries_stand_at_the_top():
    git = shutil.which("git")
    tracked = git and subprocess.run([git, "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if not tracked or tracked.returncode:
        pytest.skip("not a git checkout")
    top = {name.split("/")[0] for name in tracked.stdout.split()}
    assert {n for n in top if not n.startswith(".")} == {
        "README.md", "environment.yml", "pyproject.toml", "LICENSE", "notebooks", "ddpm_lite", "tests",
    }  # fmt: skip


def test_the_code_is_in_style():
    for command in (["check"], ["format", "--check"]):
        result = subprocess.run([sys.executable, "-m", "ruff", *command, "--no-cache", str(ROOT)], capture_output=True, text=True)
        assert result.returncode == 0, result.stdout


def test_the_types_of_the_package_hold():
    cache = Path(tempfile.gettempdir()) / "ddpm_lite_mypy"  # kept between runs: the first takes most of a minute
    command = [sys.executable, "-m", "mypy", "ddpm_lite", "--cache-dir", str(cache)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
