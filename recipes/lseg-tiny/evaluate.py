"""The figures of the model card: CamVid val by its own words, and by the words of paraphrases.yaml.

python recipes/lseg-tiny/evaluate.py MODEL.safetensors CAMVID/dataset.yaml [--long-side 480] [--words FILE.yaml]
"""

import argparse
from dataclasses import replace
from pathlib import Path

import yaml

from lseg_cli.config import DataRef
from lseg_cli.data.datasets import open_dataset
from lseg_cli.evaluation.runner import evaluate
from lseg_cli.inference.segmenter import Segmenter
from lseg_cli.model.text import embed_labels
from lseg_engines.torch_engine import TorchEngine


def main() -> None:
    """Prints mIoU and IoU of every class for each list of words."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("dataset")
    parser.add_argument("--long-side", type=int)
    parser.add_argument("--every", type=int, default=1, help="only every n-th picture")
    parser.add_argument("--words", type=Path, default=Path(__file__).with_name("paraphrases.yaml"))
    options = parser.parse_args()
    engine = TorchEngine.open(options.model, "cpu")
    dataset = open_dataset(DataRef(path=options.dataset, split="val"))
    every = slice(None, None, options.every)
    dataset = replace(dataset, images=dataset.images[every], masks=dataset.masks[every])
    lists = {"own": {name: name for name in dataset.classes}, **yaml.safe_load(options.words.read_text())}
    own = 0.0
    for title, words in lists.items():
        text, _ = embed_labels([[words[name]] for name in dataset.classes], engine.spec.model.text, None)
        scores = evaluate(Segmenter(engine, text, options.long_side), dataset)
        own = own or scores.mean_iou
        print(f"{title}: mIoU {scores.mean_iou:.3f}, {scores.mean_iou / own:.2f} of its own words'")
        print(
            "   " + ", ".join(f"{words[k]} {v:.2f}" for k, v in scores.class_iou.items() if v is not None), flush=True
        )


if __name__ == "__main__":
    main()
