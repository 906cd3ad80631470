"""Textures: sheets of every describable texture."""
