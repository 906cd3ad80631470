"""Shelf: which data sets are there and sound, and how those come that are not."""

from __future__ import annotations

from virb.data.shelf.download import fetch_dataset
from virb.data.shelf.status import ShelfRow, card, names, status, targets, uses
from virb.data.shelf.verify import Broken, Checkup, verify

__all__ = ["Broken", "Checkup", "ShelfRow", "card", "fetch_dataset", "names", "status", "targets", "uses", "verify"]
