"""How well the confidence of a trained model is calibrated, on cached val features (features.py val).

    python recipes/lseg-tiny/calibration.py runs/fine.pt

The confidence of a pixel is the softmax of its cosines over a temperature, as `--min-confidence` takes it. ECE is the
expected calibration error of fifteen bins (Guo et al. 2017), at the paper's temperature and at others.
"""

import argparse

import torch
from data_sets import VALIDATED, class_names
from judge import Judge, load
from torch import Tensor
from train import trained_network
from vocabulary import embed

from lseg_cli.config import TEMPERATURE

BINS = 15
EVERY = 2  # pictures
THRESHOLDS = (0.5, 0.7, 0.9)
FACTORS = (0.5, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0)


def calibration_error(confidence: Tensor, right: Tensor) -> float:
    """The mean distance of confidence and share of right pixels over the bins, (N,) and (N,) bool."""
    bins = (confidence * BINS).long().clamp_max(BINS - 1)
    gaps = torch.zeros(BINS).index_add_(0, bins, confidence - right.float())
    return float(gaps.abs().sum() / len(confidence))


@torch.inference_mode()
def main(trained: str) -> None:
    """Prints a line for each val split."""
    torch.set_num_threads(1)
    network = trained_network(trained).eval()
    judge = Judge(argparse.Namespace(tiers=4, unseen=[], fold=None))
    for name in VALIDATED:
        text, cosines, labels = embed(class_names(name)), [], []
        for levels, mask in load(name)[::EVERY]:
            scores = judge.scores(network, levels, text)[:, 1::4, 1::4]
            truth = mask[1::4, 1::4]
            known = truth < len(text)
            cosines.append(scores[:, known].T)
            labels.append(truth[known].long())
        scores, truth = torch.cat(cosines), torch.cat(labels)
        right = scores.argmax(1) == truth
        errors = {}
        for factor in FACTORS:
            confidence = (scores / (TEMPERATURE * factor)).softmax(1).amax(1)
            errors[factor] = round(calibration_error(confidence, right), 3)
        best = min(errors, key=lambda factor: errors[factor])
        confidence = (scores / TEMPERATURE).softmax(1).amax(1)
        kept = {
            f"{least}": (round(float((confidence >= least).float().mean()), 3),
                         round(float(right[confidence >= least].float().mean()), 3))
            for least in THRESHOLDS
        }  # fmt: skip
        print(name, "ECE by factor", errors, "best", best, "kept and right of those", kept, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trained", help="a .pt of train.py, with four tiers and the encoder's blocks")
    main(parser.parse_args().trained)
