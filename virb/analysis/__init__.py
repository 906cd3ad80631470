"""Analysis: what a set of comparable scores says beyond the scores; pure numbers, no drawing."""
