"""What an engine computes in, read from the words of the engine inspector."""

import json

import pytest

from lseg_cli.errors import VerificationError
from lseg_engines.tensorrt.precision import check_precisions, read_precisions


def information(*formats: str) -> str:
    layers = [
        {"Name": "FP16 Int8 by name only", "Inputs": [{"Format/Datatype": each}], "Outputs": []} for each in formats
    ]
    return json.dumps({"Layers": layers, "Bindings": ["image"]})


@pytest.mark.parametrize(
    ("formats", "found"),
    [
        (("Float", "UInt8"), ("fp32",)),
        (("Half", "Float"), ("fp32", "fp16")),
        (("Row major linear FP16 format", "Row major linear UInt8 format"), ("fp16",)),
        (("BFloat16", "FP32"), ("fp32", "bf16")),
        (("Thirty-two wide channel vectorized row major Int8 format.", "FP32"), ("fp32", "int8")),
        (("Half",), ()),  # one piece tells of its ends alone
    ],
)
def test_formats_are_told_in_the_words_of_several_versions(formats: tuple[str, ...], found: tuple[str, ...]) -> None:
    assert read_precisions(information(*formats)) == found


def test_layers_by_name_alone_tell_nothing() -> None:
    assert read_precisions(json.dumps({"Layers": ["conv FP16", "gemm"]})) == ()


@pytest.mark.parametrize(
    ("found", "precision"), [((), "fp16"), (("fp32",), "fp32"), (("fp32", "fp16"), "fp16"), (("bf16",), "bf16")]
)
def test_what_was_asked_for_passes(found: tuple[str, ...], precision: str) -> None:
    check_precisions(found, precision)


@pytest.mark.parametrize(
    ("found", "precision"), [(("fp32",), "fp16"), (("fp32", "fp16"), "fp32"), (("fp32", "fp16"), "bf16")]
)
def test_another_precision_is_told(found: tuple[str, ...], precision: str) -> None:
    with pytest.raises(VerificationError, match=f"The graph is {precision}, and the engine .* computes in {found[0]}"):
        check_precisions(found, precision)
