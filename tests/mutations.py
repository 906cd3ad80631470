"""Mutations: one tensor of a weights file lost, renamed or of another shape, and whether that went through."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from virb.core.errors import CheckpointError
from virb.encode.checkpoints.load import check
from virb.encode.checkpoints.safe import Contents
from virb.encode.checkpoints.understand import Request, Understanding, recognise

KINDS = ("drop", "rename", "rename module", "reshape")
# Registers leave no trace elsewhere in DINOv2's own files: without them the file is another network, which is said.
TRACELESS = {"register_tokens": "drop"}


def mutated(contents: Contents, name: str, kind: str) -> Contents:
    stored = contents.tensors[name]
    # A second name of the same tensor would stand in for it, and rightly.
    tensors = {key: value for key, value in contents.tensors.items() if value.place != stored.place}
    if kind == "rename":
        tensors[f"{name}_x"] = stored
    elif kind == "rename module":
        stem, _, last = name.rpartition(".")
        tensors[f"{stem}x.{last}" if stem else f"x{last}"] = stored
    elif kind == "reshape":
        tensors[name] = replace(stored, shape=(*stored.shape[:-1], stored.shape[-1] + 1))
    return Contents(contents.kind, tensors, {key: contents.containers.get(key, "") for key in tensors})


def backbone(understood: Understanding) -> list[str]:
    """Return the backbone's tensors as the file names them, less the counts that may be absent."""
    one = understood.matching
    own = (key for name in one.wanted for key in one.origin.get(name, "num_batches_tracked").split(" + "))
    return [f"{one.candidate.prefix}{key}" for key in own if not key.endswith("num_batches_tracked")]


def survives(path: Path, contents: Contents, name: str, kind: str) -> str:
    """Return why a mutation went through, or nothing where it failed with the tensor's name."""
    try:
        understood = recognise(path, mutated(contents, name, kind), Request())
        check(understood)
    except CheckpointError as error:
        own = name.removeprefix(recognise(path, contents, Request()).matching.candidate.prefix)
        return "" if own in str(error) else f"{kind} {name}: not named in: {error.found}"
    return f"{kind} {name}: accepted as {understood.matching.architecture}"
