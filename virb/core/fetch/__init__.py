"""Fetch: files from the web, resumable and checked, and archives unpacked without trust."""

from __future__ import annotations

from virb.core.fetch.archives import extract, is_archive, settle, staging, unpack
from virb.core.fetch.transfer import download

__all__ = ["download", "extract", "is_archive", "settle", "staging", "unpack"]
