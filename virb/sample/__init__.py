"""Sample (data): the built-in sample world, made on first use and kept in the cache.

from virb.sample import ensure
root = ensure(["dtd", "clevr"], size=0.2)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virb.sample.world import DATASETS, ensure

__all__ = ["DATASETS", "ensure"]


def __getattr__(name: str) -> Any:
    """Import the renderer only when it is asked for."""
    if name in __all__:
        from virb.sample import world

        return getattr(world, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
