"""A picture and embedded labels -> the label of every pixel: preprocess -> engine -> postprocess."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.config import SIZE_MULTIPLE
from lseg_cli.contract import FEATURES, SCORES, Engine
from lseg_cli.errors import DataError, LsegError, MismatchError
from lseg_cli.inference.embedding import Embedding, Half, as_encoder, encode
from lseg_cli.inference.frame import Frame, Size
from lseg_cli.inference.interpolation import Floats
from lseg_cli.inference.many_labels import FEW, ManyLabels, are_many
from lseg_cli.inference.segmentation import Segmentation, Stopwatch
from lseg_cli.inference.upsampling import mean_confidence, upsample_best


@dataclass(frozen=True)
class PixelOutputs:
    """What a segmentation holds for every pixel.

    Attributes:
        best: how many labels, the best first.
        probability: of each of them.
    """

    best: int = 1
    probability: bool = False


LABEL_ALONE = PixelOutputs()


class Segmenter:
    """Segments pictures with the same labels; its three steps may run in different threads."""

    def __init__(
        self,
        engine: Engine,
        text: Floats,
        size: Size = None,
        outputs: PixelOutputs = PixelOutputs(),
        threads: int = 1,
    ) -> None:
        """Binds labels to an engine.

        Args:
            engine: any.
            text: (N, C) embeddings of the labels.
            size: long side of the network's input in px, or its (height, width); None: as the model was trained.
            outputs: what is to be known of every pixel.
            threads: for postprocessing.

        Raises:
            LsegError: a size that no network takes.
            MismatchError: text or size do not fit the engine.
        """
        spec = engine.spec
        if text.ndim != 2 or text.shape[1] != spec.model.text.width:
            raise MismatchError(
                f"The labels' embeddings have shape {text.shape}; {spec.model.name} takes (N, {spec.model.text.width})."
            )
        if not {"scores", "features"}.intersection(spec.outputs):
            raise MismatchError("The engine gives no 'scores': an earlier version exported it; export it again.")
        if spec.max_labels is not None and len(text) > spec.max_labels:
            raise MismatchError(f"{len(text)} labels are given; this engine takes at most {spec.max_labels}.")
        _check_size(size, (spec.height_px, spec.width_px))
        self.engine = engine
        self.text = np.ascontiguousarray(text, np.float32)
        self.size = size
        self.outputs = outputs
        self.threads = threads
        # Of a graph of one size, what it says of the padding beside the picture would have to be cut off.
        has_features = "features" in spec.outputs and spec.height_px is None
        is_wide = has_features and len(text) > FEW
        self._labels = ManyLabels(self.text, spec.model.regularizer, spec.kernel) if is_wide else None
        self.many = self._labels if are_many(len(text), outputs.probability) else None

    def segment(self, picture: NDArray[np.uint8]) -> Segmentation:
        """(H, W, 3) uint8 RGB -> its segmentation at H x W.

        Raises:
            DataError: the network's answer is not a number.
        """
        watch = Stopwatch()
        image = self.preprocess(picture)
        preprocess_ms, watch = watch.ms, Stopwatch()
        size = picture.shape[0], picture.shape[1]
        if self.many is None:
            (scores,) = self.infer(image)
            infer_ms = watch.ms
            result = self.postprocess(scores, size)
        else:
            (features,) = self.infer_features_alone(image)
            infer_ms = watch.ms
            result = self.many.segment(features, size, self.outputs.best, self.threads)
        return replace(result, ms={"preprocess": preprocess_ms, "infer": infer_ms, **result.ms})

    def infer(self, images: NDArray[np.uint8]) -> Floats:
        """(B, h, w, 3) uint8 at the network's size -> (B, N, h / 2, w / 2) scores.

        Raises:
            MemoryFullError: the device's memory is full.
        """
        scores: Floats = self.engine.run(images, self.text, SCORES)["scores"].astype(np.float32, copy=False)
        return scores

    def infer_scores(self, image: NDArray[np.uint8]) -> Floats:
        """(1, h, w, 3) uint8 at the network's size -> (N, h / 2, w / 2) scores, but for what is common to all labels.

        Of 150 labels at 1024 px ONNX Runtime takes 4.4 GB; from the features they are made in a seventh of that.

        Raises:
            DataError: the network's answer is not a number.
            MemoryFullError: the device's memory is full.
        """
        if self._labels is None:
            return np.asarray(self.infer(image)[0])
        return self._labels.scores(self.infer_features_alone(image)[0])

    def infer_features(self, images: NDArray[np.uint8]) -> tuple[Floats, Half]:
        """As `infer`, and of the same pass the features, (B, C, h / 4, w / 4): see `GraphSpec`.

        Raises:
            MismatchError: an earlier version exported the engine, which gives masks only.
            MemoryFullError: the device's memory is full.
        """
        answer = as_encoder(self.engine).run(images, self.text, (*SCORES, "features"))
        return answer["scores"].astype(np.float32, copy=False), answer["features"].astype(np.float16, copy=False)

    def infer_features_alone(self, images: NDArray[np.uint8]) -> Half:
        """As `infer_features`, without the scores: where there are very many labels, `many` makes those that matter.

        Raises:
            MismatchError: the engine gives none.
            MemoryFullError: the device's memory is full.
        """
        answer = as_encoder(self.engine).run(images, self.text[:1], FEATURES)
        return answer["features"].astype(np.float16, copy=False)

    def postprocess(self, scores: Floats, size: tuple[int, int]) -> Segmentation:
        """The scores (N, h, w) of the network's input -> the segmentation of its picture at its size (H, W).

        Raises:
            DataError: a score is not a number.
        """
        watch, scores = Stopwatch(), self.crop(scores, size)
        mean = check_number(mean_confidence(scores))
        count = min(self.outputs.best, len(self.text))
        best, probability = upsample_best(scores, size, count, self.outputs.probability, self.threads)
        return Segmentation(best, probability, mean, {"postprocess": watch.ms})

    def encode(self, picture: NDArray[np.uint8], stride: int = 4) -> Embedding:
        """(H, W, 3) uint8 RGB -> its embedding, float16 at stride 4 or 2: see `lseg_cli.inference.embedding`.

        Raises:
            MismatchError: an earlier version exported the engine, which gives masks only.
            DataError: the network's answer is not a number.
        """
        size = picture.shape[0], picture.shape[1]
        return encode(self.engine, self.preprocess(picture), size, stride, frame=self._frame(size, None))

    def relabel(self, embedding: Embedding, text: Floats) -> Segmentation:
        """What `segment` would give for other labels, (N, C), from a picture's embedding: no image encoder.

        Raises:
            MismatchError: the labels' embeddings have another width.
        """
        from lseg_cli.inference.relabel import relabel  # noqa: PLC0415  only who has embeddings

        return relabel(embedding, text, self.outputs, self.threads)

    def preprocess(
        self, picture: Image.Image | NDArray[np.uint8], long_side_px: int | None = None
    ) -> NDArray[np.uint8]:
        """An RGB picture, or its (H, W, 3) uint8 -> (1, h, w, 3) uint8 at the network's size; see `resized`.

        `long_side_px` counts where the segmenter was given no size.
        """
        image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        return self._frame((image.height, image.width), long_side_px).fill(image)[None]

    def crop(
        self, maps: NDArray[Any], size: tuple[int, int], stride: int = 2, long_side_px: int | None = None
    ) -> NDArray[Any]:
        """What the network says of a picture of (H, W), without what fills a fixed size up: see `Frame`.

        Args:
            maps: the last two axes are the network's at a stride.
            size: of the picture.
            stride: 2 of scores; 2 or 4 of features.
            long_side_px: as `preprocess` was given it.
        """
        return self._frame(size, long_side_px).crop(maps, stride)

    def _frame(self, size: tuple[int, int], long_side_px: int | None) -> Frame:
        return Frame.of(self.engine.spec, *size, self.size or long_side_px)


def check_number(confidence: float) -> float:
    """A network's mean confidence; raises DataError where it is not a number."""
    if not np.isfinite(confidence):
        raise DataError("The network's answer is not a number; try --precision fp32.")
    return confidence


def _check_size(size: Size, fixed: tuple[int | None, int | None]) -> None:
    sides = () if size is None else (size,) if isinstance(size, int) else size
    if any(side < SIZE_MULTIPLE for side in sides):
        raise LsegError(f"The size {size} is too small; both sides must be at least {SIZE_MULTIPLE} pixels.")
    if isinstance(size, int) and fixed[0] and fixed[1] and size != max(fixed[0], fixed[1]):
        raise MismatchError(f"The size {size} is given; this engine takes {fixed[0]}x{fixed[1]} only.")
    if isinstance(size, tuple):
        if any(side % SIZE_MULTIPLE for side in size):
            raise LsegError(f"The size {size[0]}x{size[1]} cannot be used; sides must be multiples of {SIZE_MULTIPLE}.")
        if None not in fixed and size != fixed:
            raise MismatchError(f"The size {size[0]}x{size[1]} is given; this engine takes {fixed[0]}x{fixed[1]} only.")
