"""Submit: the encoder's card, complete: what is missing is asked for on a terminal, or listed all at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from virb.cards.encoder import EncoderCard
from virb.core.errors import UsageError
from virb.records.record import reason

ASKED = {
    "title": "Title, as it shall stand on a board",
    "method": "Method of pretraining (supervised, moco, ...; none for random weights)",
    "pretraining": "Pretraining data set (imagenet, ...; none)",
    "images": "Number of pretraining images",
    "epochs": "Epochs of pretraining",
    "paper": "Paper or page that describes it ('unpublished' where there is none)",
    "licence": "Licence of the weights ('unknown' where nobody says)",
}
"""What a reader of a board wants to know of an encoder, and how it is asked for."""
_OF_TRAINING = ("images", "epochs")
_UNTRAINED = ("none", "")
Ask = Callable[[str], str]


def missing(card: EncoderCard) -> list[str]:
    """Return the fields that a submission needs and this card leaves open; untrained weights saw no images."""
    trained = card.pretraining not in _UNTRAINED or card.origin.facts.trained
    wanted = [name for name in ASKED if trained or name not in _OF_TRAINING]
    if card.pretraining == "none":
        wanted = [name for name in wanted if name not in _OF_TRAINING]
    return [name for name in wanted if getattr(card, name) in ("", None) or _is_file_name(card, name)]


def _is_file_name(card: EncoderCard, name: str) -> bool:
    """Tell whether a title was made up from the file or the name that `--encoder` was given."""
    made_up = (card.weights, card.weights.replace("\\", "/").rsplit("/", 1)[-1])
    return name == "title" and card.title in made_up


def complete(card: EncoderCard, ask: Ask | None) -> EncoderCard:
    """Return the card with nothing missing: asked for where somebody can answer, else an error that lists it all."""
    if ask is None:
        if gaps := missing(card):
            raise _incomplete(card, gaps)
        return card
    while gaps := missing(card):
        name = gaps[0]
        answer: Any = ask(ASKED[name]).strip()
        card = _with(card, name, answer)
    return card


def _with(card: EncoderCard, name: str, answer: str) -> EncoderCard:
    value: str | int = int(answer) if name in _OF_TRAINING and answer.isdecimal() else answer
    try:
        return EncoderCard.model_validate(card.model_dump() | {name: value})
    except ValidationError as error:
        raise UsageError(
            f"'{answer}' cannot stand on the card: {reason(error)}",
            ASKED[name],
            "run the command again, or write the card as a YAML file",
        ) from error


def _incomplete(card: EncoderCard, gaps: list[str]) -> UsageError:
    lines = "\n".join(f"  {name}: ...   # {ASKED[name]}" for name in gaps)
    return UsageError(
        f"the card of encoder {card.name} lacks {len(gaps)} of the facts that a submission needs: {', '.join(gaps)}",
        f"a card {card.name}.yaml with these lines too:\n{lines}",
        f"write it and pass it with --encoder {card.name}.yaml, or run this command in a terminal, which asks for them",
    )
