"""virb: what a visual encoder is worth, over twenty downstream tasks. The public names, on one page."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# MKL's sums otherwise depend on where an array happens to lie in memory: the same training gave other last digits in
# one of three runs on two threads. It reads this once, at its first product; what the user has set stays.
os.environ.setdefault("MKL_CBWR", "AUTO")

# Threads that wait for the others sleep and do not spin: on a machine where others work too, spinning takes the core
# from the very thread that is waited for (measured: training on two threads took ten times as long as on one). OpenMP
# reads this once, when torch loads it; what the user has set stays.
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"} & os.environ.keys():
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

_PUBLIC = {
    "evaluate": "virb.api",
    "features": "virb.api",
    "load_results": "virb.api",
    "Encoder": "virb.api",
    "Task": "virb.cards.protocol",
    "EncoderCard": "virb.cards.protocol",
    "Protocol": "virb.cards.protocol",
    "Record": "virb.records.record",
    "VirbError": "virb.core.errors",
}

if TYPE_CHECKING:
    from virb.api import Encoder as Encoder
    from virb.api import evaluate as evaluate
    from virb.api import features as features
    from virb.api import load_results as load_results
    from virb.cards.encoder import EncoderCard as EncoderCard
    from virb.cards.protocol import Protocol as Protocol
    from virb.cards.task import Task as Task
    from virb.core.errors import VirbError as VirbError
    from virb.records.record import Record as Record

__all__ = [
    "Encoder",
    "EncoderCard",
    "Protocol",
    "Record",
    "Task",
    "VirbError",
    "__version__",
    "evaluate",
    "features",
    "load_results",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use: `import virb` stays light and imports no torch."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'virb' has no attribute '{name}'")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
