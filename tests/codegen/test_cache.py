"""The cache of machine code on disk: found again, whole or not at all, safe, bounded."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.codegen import cache, image, llvm
from graphad.errors import UseError

KEY = cache.key("text", "1")
POSIX = hasattr(os, "getuid")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "code"


@pytest.fixture
def store(folder: Path) -> cache.Store:
    return cache.Store(folder)


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are compiled, as opposed to loaded."""
    pytest.importorskip("llvmlite")
    found: list[str] = []
    parse = llvm.binding().parse_assembly

    def counted(text: str) -> Any:
        found.extend([text] if text else [])
        return parse(text)

    monkeypatch.setattr(llvm.binding(), "parse_assembly", counted)
    return found


def files(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def codes(folder: Path) -> list[str]:
    """The entries of machine code; others are of the programs that use it."""
    starts = {name: (folder / name).read_bytes()[:100] for name in files(folder)}
    return [name for name, start in starts.items() if image.MAGIC in start or b"ELF" in start]


# ---- entries -----------------------------------------------------------------------------------
def test_entries_are_found_again(store: cache.Store) -> None:
    assert store.get(KEY) is None
    store.put(KEY, b"code")
    assert store.get(KEY) == b"code"
    assert store.get(cache.key("other", "1")) is None


def test_keys_tell_texts_and_circumstances_apart() -> None:
    given = [("a", "b", "c"), ("ab", "", "c"), ("a", "bc"), ("a", "c", "b"), ("", "a", "b", "c")]
    assert len({cache.key(*parts) for parts in given}) == len(given)


@pytest.mark.parametrize("length", [0, 5, 30, 60, -1])
def test_cut_off_entries_are_ignored_and_written_anew(
    store: cache.Store, folder: Path, length: int
) -> None:
    store.put(KEY, b"code" * 10)
    path = folder / files(folder)[0]
    path.write_bytes(path.read_bytes()[:length])
    assert store.get(KEY) is None
    store.put(KEY, b"code" * 10)
    assert store.get(KEY) == b"code" * 10


def test_no_changed_byte_goes_unnoticed(store: cache.Store, folder: Path) -> None:
    store.put(KEY, b"code")
    path = folder / files(folder)[0]
    entry = path.read_bytes()
    for i in range(len(entry)):
        path.write_bytes(entry[:i] + bytes([entry[i] ^ 1]) + entry[i + 1 :])
        assert store.get(KEY) is None


def test_an_entry_under_another_name_is_not_taken(store: cache.Store, folder: Path) -> None:
    store.put(KEY, b"code")
    other = cache.key("other", "1")
    os.rename(folder / files(folder)[0], folder / f"{other}{cache.ENDING}")
    assert store.get(other) is None


# ---- several writers -----------------------------------------------------------------------
def test_readers_see_whole_entries_whoever_writes(store: cache.Store) -> None:
    codes = [bytes([i]) * 100_000 for i in range(4)]
    wrong: list[int] = []

    def write(code: bytes) -> None:
        for _ in range(20):
            store.put(KEY, code)

    def read() -> None:
        for _ in range(100):
            found = store.get(KEY)
            if found is not None and found not in codes:
                wrong.append(len(found))

    threads = [threading.Thread(target=write, args=(code,)) for code in codes]
    threads += [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert store.get(KEY) in codes


@pytest.mark.skipif(not POSIX, reason="kill is POSIX")
def test_a_writer_that_is_killed_leaves_no_broken_entry(store: cache.Store, folder: Path) -> None:
    program = f"""
        from pathlib import Path
        from graphad.codegen import cache
        store = cache.Store(Path({str(folder)!r}))
        print("ready", flush=True)
        while True:
            store.put({KEY!r}, b"x" * 3_000_000)
    """
    for pause in (0.0, 0.003, 0.011):
        command = [sys.executable, "-c", textwrap.dedent(program)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(pause)
            writer.send_signal(signal.SIGKILL)
        assert store.get(KEY) in (None, b"mine", b"x" * 3_000_000)
        store.put(KEY, b"mine")
        assert store.get(KEY) == b"mine"


def test_what_a_killed_writer_left_is_removed_after_a_while(
    store: cache.Store, folder: Path
) -> None:
    store.put(KEY, b"code")
    left, fresh = folder / f".left{cache.ENDING}", folder / f".fresh{cache.ENDING}"
    left.write_bytes(b"half")
    fresh.write_bytes(b"half")
    os.utime(left, (0, 0))
    store.put(KEY, b"code")
    assert left.exists() == (not KEY.startswith(cache.TRIMMING))
    store.put(cache.TRIMMING + KEY, b"code")
    assert not left.exists()
    assert fresh.exists()  # its writer may be at work


# ---- size ----------------------------------------------------------------------------------
def test_the_least_recently_used_entries_go(
    store: cache.Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "LIMIT", 5000)
    keys = [cache.key("text", str(i)) for i in range(5)]
    for i, name in enumerate(keys[:4]):
        store.put(name, b"x" * 1000)
        os.utime(folder / f"{name}{cache.ENDING}", (i, i))
    assert store.get(keys[0]) is not None  # used now
    store.put(keys[4], b"x" * 1000)
    assert [store.get(name) is not None for name in keys] == [True, False, True, True, True]
    for i in range(20):
        store.put(cache.key("more", str(i)), b"x" * 1000)
    assert sum(p.stat().st_size for p in folder.iterdir()) <= 5000


# ---- the folder ------------------------------------------------------------------------------
@pytest.mark.skipif(not POSIX, reason="modes are POSIX")
def test_the_folder_is_the_owners_alone(store: cache.Store, folder: Path) -> None:
    store.put(KEY, b"code")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    os.chmod(folder, 0o777)
    assert store.get(KEY) == b"code"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(next(folder.iterdir()).stat().st_mode) & 0o077 == 0


@pytest.mark.skipif(not POSIX, reason="owners are POSIX")
def test_somebody_elses_folder_is_refused(
    store: cache.Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(KEY, b"code")
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    with pytest.raises(UseError, match="another user"):
        cache.store(str(folder))
    assert store.get(KEY) is None
    store.put(cache.key("other"), b"code")
    assert len(files(folder)) == 1


def test_links_and_files_are_no_folders(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("file", "link"):
        with pytest.raises(UseError, match="a link or a file"):
            cache.store(str(tmp_path / name))


def test_a_disk_that_refuses_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    unusable = cache.Store(tmp_path / "file" / "code")
    unusable.put(KEY, b"code")
    assert unusable.get(KEY) is None


# ---- the choice ----------------------------------------------------------------------------
@pytest.fixture
def usual(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The usual store under an environment."""
    monkeypatch.setattr(sys, "platform", "linux")

    def find(**environment: str) -> cache.Store | None:
        cache._usual.cache_clear()
        for name in (cache.VARIABLE, "XDG_CACHE_HOME"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return cache.store(True)

    yield find
    cache._usual.cache_clear()


def test_where_it_is(usual: Any, tmp_path: Path) -> None:
    here = str(tmp_path)
    assert usual(XDG_CACHE_HOME=here).folder == str(tmp_path / "graphad")
    assert usual(GRAPHAD_CACHE_DIR=here, XDG_CACHE_HOME="/nowhere").folder == here
    assert usual(HOME=here).folder == str(tmp_path / ".cache" / "graphad")
    assert usual(GRAPHAD_CACHE_DIR="") is None
    assert cache.store(False) is None
    chosen = cache.store(here)
    assert chosen is not None
    assert chosen.folder == here


def test_a_variable_that_names_no_folder_is_told_and_done_without(
    usual: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.warns(UserWarning, match="GRAPHAD_CACHE_DIR is not used"):
        assert usual(GRAPHAD_CACHE_DIR=str(tmp_path / "file")) is None


@pytest.mark.parametrize("choice", [None, "", 3, ["x"]])
def test_choices_that_are_none(choice: Any) -> None:
    x = ga.scalar("x")
    with pytest.raises(UseError, match="cache="):
        ga.function([x], x * x, cache=choice)


# ---- functions -----------------------------------------------------------------------------
def square(folder: Any) -> ga.Function:
    x = ga.vector("x", shape=("n",))
    return ga.function([x], ga.exp(x) * x + 1, backend="llvm", cache=folder)


def test_a_second_compilation_is_read(folder: Path, compilations: list[str]) -> None:
    a = np.linspace(-1, 1, 50)
    first = square(str(folder))(a)
    assert len(compilations) == 1
    second = square(str(folder))(a)
    assert len(compilations) == 1
    assert first.tobytes() == second.tobytes()
    square(False)
    assert len(compilations) == 2


def test_scalars_as_well(folder: Path, compilations: list[str]) -> None:
    x = ga.scalar("x")
    y = ga.sin(x) * x
    values = [float(ga.function([x], y, backend="llvm", cache=str(folder))(0.5)) for _ in range(2)]
    assert values[0] == values[1] == pytest.approx(np.sin(0.5) * 0.5)
    assert len(compilations) == 1


def test_a_damaged_entry_is_compiled_anew(folder: Path, compilations: list[str]) -> None:
    square(str(folder))
    path = folder / codes(folder)[0]
    whole = path.read_bytes()
    path.write_bytes(whole[:-8] + b"\0" * 8)
    a = np.linspace(-1, 1, 50)
    np.testing.assert_allclose(square(str(folder))(a), np.exp(a) * a + 1, rtol=1e-14)
    assert len(compilations) == 2
    assert path.read_bytes() == whole


def test_another_processor_compiles_anew(
    folder: Path, compilations: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    square(str(folder))
    known = llvm.circumstances()
    monkeypatch.setattr(llvm, "circumstances", lambda: (*known[:-1], "other features"))
    square(str(folder))
    assert len(compilations) == 2
    assert len(codes(folder)) == 2


def test_a_second_process_does_not_compile(folder: Path) -> None:
    pytest.importorskip("llvmlite")
    program = f"""
        import numpy as np, graphad as ga
        from graphad.codegen import llvm
        parse, texts = llvm.binding().parse_assembly, []
        llvm.binding().parse_assembly = lambda text: texts.append(text) or parse(text)
        x = ga.vector("x", shape=("n",))
        f = ga.function([x], ga.exp(x) * x + 1, backend="llvm", cache={str(folder)!r})
        print(sum(map(bool, texts)), f(np.linspace(-1, 1, 50)).tobytes().hex())
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    told = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
            for _ in range(2)]  # fmt: skip
    assert [count for count, _ in told] == ["1", "0"]
    assert told[0][1] == told[1][1]


def test_two_processes_at_once(folder: Path) -> None:
    pytest.importorskip("llvmlite")
    program = f"""
        import numpy as np, graphad as ga
        x = ga.vector("x", shape=("n",))
        y = x
        for i in range(5):
            y = ga.exp(y) * x + i
            f = ga.function([x], y, backend="llvm", cache={str(folder)!r})
        print(f(np.linspace(-1, 0, 50)).tobytes().hex())
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert told[0] == told[1] != ""
    assert len(codes(folder)) == 5
