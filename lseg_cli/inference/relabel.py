"""New labels for a picture that is embedded already: no image encoder, milliseconds."""

from dataclasses import replace

import numpy as np
import torch

from lseg_cli.config import TEMPERATURE
from lseg_cli.errors import DataError, MismatchError
from lseg_cli.inference.embedding import Embedding, EmbeddingInfo
from lseg_cli.inference.interpolation import Floats
from lseg_cli.inference.segmentation import Segmentation, Stopwatch
from lseg_cli.inference.segmenter import LABEL_ALONE, PixelOutputs
from lseg_cli.inference.upsampling import mean_confidence, upsample_best
from lseg_cli.model.correlation import correlate
from lseg_cli.model.regularizer import build_regularizer


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
    watch = Stopwatch()
    scores = score(embedding, text)
    score_ms = watch.ms
    result = segment_scores(scores, embedding.info.picture_px, outputs, threads)
    return replace(result, ms={"score": score_ms, **result.ms})


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


@torch.inference_mode()
def score(embedding: Embedding, text: Floats) -> Floats:
    """(N, h, w) float32 logits at half the network's size.

    Raises:
        MismatchError: the labels' embeddings have another width.
        DataError: the regulariser is incomplete.
    """
    info = embedding.info
    if text.ndim != 2 or text.shape[1] != len(embedding.array):
        raise MismatchError(f"The labels' embeddings have shape {text.shape}; this one is {len(embedding.array)} wide.")
    features = torch.from_numpy(embedding.array.astype(np.float32))[None]
    words = torch.from_numpy(np.ascontiguousarray(text, np.float32))
    if info.unit_length:
        words = words / words.norm(dim=-1, keepdim=True)
        cosines = torch.einsum("bchw,nc->bnhw", features, words) / features.norm(dim=1, keepdim=True)
        scores = cosines / TEMPERATURE
    else:
        scores = correlate(features, words)
    regularized: Floats = _regularizer(info)(scores)[0].numpy()
    return regularized


def _regularizer(info: EmbeddingInfo) -> torch.nn.Module:
    """The model's, with the weights that travel with the embedding."""
    regularizer = build_regularizer(info.model.regularizer)
    parameters = list(regularizer.parameters())
    if sum(each.numel() for each in parameters) != len(info.kernel):
        raise DataError("The embedding does not bring its regulariser's 10 numbers; embed the picture again.")
    for parameter in parameters:  # weights, then bias
        values = info.kernel[:9] if parameter.numel() == 9 else info.kernel[9:]
        parameter.data = torch.tensor(values).reshape(parameter.shape)
    return regularizer
