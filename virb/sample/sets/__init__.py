"""Sample (data): each data set in the layout of its owner, so that the real readers read it."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from virb.sample.sets.writing import Writer

WRITERS: dict[str, Writer] = {
    name: writer
    for module in iter_modules(__path__)
    for name, writer in getattr(import_module(f"{__name__}.{module.name}"), "WRITERS", {}).items()
}
"""Data set name, as task cards say it, to what writes it: the `WRITERS` of every module beside this one."""
