"""Bench: reading pictures, from JPEG files to normalised tensors, against Pillow and torchvision's transforms."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision import transforms

from virb.checks.bench.clock import cpu
from virb.core.types import Pool, View
from virb.data.images import read_image, squash
from virb.data.pictures import opened, read_rgb
from virb.encode.features import choose_numerics, normalise

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
WIDTH, HEIGHT, QUALITY = 500, 375, 90
_OCTAVES = ((4, 60.0), (12, 35.0), (40, 20.0), (120, 10.0))
"""Cells across a picture and their strength: photos hold less the finer it gets."""
_DISCS = 12
_GRAIN = 6.0


def compare(images: int, size: int, rounds: int) -> None:
    """Print images per CPU second of both readers, where ours spends its time, and how far their pixels are apart."""
    view = View("squash", size, MEAN, STD)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        pool = photo_files(Path(folder), images)
        reader = original(size)
        plain, stages = [], []
        for _ in range(rounds):
            plain.append(cpu(lambda: [reader(path) for path in pool.paths]))
            stages.append(_ours(pool, view))
        kilobytes = statistics.mean(path.stat().st_size for path in pool.paths) / 1000
        largest, mean = pixel_difference(pool, size)
    torch.set_num_threads(threads)
    print(f"{images} JPEG files of {WIDTH} x {HEIGHT}, quality {QUALITY}, {kilobytes:.0f} kB on average, to {size} px")
    print(f"  images per CPU second on one thread, medians of {rounds} interleaved rounds")
    _print_rates(images, plain, stages)
    print(f"  pixels differ by {largest} at most and {mean:.4f} on average, in 1/255")


def _print_rates(images: int, plain: list[float], stages: list[tuple[float, float, float]]) -> None:
    uint8 = [decoding + resizing for decoding, resizing, _ in stages]
    whole = [sum(seconds) for seconds in stages]
    print(f"  Pillow and torchvision's v1 transforms, as the original   {images / statistics.median(plain):7.1f}")
    print(f"  virb, to uint8: what its decoding processes do            {images / statistics.median(uint8):7.1f}")
    print(f"  virb, normalised here too, as on the device               {images / statistics.median(whole):7.1f}")
    print(f"  ratio to uint8 {_ratio(plain, uint8)}, normalised {_ratio(plain, whole)}")
    parts = zip(("decoding", "resizing", "normalising"), zip(*stages, strict=True), strict=True)
    shown = [f"{name} {1000 * statistics.median(seconds) / images:.2f}" for name, seconds in parts]
    print(f"  virb's milliseconds per image: {', '.join(shown)}")


def _ratio(slow: Sequence[float], fast: Sequence[float]) -> str:
    ratios = sorted(one / two for one, two in zip(slow, fast, strict=True))
    return f"{statistics.median(ratios):.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f})"


def original(size: int) -> Callable[[Path], torch.Tensor]:
    """Return the reader of the original benchmark: a path to a normalised tensor, one image at a time."""
    steps = transforms.Compose(
        [transforms.Resize((size, size)), transforms.ToTensor(), transforms.Normalize(mean=MEAN, std=STD)]
    )

    def read(path: Path) -> torch.Tensor:
        with opened(path) as image:
            result: torch.Tensor = steps(image.convert("RGB"))
        return result

    return read


def _ours(pool: Pool, view: View) -> tuple[float, float, float]:
    """Return CPU seconds of decoding, resizing and normalising, in the order and the chunks of a run on a CPU."""
    chunk = choose_numerics(torch.device("cpu"), view.size).chunk
    decoding = resizing = normalising = 0.0
    batch: list[torch.Tensor] = []
    for row in range(len(pool)):
        started = time.process_time()
        image = read_image(pool, row)
        decoded = time.process_time()
        batch.append(squash(image, view.size))
        decoding += decoded - started
        resizing += time.process_time() - decoded
        if len(batch) == chunk or row == len(pool) - 1:
            whole = torch.stack(batch)
            normalising += cpu(lambda: normalise(whole, view))  # noqa: B023
            batch = []
    return decoding, resizing, normalising


def pixel_difference(pool: Pool, size: int) -> tuple[int, float]:
    """Return the largest and the mean distance of both readers' pixels before they are normalised, in 1/255."""
    resize = transforms.Resize((size, size))
    differences = []
    for row, path in enumerate(pool.paths):
        wanted = np.asarray(resize(read_rgb(path))).astype(int)
        found = squash(read_image(pool, row), size).permute(1, 2, 0).numpy().astype(int)
        differences.append(np.abs(found - wanted))
    return int(np.max(differences)), float(np.mean(differences))


def photo_files(folder: Path, images: int) -> Pool:
    """Write JPEG files that cost a decoder about what photos do: coarse and fine noise, edges, grain."""
    random = np.random.default_rng(0)
    paths = []
    for number in range(images):
        path = folder / f"{number:05d}.jpg"
        Image.fromarray(_photo(random)).save(path, quality=QUALITY)
        paths.append(path)
    return Pool("bench", tuple(path.stem for path in paths), tuple(paths))


def _photo(random: np.random.Generator) -> np.ndarray:
    picture = np.full((HEIGHT, WIDTH, 3), 120.0)
    for cells, strength in _OCTAVES:
        grey, colour = random.normal(size=(cells, cells, 1)), random.normal(size=(cells, cells, 3))
        picture += strength * _enlarged(grey + 0.4 * colour)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for _ in range(_DISCS):
        radius = random.uniform(20, 100)
        inside = (x - random.uniform(0, WIDTH)) ** 2 + (y - random.uniform(0, HEIGHT)) ** 2 < radius**2
        picture[inside] = 0.6 * picture[inside] + 50 * random.normal(size=3)
    picture += _GRAIN * random.normal(size=picture.shape)
    return picture.clip(0, 255).astype(np.uint8)


def _enlarged(cells: np.ndarray) -> np.ndarray:
    """Return noise [n, n, 3] at full size; Pillow resizes one channel of floats at a time."""
    planes = (Image.fromarray(cells[..., channel].astype(np.float32)) for channel in range(3))
    return np.stack([np.asarray(plane.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)) for plane in planes], axis=-1)
