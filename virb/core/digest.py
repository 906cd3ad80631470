"""Digests: one way to name a value by its content, whatever machine or order it came from."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np


def digest(value: Any) -> str:
    """Return 32 hex digits of a JSON-like value; key order and tuple-or-list do not matter."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def digest_array(array: np.ndarray) -> str:
    """Return 32 hex digits of an array's type, shape and little-endian bytes."""
    portable = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
    state = hashlib.sha256(f"{portable.dtype.str}{portable.shape}".encode())
    state.update(portable.tobytes())
    return state.hexdigest()[:32]


def seed_of(text: str) -> int:
    """Return a 63-bit seed that depends on the text alone: a named stream of randomness."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1
