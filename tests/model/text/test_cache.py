import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lseg_cli.model.text.cache import Embedding, EmbeddingCache, cache_root

SHA = "ab" * 32
ENTRY = Embedding(np.linspace(-1, 1, 512, dtype=np.float32), tokens=5, context_length=77)

# Run in other processes: argv is the folder and what to do before each write.
WRITER = """
import os, pathlib, signal, sys
import numpy as np
from lseg_cli.model.text.cache import Embedding, EmbeddingCache
entry = Embedding(np.linspace(-1, 1, 512, dtype=np.float32), tokens=5, context_length=77)
if sys.argv[2] == "die":
    pathlib.Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
for _ in range(300):
    assert EmbeddingCache(pathlib.Path(sys.argv[1])).put("ab" * 32, {"sky": entry})
"""


def write_elsewhere(folder: Path, mode: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", WRITER, str(folder), mode], env={**os.environ, "PYTHONPATH": "."})


def check(found: Embedding) -> None:
    np.testing.assert_array_equal(found.vector, ENTRY.vector)
    assert found.vector.dtype == np.float32
    assert found[1:] == ENTRY[1:]


def test_what_was_put_comes_back(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path / "a" / "b")
    assert cache.get(SHA, ["sky"]) == {}
    assert cache.put(SHA, {"sky": ENTRY})
    found = EmbeddingCache(tmp_path / "a" / "b").get(SHA, ["sky", "road"])
    assert list(found) == ["sky"]
    check(found["sky"])


@given(st.lists(st.text(st.characters(codec="utf-8")), unique=True, max_size=6))
@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_a_key(tmp_path: Path, texts: list[str]) -> None:
    cache = EmbeddingCache(tmp_path)
    entries = {text: Embedding(np.full(3, len(text), np.float32), row, 0) for row, text in enumerate(texts)}
    assert cache.put(SHA, entries)
    found = cache.get(SHA, texts)
    assert {text: entry.tokens for text, entry in found.items()} == {text: row for row, text in enumerate(texts)}


def test_another_encoder_has_another_key(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path)
    cache.put(SHA, {"sky": ENTRY})
    assert cache.get(SHA[:-1] + "0", ["sky"]) == {}  # the same folder, for its name is the hash's beginning


@pytest.mark.parametrize("damage", ["empty", "cut", "bit", "foreign"])
def test_a_damaged_entry_is_a_miss_and_is_written_anew(tmp_path: Path, damage: str) -> None:
    cache = EmbeddingCache(tmp_path)
    cache.put(SHA, {"sky": ENTRY, "road": ENTRY})
    one, other = tmp_path.glob("*/*.embedding")
    data = one.read_bytes()
    changed = {
        "empty": b"",
        "cut": data[:-4],
        "bit": data[:100] + bytes([data[100] ^ 1]) + data[101:],
        "foreign": other.read_bytes(),
    }
    one.write_bytes(changed[damage])
    assert len(cache.get(SHA, ["sky", "road"])) == 1
    assert cache.put(SHA, {"sky": ENTRY, "road": ENTRY})
    assert len(cache.get(SHA, ["sky", "road"])) == 2


def test_a_folder_that_cannot_be_written_is_told_and_nothing_more(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = EmbeddingCache(tmp_path / "file" / "text")
    assert not cache.put(SHA, {"sky": ENTRY})
    assert not cache.remember_encoder(["ViT"], SHA)
    assert cache.get(SHA, ["sky"]) == {}
    assert cache.encoder_sha256(["ViT"]) == ""


def test_two_processes_write_one_entry(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path)
    writers = [write_elsewhere(tmp_path, "write") for _ in range(2)]
    seen = 0
    while any(writer.poll() is None for writer in writers):
        for entry in cache.get(SHA, ["sky"]).values():
            check(entry)
            seen += 1
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen > 0
    check(cache.get(SHA, ["sky"])["sky"])
    assert [path.suffix for path in tmp_path.glob("*/*")] == [".embedding"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_a_killed_process_leaves_no_half_entry(tmp_path: Path) -> None:
    writer = write_elsewhere(tmp_path, "die")
    assert writer.wait() == -signal.SIGKILL
    assert [path.suffix for path in tmp_path.glob("*/*")] == [".tmp"]
    cache = EmbeddingCache(tmp_path)
    assert cache.get(SHA, ["sky"]) == {}
    assert cache.put(SHA, {"sky": ENTRY})
    check(cache.get(SHA, ["sky"])["sky"])


def test_an_interrupted_write_cleans_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            EmbeddingCache(tmp_path).put(SHA, {"sky": ENTRY})
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_hashes_of_encoders_are_remembered(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path)
    assert cache.encoder_sha256(["ViT", "openai"]) == ""
    assert cache.remember_encoder(["ViT", "openai"], SHA)
    assert EmbeddingCache(tmp_path).encoder_sha256(["ViT", "openai"]) == SHA
    assert cache.encoder_sha256(["ViT", "openai", "a file"]) == ""


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"sha256": "ab"}', '{"encoder": ["x"], "sha256": "ab"}'])
def test_a_damaged_index_is_a_miss(tmp_path: Path, content: str) -> None:
    cache = EmbeddingCache(tmp_path)
    cache.remember_encoder(["ViT"], SHA)
    (file,) = tmp_path.glob("encoders/*")
    file.write_text(content)
    assert cache.encoder_sha256(["ViT"]) == ""


def test_the_place_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSEG_CACHE", str(tmp_path))
    assert EmbeddingCache().directory == tmp_path / "text"
    monkeypatch.delenv("LSEG_CACHE")
    assert cache_root().name == "lseg"
