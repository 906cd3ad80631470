"""Layers: a module imports only from rows to its left, and light commands import nothing heavy."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import virb

PACKAGE = Path(virb.__file__).parent
ROWS = [
    "errors paths digest classes progress text stopping locks once journal",
    "registry formats matlab fetch workers architectures arrays",
    "card",
    "spec types plugins",
    "suite record stats weights store data sample checkpoints backbones encode heads metrics boxes",
    "cache targets stream tiles published reference custom",
    "fit results",
    "plan leaderboard shelf",
    "pictures truth",
    "cost score report turns doctor",
    "harness analysis contract",
    "plots gap",
    "page submit",
    "api",
    "launch",
    "cli",
    "bench",
]
ROW = {name: number for number, row in enumerate(ROWS) for name in row.split()}
NEIGHBOURS = {("checkpoints", "backbones"), ("encode", "backbones")}
"""The only imports within a row, beside those of the first one, whose modules are the ground that all stand on."""
ROOT = "virb"
"""`virb/__init__.py` itself: it only forwards names, on first use."""


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def top(path: Path) -> str:
    """Return the module or package directly in virb/ that a file belongs to."""
    first = path.relative_to(PACKAGE).parts[0]
    return ROOT if first == "__init__.py" else first.removesuffix(".py")


def walk(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every node but those that only a type checker runs."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for other in node.orelse:
                yield other
                yield from walk(other)
            continue
        yield node
        yield from walk(node)


def targets(node: ast.AST, package: tuple[str, ...]) -> list[str]:
    """Return the dotted names that a node imports, relative ones made absolute, and lazy ones named by a text."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = list(package[: len(package) - node.level + 1]) if node.level else []
        origin = ".".join([*base, *([node.module] if node.module else [])])
        return [f"{origin}.{alias.name}" for alias in node.names] if origin == ROOT else [origin]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        found = re.fullmatch(rf"({ROOT}(?:\.\w+)+)(?::\w+)?", node.value)
        return [found[1]] if found else []
    return []


def imports(source: str, package: tuple[str, ...] = (ROOT,)) -> set[str]:
    """Return the modules directly in virb/ that a source text imports; `virb` for a name of the root itself."""
    found = set()
    for node in walk(ast.parse(source)):
        for name in targets(node, package):
            first, _, rest = name.partition(".")
            if first == ROOT:
                inner = rest.partition(".")[0]
                known = inner and (inner in ROW or (PACKAGE / inner).is_dir() or (PACKAGE / f"{inner}.py").is_file())
                found.add(inner if known else ROOT)
    return found


def allowed(importer: str, imported: str) -> bool:
    if imported in (importer, ROOT) or (importer, imported) in NEIGHBOURS:
        return True
    if importer not in ROW or imported not in ROW:
        return False
    return ROW[imported] < ROW[importer] or ROW[imported] == ROW[importer] == 0


def test_the_test_itself_sees_every_kind_of_import() -> None:
    source = """
from __future__ import annotations
import virb.plan
from virb import cache, __version__
from . import fit
from .data import common
if TYPE_CHECKING:
    from virb import cli
else:
    from virb.stats import interval
def late():
    from virb.score import score
    import_module("virb.harness:run")
"""
    assert imports(source) == {"plan", "cache", ROOT, "fit", "data", "stats", "score", "harness"}


def test_the_test_itself_knows_right_from_left() -> None:
    assert allowed("cli", "errors")
    assert allowed("encode", "backbones")
    assert allowed("paths", "errors")
    assert not allowed("backbones", "encode")
    assert not allowed("heads", "metrics")
    assert not allowed("record", "suite")
    assert not allowed("errors", "spec")
    assert not allowed("nowhere", "errors")


def test_no_module_has_two_rows_and_every_row_is_real() -> None:
    assert len(ROW) == sum(len(row.split()) for row in ROWS)
    assert {"errors", "spec", "harness", "cli"} <= {top(path) for path in modules()}


def test_every_module_stands_in_a_row() -> None:
    assert {top(path) for path in modules()} - set(ROW) - {ROOT} == set()


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_rows_to_its_left(path: Path) -> None:
    importer = top(path)
    if importer == ROOT:
        return  # it forwards names of any row; that it does so lazily is tested below
    package = (ROOT, *path.relative_to(PACKAGE).parts[:-1])
    wrong = {name for name in imports(path.read_text(encoding="utf-8"), package) if not allowed(importer, name)}
    assert not wrong, f"virb.{importer} must not import {', '.join(sorted(wrong))}"


SCRIPT = """
import contextlib, io, json, sys
seen = {}
def note(name, code=0):
    heavy = ("torch", "timm", "torchvision", "pandas", "matplotlib", "scipy", "sklearn")
    seen[name] = [code, [module for module in heavy if module in sys.modules]]
import virb
dir(virb)
note("import virb")
import virb.types
note("import virb.types")
from virb.cli import main
for line in sys.argv[1:]:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()):
        code = main(line.split())
    note(line, code)
print(json.dumps(seen))
"""


def loaded(folder: Path, *lines: str) -> dict[str, tuple[int, set[str]]]:
    """Run commands one after another in a fresh process; return each one's exit code and the heavy modules so far."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *lines],
        cwd=folder,
        env={**os.environ, "VIRB_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return {name: (code, set(heavy)) for name, (code, heavy) in json.loads(done.stdout).items()}


HELP = [
    "--help",
    "evaluate --help",
    "plan --help",
    "leaderboard --help",
    "tasks --help",
    "data --help",
    "plot --help",
    "findings --help",
    "compare --help",
    "export --help",
    "cache --help",
]
CARDS = ["tasks", "tasks --json", "tasks list", "tasks show dtd", "encoders", "encoders show color"]
MISTAKES = [
    "tasks show dtdd",
    "encoders inspect nope",
    "encoders show colour",
    "evaluate --encoder nope --tasks dtd",
    "evaluate --bogus",
]
SHELF = ["data", "data status --json", "data status dtd"]


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, set[str]]]:
    """Return what the light commands load so far: the lightest first, for what is loaded once stays."""
    lines = [*HELP, *CARDS, *MISTAKES, *SHELF, "leaderboard", "cache"]
    return loaded(tmp_path_factory.mktemp("light"), *lines)


@pytest.mark.parametrize("name", ["import virb", "import virb.types", *HELP, *CARDS, *MISTAKES])
def test_help_cards_and_mistakes_load_nothing_heavy(light: dict[str, tuple[int, set[str]]], name: str) -> None:
    code, heavy = light[name]
    assert heavy == set()
    assert code == (2 if name in MISTAKES else 0)


@pytest.mark.parametrize("name", SHELF)
def test_the_state_of_an_empty_shelf_loads_nothing_heavy(light: dict[str, tuple[int, set[str]]], name: str) -> None:
    assert light[name] == (0, set())


@pytest.mark.parametrize("name", ["leaderboard", "cache"])
def test_the_cache_and_an_empty_leaderboard_load_no_torch(light: dict[str, tuple[int, set[str]]], name: str) -> None:
    code, heavy = light[name]
    assert heavy & {"torch", "timm", "torchvision"} == set()
    assert code == (1 if name == "leaderboard" else 0)
