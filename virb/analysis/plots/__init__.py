"""Plots: numbers of the analysis -> figures that can be printed, for the eye and for a screen reader's csv."""
