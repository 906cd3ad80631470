"""Encode: encoders by name, file or class; their pictures to features, kept or streamed."""
