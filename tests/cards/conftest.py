"""Fixtures of the tests of cards: functions that read a text as a card, or tell why it is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from card_texts import KINDS

from virb.cards.card import Card
from virb.cards.task import Task
from virb.core.errors import CardError


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Card]:
    """Return a function that writes a card's text and reads it back."""

    def write_and_read(content: str | bytes, kind: type[Card] = Task, stem: str | None = None) -> Card:
        path = tmp_path / f"{stem or KINDS[kind][0]}.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return kind.read(path)

    return write_and_read


@pytest.fixture
def refusal(read: Callable[..., Card]) -> Callable[..., str]:
    """Return a function that gives the message with which a card is refused."""

    def message(content: str | bytes, kind: type[Card] = Task, stem: str | None = None) -> str:
        with pytest.raises(CardError) as caught:
            read(content, kind, stem)
        assert caught.value.exit_code == 2
        return str(caught.value)

    return message
