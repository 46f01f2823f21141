"""Texts of options become values, or one clear sentence."""

from collections.abc import Callable
from typing import Any

import pytest

from lseg_cli.commands.parsing import (
    joined,
    parse_batch,
    parse_counts,
    parse_device,
    parse_failures,
    parse_fixed_size,
    parse_folds,
    parse_kinds,
    parse_pixels,
    parse_shard,
    parse_size,
    parse_sm,
    parse_text_encoder,
)
from lseg_cli.errors import LsegError
from lseg_cli.model.text.encoder_name import EncoderName
from lseg_cli.results.kinds import EXTRAS
from lseg_cli.runs.failure_limit import FailureLimit
from lseg_cli.runs.shard import Shard

parse_save = parse_kinds("--save", EXTRAS)


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (parse_size, "480", 480),
        (parse_size, "480x640", (480, 640)),
        (parse_size, "480, 640", (480, 640)),
        (parse_fixed_size, "480", (480, 480)),
        (parse_fixed_size, "480X640", (480, 640)),
        (parse_batch, "auto", None),
        (parse_batch, "8", 8),
        (parse_shard, "2/4", Shard(2, 4)),
        (parse_pixels, "512M", 512.0),
        (parse_pixels, "1.5g", 1500.0),
        (parse_pixels, "400000000", 400.0),
        (parse_failures, "5", FailureLimit(count=5)),
        (parse_failures, "2%", FailureLimit(percent=2.0)),
        (parse_device, "cuda:1", "cuda:1"),
        (parse_device, "auto", "auto"),
        (parse_text_encoder, "words", EncoderName("words")),
        (parse_text_encoder, "ViT-B-32/a/file.pt", EncoderName("ViT-B-32", "a/file.pt")),
        (parse_text_encoder, "hf-hub:timm/one", EncoderName("hf-hub:timm/one")),
        (parse_counts, "150,8,8", (8, 150)),
        (parse_folds, "3", (3,)),
        (parse_folds, "all", (0, 1, 2, 3)),
        (parse_sm, "7.5,sm_86,86", (75, 86)),
        (parse_save, "conf, overlay", ("conf", "overlay")),
    ],
)
def test_a_text_becomes_a_value_which_is_taken_as_it_is(parse: Callable[[Any], Any], text: str, value: object) -> None:
    assert parse(text) == value
    assert value is None or parse(value) == value  # Typer passes the default through the parser


@pytest.mark.parametrize(
    ("parse", "text", "sentence"),
    [
        (parse_size, "big", "--imgsz 'big' is not a valid size; give the long side"),
        (parse_size, "0", "--imgsz '0' is not a valid size"),
        (parse_size, "1x2x3", "is not a valid size"),
        (parse_batch, "0", "--batch '0' is not a valid batch size; give a number from 1, or auto"),
        (parse_batch, "-1", "is not a valid batch size"),
        (parse_shard, "5/4", "--shard '5/4' is not a valid share; give i/n"),
        (parse_shard, "2", "is not a valid share"),
        (parse_pixels, "many", "--max-pixels 'many' is not a valid number of pixels"),
        (parse_pixels, "5X", "is not a valid number of pixels"),
        (parse_pixels, "0", "is not a valid number of pixels"),
        (parse_pixels, "inf", "is not a valid number of pixels"),
        (parse_failures, "x", "--max-failures 'x' is not a valid limit; give a count"),
        (parse_failures, "-1", "is not a valid limit"),
        (parse_failures, "101%", "is not a valid limit"),
        (parse_failures, "nan%", "is not a valid limit"),
        (parse_device, "tpu", "--device 'tpu' is not a valid device; give one of auto, cpu, cuda, mps"),
        (parse_device, "cuda:x", "is not a valid device"),
        (parse_device, "cpu:1", "is not a valid device"),
        (parse_text_encoder, "", "A text encoder needs a name"),
        (parse_counts, "1,x", "--sweep-labels '1,x' is not a list of counts"),
        (parse_counts, ",", "is not a list of counts"),
        (parse_folds, "4", "--fold '4' is not a valid fold; give 0 to 3, or all"),
        (parse_folds, "-1", "is not a valid fold"),
        (parse_folds, "", "is not a valid fold"),
        (parse_sm, "turing", "--sm 'turing' is not a list of compute capabilities"),
        (parse_save, "overlay,svg", "--save svg is not known; choose from overlay, conf, probs, embeddings"),
    ],
)
def test_what_is_wrong_is_one_sentence(parse: Callable[[Any], Any], text: str, sentence: str) -> None:
    with pytest.raises(LsegError, match=sentence) as caught:
        parse(text)
    assert caught.value.exit_code == 2


def test_a_limit_of_failures_is_a_count_or_a_share_rounded_down() -> None:
    assert [FailureLimit(count=5).most(total) for total in (0, 100)] == [5, 5]
    assert [FailureLimit(percent=2.5).most(total) for total in (0, 39, 100)] == [0, 0, 2]


def test_kinds_of_repeated_options_are_joined_once_each() -> None:
    assert joined([("conf", "overlay"), ("conf",)]) == ("conf", "overlay")
    assert joined(None) == ()


def test_an_encoder_and_a_share_are_written_as_they_were_given() -> None:
    assert [str(EncoderName("a")), str(EncoderName("a", "b/c"))] == ["a", "a/b/c"]
    assert str(Shard(2, 4)) == "2-of-4"
