"""JSON of strangers: a key that stands twice in one object is an error, where parsers keep the last one in silence."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, TypeVar

from pydantic import BaseModel

from virb.core.npz import DamagedFile
from virb.core.text import clean

_LONGEST = 60
Model = TypeVar("Model", bound=BaseModel)


def read_json(content: str | bytes) -> Any:
    """Return what a JSON text says; a ValueError says what is wrong with it."""
    return json.loads(content, object_pairs_hook=_once)


def read_model(kind: type[Model], content: bytes, strict: bool | None = None) -> Model:
    """Return what a JSON text says as a checked model; a ValidationError or a DamagedFile says why not."""
    found = kind.model_validate_json(content, strict=strict)
    try:
        read_json(content)
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"cannot be trusted: {error}") from error
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key '{clean(twice)[:_LONGEST]}' stands twice in one place")
    return found
