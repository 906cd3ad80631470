"""Registry: cards are YAML files in flat folders; reading is strict, names are looked up with a helping hand."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import yaml

from virb.core.errors import CardError, UsageError, did_you_mean
from virb.core.files import read_text
from virb.core.paths import card_folder
from virb.core.text import cut

_LARGEST, _DEEPEST, _LONGEST = 256 << 10, 8, 10_000
"""Bytes, nesting and parts of a card: far above any honest one, far below what hangs or crashes a parser."""
_CONTROL = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")
"""What no name, path or title holds; many systems end a path at NUL, or refuse it with an error of their own."""
_SHAPE = "a flat 'key: value' file"
_REMEDY = "correct the card and try again"
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The C parser where PyYAML has it: it is ten times faster, and `virb tasks` reads every card."""


class _StrictLoader(_Base):  # type: ignore[misc]
    """A safe loader that takes words as keys only, each once, where YAML would keep the last one in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise yaml.constructor.ConstructorError(None, None, "a key must be a word", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key '{key.value}' stands here twice", key.start_mark
                )
            seen.add(key.value)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping


_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})$")
_FLOAT = re.compile(r"([-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+][0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$")
_NUMBERS = {"tag:yaml.org,2002:int": _INTEGER, "tag:yaml.org,2002:float": _FLOAT}
"""Numbers are written in decimals. YAML takes 0x10 for 16, 010 for 8 and 1:30 for 90; here they stay text."""

# Dates stay text: nothing on a card is a date, and a title may look like one.
_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, _NUMBERS.get(tag, pattern)) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in _Base.yaml_implicit_resolvers.items()
}


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a card file; anything else is an error that names the file and line."""
    try:
        text = _text(path)
        _refuse_bombs(text, path)
        content = yaml.load(text, Loader=_StrictLoader)  # a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        reason = str(error).replace('in "<unicode string>", ', "at ")
        raise CardError(f"{path} is not valid YAML: {cut(reason, 400)}", _SHAPE, _REMEDY) from error
    if not isinstance(content, dict):
        raise CardError(f"{path} holds no mapping of names to values", _SHAPE, _REMEDY)
    for word in _words(content):
        if _CONTROL.search(word):
            raise CardError(f"{path} has a control character in {cut(ascii(word))}", "plain text", _REMEDY)
    return content


def _words(value: Any) -> Iterator[str]:
    """Yield every text in a tree of values, keys too."""
    if isinstance(value, str):
        yield value
    for inner in (*value, *value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _words(inner)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise CardError(f"{path} is too large for a card", f"at most {_LARGEST >> 10} KiB", "check the path")
        return read_text(path)
    except OSError as error:
        raise CardError(
            f"cannot read the card {path}: {error.strerror}", "a readable YAML file", "check the path"
        ) from error


def _refuse_bombs(text: str, path: Path) -> None:
    """Look at the parser's events before anything is built: a few bytes of YAML can stand for gigabytes."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_Base)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        found = {
            "repeats itself by an alias ('*name')": isinstance(event, yaml.AliasEvent),
            f"is nested more than {_DEEPEST} deep": depth > _DEEPEST,
            f"has more than {_LONGEST:,} parts": count > _LONGEST,
            "names a type ('!'), which no card needs": getattr(event, "tag", None) is not None,
        }
        for problem, there in found.items():
            if there:
                raise CardError(f"{path} {problem}", _SHAPE, _REMEDY)


_LISTED = {
    "tasks": "list them with 'virb tasks list'",
    "encoders": "list them with 'virb encoders list'",
    "datasets": "list them with 'virb data'; a new one begins with its card in virb/cards/datasets",
}
"""What to do about a name that no card of a kind has."""


class Registry:
    """The cards of one kind (tasks, encoders, protocols), found by file name."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def names(self) -> list[str]:
        """Return every card's name, sorted: the file's stem is the name."""
        return sorted(path.stem for path in card_folder(self.kind).glob("*.yaml"))

    def path(self, name: str, also_known: tuple[str, ...] = ()) -> Path:
        """Return the card file of a name; an unknown one is answered with the nearest spelling."""
        if name in self.names():
            return card_folder(self.kind) / f"{name}.yaml"
        known = [*self.names(), *also_known]
        noun = "data set" if self.kind == "datasets" else self.kind.rstrip("s")
        raise UsageError(
            f"there is no {noun} '{cut(name)}'{did_you_mean(name, known)}",
            "one of " + ", ".join(known),
            _LISTED.get(self.kind, "choose one of these"),
        )
