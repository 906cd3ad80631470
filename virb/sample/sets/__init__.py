"""Sample (data): each data set in the layout of its owner, so that the real readers read it."""

from __future__ import annotations

from virb.sample.sets import clevr, dtd, thor
from virb.sample.writing import Writer

WRITERS: dict[str, Writer] = {**dtd.WRITERS, **clevr.WRITERS, **thor.WRITERS}
"""Data set name, as task cards say it, to what writes it."""
