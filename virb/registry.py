"""Registry: cards are YAML files in flat folders; reading is strict, names are looked up with a helping hand."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from virb.errors import CardError, UsageError, nearest
from virb.paths import card_folder

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The C parser where PyYAML has it: it is ten times faster, and `virb tasks` reads every card."""


class _StrictLoader(_Base):  # type: ignore[misc]
    """A safe loader that refuses a key written twice, where YAML would keep the last one in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key '{key_node.value}' stands here twice", key_node.start_mark
                )
            seen.add(str(key_node.value))
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a card file; anything else is an error that names the file and line."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)  # a SafeLoader
    except OSError as error:
        raise CardError(
            f"cannot read the card {path}: {error.strerror}", "a readable YAML file", "check the path"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise CardError(f"{path} is not valid YAML: {error}", "a flat 'key: value' file") from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise CardError(f"{path} holds no mapping of names to values", "a flat 'key: value' file")
    return content


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
        raise UsageError(
            f"there is no {self.kind.rstrip('s')} '{name}'" + (f"; {hint}" if (hint := nearest(name, known)) else ""),
            "one of " + ", ".join(known),
            f"list them with 'virb {self.kind} list'" if self.kind != "protocols" else "choose one of these",
        )
