"""What labels cost: CPU time and memory of a mask with 3 to 10,000 labels, and whether bounds change any mask.

    python recipes/many-labels/measure.py [MODEL] [--size 480x640] [--counts 3,20,150,1000,10000] [--rounds 3]
    python recipes/many-labels/measure.py [MODEL] --same FOLDER [--pictures 200]

The first takes turns in one process, so that whatever else the machine does hits all counts; times are CPU seconds of
the process, the least of all rounds. `vitl16` is ViT-L/16 with random weights. `plain` scores all labels as up to 64
are scored. The second makes every mask twice, from the labels that bounds leave and from all, and compares bytes.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from lseg_cli.bench.made_input import make_pictures, make_text
from lseg_cli.config import PRESETS
from lseg_cli.contract import Engine
from lseg_cli.data.frequent_words import frequent_words
from lseg_cli.engine_choice import EngineChoice
from lseg_cli.inference.many_labels import all_labels, best_labels
from lseg_cli.inference.score_field import Regularizer, ScoreField, Words
from lseg_cli.inference.segmenter import Segmenter
from lseg_engines.opener import open_engine


def open_model(name: str, folder: Path) -> Engine:
    """An engine on the CPU; random weights for `vitl16`."""
    if name != "vitl16":
        return open_engine(EngineChoice(name, device="cpu", threads=1))
    from lseg_cli.model.checkpoint import save_model  # noqa: PLC0415
    from lseg_cli.model.lseg import build  # noqa: PLC0415

    path = folder / "vitl16.safetensors"
    save_model(build(PRESETS["lseg-vitl16"]), path)
    return open_engine(EngineChoice(str(path), "torch", "cpu", threads=1))


def embed(engine: Engine, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """The most frequent words as the model's encoder has them; of encoders that are not here, random vectors."""
    text = engine.spec.model.text
    if text.kind != "words":
        return make_text(count, text.width)
    from lseg_cli.model.text.word_table import WordTable  # noqa: PLC0415

    return WordTable.open().embed(frequent_words(count))


def show_times(engine: Engine, size: tuple[int, int], counts: list[int], rounds: int, with_plain: bool) -> None:
    """Rows of a table: labels, CPU seconds, relative to the first, peak memory so far."""
    (picture,) = make_pictures(1, *size)
    texts = {count: embed(engine, count) for count in counts}
    rows = {(count, plain): Segmenter(engine, texts[count], size) for plain in (False, True) for count in counts
            if not plain or with_plain}  # fmt: skip
    for (_, plain), segmenter in rows.items():
        segmenter.many = None if plain else segmenter.many
    least, peaks = dict.fromkeys(rows, float("inf")), dict.fromkeys(rows, 0)
    for _ in range(rounds):
        for key, segmenter in rows.items():
            start = time.process_time()
            segmenter.segment(picture)
            least[key] = min(least[key], time.process_time() - start)
            peaks[key] = peaks[key] or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    for (count, plain), seconds in least.items():
        kind = "plain" if plain else "bounded" if rows[count, plain].many else "scored"
        relative = seconds / least[counts[0], False]
        print(
            f"{kind:<8}{count:>6} labels {seconds:8.3f} CPU s {relative:6.2f}x, peak {peaks[count, plain]} MiB so far"
        )


def compare(engine: Engine, folder: Path, pictures: int, count: int) -> None:
    """Masks from the labels that are left and from all."""
    words = Words(embed(engine, count))
    spec, same, total = engine.spec, 0, 0
    segmenter = Segmenter(engine, make_text(1, spec.model.text.width))
    kernels = {"own": Regularizer.of(spec.model.regularizer, spec.kernel), "none": Regularizer()}
    paths = sorted(each for each in folder.rglob("*") if each.suffix.lower() in (".jpg", ".jpeg", ".png"))
    for path in paths[:: max(1, len(paths) // pictures)][:pictures]:
        picture = np.asarray(Image.open(path).convert("RGB"))
        features = segmenter.infer_features_alone(segmenter.preprocess(picture))[0]
        for kernel in kernels.values():
            field = ScoreField(features, words, kernel)
            left = best_labels(field, picture.shape[:2], 1)
            whole = best_labels(field, picture.shape[:2], 1, choose=all_labels)
            same, total = same + (left.tobytes() == whole.tobytes()), total + 1
    print(f"{same} of {total} masks ({total // len(kernels)} pictures, {count} labels, with and without the model's "
          "regulariser) are equal byte for byte")  # fmt: skip


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="lseg-tiny")
    parser.add_argument("--size", default="480x640")
    parser.add_argument("--counts", default="3,20,150,1000,10000")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plain", action="store_true", help="also score all labels, as up to 64 are scored")
    parser.add_argument("--same", type=Path, help="a folder of pictures")
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--labels", type=int, default=150)
    arguments = parser.parse_args()
    height, width = map(int, arguments.size.split("x"))
    with tempfile.TemporaryDirectory() as name:
        engine = open_model(arguments.model, Path(name))
        if arguments.same:
            compare(engine, arguments.same, arguments.pictures, arguments.labels)
        else:
            counts = [int(each) for each in arguments.counts.split(",")]
            show_times(engine, (height, width), counts, arguments.rounds, arguments.plain)


if __name__ == "__main__":
    main()
