"""New labels for a picture that is embedded already: no image encoder, milliseconds, numpy alone.

The arithmetic is that of `lseg_cli.model.correlation` and `lseg_cli.model.regularizer`, which run in PyTorch and in
exported graphs; the tests hold them against each other.
"""

from dataclasses import replace

import cv2
import numpy as np

from lseg_cli.config import TEMPERATURE, RegularizerConfig
from lseg_cli.errors import DataError, MismatchError
from lseg_cli.inference.embedding import Embedding, EmbeddingInfo
from lseg_cli.inference.interpolation import Floats, aligned_positions, upsample2
from lseg_cli.inference.many_labels import ManyLabels, are_many
from lseg_cli.inference.segmentation import Segmentation, Stopwatch
from lseg_cli.inference.segmenter import LABEL_ALONE, PixelOutputs
from lseg_cli.inference.upsampling import mean_confidence, upsample_best

_TINY = np.float32(1e-20)  # below any real square: a cell of zeros gives no division by zero
_LEAK = np.float32(0.01)  # of PyTorch's LeakyReLU


def relabel(
    embedding: Embedding,
    text: Floats,
    outputs: PixelOutputs = LABEL_ALONE,
    threads: int = 1,
) -> Segmentation:
    """The segmentation that the model would give, from its embedding of the picture.

    Args:
        embedding: of a picture.
        text: (N, C) embeddings of the labels, by the model's text encoder.
        outputs: what is to be known of every pixel.
        threads: of the CPU.

    Raises:
        MismatchError: the labels' embeddings have another width.
        DataError: the embedding is not a number, or its regulariser is incomplete.
    """
    info = embedding.info
    if is_bounded(info, len(text), outputs):
        labels = ManyLabels(text, info.model.regularizer, info.kernel)
        return labels.segment(embedding.array, info.picture_px, outputs.best, threads)
    watch = Stopwatch()
    scores = score(embedding, text)
    score_ms = watch.ms
    result = segment_scores(scores, embedding.info.picture_px, outputs, threads)
    return replace(result, ms={"score": score_ms, **result.ms})


def is_bounded(info: EmbeddingInfo, labels: int, outputs: PixelOutputs) -> bool:
    """Whether so many labels are bounded, as in `lseg_cli.inference.many_labels`, rather than scored."""
    return are_many(labels, outputs.probability) and not info.unit_length


def segment_scores(
    scores: Floats,
    size: tuple[int, int],
    outputs: PixelOutputs = LABEL_ALONE,
    threads: int = 1,
) -> Segmentation:
    """The scores (N, h, w) of an embedding, as `score` gives them -> the picture's segmentation at its size (H, W).

    Raises:
        DataError: a score is not a number.
    """
    watch = Stopwatch()
    mean = mean_confidence(scores)
    if not np.isfinite(mean):
        raise DataError("The embedding holds what is not a number; embed the picture again.")
    count = min(outputs.best, len(scores))
    best, probability = upsample_best(scores, size, count, outputs.probability, threads)
    return Segmentation(best, probability, mean, {"postprocess": watch.ms})


def score(embedding: Embedding, text: Floats) -> Floats:
    """(N, h, w) float32 logits at half the network's size.

    Raises:
        MismatchError: the labels' embeddings have another width.
        DataError: the regulariser is incomplete.
    """
    return Scorer(embedding).scores(text)


class Scorer:
    """The scores of any labels in one picture; what depends on the picture alone is made once.

    For lseg-tiny at 640 px and 20 labels that is half of the time.
    """

    def __init__(self, embedding: Embedding) -> None:
        """Of a picture.

        Raises:
            DataError: the regulariser is incomplete.
        """
        info = embedding.info
        self._regularizer = info.model.regularizer
        self._kernel = info.kernel
        if len(info.kernel) != (10 if self._regularizer.depth and self._regularizer.kind != "none" else 0):
            raise DataError("The embedding does not bring its regulariser's 10 numbers; embed the picture again.")
        self._is_whole = info.unit_length  # at the size of the scores already
        self._features = embedding.array.astype(np.float32)
        square = _square(self._features) if info.unit_length else upsampled_square(self._features)
        self._length = np.sqrt(square if info.unit_length else np.maximum(square, _TINY))

    @property
    def bytes(self) -> int:
        """Of memory."""
        return self._features.nbytes + self._length.nbytes

    def cosines(self, text: Floats) -> Floats:
        """(N, C) -> (N, h, w) float32 cosines at half the network's size.

        Raises:
            MismatchError: the labels' embeddings have another width.
        """
        width, *size = self._features.shape
        if text.ndim != 2 or text.shape[1] != width:
            raise MismatchError(f"The labels' embeddings have shape {text.shape}; this one is {width} wide.")
        words = np.asarray(text, np.float32)
        words = words / np.linalg.norm(words, axis=1, keepdims=True)
        cosines: Floats = (words @ self._features.reshape(width, -1)).reshape(-1, *size)
        cosines = cosines if self._is_whole else upsample2(cosines)
        cosines /= self._length
        return cosines

    def scores(self, text: Floats) -> Floats:
        """(N, C) -> (N, h, w) float32 logits at half the network's size; raises as `cosines`."""
        logits = self.cosines(text)
        logits /= np.float32(TEMPERATURE)
        return _regularize(logits, self._regularizer, self._kernel)


def upsampled_square(features: Floats) -> Floats:
    """Squared length along C of the features at twice the size: (C, h, w) -> (2h, 2w); see `model.correlation`."""
    (y, fy), (x, fx) = (aligned_positions(count) for count in features.shape[1:])
    gy, gx = (fy * (1 - fy))[:, None], fx * (1 - fx)
    along_x, along_y = np.diff(features, axis=2), np.diff(features, axis=1)
    twist = _square(np.diff(along_x, axis=1))[y][:, x]
    rows, columns = _square(along_x)[:, x], _square(along_y)[y]
    step_x = rows[y] + (rows[y + 1] - rows[y]) * fy[:, None]
    step_y = columns[:, x] + (columns[:, x + 1] - columns[:, x]) * fx
    (square,) = upsample2(_square(features)[None])
    result: Floats = square - gx * step_x - gy * step_y + gy * gx * twist
    return result


def _square(features: Floats) -> Floats:
    square: Floats = np.einsum("cij,cij->ij", features, features)
    return square


def _regularize(logits: Floats, config: RegularizerConfig, kernel: tuple[float, ...]) -> Floats:
    """As `SpatialRegularizer`: `depth` applications of one 3x3 kernel to every label's map."""
    if not kernel:
        return logits
    weights, bias = np.array(kernel[:9], np.float32).reshape(3, 3), np.float32(kernel[9])
    for application in range(config.depth):
        smooth = np.stack([cv2.filter2D(each, -1, weights, borderType=cv2.BORDER_CONSTANT) for each in logits]) + bias
        if config.kind == "bottleneck":
            smooth += logits.max(0)
        logits = smooth if application == config.depth - 1 else _activate(smooth, config.activation)
    return logits


def _activate(x: Floats, name: str) -> Floats:
    activated: Floats = np.tanh(x) if name == "tanh" else np.maximum(x, x * _LEAK if name == "lrelu" else np.float32(0))
    return activated
