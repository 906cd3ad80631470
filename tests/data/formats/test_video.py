"""Frames out of videos: tiny ones, written here by the same library that reads them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from virb.core.errors import DataError
from virb.data.formats import video

needs_av = pytest.mark.skipif(find_spec("av") is None, reason="PyAV, the extra [video], is not installed")


def write_video(path: Path, frames: int = 60, rate: int = 10, codec: str = "mpeg4") -> None:
    """Write frames that grow lighter, by 4 levels each."""
    import av

    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(frames):
            picture = np.full((48, 64, 3), number * 4, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


@needs_av
@pytest.mark.parametrize(("ending", "codec"), [("mp4", "mpeg4"), ("mkv", "mpeg4"), ("webm", "libvpx")])
def test_frames_come_from_the_middles_of_six_parts_of_a_video(tmp_path: Path, ending: str, codec: str) -> None:
    path = tmp_path / f"clip.{ending}"
    write_video(path, codec=codec)
    levels = [float(np.asarray(video.read_frame(path, row)).mean()) / 4 for row in range(6)]
    assert np.allclose(levels, [5, 15, 25, 35, 45, 55], atol=1.5)
    assert isinstance(video.read_frame(path, 0), Image.Image)
    assert video.read_frame(path, 0).size == (64, 48)


@needs_av
def test_a_frame_does_not_depend_on_which_one_was_asked_for_before(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path)
    late = np.asarray(video.read_frame(path, 5))
    video._frames.cache_clear()
    video.read_frame(path, 0)
    assert np.array_equal(np.asarray(video.read_frame(path, 5)), late)


@needs_av
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_a_very_short_video_repeats_frames_in_order(tmp_path: Path, frames: int) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, frames=frames)
    levels = [float(np.asarray(video.read_frame(path, row)).mean()) for row in range(6)]
    assert levels == sorted(levels)


@needs_av
@pytest.mark.parametrize("content", [b"", b"<html>no such video</html>"])
def test_a_file_that_is_no_video_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"clip\.mp4"):
        video.read_frame(path, 0)


@needs_av
def test_a_video_that_was_cut_short_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    write_video(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(DataError, match=r"clip\.mkv"):
        video.read_frame(path, 0)


def test_videos_are_listed_in_a_folder_and_in_the_folders_in_it_and_nothing_else_is(tmp_path: Path) -> None:
    for name in ("a.mp4", "one/b.MKV", "one/c.txt", "one/._d.mp4", ".git/e.mp4", "one/two/f.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert video.list_videos(tmp_path) == {"a": tmp_path / "a.mp4", "b": tmp_path / "one/b.MKV"}


def test_a_folder_of_videos_that_cannot_be_listed_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        video.list_videos(tmp_path / "nowhere")


@needs_av
@pytest.mark.parametrize("text", ["ffconcat version 1.0\nfile '{}'\n", "#EXTM3U\n#EXTINF:6,\n{}\n#EXT-X-ENDLIST\n"])
@pytest.mark.parametrize("ending", ["mp4", "avi"])
def test_a_list_of_other_files_is_no_video(tmp_path: Path, text: str, ending: str) -> None:
    """Else one file leads to another, or to an address."""
    (tmp_path / "inner").mkdir()
    write_video(tmp_path / "inner" / "other.mp4")
    path = tmp_path / f"clip.{ending}"
    path.write_text(text.format("inner/other.mp4"))
    with pytest.raises(DataError) as caught:
        video.read_frame(path, 0)
    assert str(path) in caught.value.found


@needs_av
@pytest.mark.parametrize("bound", ["_MOST_FRAMES", "_EACH"])
def test_a_video_of_far_too_many_frames_or_pixels_is_refused(
    tmp_path: Path, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path)
    monkeypatch.setattr(video, bound, {"_MOST_FRAMES": 20, "_EACH": 10**9}[bound])
    with pytest.raises(DataError, match=r"frames|pixels"):
        video.read_frame(path, 0)
