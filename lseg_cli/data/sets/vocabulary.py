"""Names of classes that a data set's files do not carry, from the label sets that come with the program."""

from collections.abc import Iterable
from typing import NamedTuple

from lseg_cli.data.labels import parse_labels


class Names(NamedTuple):
    """Classes, and what a text encoder reads for them in the published weights."""

    classes: tuple[str, ...]
    prompts: tuple[str, ...]

    def at(self, ids: Iterable[int]) -> "Names":
        """Those of some ids, in their order."""
        chosen = tuple(ids)
        return Names(tuple(self.classes[k] for k in chosen), tuple(self.prompts[k] for k in chosen))


def known_names(vocabulary: str) -> Names:
    """Those of a label set such as `pascal`."""
    labels, _ = parse_labels(vocabulary)
    return Names(labels.names, tuple(prompts[0] for prompts in labels.prompts))
