import hashlib
import json
import pickle
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lseg_cli.config import ModelConfig
from lseg_cli.contract import CONFIG_KEY
from lseg_cli.errors import DataError, LsegError, MismatchError
from lseg_cli.files import file_sha256
from lseg_cli.model import checkpoint, load
from lseg_cli.model.checkpoint import load_model, load_weights, save_model, write_tensors
from lseg_cli.model.lseg import LSeg, build


@pytest.fixture
def model(pyramid_config: ModelConfig) -> LSeg:
    """With running statistics, as after training."""
    torch.manual_seed(0)
    model = build(pyramid_config)
    model(torch.randn(2, 3, 64, 64), torch.randn(3, 16))
    return model.eval()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights" / "model.safetensors"


def weights(model: LSeg) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in model.state_dict().items() if not name.endswith("num_batches_tracked")}


def test_there_and_back_is_exact(model: LSeg, path: Path) -> None:
    save_model(model, path)
    back = load(path)
    assert back.config == model.config
    assert not back.training
    assert all(torch.equal(tensor, weights(back)[name]) for name, tensor in weights(model).items())
    pixels, text = torch.randn(1, 3, 64, 64), torch.randn(3, 16)
    with torch.no_grad():
        assert torch.equal(back(pixels, text), model(pixels, text))
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_half_is_half_as_large_and_comes_back_as_float32(model: LSeg, path: Path) -> None:
    save_model(model, path)
    whole_bytes = path.stat().st_size
    save_model(model, path, half=True)
    assert path.stat().st_size < 0.65 * whole_bytes  # names and shapes do not shrink
    for name, tensor in weights(load_model(path)).items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, weights(model)[name].half().float())


def test_a_channels_last_model_is_saved_like_any_other(model: LSeg, path: Path) -> None:
    save_model(model, path)
    plain = load_file(path)
    save_model(model.to(memory_format=torch.channels_last), path)
    assert all(torch.equal(tensor, plain[name]) for name, tensor in load_file(path).items())


def test_the_file_says_what_it_is(model: LSeg, path: Path) -> None:
    save_model(model, path)
    with safe_open(path, framework="pt") as file:
        assert ModelConfig.model_validate_json(file.metadata()[CONFIG_KEY]) == model.config
    assert file_sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "none.safetensors", "There is no file"), (tmp_path, "it is a folder, not a file")):
        with pytest.raises(DataError, match=said):
            load_model(path)


@pytest.mark.parametrize("kept", [0, 5, 100, 0.5, 0.999])
def test_a_truncated_file_is_told(model: LSeg, path: Path, kept: float) -> None:
    save_model(model, path)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    with pytest.raises(DataError, match=r"model\.safetensors is not a whole safetensors file"):
        load_model(path)


class Trap:
    """Runs code when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("how", ["pickle", "torch"])
def test_a_pickle_is_never_opened(tmp_path: Path, how: str) -> None:
    path, mark = tmp_path / "model.safetensors", tmp_path / "mark"
    if how == "pickle":
        path.write_bytes(pickle.dumps(Trap(mark)))
    else:
        torch.save({"state_dict": Trap(mark)}, path)
    with pytest.raises(DataError, match="is not a whole safetensors file"):
        load_model(path)
    assert not mark.exists()


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_a_foreign_file_is_told(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata)
    with pytest.raises(MismatchError, match=r"foreign\.safetensors holds tensors but no LSeg configuration"):
        load_model(path)


@pytest.mark.parametrize("change", ["broken", "unknown key", "unknown encoder"])
def test_a_configuration_of_another_version_is_told(model: LSeg, path: Path, change: str) -> None:
    config = json.loads(model.config.model_dump_json())
    if change == "unknown key":
        config["decoder_depth"] = 3
    elif change == "unknown encoder":
        config["encoder"]["name"] = "no_such_net"
    text = "{" if change == "broken" else json.dumps(config)
    write_tensors(weights(model), {CONFIG_KEY: text}, path)
    with pytest.raises(MismatchError, match=r"model\.safetensors was written by another version"):
        load_model(path)


def test_tensors_that_do_not_fit_are_told(model: LSeg, path: Path) -> None:
    metadata = {CONFIG_KEY: model.config.model_dump_json()}
    head = "decoder.head.bias"
    other_shape = {**weights(model), head: torch.zeros(15)}
    missing = {name: tensor for name, tensor in weights(model).items() if name != head}
    extra: Mapping[str, Tensor] = {**weights(model), "clip.weight": torch.zeros(2, 3)}
    for tensors, sentence in (
        (other_shape, rf"1 tensors .* first {head}: the file has \(15,\), the model needs \(16,\)"),
        (missing, rf"first {head}: the file has nothing, the model needs \(16,\)"),
        (extra, r"first clip\.weight: the file has \(2, 3\), the model needs nothing"),
    ):
        write_tensors(dict(tensors), metadata, path)
        with pytest.raises(MismatchError, match=sentence):
            load_model(path)


def test_what_does_not_fit_changes_nothing() -> None:
    layer = nn.Linear(2, 2)
    before = layer.weight.clone()
    with pytest.raises(MismatchError):
        load_weights(layer, {"weight": torch.zeros(2, 2), "bias": torch.zeros(3)}, "elsewhere")
    assert torch.equal(layer.weight, before)


def test_a_failing_write_leaves_the_old_file(model: LSeg, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_model(model, path)
    old = path.read_bytes()

    def fail_half_way(_: object, temporary: Path, __: object) -> None:
        temporary.write_bytes(old[: len(old) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", fail_half_way)
    with pytest.raises(LsegError, match="No space"):
        save_model(model, path)
    assert path.read_bytes() == old
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_file_is_as_readable_as_any_other(tmp_path: Path, pyramid_config: ModelConfig) -> None:
    save_model(build(pyramid_config), tmp_path / "model.safetensors")
    (tmp_path / "other").touch()
    assert (tmp_path / "model.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode
