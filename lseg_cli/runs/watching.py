"""Pictures as they arrive: looks at the inputs again and again, and says when something new is there to be done.

A file that is still being written has another size or time at the next look; it is left until both stay the same.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from lseg_cli.data.finding import find_images
from lseg_cli.data.live import is_live
from lseg_cli.data.store import Address, absolute, locate
from lseg_cli.errors import DataError, LsegError
from lseg_cli.results.records import Stamp
from lseg_cli.runs.options import EmbedOptions, SegmentOptions

_POLL_S = 0.1


class Watch:
    """The inputs of a run that goes on until it is interrupted.

    Attributes:
        look_s: seconds between two looks.
    """

    def __init__(self, options: SegmentOptions | EmbedOptions, look_s: float = 1.0) -> None:
        """Check that the inputs can be watched.

        Raises:
            LsegError: they are stdin, addresses or cameras, or a cluster is to do the work.
        """
        if options.ray is not None or options.shard is not None:
            raise LsegError("--watch is of one process; omit --ray and --shard.")
        if any(text == "-" or is_live(text) or isinstance(locate(text), Address) for text in options.inputs):
            raise LsegError("--watch looks at folders and files of this machine, not at stdin, addresses or cameras.")
        self.look_s = look_s
        self._options = options
        self._seen: dict[str, Stamp] = {}
        self._done: dict[str, Stamp] = {}

    def wait(self, should_stop: Callable[[], bool]) -> SegmentOptions | EmbedOptions | None:
        """Wait until something is there that is new or has changed.

        Args:
            should_stop: asked all the time.

        Returns:
            The options of a run over all that is there and settled; None: it is to stop.

        Raises:
            LsegError: an input is gone.
        """
        options = self._options
        if self._done:  # the first run has made way for the others
            options = replace(options, overwrite=False, resume=True)
        while not should_stop():
            now = self._look()
            settled = {path: stamp for path, stamp in now.items() if stamp == self._seen.get(path)}
            self._seen = now
            if any(self._done.get(path) != stamp for path, stamp in settled.items()):
                self._done = settled
                return replace(options, unsettled=tuple(sorted(now.keys() - settled.keys())))
            until = time.monotonic() + self.look_s
            while time.monotonic() < until and not should_stop():
                time.sleep(_POLL_S)
        return None

    def _look(self) -> dict[str, Stamp]:
        options = self._options
        try:
            sources = find_images(options.inputs, options.exclude, options.recursive)
        except DataError:  # nothing yet
            return {}
        return {absolute(source.path): Stamp.of(source.path) for source in sources}
