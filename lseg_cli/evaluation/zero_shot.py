"""Zero-shot protocols of single classes: PASCAL-5i, COCO-20i and FSS-1000, as HSNet measures and the original ran them.

Each episode asks for 'others' and one class. The picture is squashed to 480 x 480, its mask likewise (nearest), and
compared there. IoU comes from sums over all episodes of a class; mIoU is over the classes of a fold that have episodes,
FB-IoU the mean of the IoU of foreground and background, summed over its classes. Ignored pixels (PASCAL's borders) are
left out, which gives HSNet's figures: it gives prediction and mask a third value there, which counts for neither.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from lseg_cli.config import DataRef
from lseg_cli.contract import Engine, Output
from lseg_cli.data.episodes import Episode, Episodes, open_episodes
from lseg_cli.data.labels import Label, LabelSet
from lseg_cli.data.masks import IGNORE
from lseg_cli.data.references import expanded
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.errors import LsegError
from lseg_cli.evaluation.metrics import Counts
from lseg_cli.evaluation.options import FOLDS, EvalOptions, refuse
from lseg_cli.evaluation.paper import find_fact
from lseg_cli.evaluation.processes import Processes
from lseg_cli.evaluation.report import described
from lseg_cli.inference.label_embedding import embed_label_set
from lseg_cli.model.text.cache import EmbeddingCache

SIDE_PX = 480
BACKGROUND = "others"  # the original's word

Floats = NDArray[np.float32]


class EpisodeRun:
    """One evaluation of a model on the episodes of one fold, or of all.

    Attributes:
        notices: what the user should know.
    """

    def __init__(
        self,
        options: EvalOptions,
        ref: DataRef,
        open_engine: Callable[[EngineChoice], Engine],
        processes: Processes,
    ) -> None:
        """Opens the episodes and the model, and embeds the classes.

        Args:
            options: what to measure.
            ref: the benchmark and its root.
            open_engine: as `lseg_engines.opener.open_engine`.
            processes: of which this is one.

        Raises:
            LsegError: options that this protocol does not take; or as `open_episodes`.
            DataError: as `open_episodes`.
        """
        _check(options, ref)
        self.notices: list[str] = []
        self._options, self._processes = options, processes
        folds: tuple[int | None, ...] = (None,) if ref.path == "fss1000" else options.folds
        lists = expanded(ref.lists) if ref.lists else None
        self._episodes = {fold: open_episodes(ref.path, expanded(ref.root), fold, lists) for fold in folds}
        self._engine = open_engine(processes.own(options.engines[0]))
        self._text = {fold: self._embedded(episodes) for fold, episodes in self._episodes.items()}
        self._counts: dict[int | None, Counts] = {
            fold: np.zeros((len(each.classes), 2, 2), np.int64) for fold, each in self._episodes.items()
        }

    def _embedded(self, episodes: Episodes) -> Floats:
        """(1 + K, C), 'others' and the classes."""
        pairs = [(BACKGROUND, BACKGROUND), *zip(episodes.classes, episodes.prompts, strict=True)]
        labels = tuple(Label(name=name, prompts=(text,), id=number) for number, (name, text) in enumerate(pairs))
        config = self._engine.spec.model.text
        return embed_label_set(LabelSet(labels=labels), config, self._options.templates, EmbeddingCache()).vectors

    def __len__(self) -> int:
        """How many episodes this process looks at."""
        return sum(len(self._processes.turns(len(each))) for each in self._episodes.values())

    def run(self) -> Iterator[int]:
        """Looks at them, and yields the number of each when it is done; then adds up what all processes have counted.

        Raises:
            DataError: a picture or mask that cannot be read.
        """
        for fold, episodes in self._episodes.items():
            for number in self._processes.turns(len(episodes)):
                episode = episodes.read(number)
                self._counts[fold][episode.class_id] += self._look(episode, self._text[fold])
                yield number
        bounds = np.cumsum([0, *(counts.size for counts in self._counts.values())])
        total = self._processes.summed(np.concatenate([counts.ravel() for counts in self._counts.values()]))
        for (fold, counts), (start, stop) in zip(self._counts.items(), pairwise(bounds), strict=True):
            self._counts[fold] = total[start:stop].reshape(counts.shape)

    def _look(self, episode: Episode, text: Floats) -> Counts:
        """(2, 2), pixels of (true, predicted)."""
        wanted: tuple[Output, ...] = ("mask",)
        words = np.ascontiguousarray(text[[0, 1 + episode.class_id]])
        predicted = self._engine.run(squashed(episode.image)[None], words, wanted)["mask"][0]
        truth = squashed_mask(episode.mask)
        counts = truth != IGNORE
        flat = 2 * truth[counts].astype(np.int64) + predicted[counts]
        return np.bincount(flat, minlength=4).reshape(2, 2)

    def report(self) -> dict[str, Any]:
        """All that was found, fit for JSON: a result for each fold, and the mean of several."""
        results = [self._figures(fold) for fold in self._episodes]
        report: dict[str, Any] = {
            "data": self._options.protocol,
            "split": None,
            "protocol": {"name": self._options.protocol, "side_px": SIDE_PX, "labels": [BACKGROUND, "the class"]},
            "pictures": sum(len(each) for each in self._episodes.values()),
            "results": results,
        }
        if len(results) > 1:
            mean = {key: float(np.mean([result[key] for result in results])) for key in ("mean_iou", "fb_iou")}
            report["mean"] = mean | {"paper": self._paper(None)}
        return report

    def _figures(self, fold: int | None) -> dict[str, Any]:
        episodes, counts = self._episodes[fold], self._counts[fold]
        inside = counts.sum((1, 2)) > 0
        iou = _iou(counts)[:, 1]
        return {
            **described(self._options.engines[0].model, self._engine),
            "fold": fold,
            "pictures": len(episodes),
            "mean_iou": float(iou[inside].mean()),
            "fb_iou": float(_iou(counts.sum(0, keepdims=True)).mean()),
            "class_iou": {
                name: float(value) if is_inside else None
                for name, value, is_inside in zip(episodes.classes, iou, inside, strict=True)
            },
            "paper": self._paper(fold),
        }

    def _paper(self, fold: int | None) -> dict[str, Any] | None:
        fact = find_fact(self._engine.spec.model, self._options.protocol, self._options.protocol, fold)
        return asdict(fact) if fact and not self._options.templates else None


def squashed(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) -> (480, 480, 3) as torchvision's `Resize` does: Pillow's bilinear, which averages when shrinking."""
    resized = Image.fromarray(image).resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR)
    return np.array(resized)  # a copy: PyTorch warns of what is read-only


def squashed_mask(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W) -> (480, 480) as the original does it: PyTorch's nearest."""
    ids = torch.from_numpy(np.ascontiguousarray(mask))[None, None]
    nearest: NDArray[np.uint8] = F.interpolate(ids, (SIDE_PX, SIDE_PX), mode="nearest")[0, 0].numpy()
    return nearest


def _iou(counts: Counts) -> NDArray[np.float64]:
    """(K, 2, 2) -> (K, 2), of background and foreground; 0 where there is neither."""
    hits = counts.diagonal(axis1=1, axis2=2)
    iou: NDArray[np.float64] = hits / np.maximum(counts.sum(1) + counts.sum(2) - hits, 1)
    return iou


def _check(options: EvalOptions, ref: DataRef) -> None:
    """Raises LsegError for what this protocol does not take."""
    if ref.path != options.protocol:
        raise LsegError(f"The protocol {options.protocol} needs its own data; give --data {options.protocol}:ROOT.")
    if ref.path != "fss1000" and not options.folds:
        raise LsegError(f"The protocol {options.protocol} needs --fold: 0 to {FOLDS - 1}, or all.")
    given = options.changes() | {
        "--template": None,  # changes the words, not the question
        "--compare": len(options.engines) > 1,
        "--masks": options.masks,
        "--unseen": options.unseen,
    }
    refuse(
        given, f"the protocol {options.protocol}, which asks for '{BACKGROUND}' and one class at {SIDE_PX}x{SIDE_PX}"
    )
