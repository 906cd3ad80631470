"""Class lists and label codes that readers and sample writers share, fixed here and never taken from folders.

A half-downloaded data set must not renumber its classes, so nothing is ever derived from what lies on disk.
"""

from __future__ import annotations

DTD: tuple[str, ...] = tuple(
    """
    banded blotchy braided bubbly bumpy chequered cobwebbed cracked crosshatched crystalline dotted fibrous
    flecked freckled frilly gauzy grid grooved honeycombed interlaced knitted lacelike lined marbled matted
    meshed paisley perforated pitted pleated polka-dotted porous potholed scaly smeared spiralled sprinkled
    stained stratified striped studded swirly veined waffled woven wrinkled zigzagged
    """.split()
)

CLEVR_COUNTS: tuple[str, ...] = tuple(str(count) for count in range(3, 11))
"""CLEVR scenes hold three to ten objects; VTAB and virb count them as eight classes."""

THOR_ACTIONS: tuple[str, ...] = ("MoveAhead", "RotateLeft", "RotateRight", "LookUp", "LookDown")
"""The order of the original's label indices."""

SAMPLE_MARKER = ".virb-sample.json"
"""The file that the sample world writes last into a data set's folder, with a checksum over all of it."""
