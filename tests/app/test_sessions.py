"""Pages that are open: little of each, nothing once it is closed."""

from pathlib import Path

import pytest

from lseg_cli.app.library import PAGE, Library, page_count
from lseg_cli.app.sessions import Sessions
from lseg_cli.errors import LsegError
from tests.app.conftest import COUNT, pixels_of


def uploaded(folder: Path, name: str) -> Path:
    path = folder / "uploads" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_a_new_picture_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    session = Sessions(tmp_path / "sessions").get("a")
    first, second = (session.receive(uploaded(tmp_path, name)) for name in ("first.jpg", "second.jpg"))
    session.choose(first)
    assert session.picture == first
    session.choose(second)
    assert not Path(str(first.path)).exists()
    assert Path(str(second.path)).read_bytes() == b"x"
    assert second.is_upload
    assert list((tmp_path / "uploads").iterdir()) == []


def test_nothing_is_left_of_a_page_that_was_closed(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path / "sessions")
    sessions.get("a").receive(uploaded(tmp_path, "first.jpg"))
    sessions.free("a")
    sessions.free("never there")
    assert len(sessions) == 0
    assert list((tmp_path / "sessions").iterdir()) == []


def test_of_too_many_the_idle_one_goes(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path / "sessions", most=2)
    idle = sessions.get("a")
    idle.choose(idle.receive(uploaded(tmp_path, "first.jpg")))
    kept = idle.picture.path
    for name in "bc":
        sessions.get(name)
    assert len(sessions) == 2
    assert not Path(str(kept)).exists()
    with pytest.raises(LsegError, match="There is no picture yet"):
        _ = idle.picture


def test_a_name_that_a_page_made_up_is_no_path(tmp_path: Path) -> None:
    session = Sessions(tmp_path / "sessions").get("../../escape")
    session.receive(uploaded(tmp_path, "first.jpg"))
    assert session.folder.parent == tmp_path / "sessions"


def test_small_pictures_are_made_when_they_are_looked_at(start: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "broken.jpg").write_bytes(b"no picture")
    library = Library([str(start / "photos"), str(tmp_path / "more")], tmp_path / "small")
    assert len(library.sources) == COUNT + 1
    assert not (tmp_path / "small").exists()
    shown = library.thumbnails([0, COUNT])
    assert [name for _, name in shown] == ["0.jpg", "broken.jpg"]
    assert [pixels_of(Path(file)).shape for file, _ in shown] == [(120, 160, 3), (180, 240, 3)]
    assert len(list((tmp_path / "small").iterdir())) == 2


def test_pictures_are_found_by_their_names(start: Path, tmp_path: Path) -> None:
    library = Library([str(start / "photos")], tmp_path)
    assert library.matching("3.J") == [3]
    assert len(library.matching("")) == COUNT
    assert page_count(0) == page_count(PAGE) == 1
    assert page_count(PAGE + 1) == 2
    with pytest.raises(LsegError, match="There is no picture number 11"):
        library.choose(COUNT)


def test_a_picture_that_cannot_be_read_leaves_the_one_before(tmp_path: Path) -> None:
    session = Sessions(tmp_path / "sessions").get("a")
    good = session.receive(uploaded(tmp_path, "good.jpg"))
    session.choose(good)
    broken = session.receive(uploaded(tmp_path, "broken.jpg"))
    session.refuse(broken)
    assert session.wanted == session.picture == good
    assert not Path(str(broken.path)).exists()
    last = session.receive(uploaded(tmp_path, "last.jpg"))
    session.refuse(broken)  # a late answer
    assert session.wanted == last
