"""Places: the scenes that pictures are taken of."""
