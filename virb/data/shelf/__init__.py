"""Shelf: which data sets are there and sound, and how those come that are not."""

from __future__ import annotations

from virb.data.shelf.checking import Broken, Checkup, verify
from virb.data.shelf.fetching import fetch_dataset
from virb.data.shelf.listing import ShelfRow, card, names, status, targets, uses

__all__ = ["Broken", "Checkup", "ShelfRow", "card", "fetch_dataset", "names", "status", "targets", "uses", "verify"]
