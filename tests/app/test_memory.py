"""What is kept of pictures: within its bytes, each made once."""

import threading
from dataclasses import dataclass

import pytest

from lseg_cli.app.memory import Memory


@dataclass(frozen=True)
class Thing:
    name: str
    bytes: int = 10


def test_a_value_is_made_once() -> None:
    memory, made = Memory(100), list[str]()

    def make() -> Thing:
        made.append("once")
        return Thing("a")

    assert memory.get("a", make) is memory.get("a", make)
    assert made == ["once"]


def test_what_was_used_longest_ago_goes_first() -> None:
    memory = Memory(25)
    for name in "abac":
        memory.get(name, lambda name=name: Thing(name))  # type: ignore[misc]
    assert len(memory) == 2
    assert memory.used_bytes == 20
    assert memory.get("a", lambda: Thing("another a")).name == "a"
    assert memory.get("b", lambda: Thing("another b")).name == "another b"


def test_what_is_larger_than_all_of_it_is_not_kept() -> None:
    memory = Memory(25)
    assert memory.get("a", lambda: Thing("a", 26)).name == "a"
    assert len(memory) == memory.used_bytes == 0


def test_two_that_ask_at_once_wait_for_one() -> None:
    memory, made, begun = Memory(100), list[int](), threading.Barrier(2)

    def make() -> Thing:
        made.append(1)
        return Thing("a")

    def ask() -> None:
        begun.wait()
        memory.get("a", make)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]


def test_what_fails_is_tried_again() -> None:
    memory = Memory(100)

    def fail() -> Thing:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        memory.get("a", fail)
    assert memory.get("a", lambda: Thing("a")).name == "a"
