"""Packaging: what is shipped, and that the pages about it are true."""

from __future__ import annotations

import ast
import configparser
import fnmatch
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import virb
from virb.cli import main
from virb.core.paths import card_folder, reference_folder

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "virb"
CARDS = {"virb.tasks": "tasks", "virb.encoders": "encoders"}
NUMBERS = {"virb.paper2021": "results/paper2021"}


@pytest.fixture(scope="module")
def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def words(text: str) -> list[str]:
    """Return the lines of a setup.cfg value, without comments."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def pairs(text: str) -> dict[str, str]:
    return {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in words(text))}


def ignored(name: str) -> bool:
    """Tell whether .gitignore leaves out an entry at the top or at any level; enough for the patterns used here."""
    patterns = words((ROOT / ".gitignore").read_text())
    return any(fnmatch.fnmatch(name, pattern.strip("/")) for pattern in patterns if "/" not in pattern.strip("/"))


def entries(folder: Path) -> set[str]:
    """Return what a reader sees in a folder of the checkout; folders end with a slash."""
    found = (path for path in folder.iterdir() if not path.name.startswith(".") and not ignored(path.name))
    return {f"{path.name}/" if path.is_dir() else path.name for path in found}


def page(name: str) -> str:
    path = ROOT / name
    assert path.is_file(), f"{name} is missing"
    return path.read_text(encoding="utf-8")


# setup.cfg


def test_packages_are_listed_by_name(setup_cfg: configparser.ConfigParser) -> None:
    packages = words(setup_cfg["options"]["packages"])
    assert not any("find" in name for name in packages)
    assert len(set(packages)) == len(packages)
    assert "options.packages.find" not in setup_cfg


def test_every_folder_with_code_or_cards_is_a_listed_package(setup_cfg: configparser.ConfigParser) -> None:
    folders = {path.parent for suffix in ("*.py", "*.yaml") for path in PACKAGE.rglob(suffix)}
    wanted = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert set(words(setup_cfg["options"]["packages"])) == wanted | set(CARDS) | set(NUMBERS)


def test_every_folder_with_code_is_a_package() -> None:
    for folder in {path.parent for path in PACKAGE.rglob("*.py")}:
        assert (folder / "__init__.py").is_file(), folder


def test_the_folders_of_cards_are_mapped_into_the_package(setup_cfg: configparser.ConfigParser) -> None:
    assert pairs(setup_cfg["options"]["package_dir"]) == CARDS | NUMBERS


def test_every_folder_of_cards_ships_its_yaml(setup_cfg: configparser.ConfigParser) -> None:
    data = {key: words(value) for key, value in setup_cfg["options.package_data"].items()}
    inside = {".".join(path.parent.relative_to(ROOT).parts) for path in PACKAGE.rglob("*.yaml")}
    for name in inside | set(CARDS):
        assert "*.yaml" in data[name]


def test_published_numbers_are_shipped_as_they_are_in_the_checkout(setup_cfg: configparser.ConfigParser) -> None:
    for package, folder in NUMBERS.items():
        assert words(setup_cfg["options.package_data"][package]) == ["*.json"]
        assert list((ROOT / folder).glob("*.json"))
        assert reference_folder(package.removeprefix("virb.")) == ROOT / folder


def test_templates_and_libraries_of_the_page_are_shipped(setup_cfg: configparser.ConfigParser) -> None:
    patterns = words(setup_cfg["options.package_data"]["virb.leaderboard.page"])
    shipped = {path for pattern in patterns for path in (PACKAGE / "leaderboard" / "page").glob(pattern)}
    assert shipped == {
        path for path in (PACKAGE / "leaderboard" / "page").rglob("*") if path.is_file() and "py" not in path.suffix
    }


def test_the_type_marker_is_there_and_shipped(setup_cfg: configparser.ConfigParser) -> None:
    assert (PACKAGE / "py.typed").is_file()
    assert "py.typed" in words(setup_cfg["options.package_data"]["virb"])


def test_the_console_script_is_the_function_that_the_tests_call(setup_cfg: configparser.ConfigParser) -> None:
    scripts = pairs(setup_cfg["options.entry_points"]["console_scripts"])
    assert scripts == {"virb": f"{main.__module__}:{main.__name__}"}


def test_the_version_has_one_place(setup_cfg: configparser.ConfigParser) -> None:
    assert setup_cfg["metadata"]["version"] == "attr: virb.__version__"
    assert re.fullmatch(r"\d+\.\d+\.\d+([abrc.]\w+)?", virb.__version__)


def test_pyproject_holds_only_the_build_system_and_ruff() -> None:
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(content) == {"build-system", "tool"}
    assert set(content["tool"]) == {"ruff"}


# The checkout


@pytest.mark.parametrize("name", ["tasks", "encoders"])
def test_no_folder_of_code_hides_the_cards(name: str) -> None:
    """A wheel maps tasks/ to virb/tasks: code of that name would be dropped, and found instead of the cards."""
    assert not (PACKAGE / name).exists()
    assert not (PACKAGE / f"{name}.py").exists()
    assert card_folder(name) == ROOT / name


@pytest.mark.parametrize("name", ["tasks", "encoders"])
def test_a_folder_of_cards_is_flat_and_holds_yaml_only(name: str) -> None:
    found = list((ROOT / name).iterdir())
    assert found
    assert [path.name for path in found if not (path.is_file() and path.suffix == ".yaml")] == []


def test_a_stale_build_folder_is_ignored_by_git() -> None:
    lines = words((ROOT / ".gitignore").read_text())
    assert {"build/", "/build/"} & set(lines)


def test_the_top_of_the_checkout_holds_what_the_design_names() -> None:
    wanted = {"setup.cfg", "pyproject.toml", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"}
    folders = {"virb/", "tasks/", "encoders/", "tests/"}
    assert wanted | folders <= entries(ROOT)
    assert (ROOT / ".ci" / "run").is_file()


# Requirements and pages


def requirements() -> list[str]:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    texts = [parser["options"]["install_requires"], *parser["options.extras_require"].values()]
    return sorted({line for text in texts for line in words(text)})


def test_there_are_requirements_to_look_at() -> None:
    assert {"torch", "timm", "pydantic", "pytest"} <= {re.split(r"[^\w.-]", line)[0] for line in requirements()}


@pytest.mark.parametrize("requirement", requirements())
def test_a_requirement_has_a_lower_bound(requirement: str) -> None:
    assert re.fullmatch(r"[\w.-]+(\[[\w,]+\])?>=\d[\w.]*(,<\d[\w.]*)?(\s*;.*)?", requirement)


@pytest.mark.parametrize("requirement", requirements())
def test_a_requirement_has_a_line_of_reason(requirement: str) -> None:
    name = re.escape(re.split(r"[^\w.-]", requirement)[0])
    line = rf"(?im)^[*|-] *`?{name}`?[^\w\n-]+\w.{{4,}}$"
    assert re.search(line, page("CONTRIBUTING.md")), f"no line '* {name}: why'"


def test_every_library_that_the_code_imports_is_a_requirement(setup_cfg: configparser.ConfigParser) -> None:
    other = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml"}
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    declared = {re.split(r"[^\w.-]", line)[0] for line in words(setup_cfg["options"]["install_requires"])}
    libraries = {other.get(name, name) for name in found - set(sys.stdlib_module_names) - {"virb"}}
    assert libraries - declared == set()


def test_the_changelog_names_this_version() -> None:
    assert re.search(rf"(?m)^#+ .*\b{re.escape(virb.__version__)}\b", page("CHANGELOG.md"))


# README's file tree


def tree(text: str) -> Iterator[tuple[str, str]]:
    """Yield (path, description) for each line of the fenced block that holds a line for virb/ itself."""
    blocks = re.findall(r"(?ms)^```[^\n]*\n(.*?)^```", text)
    found = [block for block in blocks if re.search(r"(?m)^virb/ {2,}\S", block)]
    assert len(found) == 1, f"README.md has {len(found)} fenced blocks with a line 'virb/   description'"
    above: list[str] = []
    for line in found[0].splitlines():
        if not line.strip():
            continue
        match = re.fullmatch(r"((?:  )*)(\S+) {2,}(\S.*)", line)
        assert match, f"not 'name   description', two spaces per level: {line!r}"
        depth = len(match[1]) // 2
        assert depth <= len(above), f"too deep: {line!r}"
        above = [*above[:depth], match[2]]
        assert all(name.endswith("/") for name in above[:-1]), f"not below a folder: {line!r}"
        yield "".join(above), match[3]


def test_the_parser_of_the_tree_knows_levels_and_refuses_loose_lines() -> None:
    lines = [
        "virb/   the package",
        "  cli.py   the commands",
        "  data/   adapters",
        "    dtd.py   one",
        "LICENSE   MIT",
    ]
    good = "\n".join(["```", *lines, "```", ""])
    assert [path for path, _ in tree(good)] == ["virb/", "virb/cli.py", "virb/data/", "virb/data/dtd.py", "LICENSE"]
    for bad in (good.replace("   the commands", ""), good.replace("  cli.py", "      cli.py"), "no block"):
        with pytest.raises(AssertionError):
            list(tree(bad))


def test_every_line_of_the_file_tree_names_something_that_exists() -> None:
    lines = list(tree(page("README.md")))
    assert len({path for path, _ in lines}) == len(lines), "a line stands twice"
    for path, _ in lines:
        place = ROOT / path
        assert place.is_dir() if path.endswith("/") else place.is_file(), path


def test_the_file_tree_names_every_entry_at_the_top() -> None:
    named = {path for path, _ in tree(page("README.md"))}
    assert entries(ROOT) - named == set()


def test_the_file_tree_names_every_module_and_folder_of_the_package() -> None:
    named = {path.removeprefix("virb/") for path, _ in tree(page("README.md")) if path.startswith("virb/")}
    wanted = {name for name in entries(PACKAGE) if name.endswith(("/", ".py"))}
    assert wanted - named == set()
