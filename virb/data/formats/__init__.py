"""Formats: files that no library reads as they are, and files of strangers that a library would trust."""
