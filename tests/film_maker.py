"""Films that tests make of a photograph that a package brings: a slow pan over it, with a number in every frame."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_image

HEIGHT_PX, WIDTH_PX = 64, 96


def frame_pixels(number: int, size: tuple[int, int] = (HEIGHT_PX, WIDTH_PX)) -> NDArray[np.uint8]:
    """(H, W, 3): a part of the photograph, and the number as white and black squares in its upper row."""
    photo = load_sample_image("china.jpg")
    height, width = size
    part = Image.fromarray(photo[100:400, 3 * number : 3 * number + 450]).resize((width, height))
    pixels = np.array(part)
    for bit in range(width // 12):
        pixels[:10, 12 * bit : 12 * bit + 12] = 255 * (number >> bit & 1)
    return pixels


def number_of(pixels: NDArray[np.uint8]) -> int:
    """Which frame it is, of a film that was compressed."""
    bits = range(pixels.shape[1] // 12)
    return sum(int(pixels[3:7, 12 * bit + 4 : 12 * bit + 8].mean() > 127) << bit for bit in bits)


def make_film(
    path: Path,
    times_s: Sequence[float],
    *,
    codec: str = "libx264",
    sound: str = "",
    every_key: int = 5,
    size: tuple[int, int] = (HEIGHT_PX, WIDTH_PX),
    options: dict[str, str] | None = None,
) -> Path:
    """Write a film with frames at these times, with a key frame every so many, and a tone where a codec is named."""
    av: Any = pytest.importorskip("av", reason="needs PyAV (the extra film)")
    with av.open(str(path), "w", options=options or {}) as container:
        video = container.add_stream(codec, rate=25)
        video.height, video.width = size
        video.pix_fmt = "yuv420p"
        video.codec_context.gop_size = every_key
        if codec != "mpeg2video":  # which knows a few rates only
            video.codec_context.time_base = Fraction(1, 1000)
        if codec == "libx264":
            video.options = {"crf": "10", "preset": "ultrafast", "bf": "2", "b-adapt": "0"}
        audio = container.add_stream(sound, rate=44100, layout="mono") if sound else None
        for number, time_s in enumerate(times_s):
            frame = av.VideoFrame.from_ndarray(frame_pixels(number, size), format="rgb24")
            frame.pts, frame.time_base = round(time_s * 1000), Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if audio is not None:
            samples = np.sin(np.arange(int(times_s[-1] * 44100)) / 20)
            tone = av.AudioFrame.from_ndarray((samples * 8000).astype(np.int16)[None], format="s16", layout="mono")
            tone.rate, tone.pts = 44100, 0
            fifo = av.AudioFifo()
            fifo.write(tone)
            resampler = av.AudioResampler(format=audio.format.name, layout="mono", rate=44100)
            for part in fifo.read_many(1024, partial=True):
                for each in resampler.resample(part):
                    container.mux(audio.encode(each))
            container.mux(audio.encode())
    return path


def turned(path: Path) -> Path:
    """Lay a film on its side, as telephones do: the matrix in its track's header turns it by 90 degrees clockwise."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40  # version 0: the matrix stands behind 40 bytes
    numbers = (0, 1 << 16, 0, -(1 << 16), 0, 0, HEIGHT_PX << 16, 0, 1 << 30)
    data[start : start + 36] = b"".join(number.to_bytes(4, "big", signed=True) for number in numbers)
    path.write_bytes(data)
    return path
