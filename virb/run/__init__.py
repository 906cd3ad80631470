"""Run: the harness, what it plans and scores, what it writes and tells."""
