"""The models of the page: each is opened once for all sessions, when it is first asked for."""

import os
import threading
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lseg_cli.app.words import Words
from lseg_cli.contract import Engine, GraphSpec, Output
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.errors import LsegError
from lseg_cli.inference.embedding import require_features
from lseg_cli.inference.relabel import Scorer
from lseg_cli.inference.segmenter import Segmenter
from lseg_engines.opener import open_engine, require_kind


class OpenModel:
    """A model with the engine that runs it.

    Attributes:
        name: of its configuration, such as lseg-tiny.
        device: such as cpu or cuda:0.
        words: its text encoder's side.
        threads: of the CPU that one picture may use.
    """

    def __init__(self, choice: EngineChoice) -> None:
        """Opens it.

        Raises:
            LsegError: as `lseg_engines.opener.open_engine`.
            MismatchError: an earlier version exported it, without what the page is made of.
        """
        require_kind(choice)
        self._engine = open_engine(choice)
        require_features(self._engine.spec)
        spec = self._engine.spec
        self.name, self.device, self.sha256 = spec.model.name, self._engine.device, spec.model_sha256
        self.words = Words(spec.model.text)
        self.threads = choice.threads or os.cpu_count() or 1
        self._turn = threading.Lock()  # one picture at a time, however many people look

    def encode(self, picture: Image.Image) -> Scorer:
        """What scores of any labels are made of, by the image encoder.

        Args:
            picture: in RGB, of any size.

        Raises:
            DataError: the network's answer is not a number.
            MemoryFullError: the device's memory is full.
        """
        no_labels = np.eye(1, self._engine.spec.model.text.width, dtype=np.float32)
        segmenter = Segmenter(self._engine, no_labels)
        with self._turn:
            return Scorer(segmenter.encode(np.asarray(picture)))

    def engine_for_run(self, choice: EngineChoice, outputs: Sequence[Output]) -> Engine:
        """An engine as `lseg segment` opens it, so that its masks are the same to the byte.

        On a CPU it is one of its own, with the threads that a run gives each of its streams; on a device, whose memory
        holds a model once, it is this one.
        """
        if self.device == "cpu":
            return open_engine(choice, outputs=outputs)
        return _TakingTurns(self._engine, self._turn)


class Models:
    """The models that the page may run.

    Attributes:
        names: as they were given, the first is the usual one.
    """

    def __init__(self, choice: EngineChoice, more: Sequence[str] = ()) -> None:
        """Opens the first.

        Args:
            choice: the usual model, and how all are run.
            more: others; an engine kind that was asked for is the usual model's alone.

        Raises:
            LsegError: as `OpenModel`, of the first.
        """
        self._choices = {choice.model: choice}
        for name in more:
            self._choices.setdefault(name, replace(choice, model=name, kind="auto"))
        self.names = tuple(self._choices)
        self._open: dict[str, OpenModel] = {}
        self._lock = threading.Lock()
        self.get(choice.model)

    def choice(self, name: str) -> EngineChoice:
        """How a model is run.

        Raises:
            LsegError: it was not given on the command line.
        """
        if name not in self._choices:
            raise LsegError(
                f"The model {name[:60]!r} is not one of this page's; start lseg app with --compare {name[:60]}."
            )
        return self._choices[name]

    def get(self, name: str) -> OpenModel:
        """A model, opened if it is not yet; raises as `choice` and `OpenModel`."""
        choice = self.choice(name)
        if name in self._open:  # without waiting for another one that is being opened
            return self._open[name]
        with self._lock:
            if name not in self._open:
                self._open[name] = OpenModel(choice)
            return self._open[name]


class _TakingTurns:
    """An engine that waits for its turn; fulfils `lseg_cli.contract.Engine`."""

    def __init__(self, engine: Engine, turn: AbstractContextManager[object]) -> None:
        self.spec: GraphSpec = engine.spec
        self.device, self.precision = engine.device, engine.precision
        self._engine, self._turn = engine, turn

    def run(
        self, image: NDArray[np.uint8], text: NDArray[np.float32], outputs: Collection[Output]
    ) -> dict[str, NDArray[np.generic]]:
        with self._turn:
            return self._engine.run(image, text, outputs)
