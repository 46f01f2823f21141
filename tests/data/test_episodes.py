"""The order of zero-shot episodes, which is part of the benchmark: pinned, and beside what HSNet does."""

from pathlib import Path

import numpy as np
import pytest

from lseg_cli.data.episodes import draw_coco, open_episodes
from lseg_cli.data.labels import parse_labels
from lseg_cli.errors import DataError, LsegError
from tests.data.miniatures import HEIGHT_PX, WIDTH_PX, make_coco20i, make_fss1000, make_pascal, save

PASCAL = {  # true lines of HSNet's style; more than one class of a picture is more than one episode
    0: ["2007_000033__01", "2007_000042__02", "2007_000033__03"],
    1: ["2007_000061__06", "2007_000123__07"],
    2: ["2007_000129__15", "2007_000175__11", "2007_000187__12"],
    3: ["2007_000323__16", "2007_000332__20", "2007_000346__18", "2007_000452__19"],
}


def first_coco(root: Path, fold: int) -> list[tuple[str, str]]:
    episodes = open_episodes("coco20i", root, fold)
    return [(episodes.classes[query.class_id], query.name) for query in episodes.queries[:5]]


@pytest.mark.parametrize("fold", range(4))
def test_pascal_goes_through_the_list_again_and_again(fold: int, tmp_path: Path) -> None:
    root = make_pascal(tmp_path)
    for lines in PASCAL.values():
        for line in lines:
            name = line.partition("__")[0]
            save(root / "VOC2012" / "JPEGImages" / f"{name}.jpg", np.zeros((4, 4, 3), np.uint8))
            save(root / "VOC2012" / "SegmentationClassAug" / f"{name}.png", np.zeros((4, 4), np.uint8))
    (root / "splits" / "pascal" / "val" / f"fold{fold}.txt").write_text("\n".join(PASCAL[fold]) + "\n")
    episodes = open_episodes("pascal5i", root, fold)
    assert len(episodes) == 1000
    lines = [f"{query.name}__{5 * fold + query.class_id + 1:02d}" for query in episodes.queries]
    assert lines == [PASCAL[fold][index % len(PASCAL[fold])] for index in range(1000)]


@pytest.mark.parametrize(
    ("fold", "pinned"),
    [
        (0, [("refrigerator", 15), ("spoon", 4), ("dining table", 14), ("person", 8), ("microwave", 6)]),
        (1, [("book", 15), ("bowl", 4), ("toilet", 14), ("bicycle", 8), ("oven", 6)]),
        (2, [("clock", 15), ("banana", 4), ("tv", 14), ("car", 8), ("toaster", 7)]),
        (3, [("vase", 15), ("apple", 4), ("laptop", 14), ("motorcycle", 8), ("sink", 7)]),
    ],
)
def test_the_first_episodes_of_coco_are_pinned(fold: int, pinned: list[tuple[str, int]], tmp_path: Path) -> None:
    assert first_coco(make_coco20i(tmp_path), fold) == [
        (name, f"val2014/COCO_val2014_{number:012d}.jpg") for name, number in pinned
    ]


def test_the_draws_of_lists_as_long_as_the_real_ones_are_pinned() -> None:
    draws = draw_coco([273 + 97 * number for number in range(20)])
    assert draws[:6] == [(18, 940), (17, 1273), (12, 621), (16, 1458), (19, 1188), (6, 552)]
    assert draws[-1] == (8, 441)
    assert len(draws) == 1000


@pytest.mark.parametrize("fold", range(4))
def test_coco_draws_what_hsnet_draws(fold: int) -> None:
    """Its own calls: numpy's global generator, lists of ids and of names."""
    class_ids = [fold + 4 * v for v in range(20)]
    classwise = {k: [f"{k}/{at}" for at in range(150 + 31 * k)] for k in class_ids}
    before = np.random.get_state()  # noqa: NPY002
    try:
        np.random.seed(0)  # noqa: NPY002
        wanted = []
        for _ in range(1000):
            class_sample = np.random.choice(class_ids, 1, replace=False)[0]  # noqa: NPY002
            query_name = np.random.choice(classwise[class_sample], 1, replace=False)[0]  # noqa: NPY002
            wanted.append((class_sample, query_name))
    finally:
        np.random.set_state(before)  # noqa: NPY002
    draws = draw_coco([len(classwise[k]) for k in class_ids])
    assert [(class_ids[k], classwise[class_ids[k]][at]) for k, at in draws] == wanted


def test_fss_takes_all_pictures_in_the_order_of_text(tmp_path: Path) -> None:
    episodes = open_episodes("fss1000", make_fss1000(tmp_path), None)
    assert episodes.classes == ("abe's_flyingfish", "accordion")
    order = ["1", "10", "2", "3", "4", "5", "6", "7", "8", "9"]
    assert [query.name for query in episodes.queries] == [f"{name}/{k}" for name in episodes.classes for k in order]
    assert [query.class_id for query in episodes.queries] == [0] * 10 + [1] * 10


def test_without_lists_fss_tests_the_240_classes_of_lang_seg(tmp_path: Path) -> None:
    names = parse_labels("fss1000-official")[0].names[760:]
    for name in names:
        for number in range(1, 11):
            (tmp_path / "FSS-1000" / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "FSS-1000" / name / f"{number}.jpg").touch()
            (tmp_path / "FSS-1000" / name / f"{number}.png").touch()
    episodes = open_episodes("fss1000", tmp_path, None)
    assert len(episodes) == 2400
    assert episodes.classes == names


def test_a_mask_of_pascal_is_the_class_the_rest_and_the_border(tmp_path: Path) -> None:
    episodes = open_episodes("pascal5i", make_pascal(tmp_path), 1)
    for index in range(3):
        episode = episodes.read(index)
        assert (episode.name, episode.class_id) == (episodes.queries[index].name, index)
        assert (episode.image.shape, episode.mask.shape) == ((HEIGHT_PX, WIDTH_PX, 3), (HEIGHT_PX, WIDTH_PX))
        assert episode.image.dtype == episode.mask.dtype == np.uint8
        assert np.unique(episode.mask).tolist() == [0, 1, 255]
        assert (episode.mask[:, :3] == 255).all()
        assert (episode.mask[:, 3:22] == 0).all()  # background, and on the right a class of another fold
        assert (episode.mask[:, 22:44] == 1).all()
        assert (episode.mask[:, 44:] == 0).all()


def test_a_mask_of_coco_is_the_class_and_the_rest(tmp_path: Path) -> None:
    root = make_coco20i(tmp_path)
    episodes = open_episodes("coco20i", root, 3)
    query = episodes.queries[0]
    raw = np.full((HEIGHT_PX, WIDTH_PX), 255, np.uint8)
    raw[0, :3] = (3 + 4 * query.class_id + 1, 3 + 4 * query.class_id, 0)
    save(query.mask, raw)
    mask = episodes.read(0).mask
    assert mask[0, :3].tolist() == [1, 0, 0]
    assert set(np.unique(mask)) == {0, 1}


def test_a_mask_of_fss_is_white_from_128_on(tmp_path: Path) -> None:
    episodes = open_episodes("fss1000", make_fss1000(tmp_path), None)
    raw = np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    raw[0, :3] = [[127] * 3, [128] * 3, [255] * 3]
    save(episodes.queries[0].mask, raw)
    assert episodes.read(0).mask[0, :4].tolist() == [0, 1, 1, 0]


def test_prompts_are_those_of_the_published_weights(tmp_path: Path) -> None:
    episodes = open_episodes("pascal5i", make_pascal(tmp_path), 2)
    assert episodes.classes == ("dining table", "dog", "horse", "motorbike", "person")
    assert episodes.prompts == ("diningtable", "dog", "horse", "motorbike", "person")


def test_a_line_of_another_fold_is_told(tmp_path: Path) -> None:
    path = make_pascal(tmp_path) / "splits" / "pascal" / "val" / "fold0.txt"
    path.write_text("2007_000045__01\n2007_000046__06\n")
    with pytest.raises(DataError, match=r"fold0\.txt holds 2007_000046__06, whose class is none of fold 0"):
        open_episodes("pascal5i", tmp_path, 0)


def test_lists_with_folds_swapped_are_told(tmp_path: Path) -> None:
    lists = make_coco20i(tmp_path) / "splits" / "coco" / "val"
    (lists / "fold1.pkl").replace(lists / "fold0.pkl")
    with pytest.raises(DataError, match=r"fold0\.pkl lists no picture of class 0, which is one of fold 0"):
        open_episodes("coco20i", tmp_path, 0)


def test_a_missing_picture_is_told_before_the_first_episode(tmp_path: Path) -> None:
    path = make_pascal(tmp_path) / "VOC2012" / "JPEGImages" / "2007_000046.jpg"
    path.unlink()
    with pytest.raises(DataError, match=r"2007_000046\.jpg is missing \(1 of 6 files are\): of pascal5i"):
        open_episodes("pascal5i", tmp_path, 0)


def test_another_size_of_the_mask_is_told(tmp_path: Path) -> None:
    episodes = open_episodes("pascal5i", make_pascal(tmp_path), 0)
    save(episodes.queries[0].mask, np.zeros((HEIGHT_PX, WIDTH_PX - 1), np.uint8))
    with pytest.raises(DataError, match=r"is 64 x 48, its mask 63 x 48: they must have the same size"):
        episodes.read(0)


def test_lists_may_lie_elsewhere(tmp_path: Path) -> None:
    root = make_pascal(tmp_path / "data")
    (root / "splits").replace(tmp_path / "lists")
    with pytest.raises(DataError, match="split list"):
        open_episodes("pascal5i", root, 0)
    assert len(open_episodes("pascal5i", root, 0, tmp_path / "lists")) == 1000


def test_what_has_no_episodes_is_told(tmp_path: Path) -> None:
    with pytest.raises(LsegError, match=r"no episodes of 'ade20k'; there are those of pascal5i, coco20i, fss1000"):
        open_episodes("ade20k", tmp_path, None)
    with pytest.raises(LsegError, match="pascal5i comes in folds"):
        open_episodes("pascal5i", tmp_path, None)
    with pytest.raises(LsegError, match="fss1000 has no folds"):
        open_episodes("fss1000", tmp_path, 1)
