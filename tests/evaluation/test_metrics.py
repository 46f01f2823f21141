import pytest
import torch

from lseg_cli.evaluation.metrics import Confusion

CLASSES = ("sky", "road", "car")

#             truth       predicted
# sky:        4 pixels    3 hit, 1 called road
# road:       3 pixels    2 hit, 1 called car
# car:        1 pixel     hit
# ignored:    2 pixels    called sky and car
TRUTH = torch.tensor([[0, 0, 0, 0, 255], [1, 1, 1, 2, 255]])
PREDICTED = torch.tensor([[0, 0, 0, 1, 0], [1, 1, 2, 2, 2]])


def test_figures_by_hand() -> None:
    confusion = Confusion(CLASSES, 255)
    confusion.add(PREDICTED, TRUTH)
    scores = confusion.scores()
    assert scores.class_iou == pytest.approx({"sky": 3 / 4, "road": 2 / 4, "car": 1 / 2})
    assert scores.mean_iou == pytest.approx((3 / 4 + 2 / 4 + 1 / 2) / 3)
    assert scores.pixel_accuracy == pytest.approx(6 / 8)
    assert scores.pictures == 1


def test_ignored_pixels_count_nowhere() -> None:
    confusion = Confusion(CLASSES, 255)
    for guess in range(3):
        confusion.add(torch.where(TRUTH == 255, guess, PREDICTED), TRUTH)
    assert confusion.scores().class_iou == pytest.approx({"sky": 3 / 4, "road": 2 / 4, "car": 1 / 2})


def test_figures_are_of_the_whole_set_and_not_a_mean_of_pictures() -> None:
    confusion = Confusion(CLASSES, 255)
    confusion.add(torch.tensor([[0, 0]]), torch.tensor([[0, 1]]))
    confusion.add(torch.tensor([[1, 1, 1, 1]]), torch.tensor([[1, 1, 1, 1]]))
    scores = confusion.scores()
    assert scores.class_iou == pytest.approx({"sky": 1 / 2, "road": 4 / 5, "car": None})
    assert scores.pixel_accuracy == pytest.approx(5 / 6)
    assert scores.pictures == 2


def test_an_absent_class_has_no_iou_and_a_missed_or_invented_one_has_zero() -> None:
    confusion = Confusion(("a", "b", "c", "d"), 255)
    confusion.add(torch.tensor([[0, 0, 2]]), torch.tensor([[0, 1, 0]]))  # b is missed, c invented, d absent
    scores = confusion.scores()
    assert scores.class_iou == pytest.approx({"a": 1 / 3, "b": 0.0, "c": 0.0, "d": None})
    assert scores.mean_iou == pytest.approx(1 / 9)


def test_a_set_without_a_labelled_pixel_scores_zero() -> None:
    confusion = Confusion(CLASSES, 255)
    confusion.add(torch.zeros(2, 2, dtype=torch.long), torch.full((2, 2), 255))
    scores = confusion.scores()
    assert (scores.mean_iou, scores.pixel_accuracy) == (0.0, 0.0)
    assert set(scores.class_iou.values()) == {None}


def test_one_class_alone_can_be_scored() -> None:
    confusion = Confusion(("sky",), 255)
    confusion.add(torch.zeros(2, 2, dtype=torch.long), torch.tensor([[0, 0], [0, 255]]))
    assert confusion.scores().mean_iou == 1.0
