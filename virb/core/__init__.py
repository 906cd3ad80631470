"""Core: errors, paths, digests, text, progress, locks, storage: nothing here knows what a task is."""
