"""Encoder names: the words of the command line to encoder cards."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from virb.cards.encoder import EncoderCard
from virb.cards.select import ENCODERS, added, card_file
from virb.cards.weights import TYPED, Weights, meant
from virb.core.errors import UsageError, did_you_mean
from virb.core.paths import is_file, user_path
from virb.core.text import cut, safe_name

LONGEST = 4096
"""Letters of a name or path, as systems take them."""


def all_encoders() -> list[EncoderCard]:
    """Return every shipped encoder, and those that installed packages add."""
    return [encoder_card(name) for name in [*ENCODERS.names(), *added("encoders").by_name]]


def encoder_card(text: str) -> EncoderCard:
    """Return the card of a shipped encoder, of a card file, or one made up for `timm:…` or a weights file."""
    if len(text) > LONGEST or re.search("[\x00\ud800-\udfff]", text):
        raise UsageError(
            f"--encoder {cut(ascii(text[:LONGEST]))} is no name: it is too long, or no text",
            f"at most {LONGEST:,} letters, none of them NUL or half a letter",
            "correct the name; shipped encoders are listed by 'virb encoders list'",
        )
    said = Weights.parse(text)
    if said.typed and said.name:
        return EncoderCard(name=safe_name(f"{said.scheme}-{said.name}"), title=text, weights=text)
    if text in ENCODERS.names():
        return _beside(ENCODERS.path(text))
    if file := card_file(text):
        return _beside(file)
    if offer := added("encoders").by_name.get(text):
        weights = f"plugin:{text}"
        return (
            _beside(offer.card) if offer.card else EncoderCard(name=safe_name(text), title=offer.owner, weights=weights)
        )
    if code := re.fullmatch(r"(.+\.py)(?::(\w*))?", text):
        return _python_card(user_path(code[1]), code[2] or "", text)
    path = user_path(text)
    if text and is_file(path):
        return EncoderCard(name=safe_name(_bare(path)), title=path.name, weights=str(path.resolve()))
    if text and os.path.isdir(path):
        raise UsageError(
            f"--encoder {text} is a folder", "one checkpoint file, or a card (.yaml)", "name the file inside it"
        )
    if (path.suffix and ":" not in text) or len(path.parts) > 1:
        raise UsageError(
            f"there is no encoder file {cut(text, 300)}{did_you_mean(path.name, _names_in(path.parent))}",
            "a checkpoint file, a card (.yaml), or " + ", ".join(f"{scheme}:NAME" for scheme in TYPED),
            "check the path; shipped encoders are listed by 'virb encoders list'",
        )
    if hint := meant(text):
        raise UsageError(
            f"there is no encoder '{cut(text)}'; {hint}",
            "one of " + ", ".join(f"{scheme}:NAME" for scheme in TYPED),
            "correct the part before the colon",
        )
    others = (*added("encoders").by_name, *(f"{scheme}:…" for scheme in TYPED))
    return _beside(ENCODERS.path(text, also_known=others))


def _names_in(folder: Path) -> list[str]:
    """Return the names of files in a folder; none where it is not there or may not be read."""
    try:
        return [found.name for found in folder.iterdir() if found.is_file()]
    except OSError:
        return []


def _bare(path: Path) -> str:
    """Return a weights file's name without its endings: `m18.pth.tar` is m18, and an index of shards its model."""
    double = re.fullmatch(r"(.+?)(\.(pth|pt|ckpt|bin|th|torch|safetensors))?\.(tar|index\.json)", path.name)
    return double[1] if double else path.stem


def _python_card(path: Path, name: str, text: str) -> EncoderCard:
    """Return the card of a class in a python file; only here, from what the user typed, does one come about."""
    if not is_file(path):
        raise UsageError(f"there is no python file {path}", "file.py or file.py:Name", "check the path")
    label = f"{path.stem}-{name}" if name else path.stem
    return EncoderCard(name=safe_name(label), title=Path(text).name, weights=f"python:{path.resolve()}:{name}")


def expand(texts: Sequence[str]) -> list[str]:
    """Return encoders with each pattern such as `run/*.pt` replaced by its files, in the order of their numbers."""
    found: list[str] = []
    for text in texts:
        if not re.search(r"[*?\[]", text) or is_file(user_path(text)):
            found.append(text)
            continue
        files = [path for path in glob.glob(str(user_path(text)), recursive=True) if is_file(path)]
        if not files:
            raise UsageError(
                f"--encoder '{text}' matches no file in {Path.cwd()}"
                if not user_path(text).is_absolute()
                else f"--encoder '{text}' matches no file",
                "a pattern that at least one checkpoint file matches",
                "check the folder; keep the quotes, so that the shell does not take the pattern first",
            )
        found += sorted(files, key=_natural)
    return list(dict.fromkeys(found))


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts step 2 before step 10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"([0-9]+)", text) if part]


def encoder_cards(texts: Sequence[str]) -> list[EncoderCard]:
    """Return one card per encoder; two different ones must not share a name."""
    cards = _told_apart([encoder_card(text) for text in expand(texts)])
    if not cards:
        raise UsageError("no encoder was given", "at least one", "for example: --encoder random:resnet18")
    names = [card.name for card in cards]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UsageError(
            f"two encoders are called '{twice}'",
            "a name of its own for each, to tell their rows apart",
            "rename a file, or write a card (.yaml) for each with its own name",
        )
    return cards


def read_as(
    cards: Sequence[EncoderCard], arch: str | None, prefix: str | None, allow_missing: Sequence[str] | None
) -> list[EncoderCard]:
    """Return cards of weights files with what the user says of these files, over what the cards say."""
    given = {"arch": arch, "prefix": prefix, "allow_missing": tuple(allow_missing or ()) or None}
    update = {name: value for name, value in given.items() if value is not None}
    if not update:
        return list(cards)
    named = next((card.weights for card in cards if not card.names_file), "")
    if named:
        raise UsageError(
            f"{', '.join('--' + name.replace('_', '-') for name in update)} with {named}, which is no weights file",
            "a checkpoint file, or a card that names one",
            "leave the option out, or run the command for the file alone",
        )
    return [card.model_copy(update=update) for card in cards]


def _told_apart(cards: list[EncoderCard]) -> list[EncoderCard]:
    """Return cards of which files of one name in several folders carry as many folders as tell them apart."""
    count = Counter(card.name for card in cards)
    alike = [card for card in cards if count[card.name] > 1 and card.title == Path(card.weights).name]
    deepest = max((len(Path(card.weights).parts) for card in alike), default=0)
    for depth in range(2, deepest):
        names = {card.weights: safe_name("-".join([*Path(card.weights).parts[-depth:-1], card.name])) for card in alike}
        if len(set(names.values())) == len(names) and not set(names.values()) & (set(count) - {c.name for c in alike}):
            return [
                card.model_copy(update={"name": names[card.weights]}) if card.weights in names else card
                for card in cards
            ]
    return cards


def _beside(path: Path) -> EncoderCard:
    """Return the card in a file; weights with a relative path lie beside it."""
    card = EncoderCard.read(path)
    if not card.names_file or card.address or Path(card.weights).is_absolute():
        return card
    return card.model_copy(update={"weights": str((path.parent / card.weights).resolve())})
