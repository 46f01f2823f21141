"""Labels as Python programs have them: text as on the command line, lists, dictionaries, or a label set."""

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence

from lseg_cli.data.labels import Label, LabelSet, fold
from lseg_cli.data.vocabulary import open_labels
from lseg_cli.errors import LsegError, LsegWarning

Labels = str | os.PathLike[str] | Sequence[str] | Mapping[str, str | Sequence[str]] | LabelSet


def as_label_set(labels: Labels) -> LabelSet:
    """Return the label set that labels of any form stand for; what is odd about them is a `LsegWarning`.

    Args:
        labels: text as behind `--labels`, the path of a file, a list of names, or names with their words.

    Raises:
        LsegError: no label, one given twice, a file that cannot be read, text that is not allowed, or another type.
        MismatchError: a vocabulary that is damaged.
    """
    if isinstance(labels, LabelSet):
        return labels
    if isinstance(labels, str | os.PathLike):
        text = labels if isinstance(labels, str) else f"@{os.fspath(labels)}"
        found, notices = open_labels(text)
        warn(notices)
        return found
    if isinstance(labels, Mapping):
        pairs = [(name, (words,) if isinstance(words, str) else tuple(words)) for name, words in labels.items()]
    elif isinstance(labels, Sequence):
        pairs = [(name, ()) for name in labels]
    else:
        raise LsegError(f"The labels are a {type(labels).__name__}; give text, a list of names, or a dict of synonyms.")
    return _numbered(pairs)


def warn(notices: Iterable[str]) -> None:
    """Issue each notice as a `LsegWarning` of the code that called the API."""
    for notice in notices:
        warnings.warn(notice, LsegWarning, stacklevel=4)


def _numbered(pairs: list[tuple[str, tuple[str, ...]]]) -> LabelSet:
    """Names and their prompts, ids from 0."""
    seen: set[str] = set()
    for name, prompts in pairs:
        if not isinstance(name, str) or not all(isinstance(word, str) for word in prompts):
            raise LsegError(f"The label {name!r} is not text; give names and words as strings.")
        if fold(name) in seen:
            raise LsegError(f"The label '{name}' is given more than once; give each label once.")
        seen.add(fold(name))
    return LabelSet(
        labels=tuple(Label(name=name, prompts=prompts, id=number) for number, (name, prompts) in enumerate(pairs))
    )
