"""Submit: the encoder's card, complete: what is missing is asked for on a terminal, or listed all at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from virb.cards.encoder import EncoderCard
from virb.cards.submission import ASKED, OF_TRAINING, missing
from virb.core.errors import UsageError
from virb.records.record import reason

Ask = Callable[[str], str]


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
    value: str | int = int(answer) if name in OF_TRAINING and answer.isdecimal() else answer
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
