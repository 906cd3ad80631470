"""Checkpoints: a file of weights to tensors, safely, and to the architecture they fill (stage 2).

No code in a file ever runs: safetensors, or torch's weights-only reader.
"""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from virb.backbones import Encoder, from_state
from virb.errors import CheckpointError
from virb.spec import EncoderCard

_BOTTLENECK = {(3, 4, 6, 3): "resnet50", (3, 4, 23, 3): "resnet101", (3, 8, 36, 3): "resnet152"}
_BASIC = {(2, 2, 2, 2): "resnet18", (3, 4, 6, 3): "resnet34"}


def load_file(card: EncoderCard) -> Encoder:
    """Return the encoder in a weights file; its architecture is the card's, or read off the tensors."""
    path = Path(card.weights)
    if card.sha256:
        _check_hash(path, card.sha256)
    state = read_state(path)
    return from_state(card, card.arch or infer_arch(state, path), state, str(path))


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a plain state dict file, with or without a `state_dict` around it."""
    content = _read(path)
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not content:
        raise _unusable(path, f"it holds {type(content).__name__}, not a state dict")
    others = [str(key) for key, value in content.items() if not isinstance(value, torch.Tensor)]
    if others:
        raise _unusable(path, f"beside tensors it holds {', '.join(others[:4])}{', …' if len(others) > 4 else ''}")
    state = {str(key): value for key, value in content.items()}
    broken = [key for key, value in state.items() if value.is_floating_point() and not torch.isfinite(value).all()]
    if broken:
        raise _unusable(path, f"{len(broken)} tensors hold NaN or infinity, the first is {broken[0]}")
    return state


def infer_arch(state: Mapping[str, torch.Tensor], path: Path) -> str:
    """Return timm's name for the ResNet whose blocks these keys list."""
    found = {(int(m[1]), int(m[2])) for key in state if (m := re.match(r"layer(\d)\.(\d+)\.conv1\.weight$", key))}
    depths = tuple(sum(stage == number for stage, _ in found) for number in range(1, 5))
    table = _BOTTLENECK if "layer1.0.conv3.weight" in state else _BASIC
    if depths not in table:
        raise _unusable(
            path, f"its keys ({', '.join(list(state)[:3])}, …) are those of no ResNet of 18, 34, 50, 101 or 152 layers"
        )
    return table[depths]


def _read(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file as load_safetensors

            return load_safetensors(str(path))
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise _unusable(path, f"it cannot be read: {error.strerror or error}") from error
    except pickle.UnpicklingError as error:
        refused = re.search(r"GLOBAL ([\w.]+)", str(error))
        if refused is None:
            raise _unusable(path, "it is neither safetensors nor a file that torch.save wrote") from error
        raise CheckpointError(
            f"{path} holds an object of {refused[1]}, which is code and is never run",
            "a file of tensors",
            "where you trust it, re-save the tensors: torch.save(model.state_dict(), 'weights.pt')",
        ) from error
    except RuntimeError as error:
        raise _unusable(path, f"it cannot be read as weights ({_first_line(error)})") from error
    except Exception as error:  # a reader of foreign bytes can stumble in any way
        raise _unusable(path, "it is neither safetensors nor a file that torch.save wrote") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def _unusable(path: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"{path} is not a usable checkpoint: {why}",
        "the state dict of a torchvision or timm ResNet, in a .pt, .pth or .safetensors file",
        "save one with torch.save(model.state_dict(), 'weights.pt') and pass that file",
    )


def _check_hash(path: Path, wanted: str) -> None:
    with open(path, "rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != wanted:
        raise CheckpointError(
            f"{path} has sha256 {found[:16]}…", f"{wanted[:16]}…, as its card says", "fetch the file again"
        )
