"""Weights: what the text that names an encoder's weights says: a scheme and a name, a file, or its address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from virb.core.errors import nearest


@dataclass(frozen=True)
class SchemeFacts:
    """What cards and commands must know of a scheme before its weights are loaded."""

    form: str = "NAME"
    """What stands behind the colon, in messages."""
    code: bool = False
    """Whether it starts somebody's code: only what a user typed or installed does, and a card never."""
    library: bool = False
    """Whether another library fetches and keeps the weights."""
    trained: bool = True
    of_timm: bool = False
    """Whether the name begins with an architecture of timm's."""


SCHEMES = {
    "timm": SchemeFacts(library=True, of_timm=True),
    "torchvision": SchemeFacts(library=True, of_timm=True),
    "random": SchemeFacts("ARCH", trained=False, of_timm=True),
    "baseline": SchemeFacts(trained=False),
    "python": SchemeFacts(code=True),
    "plugin": SchemeFacts(code=True),
}
"""A new scheme is a line here and a module of its own in encode/schemes."""
TYPED = {name: facts for name, facts in SCHEMES.items() if not facts.code}
"""Schemes that stand on cards and after --encoder as they are."""
FORMS = tuple(f"{name}:{facts.form}" for name, facts in TYPED.items())
_FILE = SchemeFacts()


@dataclass(frozen=True)
class Weights:
    """A text taken apart; the scheme is empty for a file and for its address."""

    text: str
    scheme: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Weights:
        """Return what a text says; a word before a colon that is no scheme belongs to a file's name."""
        scheme, colon, name = text.partition(":")
        return cls(text, scheme, name) if colon and scheme in SCHEMES else cls(text, "", text)

    @property
    def facts(self) -> SchemeFacts:
        """What is known of the scheme."""
        return SCHEMES.get(self.scheme, _FILE)

    @property
    def typed(self) -> bool:
        """Whether a scheme that anybody may write on a card names them."""
        return self.scheme in TYPED

    @property
    def address(self) -> str | None:
        """Where the file can be fetched, if they are an address."""
        return self.text if re.match(r"https?://", self.text) else None

    @property
    def open_to_change(self) -> bool:
        """Whether somebody on the way could send another file from their address."""
        return self.text.startswith("http:")

    @property
    def is_code(self) -> bool:
        """Whether loading them would start code of somebody's."""
        return self.facts.code or re.search(r"\.py(:\w+)?$", self.text) is not None

    @property
    def architecture(self) -> str:
        """The architecture of timm's that the name begins with, without a tag or a draw; empty for other schemes."""
        return re.split(r"[.@]", self.name)[0] if self.facts.of_timm else ""

    @property
    def shown(self) -> str:
        """What they are called where others read it: a file without the folders of this machine."""
        last = self.text.replace("\\", "/").rsplit("/", 1)[-1]
        if self.scheme == "python":
            return f"python:{last.rstrip(':')}"
        return self.text if ":" in self.text else last


def is_address(text: str) -> bool:
    """Tell whether a text that begins like an address has a host, and a port that is one."""
    try:
        parts = urlsplit(text)
        return bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def meant(text: str) -> str:
    """Return "did you mean 'scheme:name'?" for a misspelt scheme, or an empty string."""
    scheme, _, name = text.partition(":")
    hint = nearest(scheme, TYPED) if name else ""
    return f"{hint[:-2]}:{name}'?" if hint else ""
