"""Cards as texts, for the tests that read them."""

from __future__ import annotations

from virb.cards.card import Card
from virb.cards.encoder import EncoderCard
from virb.cards.protocol import Protocol
from virb.cards.task import Task

TASK = """\
name: leaves
title: Leaf shapes
level: image
kind: semantic
dataset: dtd
target: texture
head: linear
loss: cross_entropy
metric: top1
version: 1
split: train / val / test
paper: "Doe, Leaves, 2020"
licence: CC BY 4.0
published: {epochs: 500, batch: 32, learning_rate: 0.0001, comparable: true}
"""


ENCODER = """\
name: mine
title: My encoder
weights: random:resnet18
"""


PROTOCOL = """\
name: rules
title: Some rules
version: 1
size: 96
choice: validation
image:
  optimiser: adamw
  batch: 64
  epochs: 30
  schedule: cosine
  learning_rates: [0.001, 0.01]
  weight_decays: [0.0]
  standardise: [true]
  seeds: 3
"""


KINDS: dict[type[Card], tuple[str, str]] = {
    Task: ("leaves", TASK),
    EncoderCard: ("mine", ENCODER),
    Protocol: ("rules", PROTOCOL),
}


def swap(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"the test's own card has {old!r} {text.count(old)} times"
    return text.replace(old, new)
