"""Texts of strangers in markdown and csv: shown letter by letter, never followed, drawn or computed."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virb.core.markup import cell, escaped, line
from virb.core.text import clean

MARKUP = [
    "**bold**",
    "_slanted_",
    "__bold__",
    "[click](https://evil.example)",
    "![pixel](https://evil.example/p.png)",
    "[click][1]",
    "[1]: https://evil.example",
    "[^1]: a note",
    "<b>bold</b>",
    "<https://evil.example>",
    "https://evil.example/?q",
    "HTTP://evil.example",
    "www.evil.example",
    "`code`",
    "~~gone~~",
    "$x^2$",
    "a|b",
    "&lt;script&gt;",
    "back\\slash",
    "(javascript:alert(1))](x)",
]
BLOCKS = ["# heading", "> quotation", "- item", "+ item", "1. item", "2) item", "---", "=====", "* item"]
LIVE = re.compile(
    r"(?<!\\)([*`~$|]|(?<![^\W_])_|_(?![^\W_]))|\](?=[(\[:])|<|(?i:\b(https?|ftp):|\bwww\.)|&(?!amp;|lt;)(?=#?\w+;)"
)
"""What markdown acts on: nothing of it may stand without a backslash."""


def shown(text: str) -> str:
    """Return what a reader of rendered markdown sees of an escaped text: CommonMark's backslashes and entities."""
    plain = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)
    return plain.replace("&lt;", "<").replace("&amp;", "&")


@pytest.mark.parametrize("text", MARKUP)
def test_no_markup_of_a_stranger_is_live(text: str) -> None:
    assert not LIVE.search(escaped(text).replace("\\\\", ""))
    assert shown(escaped(text)) == text


@pytest.mark.parametrize("text", BLOCKS)
def test_no_line_of_a_stranger_begins_a_block(text: str) -> None:
    assert re.match(r"\\|\d+\\", line(text))
    assert shown(line(text)) == text


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("ab1 *_`~$|[]()!<>&;:#=+-.\\/w@") | st.characters(), max_size=24))
def test_whatever_is_escaped_is_shown_as_it_was(text: str) -> None:
    one = clean(text)
    assert shown(escaped(one)) == one
    assert shown(line(one)) == one
    assert not LIVE.search(re.sub(r"\\\\", "", escaped(one)))


@pytest.mark.parametrize("name", ["plain", "resnet50_v2", "a-b", "87.5 [82.5, 93.8]", "vit_small.dino (1a2b3c4d)", "-"])
def test_ordinary_names_and_scores_stay_as_they_are(name: str) -> None:
    assert escaped(name) == name


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＠", "'"])
def test_a_text_that_a_spreadsheet_would_compute_begins_with_its_sign_for_text(first: str) -> None:
    text = f'{first}HYPERLINK("https://evil.example")'
    assert cell(text) == f"'{text}"
    stream = io.StringIO()
    csv.writer(stream).writerow([cell(text), cell("plain")])
    stream.seek(0)
    found = next(csv.reader(io.StringIO(stream.getvalue(), newline="")))
    assert [one.removeprefix("'") for one in found] == [text, "plain"]
