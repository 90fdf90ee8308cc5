"""Pictures as files: endings, whole files or none, messages."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from graphad.errors import MissingLibraryError, UseError
from graphad.ir.make import scalar
from graphad.ir.op import OPS
from graphad.viz import files, save, to_dot, to_mermaid

needs_dot = pytest.mark.skipif(
    shutil.which("dot") is None, reason="the program `dot` of Graphviz is not installed"
)


@pytest.fixture
def model() -> Any:
    return OPS["sin"](scalar("größe")) * 2.0


@pytest.mark.parametrize("name", ["m.dot", "m.gv", "M.DOT", "m.x.dot"])
def test_dot(model: Any, tmp_path: Path, name: str) -> None:
    path = save(model, tmp_path / name, direction="LR")
    assert path == tmp_path / name and path.read_text("utf-8") == to_dot(model, direction="LR")
    assert os.listdir(tmp_path) == [name]


def test_mermaid(model: Any, tmp_path: Path) -> None:
    path = save(model, str(tmp_path / "m.mmd"), legend=False, collapse="none")
    assert path.read_text("utf-8") == to_mermaid(model, collapse="none")


@needs_dot
@pytest.mark.parametrize(
    ("ending", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")]
)
def test_drawn(model: Any, tmp_path: Path, ending: str, start: bytes) -> None:
    path = save(model, tmp_path / f"m.{ending}")
    assert path.read_bytes().startswith(start) and os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("name", ["m.jpg", "m", ".svg", "m.svg.zip"])
def test_unknown_ending(model: Any, tmp_path: Path, name: str) -> None:
    with pytest.raises(UseError) as caught:
        save(model, tmp_path / name)
    assert name in caught.value.what and ".svg" in caught.value.remedy
    assert os.listdir(tmp_path) == []


def test_missing_folder(model: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder"):
        save(model, tmp_path / "nowhere" / "m.dot")


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_without_dot_nothing_is_left(
    model: Any, tmp_path: Path, no_dot: None, ending: str
) -> None:
    place = tmp_path / f"m.{ending}"
    place.write_bytes(b"old")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(MissingLibraryError, match="brew install graphviz"):
        save(model, place)
    assert place.read_bytes() == b"old" and sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("step", ["write", "replace"])
def test_failed_write_leaves_the_old_file(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    place = tmp_path / "m.dot"
    place.write_text("old")

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    if step == "replace":
        monkeypatch.setattr(files.os, "replace", fail)
    else:

        class Full:
            def __init__(self, path: Path, mode: str) -> None:
                path.touch()

            def __enter__(self) -> "Full":
                return self

            def __exit__(self, *_: Any) -> None: ...

            write = fail

        monkeypatch.setattr(files, "open", Full, raising=False)
    with pytest.raises(OSError, match="disk full"):
        save(model, place)
    assert place.read_text() == "old" and os.listdir(tmp_path) == ["m.dot"]


def test_permissions_are_those_of_new_files(model: Any, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("")
    assert save(model, tmp_path / "m.dot").stat().st_mode == plain.stat().st_mode
