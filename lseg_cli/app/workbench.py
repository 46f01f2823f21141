"""All that the page does, without the page: a session, what is typed and how it is looked at -> what is shown."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lseg_cli.app.folder import FolderJob, check_out
from lseg_cli.app.library import Library
from lseg_cli.app.memory import Memory
from lseg_cli.app.models import Models, OpenModel
from lseg_cli.app.options import AppOptions
from lseg_cli.app.pictures import Chosen, EmbeddedPicture, embed, picture_key
from lseg_cli.app.sessions import Session, Sessions
from lseg_cli.app.take_away import write_files
from lseg_cli.app.view import (
    KINDS,
    Certainty,
    Look,
    View,
    best_at,
    draw,
    ids_of,
    make_certainty,
    make_view,
    palette_of,
    shares_of,
)
from lseg_cli.app.words import LabelText
from lseg_cli.data.labels import LabelSet, as_text
from lseg_cli.drawing.overlay import Color, Ids
from lseg_cli.errors import LsegError
from lseg_cli.runs.options import SegmentOptions

_MOST_BYTES = 768 * 2**20  # of pictures and views, of all sessions together
GRID = 12  # pictures at once
UPLOADS = "uploads"  # the folder of what comes through the page, in its own


@dataclass(frozen=True)
class Asked:
    """What is set on the page.

    Attributes:
        text: of the labels.
        model: one of the page's; '': the usual one.
        look: how the picture is drawn.
        min_confidence: as of `lseg segment`.
        min_margin: as of `lseg segment`.
    """

    text: str
    model: str = ""
    look: Look = field(default_factory=Look)
    min_confidence: float = 0.0
    min_margin: float = 0.0

    @property
    def has_colors(self) -> bool:
        """Whether all labels are drawn, each in its colour."""
        return self.look.kind in KINDS[:2]


@dataclass(frozen=True)
class Chip:
    """A label as it is listed.

    Attributes:
        name: of the label.
        text: as it is typed, with its synonyms.
        color: of the label.
        share: of the picture's pixels; None without a picture.
        confidence: mean probability where it wins; None where it wins nowhere.
        notices: what there is to say of it.
    """

    name: str
    text: str
    color: Color
    share: float | None
    confidence: float | None
    notices: tuple[str, ...]


@dataclass(frozen=True)
class Shown:
    """What is shown of a picture.

    Attributes:
        image: (h, w, 3) RGB.
        ids: (h, w) of the labels.
        labels: that were read.
        chips: of the labels, in order.
        notices: on all labels together, and on the picture.
        ms: milliseconds that it took on this machine.
    """

    image: NDArray[np.uint8]
    ids: Ids
    labels: LabelSet
    chips: tuple[Chip, ...]
    notices: tuple[str, ...]
    ms: float


class Workbench:
    """What all sessions of the page share.

    Attributes:
        options: of the app.
        models: that may be run.
        library: pictures of the command line.
        labels: what may be typed.
        sessions: that are open.
        job: the run over the folder.
        memory: of pictures and views.
        start: the folder in which the app was started.
    """

    def __init__(self, options: AppOptions, folder: Path) -> None:
        """Finds the pictures, reads the labels and opens the model.

        Args:
            options: of the app.
            folder: for files of the page, which is its alone.

        Raises:
            LsegError: something that was given cannot be used.
        """
        options.check()
        self.options = options
        self.start = Path.cwd()
        self._uploads = folder / UPLOADS
        self.labels = LabelText(options.labels)
        self.library = Library(options.paths, folder / "thumbnails", options.exclude)
        self.models = Models(options.engine, options.compare)
        self.memory = Memory(_MOST_BYTES)
        self.sessions = Sessions(folder / "sessions")
        self.job = FolderJob()

    def uploaded(self, path: str) -> Path:
        """A file that came through the page.

        Raises:
            LsegError: it is another file of this machine.
        """
        real = Path(os.path.realpath(path))
        if not real.is_relative_to(os.path.realpath(self._uploads)) or not real.is_file():
            raise LsegError("The picture did not come through this page; drop, paste or take it again.")
        return real

    def picture(self, chosen: Chosen, model: str = "") -> EmbeddedPicture:
        """A picture, embedded by a model of the page; raises as `lseg_cli.app.pictures.embed`."""
        return embed(chosen, self._model(model), self.memory)

    def show(self, chosen: Chosen, asked: Asked) -> Shown:
        """A picture and its labels as asked for.

        Raises:
            LsegError: the labels or the picture cannot be used.
        """
        start = time.perf_counter()
        labels, notices = self.labels.read(asked.text)
        model = self._model(asked.model)
        vectors = model.words.vectors(labels)
        picture = embed(chosen, model, self.memory)
        view = self._view(chosen, labels, model)
        ids = ids_of(view, picture.valid, self._certainty(chosen, view, asked, model), *_thresholds(asked))
        image = draw(picture, view, ids, asked.look, vectors)
        chips = _chips(labels, model.words.notices(labels), shares_of(ids, labels), view)
        if picture.values:
            notices = [*notices, f"The picture's values: {picture.values}."]
        return Shown(image, ids, labels, chips, tuple(notices), round((time.perf_counter() - start) * 1000, 1))

    def chips(self, text: str, model: str = "") -> tuple[Chip, ...]:
        """The labels of a text without a picture; raises as `show`."""
        labels, _ = self.labels.read(text)
        return _chips(labels, self._model(model).words.notices(labels))

    def best_at(self, chosen: Chosen, asked: Asked, row: int, column: int) -> list[tuple[str, float]]:
        """The best labels of a pixel as shown, with their probabilities; raises as `show`."""
        labels, _ = self.labels.read(asked.text)
        return best_at(self._view(chosen, labels, self._model(asked.model)), row, column)

    def run_options(self, asked: Asked, out: str) -> SegmentOptions:
        """What `lseg segment` is to do for the command line's pictures.

        Raises:
            LsegError: the folder for the results does not lie under the start folder.
        """
        return SegmentOptions(
            inputs=self.options.paths,
            exclude=self.options.exclude,
            labels=asked.text.strip(),
            out=check_out(out, self.start),
            engine=self.models.choice(asked.model or self.models.names[0]),
            save=("overlay",),
            min_confidence=asked.min_confidence,
            min_margin=asked.min_margin,
        )

    def begin_run(self, asked: Asked, out: str) -> None:
        """Begins the run over the folder.

        Raises:
            LsegError: the labels or the folder cannot be used, or another run is under way.
        """
        self.labels.read(asked.text)
        options = self.run_options(asked, out)
        self.job.begin(options, self._model(asked.model).engine_for_run)

    def files(self, session: Session, asked: Asked, cut_out: int) -> list[Path]:
        """Mask, overlay, cut-out and labels of a session's picture; raises as `show`."""
        labels, _ = self.labels.read(asked.text)
        options = self.run_options(asked, "out")
        open_engine = self._model(asked.model).engine_for_run
        return write_files(session.picture, labels, cut_out, options, open_engine, session.folder / "files")

    def close(self) -> None:
        """Ends the run that is under way, and waits for that."""
        self.job.stop(wait=True)

    def _model(self, name: str) -> OpenModel:
        return self.models.get(name or self.models.names[0])

    def _view(self, chosen: Chosen, labels: LabelSet, model: OpenModel) -> View:
        key = ("view", picture_key(chosen, model), labels.digest())

        def make() -> View:
            picture = embed(chosen, model, self.memory)
            return make_view(picture, labels, model.words.vectors(labels), model.threads)

        return self.memory.get(key, make)

    def _certainty(self, chosen: Chosen, view: View, asked: Asked, model: OpenModel) -> Certainty | None:
        if not any(_thresholds(asked)):
            return None
        key = ("certainty", picture_key(chosen, model), view.labels.digest())
        return self.memory.get(key, lambda: make_certainty(view, model.threads))


def _thresholds(asked: Asked) -> tuple[float, float]:
    return asked.min_confidence, asked.min_margin


def _chips(
    labels: LabelSet, notices: list[list[str]], shares: list[float] | None = None, view: View | None = None
) -> tuple[Chip, ...]:
    palette = palette_of(labels)
    sure = [float(each) or None for each in view.confidence] if view is not None else [None] * len(palette)
    return tuple(
        Chip(
            name=label.name,
            text=as_text(LabelSet(labels=(label,))),
            color=palette[number],
            share=None if shares is None else shares[number],
            confidence=sure[number],
            notices=tuple(notices[number]),
        )
        for number, label in enumerate(labels.labels)
    )
