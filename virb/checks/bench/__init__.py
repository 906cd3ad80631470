"""Bench: the measurement behind every claim about speed, runnable by users."""
