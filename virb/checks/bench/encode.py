"""Bench: encoder throughput through the harness, from image files to stored features, against the bare model."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image

from virb.cards.encoder_names import encoder_card
from virb.cards.protocol import Protocol
from virb.cards.select import protocol
from virb.checks.bench.clock import wall
from virb.core.types import Images, Pool
from virb.data.images import default_workers
from virb.encode.cache import Cache
from virb.encode.features import Pass, choose_numerics
from virb.encode.load import load_encoder
from virb.run.options import choose_device
from virb.run.plan import resolve_view


def compare(arch: str, size: int, images: int, rounds: int, device_name: str) -> None:
    """Print images per second of both, interleaved; decoding and storing are part of the harness's time."""
    device = choose_device(device_name)
    encoder = load_encoder(encoder_card(f"random:{arch}"))
    rules: Protocol = protocol("quick").model_copy(update={"size": size})
    view = resolve_view(None, rules, encoder)
    numerics = choose_numerics(device, view.size)
    model = timm.create_model(arch, num_classes=0).eval().to(device)
    harness, bare = [], []
    with tempfile.TemporaryDirectory() as folder:
        pool = _pool(Path(folder), images)
        for turn in range(rounds):
            store = Cache(Path(folder) / f"cache{turn}", 1 << 40)
            rows = np.arange(images)
            workers = default_workers(device)
            one = Pass(encoder, Images(pool, rows, view, numerics), device, workers)
            seconds = wall(lambda: store.features(one))  # noqa: B023
            harness.append(images / seconds)
            bare.append(images / wall(lambda: _bare(model, images, view.size, device)))
    shares = sorted(one / two for one, two in zip(harness, bare, strict=True))
    print(f"{arch} at {view.size} px on {device}, {images} JPEG files of 500 x 375, {rounds} interleaved rounds")
    print(f"  bare model, batches of 32, random tensors        {statistics.median(bare):8.1f} images/s")
    print(f"  harness, from files to stored features           {statistics.median(harness):8.1f} images/s")
    print(f"  share {100 * statistics.median(shares):.0f} % (from {100 * shares[0]:.0f} to {100 * shares[-1]:.0f})")


def _pool(folder: Path, images: int) -> Pool:
    random = np.random.default_rng(0)
    paths = []
    for number in range(images):
        coarse = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        path = folder / f"{number:05d}.jpg"
        Image.fromarray(coarse).resize((500, 375), Image.Resampling.BICUBIC).save(path, quality=90)
        paths.append(path)
    return Pool("bench", tuple(path.stem for path in paths), tuple(paths))


@torch.inference_mode()
def _bare(model: torch.nn.Module, images: int, size: int, device: torch.device) -> None:
    """Run the model as most evaluation scripts do: batches of 32, contiguous, BatchNorm as it is."""
    batch = torch.randn(32, 3, size, size, device=device)
    for start in range(0, images, 32):
        model(batch[: min(32, images - start)])
    if device.type == "cuda":
        torch.cuda.synchronize()
