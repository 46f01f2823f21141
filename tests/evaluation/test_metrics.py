import numpy as np
import pytest
import torch

from lseg_cli.evaluation.metrics import NONE, Confusion, mean_of

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


def test_what_is_no_class_is_wrong_for_the_true_class_and_no_union_of_another() -> None:
    confusion = Confusion(CLASSES, 255, ("lava",))
    assert confusion.labels == ("sky", "road", "car", "lava", NONE)
    without = PREDICTED.clone()
    without[0, 0], without[1, 0] = 3, 4  # a hit of the sky becomes lava, one of the road nothing
    confusion.add(without, TRUTH)
    scores = confusion.scores()
    assert scores.class_iou == pytest.approx({"sky": 2 / 4, "road": 1 / 4, "car": 1 / 2})
    assert scores.pixel_accuracy == pytest.approx(4 / 8)
    assert (scores.extra, scores.no_label) == (1 / 8, 1 / 8)
    assert confusion.matrix.tolist() == [[2, 1, 0, 1, 0], [0, 1, 1, 0, 1], [0, 0, 1, 0, 0]]


def test_foreground_and_background_by_hand() -> None:
    confusion = Confusion(("Other", "cat", "dog"), 255)
    truth = np.array([0, 0, 0, 1, 1, 2, 255])
    predicted = np.array([0, 0, 1, 2, 0, 3, 0])  # 3: no label
    confusion.add(predicted, truth)
    # background: 2 hits, union 4; foreground: cat called dog is a hit, union 4 (1 false, 1 taken for other, 1 nothing)
    assert confusion.scores().fb_iou == pytest.approx((2 / 4 + 1 / 4) / 2)


def test_without_a_background_there_is_no_foreground() -> None:
    confusion = Confusion(CLASSES, 255)
    confusion.add(PREDICTED, TRUTH)
    assert confusion.scores().fb_iou is None


def test_classes_of_one_name_are_counted_apart() -> None:
    confusion = Confusion(("barrier", "barrier"), 255)
    confusion.add(np.array([0, 0]), np.array([0, 1]))
    assert confusion.scores().mean_iou == pytest.approx((1 / 2 + 0) / 2)


def test_mean_of_some_classes_passes_over_those_without_iou() -> None:
    assert mean_of({"a": 0.5, "b": None, "c": 0.1}, ("a", "b")) == 0.5
    assert mean_of({"a": 0.5, "b": None}, ("b",)) is None
