"""Checkpoints: what Hugging Face writes beside a weights file, as far as it is there and sound."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from virb.cards.encoder import Triple
from virb.core.files import read_bytes
from virb.core.strict_json import read_json

LARGEST = 1 << 20
VIEW, MODEL = "preprocessor_config.json", "config.json"


def _content(path: Path) -> dict[str, Any]:
    """Return a JSON file's content, or nothing where it is not there, too large or broken."""
    try:
        content = read_json(read_bytes(path, LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def statistics(weights: Path) -> tuple[Triple, Triple] | None:
    """Return the mean and deviation that pictures are normalised with."""
    content = _content(weights.parent / VIEW)
    try:
        mean, std = (tuple(float(number) for number in content[key]) for key in ("image_mean", "image_std"))
    except (KeyError, TypeError, ValueError):
        return None
    sound = len(mean) == len(std) == 3 and all(map(math.isfinite, mean)) and all(0 < number < 10 for number in std)
    return ((mean[0], mean[1], mean[2]), (std[0], std[1], std[2])) if sound else None


def activation(weights: Path) -> str | None:
    """Return the activation of a CLIP's visual tower, by Hugging Face's name for it."""
    content = _content(weights.parent / MODEL)
    tower = content.get("vision_config", content)
    found = tower.get("hidden_act") if isinstance(tower, dict) else None
    return found if isinstance(found, str) else None
