"""Checks: cards and encoders against their contract, this machine, and what is claimed of speed."""
