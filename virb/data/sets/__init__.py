"""Sets: one adapter for each owner's layout on disk."""
