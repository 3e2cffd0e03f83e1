"""Every command that README and docs show can be typed as it stands, with the packages of a run alone."""

from __future__ import annotations

import ast
import functools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from snakemake.cli import get_argument_parser

from tests.workflow.documented import (
    OURS,
    PAGES,
    ROOT,
    SYSTEM,
    commands_of,
    import_names,
    is_placeholder,
    pinned,
    shell_blocks,
    without_test_packages,
)

COMMANDS = [command for page in PAGES for command in commands_of(page)]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"(?m)^([a-z][a-z-]*):(?! \w+ =).*\n((?:\t.*\n)*)", MAKEFILE))
RULES = set()
for _file in (ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")):
    RULES |= set(re.findall(r"(?m)^ *rule (\w+):", _file.read_text(encoding="utf-8")))


def of(*programs: str):
    chosen = [command for command in COMMANDS if command.program in programs]
    return pytest.mark.parametrize("command", chosen, ids=map(str, chosen))


def modules_of(recipe: str) -> list[str]:
    return re.findall(r"python3? -m ([\w.]+)", recipe)


def module_file(name: str) -> Path:
    return ROOT / (name.replace(".", "/") + ".py")


@functools.cache
def help_of(module: str) -> str:
    """What a module's --help says; scripts run without the packages that only tests have."""
    assert module_file(module).is_file(), module
    done = subprocess.run([sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_flags(words, module: str) -> None:
    for word in words:
        if word.startswith("--"):
            assert re.search(rf"(?<![\w-]){re.escape(word.partition('=')[0])}(?![\w-])", help_of(module)), (
                f"{module} has no {word}"
            )


# ------------------------------------------------------------------------------------------ extraction


def test_the_commands_are_found():
    """A page that shows none, or a block that is passed over, would make all that follows empty."""
    typed = {" ".join(command.words) for command in COMMANDS}
    assert len(typed) > 45
    assert {
        "make demo",
        "make bundle CONFIG=config/paper.yaml",
        "snakemake --report report.zip",
        "snakemake --unlock",
    } <= typed
    assert {
        "snakemake --workflow-profile profiles/slurm",
        "snakemake -n --quiet rules",
        "BENCH=--device cuda",
    } <= typed
    assert {command.page for command in COMMANDS} >= {
        "README.md",
        "CONTRIBUTING.md",
        "docs/tutorial.md",
        "docs/slurm.md",
        "docs/troubleshooting.md",
    }


@pytest.mark.parametrize("page", PAGES)
def test_every_line_of_a_block_of_commands_begins_with_a_known_program(page):
    for line, lines in shell_blocks(page):
        for number, text in enumerate(lines, start=line):
            assert not text.strip() or text.split()[0] in (*OURS, *SYSTEM), f"{page}:{number} {text}"


@pytest.mark.parametrize("command", COMMANDS, ids=map(str, COMMANDS))
def test_every_file_that_a_command_names_exists(command):
    tops = {"config", "docs", "envs", "profiles", "rules", "scripts", "tests"}
    for word in command.words:
        for value in (word.partition("=")[2] or word).split(" "):
            if value.partition("/")[0] in tops and "/" in value and not is_placeholder(value):
                assert (ROOT / value).exists(), value


# ------------------------------------------------------------------------------------------ make


@of("make")
def test_make_has_the_targets_and_variables(command):
    for word in command.words[1:]:
        name, given, value = word.partition("=")
        if not given:
            assert name in RECIPES or is_placeholder(name), f"no target {name}"
        else:
            assert f"$({name})" in MAKEFILE, f"no variable {name}"
            targets = [one for one in command.words[1:] if one in RECIPES]
            if value.startswith("--") and name != "CONFIG":
                check_flags(value.split(), modules_of(RECIPES[targets[0]])[0])


@pytest.mark.parametrize("command", [one for one in COMMANDS if "=" in one.program], ids=str)
def test_variables_of_make_in_the_text(command):
    name, _, value = " ".join(command.words).partition("=")
    readers = [target for target, recipe in RECIPES.items() if f"$({name})" in recipe]
    assert readers
    flags = [word for word in value.split() if word.startswith("--")]
    texts = (
        [help_of(module) for target in readers for module in modules_of(RECIPES[target])]
        if flags and name != "CONFIG"
        else []
    )
    assert all(any(flag in text for text in texts) for flag in flags) or name == "CONFIG"


@pytest.mark.parametrize("target", sorted(RECIPES))
def test_a_target_that_needs_more_than_a_run_installs_it(target):
    """Tests, benchmarks and checks of the code first see to the test packages; what a user runs needs none of
    them.
    """
    recipe = RECIPES[target]
    for_tests = re.search(r"(?<![\w.])(pytest|ruff|snakefmt|python3? -m tests\.(?!intake\.fuzz_))", recipe)
    assert not for_tests or "envs/setup.sh test" in recipe[: for_tests.start()]
    for module in modules_of(recipe):
        assert module_file(module).is_file(), module


# ------------------------------------------------------------------------------------------ snakemake


def parsed(command):
    return get_argument_parser().parse_args(list(command.words[1:]))


@of("snakemake")
def test_snakemake_takes_the_flags_and_no_target_for_a_config(command):
    try:
        given = parsed(command)
    except SystemExit as end:
        assert end.code == 0, f"Snakemake refuses: {command}"
        return
    for path in map(str, given.configfile or []):
        assert path.endswith((".yaml", ".yml")), (
            f"'--configfile' takes the target '{path}': write '--' before it"
        )
    for target in given.targets or []:
        assert target in RULES or target.startswith(("results/", "weights/")) or is_placeholder(target), (
            target
        )


def test_snakemake_makes_what_commands_name(fresh_study):
    commands = [
        command for command in COMMANDS if command.program == "snakemake" and "--version" not in command.words
    ]
    targets = {target for command in commands for target in parsed(command).targets or []}
    targets = sorted(name for name in targets if not is_placeholder(name))
    assert targets
    text = fresh_study("documented").snakemake("-n", "--quiet", "rules", "--", *targets)
    assert "Job stats:" in text


# ------------------------------------------------------------------------------------------ python


@of("python", "python3")
def test_python_modules_are_there_and_have_the_flags(command):
    words = command.words[1:]
    if words[0] == "-m":
        check_flags(words[2:], words[1])
    else:
        assert (ROOT / words[0]).is_file()


# ------------------------------------------------------------------------------------------ the environment
# of a run


def does_without(handler: ast.ExceptHandler) -> bool:
    """Whether a handler goes on after a failed import; one that raises only says it in other words."""
    caught = ast.unparse(handler.type) if handler.type else "Exception"
    return bool(re.search("ImportError|ModuleNotFoundError|Exception", caught)) and not any(
        isinstance(inner, ast.Raise) for part in handler.body for inner in ast.walk(part)
    )


def imported(path: Path) -> set[str]:
    """The top-level modules that a file imports, also within functions, but for those that it can do
    without.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tries = [
        node for node in ast.walk(tree) if isinstance(node, ast.Try) and any(map(does_without, node.handlers))
    ]
    spared = {id(inner) for node in tries for part in node.body for inner in ast.walk(part)}
    found = set()
    for node in ast.walk(tree):
        if id(node) in spared:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


def package(name: str) -> Path:
    return Path(__import__(name).__file__).parent


REPORT = package("snakemake") / "report"


@pytest.mark.parametrize("folder", [ROOT / "scripts", REPORT], ids=["scripts", "snakemake --report"])
def test_what_a_run_imports_is_pinned_for_it(folder):
    """Also what is imported late, as Snakemake's report does with the package that colours code."""
    allowed = (
        import_names(pinned("envs/requirements.txt"))
        | set(sys.stdlib_module_names)
        | {"scripts", "snakemake"}
    )
    files = [path for path in folder.rglob("*.py") if "__pycache__" not in path.parts]
    assert files
    for path in files:
        assert imported(path) <= allowed, (
            f"{path.relative_to(folder)}: {sorted(imported(path) - allowed)} not in envs/requirements.txt"
        )


def test_the_modules_of_commands_start_without_the_packages_of_tests(tmp_path):
    modules = {
        module
        for target, recipe in RECIPES.items()
        if "setup.sh test" not in recipe
        for module in modules_of(recipe)
    }
    modules |= {
        command.words[2]
        for command in COMMANDS
        if command.words[:2] == ("python", "-m") and command.words[2].startswith("scripts.")
    }
    assert {
        "scripts.check.doctor",
        "scripts.bundle.score",
        "scripts.networks.orphans",
        "tests.intake.fuzz_intake",
        "tests.intake.fuzz_tables",
    } <= modules
    environment = {**os.environ, **without_test_packages(tmp_path)}
    code = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
    done = subprocess.run(
        [sys.executable, "-c", code, *sorted(modules)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    blocked = subprocess.run(
        [sys.executable, "-c", "import pytest"], env=environment, capture_output=True, text=True
    )
    assert "only tests have it" in blocked.stderr, "the packages of tests are not blocked"
