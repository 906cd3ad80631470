"""Encode: images to features (stage 3). One decode and one encoder pass per image, whatever number of tasks want it.

Decoding and resizing end in uint8; normalisation, precision and memory layout happen on the device. Chunk
boundaries are fixed, because the last bits of a convolution depend on the shape of its batch.
"""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import simplejpeg
import torch
from PIL import Image
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from virb.backbones import Encoder, ModuleBody, Output
from virb.errors import DataError, NumericsError
from virb.stopping import settle_worker
from virb.types import Level, Numerics, Pool, View
from virb.workers import batches

log = logging.getLogger(__name__)

_CPU_PIXELS = 8 * 224 * 224
"""Per chunk on a CPU: larger batches spend a quarter of their time in page faults (measured)."""
_GPU_CHUNK = 256
_CHECKED = 64
_JPEG = b"\xff\xd8\xff"
_LARGEST = 1 << 26
"""Pixels of a picture that is decoded without asking Pillow whether it is a bomb."""
PRECISIONS = ("auto", "float32", "float16", "bfloat16")
_FOLD_TOLERANCE = 1e-4


def choose_numerics(device: torch.device, size: int, precision: str = "auto") -> Numerics:
    """Return precision, chunk and layout for a device; half precision only where the hardware has it."""
    if precision == "auto":
        precision = "float16" if device.type == "cuda" else "float32"
    chunk = _GPU_CHUNK if device.type == "cuda" else min(16, max(1, _CPU_PIXELS // size**2))
    return Numerics(device.type, precision, folded=True, chunk=chunk)


def head_precision(numerics: Numerics) -> torch.dtype | None:
    """Return what large heads multiply in: bfloat16 needs no scaled gradients; in full on a CPU, or where asked."""
    return torch.bfloat16 if numerics.device == "cuda" and numerics.precision != "float32" else None


def encode(
    encoder: Encoder,
    pool: Pool,
    rows: np.ndarray,
    view: View,
    numerics: Numerics,
    device: torch.device,
    workers: int,
) -> Iterator[torch.Tensor]:
    """Yield pooled features [n, D] on the CPU, chunk by chunk, in the order of `rows`."""
    for pooled, _ in encode_maps(encoder, pool, rows, view, numerics, device, workers, kept=()):
        yield pooled


def encode_maps(
    encoder: Encoder,
    pool: Pool,
    rows: np.ndarray,
    view: View,
    numerics: Numerics,
    device: torch.device,
    workers: int,
    kept: tuple[int, ...],
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield pooled features [n, D] and the kept maps of an image in one row [n, M], in half precision, on the CPU.

    `kept` are the places of levels, fine to coarse, that somebody will read.

    The last chunk is filled up to full size and cut again: an image's features then depend on no neighbour, and a
    part of a pool gives the bits that the whole gives.
    """
    with _full_precision():
        body = prepare(encoder, view, device)
    for images in decoded(pool, rows, view.size, numerics.chunk, workers):
        count = len(images)
        filled = torch.cat([images, images[-1:].expand(numerics.chunk - count, -1, -1, -1)])
        with _full_precision():
            pooled, levels = _forward(body, filled, view, numerics, device, bool(kept))
        _check_finite(pooled[:count], encoder)
        yield pooled[:count].cpu(), pack_maps([levels[place] for place in kept], len(filled))[:count].cpu()


def pack_maps(levels: list[torch.Tensor], count: int) -> torch.Tensor:
    """Return maps, each [n, C, h, w], as one row of half-precision numbers per image, [n, M].

    Half precision is as fine as features need (the original stored it too) and halves what is read per batch; a
    value beyond its range is cut, not made infinite.
    """
    if not levels:
        return torch.empty(count, 0, dtype=torch.float16)
    limit = torch.finfo(torch.float16).max
    return torch.cat([level.flatten(1).clamp(-limit, limit).half() for level in levels], dim=1)


def unpack_maps(packed: torch.Tensor, levels: Sequence[Level]) -> list[torch.Tensor]:
    """Return the maps [n, C, h, w] in full precision, fine to coarse, from rows [n, M]."""
    parts = torch.split(packed, [level.size for level in levels], dim=1)
    return [
        part.float().view(len(packed), level.channels, level.height, level.width)
        for part, level in zip(parts, levels, strict=True)
    ]


@contextmanager
def _full_precision() -> Iterator[None]:
    """Keep float32 what it says: by default convolutions on a GPU round it to ten bits (TF32)."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def decoded(pool: Pool, rows: np.ndarray, size: int, chunk: int, workers: int) -> Iterator[torch.Tensor]:
    """Yield uint8 batches [n, 3, size, size] in order; the last one is smaller and never dropped."""
    loader = DataLoader(
        _Images(pool, rows, size),
        batch_size=chunk,
        shuffle=False,
        num_workers=min(workers, -(-len(rows) // chunk)),
        drop_last=False,
        pin_memory=False,
        collate_fn=_collate,
        worker_init_fn=settle_worker,
    )
    for images in batches(loader):
        if isinstance(images, DataError):
            raise images
        yield images


class _Images(TorchDataset[torch.Tensor | DataError]):
    def __init__(self, pool: Pool, rows: np.ndarray, size: int) -> None:
        self.pool, self.rows, self.size = pool, rows, size

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> torch.Tensor | DataError:
        try:
            return squash(read_image(self.pool, int(self.rows[row])), self.size)
        except DataError as error:
            return error  # raised in the parent: a worker's own exception would come wrapped in its traceback


def unreadable(pool: Pool, rows: np.ndarray, workers: int) -> dict[int, DataError]:
    """Return the rows whose pictures cannot be read, and why; every one is opened and decoded."""
    loader = DataLoader(
        _Readable(pool, rows),
        batch_size=_CHECKED,
        num_workers=min(workers, -(-len(rows) // _CHECKED)),
        collate_fn=dict,
        worker_init_fn=settle_worker,
    )
    found: dict[int, DataError] = {}
    for some in batches(loader):
        found.update({row: error for row, error in some.items() if error is not None})
    return found


class _Readable(TorchDataset[tuple[int, DataError | None]]):
    def __init__(self, pool: Pool, rows: np.ndarray) -> None:
        self.pool, self.rows = pool, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> tuple[int, DataError | None]:
        row = int(self.rows[place])
        try:
            read_image(self.pool, row)
        except DataError as error:
            return row, error
        return row, None


def _collate(items: list[torch.Tensor | DataError]) -> torch.Tensor | DataError:
    errors = [item for item in items if isinstance(item, DataError)]
    return errors[0] if errors else torch.stack([item for item in items if isinstance(item, torch.Tensor)])


def read_image(pool: Pool, row: int) -> torch.Tensor:
    """Return uint8 RGB [3, H, W]; the file's content decides the format, and a truncated file is an error."""
    path = pool.paths[row]
    if pool.reader is None and (found := _read_jpeg(path)) is not None:
        return torch.from_numpy(found).permute(2, 0, 1)
    try:
        with Image.open(path) if pool.reader is None else pool.reader(path, pool.rows[row]) as image:
            rgb = image if image.mode == "RGB" else _to_rgb(image)  # which would copy what is RGB already
            return torch.from_numpy(np.array(rgb)).permute(2, 0, 1)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{path} cannot be read as an image: {error}",
            "a whole JPEG, PNG or other picture",
            "fetch this file again; it may have been cut short",
        ) from error


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return a picture of any mode in RGB; Pillow itself would cut 16-bit grey to white without a word."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError(f"its pixels are numbers of mode {image.mode}, whose scale is unknown")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


def _read_jpeg(path: Path) -> np.ndarray | None:
    """Return a plain JPEG file's pixels [H, W, 3]; nothing for any other file, which Pillow then reads or refuses.

    Both decode with libjpeg-turbo and give the same pixels, but Pillow hands them over in pieces (measured: it takes
    twice as long).
    """
    try:
        content = path.read_bytes()
        if not content.startswith(_JPEG):
            return None
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
        if height * width > _LARGEST or colours not in ("Gray", "RGB", "YCbCr"):
            return None
        return np.asarray(simplejpeg.decode_jpeg(content, "RGB"))
    except (OSError, ValueError):
        return None


def image_size(pool: Pool, row: int) -> tuple[int, int]:
    """Return height and width of a picture, from its header where it is a file of its own."""
    if pool.sizes:
        return pool.sizes[row]
    if pool.reader is not None:
        height, width = read_image(pool, row).shape[1:]
        return int(height), int(width)
    try:
        with Image.open(pool.paths[row]) as image:
            return image.height, image.width
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        height, width = read_image(pool, row).shape[1:]  # says what is wrong with it
        return int(height), int(width)


def squash(image: torch.Tensor, size: int) -> torch.Tensor:
    """Return uint8 [3, size, size]: both sides resized on their own, antialiased, nothing cropped."""
    if image.shape[-2:] == (size, size):
        return image.contiguous()
    resized = functional.interpolate(image[None], (size, size), mode="bilinear", antialias=True)
    return resized[0].contiguous()


def prepare(encoder: Encoder, view: View, device: torch.device) -> nn.Module:
    """Return a copy for fast inference on a device; the encoder itself stays as it is."""
    probe = torch.randn(2, 3, view.size, view.size, generator=torch.Generator().manual_seed(0))
    folded = fold_batch_norms(copy.deepcopy(encoder).to(device), probe)
    # A module of the user's own may count on contiguous maps; timm's models run faster the other way.
    return folded if isinstance(encoder.body, ModuleBody) else folded.to(memory_format=torch.channels_last)


@torch.inference_mode()
def _forward(
    body: nn.Module, images: torch.Tensor, view: View, numerics: Numerics, device: torch.device, maps: bool
) -> Output:
    """Return pooled features and maps in float32; where memory does not suffice, half of the images at a time."""
    try:
        return _forward_once(body, images, view, numerics, device, maps)
    except torch.OutOfMemoryError:
        if len(images) == 1:
            raise
    # Outside the handler, whose traceback would keep the failed pass alive on the device.
    torch.cuda.empty_cache()
    log.warning("out of memory with %d images at a time: going on with half", len(images))
    halves = torch.split(images, -(-len(images) // 2))
    parts = [_forward(body, half, view, numerics, device, maps) for half in halves]
    levels = [torch.cat(level) for level in zip(*(part[1] for part in parts), strict=True)]
    return torch.cat([part[0] for part in parts]), levels


def _forward_once(
    body: nn.Module, images: torch.Tensor, view: View, numerics: Numerics, device: torch.device, maps: bool
) -> Output:
    """Return pooled features and maps in float32; images that overflow half precision are done again in full."""
    inputs = normalise(images.to(device), view)
    if not isinstance(getattr(body, "body", None), ModuleBody):
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    half = numerics.precision != "float32"
    with torch.autocast(device.type, getattr(torch, numerics.precision), enabled=half):
        outputs = [tensor.float() for tensor in _flat(body(inputs, maps))]
    lost = torch.stack([~torch.isfinite(output).flatten(1).all(1) for output in outputs]).any(0)
    if half and lost.any():
        for output, whole in zip(outputs, _flat(body(inputs, maps)), strict=True):
            output[lost] = whole.float()[lost]
    return outputs[0], outputs[1:]


def _flat(output: Output) -> list[torch.Tensor]:
    return [output[0], *output[1]]


def normalise(images: torch.Tensor, view: View) -> torch.Tensor:
    """Return float images with the view's mean taken off and divided by its deviation."""
    mean = torch.tensor(view.mean, device=images.device)[:, None, None] * 255
    std = torch.tensor(view.std, device=images.device)[:, None, None] * 255
    # In place: fresh memory for each step would cost more than the arithmetic.
    return images.to(torch.float32, copy=True).sub_(mean).div_(std)


def _check_finite(pooled: torch.Tensor, encoder: Encoder) -> None:
    if not torch.isfinite(pooled).all():
        bad = int((~torch.isfinite(pooled)).any(1).sum())
        raise NumericsError(
            f"encoder {encoder.card.name} returned NaN or infinity for {bad} of {len(pooled)} images",
            "finite features",
            "check the checkpoint's weights and the mean and std of its card",
        )


@torch.inference_mode()
def fold_batch_norms(encoder: nn.Module, probe: torch.Tensor) -> nn.Module:
    """Return the encoder with each BatchNorm folded into the convolution before it, if that changes nothing.

    Pairs are found by watching one forward, so no architecture is known by name; the result is compared with the
    original on every output and thrown away when it differs.
    """
    device = next((tensor.device for tensor in encoder.parameters()), None)
    if device is None:
        return encoder
    probe = probe.to(device)
    folded = copy.deepcopy(encoder)
    pairs = _watch(folded, probe)
    if not pairs:
        return encoder
    before = encoder(probe, maps=True)
    for convolution, norm in pairs:
        _fold(folded, convolution, norm)
    after = folded(probe, maps=True)
    expected, found = [before[0], *before[1]], [after[0], *after[1]]
    same = all(
        bool((one - two).abs().max() <= _FOLD_TOLERANCE * (one.abs().max() + 1e-12))
        for one, two in zip(expected, found, strict=True)
    )
    return folded if same else encoder


def _watch(encoder: nn.Module, probe: torch.Tensor) -> list[tuple[str, str]]:
    """Return names of (convolution, norm) where the norm's input is the very tensor the convolution returned."""
    made: dict[int, tuple[str, torch.Tensor]] = {}
    pairs: list[tuple[str, str]] = []
    handles = []
    for name, module in encoder.named_modules():
        if type(module) is nn.Conv2d:
            handles.append(
                module.register_forward_hook(lambda _, __, out, name=name: made.update({id(out): (name, out)}))
            )
        elif isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
            handles.append(
                module.register_forward_pre_hook(
                    lambda _, args, name=name: (
                        pairs.append((made[id(args[0])][0], name)) if id(args[0]) in made else None
                    )
                )
            )
    encoder(probe)
    for handle in handles:
        handle.remove()
    return list(dict.fromkeys(pairs))


def _fold(encoder: nn.Module, convolution: str, norm: str) -> None:
    """Put the folded convolution in place; the norm keeps only what it did after normalising."""
    old, bn = encoder.get_submodule(convolution), encoder.get_submodule(norm)
    assert isinstance(old, nn.Conv2d)
    assert isinstance(bn, nn.BatchNorm2d)
    encoder.set_submodule(convolution, fuse_conv_bn_eval(old, bn))
    rest = [child for child in (getattr(bn, "drop", None), getattr(bn, "act", None)) if child is not None]
    encoder.set_submodule(norm, nn.Sequential(*rest) if rest else nn.Identity())


def default_workers(device: torch.device) -> int:
    """Return how many processes decode: on a CPU one beside the encoder, which takes every core itself."""
    cores = os.cpu_count() or 1
    return min(16, cores) if device.type == "cuda" else min(1, cores - 1)
