"""Schemes: `python:FILE:NAME`, a class in a file of the user's own; the name may be empty.

Here and in `from_plugin` a user's code is run, and only because the user named the file or installed the package.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import importlib.util
import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, final

import torch
from torch import nn

from virb.cards.encoder import EncoderCard, Triple
from virb.core.errors import CheckpointError, UsageError, did_you_mean
from virb.core.files import read_bytes
from virb.encode.encoder import IMAGENET_MEAN, IMAGENET_STD, Encoder, ModuleBody, Output, from_module
from virb.encode.schemes import Scheme

_LARGEST = 16 << 20
"""Bytes of a file of Python: far above any that somebody wrote."""
PROTOCOL = "a class that is made without arguments and has embed(images) -> [N, D]; maps(images) -> list is optional"


class CustomBody(ModuleBody):
    """An object of the user's own; modules that it holds are frozen, moved to the device and hashed with it."""

    def __init__(self, made: Any) -> None:
        nn.Module.__init__(self)
        self.made = made
        if not isinstance(made, nn.Module):
            for name, value in vars(made).items():
                if isinstance(value, nn.Module):
                    self.add_module(f"part_{name}", value)

    def forward(self, images: torch.Tensor, maps: bool) -> Output:
        """Return what `embed` answers and, where there are any, the maps from fine to coarse."""
        pooled = self.made.embed(images)
        _check_shape("embed", pooled, 2, len(images), "[N, D]")
        levels = list(self.made.maps(images)) if maps and hasattr(self.made, "maps") else []
        for level in levels:
            _check_shape("maps", level, 4, len(images), "a list of [N, C, h, w]")
        if any(fine.shape[-1] < coarse.shape[-1] for fine, coarse in itertools.pairwise(levels)):
            raise ValueError("maps() returned coarse maps before fine ones; fine ones come first")
        return pooled, levels


def _check_shape(name: str, found: Any, axes: int, count: int, wanted: str) -> None:
    if not isinstance(found, torch.Tensor) or found.ndim != axes or len(found) != count:
        shown = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
        raise ValueError(f"{name}() returned {shown} for {count} images, not {wanted}")


@final
class Python:
    """What a python file makes."""

    def check(self, card: EncoderCard) -> None:
        """Refuse a file that is not there, is no Python or lacks the name, without running it."""
        _chosen(card)

    def load(self, card: EncoderCard) -> Encoder:
        """Return the encoder that the file makes; its fingerprint covers the file's text, weights and answer."""
        path, name = _chosen(card)
        source = hashlib.sha256(read_bytes(path, _LARGEST)).hexdigest()
        with explained(f"{path}:{name}"):
            maker = getattr(_import(path, source), name)
        return encoder_of(card, maker, f"{path.name}:{name}", source)


def _chosen(card: EncoderCard) -> tuple[Path, str]:
    path, _, name = card.origin.name.rpartition(":")
    return Path(path), choose_name(Path(path), name)


def choose_name(path: Path, name: str) -> str:
    """Return the class or function that is meant: the one named, or the only class with `embed`."""
    tops = _names(path)
    if name:
        if name not in tops:
            raise UsageError(
                f"{path} has no '{name}'{did_you_mean(name, tops)}",
                "one of " + (", ".join(tops) or "nothing: the file defines no class or function"),
                "correct the part after the colon",
            )
        return name
    fitting = [top for top, embeds in tops.items() if embeds]
    if len(fitting) != 1:
        raise UsageError(
            f"{path} has {len(fitting)} classes with embed(images)" + (f": {', '.join(fitting)}" if fitting else ""),
            PROTOCOL,
            f"name the one you mean: {path.name}:{(fitting or list(tops) or ['Name'])[0]}",
        )
    return fitting[0]


def _names(path: Path) -> dict[str, bool]:
    """Return what a file defines at its top, and whether it is a class with `embed`; nothing is run."""
    try:
        tree = ast.parse(read_bytes(path, _LARGEST), str(path))
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror}", "a python file with " + PROTOCOL, "check the path"
        ) from error
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"{path} is no Python that can be read: {error}", PROTOCOL, "correct the file") from error
    made: dict[str, bool] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            made[node.name] = any(isinstance(item, ast.FunctionDef) and item.name == "embed" for item in node.body)
        elif isinstance(node, ast.FunctionDef):
            made[node.name] = False
    return made


def _import(path: Path, source: str) -> ModuleType:
    """Run a file as a module of its own; files beside it can be imported, as when it is run as a script."""
    name = f"virb_file_{source[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look a class's module up by name
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


def encoder_of(card: EncoderCard, maker: Callable[[], Any], where: str, source: str) -> Encoder:
    """Return an encoder around what a class or a function of the user's makes; `source` is its code's digest."""
    # Weights that a class draws itself are the same in every run, and no draw of others is disturbed.
    with explained(where), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = maker()
    if not callable(getattr(made, "embed", None)):
        if isinstance(made, nn.Module):
            return from_module(card, made, source)
        raise CheckpointError(f"{where} makes a {type(made).__name__} without embed(images)", PROTOCOL, "add it")
    with explained(where):
        made = copy.deepcopy(made)  # encoding works on copies: what cannot be copied is found out here
    facts = {"size": getattr(made, "size", None)} if isinstance(getattr(made, "size", None), int) else {}
    mean, std = _triple(made, "mean", IMAGENET_MEAN, where), _triple(made, "std", IMAGENET_STD, where)
    arch = f"{type(made).__module__}.{type(made).__qualname__}".replace(f"virb_file_{source[:16]}.", "")
    return Encoder(card.model_copy(update=facts), CustomBody(made), arch, mean, std, source)


def _triple(made: Any, name: str, default: Triple, where: str) -> Triple:
    value = getattr(made, name, default)
    try:
        first, second, third = (float(number) for number in value)
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"{where}: {name} is {value!r}", f"three numbers, such as {default}", f"correct '{name}', or leave it out"
        ) from error
    return first, second, third


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Name the place when a user's code fails."""
    try:
        yield
    except Exception as error:
        raise CheckpointError(
            f"{where} failed: {type(error).__name__}: {error}",
            PROTOCOL,
            "run the file by itself to see where; 'virb check' tells what is missing; --debug shows the traceback",
        ) from error


SCHEME: Scheme = Python()
