"""Bench: training a grid of heads as one stack, against a plain loop and against scikit-learn."""

from __future__ import annotations

import statistics
import warnings

import numpy as np
import timm
import torch
from torch import nn
from torch.nn import functional

from virb.api import make_sample
from virb.cards.encoder_names import encoder_card
from virb.cards.protocol import Training
from virb.cards.select import protocol, select_tasks
from virb.checks.bench.clock import cpu
from virb.core.progress import Silent
from virb.core.types import Features, Split
from virb.encode.load import load_encoder
from virb.heads.fit import FittedStack, StackProbe
from virb.heads.fit.denormals import denormals_flushed
from virb.metrics import METRICS
from virb.run.encoder_run import EncoderRun
from virb.run.options import Asked
from virb.run.plan import image_sets
from virb.run.report import Report
from virb.run.tasks import prepare

CPU = torch.device("cpu")
_EPOCHS = 2
_SETTINGS = Training(
    optimiser="adam",
    batch=32,
    epochs=_EPOCHS,
    schedule="cosine",
    learning_rates=(1e-4, 1e-3, 1e-2),
    weight_decays=(0.0, 1e-2),
    standardise=(True,),
    seeds=1,
)


def mixture(samples: int, width: int, classes: int) -> tuple[Features, dict[str, Split]]:
    """Return rectified Gaussian clusters, as pooled features are, cut into train, val and test (a fifth each)."""
    generator = torch.Generator().manual_seed(0)
    total = samples + 2 * (samples // 5)
    centres = 0.08 * torch.randn(classes, width, generator=generator)
    targets = torch.randint(classes, (total,), generator=generator)
    pooled = (centres[targets] + torch.randn(total, width, generator=generator)).relu_()
    ids = tuple(map(str, range(total)))
    whole = Split(ids, np.arange(total)[:, None], targets.numpy(), np.arange(total))
    cuts = [0, samples, samples + samples // 5, total]
    parts = {name: whole.take(np.arange(cuts[i], cuts[i + 1])) for i, name in enumerate(("train", "val", "test"))}
    return Features(np.arange(total), pooled), parts


def compare_speed(samples: int, width: int, classes: int, rounds: int) -> None:
    """Print CPU seconds per setting and epoch of both loops, interleaved on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    features, parts = mixture(samples, width, classes)
    none = parts["val"].take(np.arange(0))
    loop = _OriginalLoop(features, parts["train"], classes)
    settings = len(_SETTINGS.learning_rates) * len(_SETTINGS.weight_decays)
    rates = _SETTINGS.learning_rates
    stacked, plain = [], []
    for turn in range(rounds):
        with denormals_flushed():
            seconds = cpu(lambda: _fit(features, parts["train"], none, "linear", classes, _SETTINGS))
        stacked.append(seconds / settings / _EPOCHS)
        rate = rates[turn % len(rates)]
        plain.append(cpu(lambda rate=rate: loop.epoch(rate)))  # type: ignore[misc]
    torch.set_num_threads(threads)
    ratios = sorted(one / two for one, two in zip(plain, stacked, strict=True))
    print(
        f"linear head, {settings} settings, batch {_SETTINGS.batch}, N {samples:,}, D {width:,}, K {classes}, 1 thread"
    )
    print(f"  CPU seconds per setting and epoch, medians of {rounds} interleaved rounds")
    print(f"  plain loop as the original wrote it  {statistics.median(plain):.3f}")
    print(f"  stacked settings                     {statistics.median(stacked):.3f}")
    print(f"  ratio {statistics.median(ratios):.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f})")


class _OriginalLoop:
    """One setting at a time, as the 2021 code trains it.

    Half-precision store, the whole model in the optimiser, loss and accuracy fetched at every step, no denormals
    flushed.
    """

    def __init__(self, features: Features, train: Split, classes: int) -> None:
        self.inputs = features.pooled[torch.from_numpy(train.index[:, 0])].half()
        self.targets = torch.from_numpy(train.targets)
        self.classes = classes
        self.encoder = timm.create_model("resnet50")

    def epoch(self, rate: float) -> None:
        head = nn.Linear(self.inputs.shape[1], self.classes)
        model = nn.ModuleList([self.encoder, head])
        optimiser = torch.optim.Adam(model.parameters(), lr=rate)
        losses, hits = [], []
        for rows in torch.split(torch.randperm(len(self.inputs)), _SETTINGS.batch):
            model.zero_grad()
            output = head(self.inputs[rows].float())
            loss = functional.cross_entropy(output, self.targets[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            losses.append(loss.item() * len(rows))
            optimiser.step()
            hits.append((output.argmax(1) == self.targets[rows]).sum().item())


def compare_accuracy(samples: int, width: int, classes: int, full: bool) -> None:
    """Print test accuracies of the chosen head and of scikit-learn's logistic regression.

    The whole grid of `standard` on the mixture takes twenty minutes on two cores, so that is only done when asked for.
    """
    options = Asked(sample=True).options()
    selection = select_tasks("clevr_count,dtd,thor_egomotion")
    make_sample(selection, None)
    prepared, _ = prepare(selection, options)
    encoder = load_encoder(encoder_card("random:resnet18"))
    print("\ntest accuracy in per cent; C of the logistic regression chosen on validation from 1e-3 to 1e3")
    print(f"  {'features':<28}{'quick':>8}{'standard':>10}{'logistic regression':>21}")
    for image_set in image_sets(encoder, prepared, options):
        stored = EncoderRun(encoder, options, Silent(), Report()).features(image_set)
        for job in image_set.jobs:
            data = job.prepared.dataset
            parts = {"train": data.train, "val": data.val, "test": data.test}
            _print_accuracies(job.task.name, stored, parts, job.task.head, len(data.classes), ("quick", "standard"))
    features, parts = mixture(samples, width, classes)
    rules = ("quick", "standard") if full else ("quick",)
    _print_accuracies("Gaussian mixture", features, parts, "linear", classes, rules)


def _print_accuracies(
    name: str, features: Features, parts: dict[str, Split], head: str, classes: int, rules: tuple[str, ...]
) -> None:
    found = {}
    for rule in rules:
        training = protocol(rule).image
        assert training is not None
        fitted = _fit(features, parts["train"], parts["val"], head, classes, training)
        found[rule] = f"{100 * _accuracy(fitted, features, parts['test']):.1f}"
    reference = 100 * _logistic(features, parts)
    shown = f"{found['quick']:>8}{found.get('standard', '-'):>10}"
    print(f"  {name:<28}{shown}{reference:>21.1f}", flush=True)


def _fit(features: Features, train: Split, val: Split, head: str, classes: int, training: Training) -> FittedStack:
    return StackProbe(training, head, classes, METRICS["top1"], "bench", CPU).fit(features, train, val)


def _accuracy(fitted: FittedStack, features: Features, test: Split) -> float:
    hits = torch.cat([torch.stack(outputs, 1).argmax(-1) for outputs, _ in fitted.answers(features, test)])
    return float((hits.numpy() == test.targets[:, None]).mean())


def _logistic(features: Features, parts: dict[str, Split]) -> float:
    """Return the test accuracy at the C that is best on validation, features standardised."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    def inputs(split: Split) -> np.ndarray:
        return np.asarray(features.pooled.numpy()[features.index(split)].reshape(len(split), -1))

    scaler = StandardScaler().fit(inputs(parts["train"]))
    train, val, test = (scaler.transform(inputs(parts[name])) for name in ("train", "val", "test"))
    best = (-1.0, 0.0)
    for strength in np.logspace(-3, 3, 7):
        model = LogisticRegression(C=float(strength), max_iter=300)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(train, parts["train"].targets)
        score = float(model.score(val, parts["val"].targets))
        if score > best[0]:
            best = (score, float(model.score(test, parts["test"].targets)))
    return best[1]
