"""Layers: a room imports only from rows below its own, and light commands import nothing heavy."""

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
from virb.cli.bench import bench_app

PACKAGE = Path(virb.__file__).parent
ROWS = [
    "core",
    "cards metrics",
    "records data",
    "encode sample",
    "heads",
    "run",
    "api",
    "leaderboard checks submit",
    "analysis",
    "cli",
    "__main__",
]
"""The rooms from the ground up; rooms of one row know nothing of each other."""
ROW = {name: number for number, row in enumerate(ROWS) for name in row.split()}
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
    if imported in (importer, ROOT):
        return True
    return importer in ROW and imported in ROW and ROW[imported] < ROW[importer]


def test_the_test_itself_sees_every_kind_of_import() -> None:
    source = """
from __future__ import annotations
import virb.run.plan
from virb import heads, __version__
from . import submit
from .data import common
if TYPE_CHECKING:
    from virb import cli
else:
    from virb.metrics.stats import interval
def late():
    from virb.leaderboard.board import Board
    import_module("virb.encode.cache:Cache")
"""
    assert imports(source) == {"run", "heads", ROOT, "submit", "data", "metrics", "leaderboard", "encode"}


def test_the_test_itself_knows_up_from_down() -> None:
    assert allowed("cli", "core")
    assert allowed("heads", "encode")
    assert allowed("encode", "encode")
    assert not allowed("encode", "heads")
    assert not allowed("records", "data")
    assert not allowed("core", "cards")
    assert not allowed("nowhere", "core")


def test_every_room_has_one_row() -> None:
    assert len(ROW) == sum(len(row.split()) for row in ROWS)
    assert set(ROW) == {top(path) for path in modules()} - {ROOT}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_from_rows_below_its_own(path: Path) -> None:
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
import virb.core.types
note("import virb.core.types")
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
    "bench --help",
    *(f"bench {verb.callback.__name__} --help" for verb in bench_app.registered_commands if verb.callback),
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


@pytest.mark.parametrize("name", ["import virb", "import virb.core.types", *HELP, *CARDS, *MISTAKES])
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
