from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray

from lseg_cli.config import LabelConfig
from lseg_cli.data.datasets import Dataset
from lseg_cli.errors import DataError
from lseg_cli.model.text.word_table import WordTable
from lseg_cli.training.labels import Words
from lseg_cli.training.vocabulary import build_words, neighbours, paraphrases, read_synonyms, strangers

RECIPE = Path(__file__).parents[2] / "recipes/lseg-tiny"
ROAD, SKY, ELSE, FRUIT = np.eye(4, dtype=np.float32)
MEANINGS: dict[str, NDArray[np.float32]] = {
    "road": ROAD,
    "street": 9 * ROAD + ELSE,
    "side street": 8 * ROAD + 2 * ELSE,
    "lane": 7 * ROAD + ELSE,
    "sky": SKY,
    "heaven": 9 * SKY + ELSE,
    "sky scraper": 9 * SKY + 2 * ELSE,
    "horizon": SKY + ROAD,  # as near to the one as to the other
    "banana": FRUIT,
    "other": ELSE,
}
NAMES = ["road", "sky", "other"]


def table(meanings: Mapping[str, NDArray[np.float32]]) -> WordTable:
    rows = np.array([vector / np.linalg.norm(vector) * 127 for vector in meanings.values()])
    return WordTable(
        {
            "entries": np.frombuffer("\n".join(meanings).encode(), np.uint8),
            "entry_rows": rows.round().astype(np.int8),
            "entry_weights": np.ones(len(rows), np.float16),
            "pieces": np.frombuffer(b"x", np.uint8),
            "piece_rows": np.zeros((1, 4), np.int8),
            "piece_scales": np.ones(1, np.float16),
        },
        sha256="",
    )


def filled(meanings: Mapping[str, NDArray[np.float32]]) -> WordTable:
    """With 300 words before them, for those are too common to stand for a thing."""
    return table({**{f"common{index}": FRUIT for index in range(300)}, **meanings})


def dataset(ignore: int = 255) -> Dataset:
    return Dataset("mini", ("road", "sky"), ignore, (), ())


def built(
    monkeypatch: pytest.MonkeyPatch, config: LabelConfig, counts: Sequence[int] = (10, 10), balance: float = 0
) -> Words:
    words = filled(MEANINGS)
    monkeypatch.setattr(WordTable, "open", lambda: words)
    (made,) = build_words([dataset()], [np.array(counts)], words.embed, config, balance)
    return made


def test_neighbours_mean_the_same_and_no_other_label() -> None:
    found = neighbours(table(MEANINGS), NAMES, frozenset())
    assert [set(words) for words in found] == [
        {"street", "side street", "lane"},
        {"heaven", "sky scraper"},
        set(),
    ]


@pytest.mark.parametrize(
    ("held_out", "kept"),
    [
        ("street", {"lane"}),
        ("streets", {"lane"}),
        ("side-street", {"street", "lane"}),
        ("sidestreet", {"street", "lane"}),
        ("lan", {"street", "side street", "lane"}),
    ],
)
def test_held_out_words_their_plurals_and_phrases_are_no_neighbours(held_out: str, kept: set[str]) -> None:
    assert set(neighbours(table(MEANINGS), NAMES, frozenset({held_out}))[0]) == kept


def test_held_out_words_are_found_however_they_are_spaced() -> None:
    assert neighbours(table(MEANINGS), NAMES, frozenset({"skyscraper"}))[1] == ["heaven"]


def test_strangers_are_far_from_every_label() -> None:
    words = filled(MEANINGS)
    assert strangers(words, NAMES, frozenset()) == ["banana"]
    assert strangers(words, NAMES, frozenset({"bananas"})) == []
    assert strangers(table(MEANINGS), NAMES, frozenset()) == []


def test_labels_come_with_other_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    words = built(monkeypatch, LabelConfig())
    assert words.classes.tolist() == [ROAD.tolist(), SKY.tolist(), ELSE.tolist()]
    assert [len(near) for near in words.near] == [0, 0, 0]
    assert len(words.negatives) == 0
    assert words.ignore == 255


def test_what_is_asked_for_is_looked_up_and_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    words = built(monkeypatch, LabelConfig(paraphrase=0.5, negatives=4))
    assert [len(near) for near in words.near] == [3, 2, 0]
    assert words.near[2].shape == (0, 4)
    assert words.negatives.tolist() == [FRUIT.tolist()]
    torch.testing.assert_close(torch.cat(list(words.near)).norm(dim=1), torch.ones(5))


def test_words_of_a_file_are_held_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "held_out.yaml"
    path.write_text("first: {road: Streets, sky: ''}\nsecond: [heaven, {fruit: bananas}]\nyear: 2022\n")
    words = built(monkeypatch, LabelConfig(paraphrase=0.5, negatives=4, held_out=str(path)))
    assert [len(near) for near in words.near] == [1, 1, 0]
    assert len(words.negatives) == 0


def test_synonyms_take_the_place_of_neighbours_where_they_are_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "synonyms.yaml"
    path.write_text("road: [banana, streets]\nwater: [lake]\n")
    held_out = tmp_path / "held_out.yaml"
    held_out.write_text("first: {road: street}")
    config = LabelConfig(paraphrase=0.5, synonyms=str(path), held_out=str(held_out))
    words = built(monkeypatch, config)
    assert words.near[0].tolist() == [FRUIT.tolist()]
    assert len(words.near[1]) == 2


def test_words_of_an_unseen_class_are_never_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "synonyms.yaml"
    path.write_text("road: [bananas, lane, Sky]\nSKY: [Banana]\n")
    table = filled(MEANINGS)
    monkeypatch.setattr(WordTable, "open", lambda: table)
    config = LabelConfig(paraphrase=0.5, negatives=4, synonyms=str(path))
    (seen,) = build_words([dataset()], [np.array([10, 90])], table.embed, config, 1)
    (words,) = build_words([dataset()], [np.array([10, 90])], table.embed, config, 1, frozenset({"sky"}))
    assert (len(seen.near[0]), len(seen.negatives), seen.unseen) == (3, 1, [])
    assert (len(words.near[0]), len(words.negatives), words.unseen) == (1, 0, [1])
    assert words.weights[0] == 1  # its pixels balance nothing


@pytest.mark.parametrize(("content", "why"), [("road: street", "road"), ("[road]", "content"), ("road: [1]", "road.0")])
def test_a_file_that_holds_no_synonyms_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str, why: str
) -> None:
    path = tmp_path / "synonyms.yaml"
    path.write_text(content)
    with pytest.raises(DataError, match=rf"synonyms\.yaml must be lists of words by label; {why}: "):
        built(monkeypatch, LabelConfig(paraphrase=0.5, synonyms=str(path)))


@pytest.mark.parametrize("content", [None, b"a: [", b"\xff\xfe\x80"])
def test_a_file_of_held_out_words_that_cannot_be_read_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "held_out.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"held_out\.yaml cannot be read"):
        built(monkeypatch, LabelConfig(paraphrase=0.5, held_out=str(path)))


def test_class_weights_balance_pixels_within_a_factor_of_8(monkeypatch: pytest.MonkeyPatch) -> None:
    config = LabelConfig()
    assert built(monkeypatch, config, (30, 10), 0).weights.tolist() == [1, 1]
    assert built(monkeypatch, config, (30, 10), 1).weights.tolist() == pytest.approx([20 / 30, 2])
    assert built(monkeypatch, config, (30, 10), 0.5).weights.tolist() == pytest.approx([(2 / 3) ** 0.5, 2**0.5])
    assert built(monkeypatch, config, (10**9, 1), 1).weights.tolist() == pytest.approx([0.5, 8])
    assert built(monkeypatch, config, (10, 0), 1).weights.tolist() == pytest.approx([1, 8])
    assert built(monkeypatch, config, (0, 0), 1).weights.tolist() == [1, 1]


def test_the_bundled_model_never_hears_the_words_it_is_tested_with() -> None:
    lists = yaml.safe_load((RECIPE / "paraphrases.yaml").read_text())
    held_out = {word.casefold() for words in lists.values() for word in words.values()}
    names = [*lists["first"], "other"]
    synonyms = read_synonyms(str(RECIPE / "synonyms.yaml"))
    near = paraphrases(WordTable.open(), names, synonyms, frozenset(held_out))
    found = [word for words in near for word in words]
    assert len(found) > 50
    compact = {word.replace(" ", "").replace("-", "").removesuffix("s") for word in found}
    assert compact.isdisjoint({word.replace(" ", "").replace("-", "").removesuffix("s") for word in held_out})
