"""Cached machine code is brought into memory without LLVM: the same bits, or the usual way."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.codegen import cache, elf, image, llvm
from graphad.errors import MissingLibraryError

pytest.importorskip("llvmlite")
pytestmark = pytest.mark.skipif(
    not image.is_possible() or os.uname().machine != "x86_64", reason="images are for Linux on x86"
)

SAMPLE = """
import sys, hashlib
import numpy as np
import graphad as ga
rng = np.random.default_rng(0)
m, v, n = ga.matrix("m", shape=("n", 12)), ga.vector("v", shape=(12,)), ga.vector("n")
s, t = ga.scalar("s"), ga.scalar("t")
i = ga.vector("i", shape=("k",), dtype="int64")
f32 = ga.matrix("f32", shape=("n", 12), dtype="float32")
image = ga.tensor("image", shape=(2, 3, 9, 9))
kernel = ga.tensor("kernel", shape=(4, 3, 3, 3))
a = {m: rng.uniform(0.1, 1, (40, 12)), v: rng.uniform(0.1, 1, 12), n: rng.normal(size=300_000),
     s: 0.3, t: 0.7, i: rng.integers(0, 40, 9), f32: rng.normal(size=(40, 12)).astype("float32"),
     image: rng.normal(size=(2, 3, 9, 9)), kernel: rng.normal(size=(4, 3, 3, 3))}
def newton(x):
    return x - (x * x - 2) / (2 * x)
losses = [
    ([m, v], (ga.softmax(m * v, axis=1) * ga.log1p(m)).sum()),
    ([f32], (ga.exp(f32) ** 2).mean(axis=0).max()),
    ([n], ga.where(n > 0, ga.sin(n) * ga.sqrt(abs(n)), ga.cosh(n)).sum()),
    ([s, t], ga.atan2(ga.sin(s) + ga.tanh(t), ga.exp(s * t) ** t)),
    ([m, i], (ga.take(m, i, axis=0) ** 3).sum() + ga.cumsum(m, axis=1).var()),
    ([v, m], (ga.scan(lambda h, r: (ga.tanh(h * r + 1), h.sum()), v, m)[1] ** 2).sum()),
    ([s], ga.while_loop(lambda x: abs(x * x - 2) > 1e-9, newton, s + 1)),
    ([m], ga.tanh(m @ m.T).sum() + ((m.T @ m) ** 2).sum()),
    ([image, kernel], (ga.tanh(ga.nn.convolve2d(image, kernel)) ** 2).sum()),
]
blocked = sys.argv[2] == "blocked"
if blocked:
    class Blocked:
        def find_spec(self, name, *_):
            if name.partition(".")[0] == "llvmlite":
                raise ImportError("blocked")
    sys.meta_path.insert(0, Blocked())
for inputs, loss in losses:
    outputs = [loss, ga.grad(loss, [v for v in inputs if v.dtype.kind == "f"])]
    f = ga.function(inputs, outputs, backend="llvm", cache=sys.argv[1], threads=2)
    for _ in range(2):
        results = ga.tree.flatten(f(*[a[v] for v in inputs]))[0]
    whole = b"".join([np.asarray(r).tobytes() for r in results])
    print(hashlib.sha256(whole).hexdigest())
print("llvmlite.binding" in sys.modules)
"""


def run(program: str, *arguments: str) -> list[str]:
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return done.stdout.split()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("code")


@pytest.fixture(scope="module")
def first(folder: Path) -> list[str]:
    """What the process tells that compiles."""
    return run(SAMPLE, str(folder), "compiling")


@pytest.fixture(scope="module")
def objects() -> list[bytes]:
    """Object files."""
    x, v = ga.scalar("x"), ga.vector("v", shape=("n",))
    f = ga.function([x], ga.sin(x) * x, backend="llvm", cache=False)
    g = ga.function([v], (ga.exp(v) * v).sum(), backend="llvm", cache=False)
    texts = f._compiled.native.text, g._compiled.native.kernels.text
    return [llvm.Library(text)._code._object for text in texts]


# ---- the second process ----------------------------------------------------------------------
def test_a_second_process_needs_no_llvmlite(folder: Path, first: list[str]) -> None:
    entries = {path: path.read_bytes()[:100] for path in folder.iterdir()}
    assert len([path for path, head in entries.items() if image.MAGIC in head]) >= 9
    assert first[-1] == "True"
    assert run(SAMPLE, str(folder), "blocked") == [*first[:-1], "False"]
    for path, head in entries.items():
        if image.MAGIC not in head:
            path.unlink()  # of programs: they are written again, the machine code is there
    assert run(SAMPLE, str(folder), "blocked") == [*first[:-1], "False"]


def test_processes_and_threads_at_once(folder: Path, first: list[str]) -> None:
    command = [sys.executable, "-c", SAMPLE, str(folder), "blocked"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [p.communicate()[0].split() for p in running] == [[*first[:-1], "False"]] * 2


def test_threads_load_at_once(tmp_path: Path) -> None:
    x = ga.vector("x", shape=("n",))
    y, a = ga.exp(x) * x, np.linspace(-1, 1, 50)
    wanted = ga.function([x], y, backend="llvm", cache=str(tmp_path))(a).tobytes()
    found: list[bytes] = []

    def work() -> None:
        for _ in range(5):
            found.append(ga.function([x], y, backend="llvm", cache=str(tmp_path))(a).tobytes())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [wanted] * 20


def test_a_missing_llvmlite_is_told_though_the_code_is_there(
    folder: Path, first: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    llvm.look_again()
    x = ga.scalar("x")
    try:
        with pytest.raises(MissingLibraryError, match=r"graphad\[jit\]"):
            ga.function([x], ga.sin(x) * x, backend="llvm", cache=str(folder))
    finally:
        llvm.look_again()


# ---- memory ----------------------------------------------------------------------------------
def mapped(address: int) -> str:
    """What may be done with the memory that an address lies in; "" for none."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        bounds, rights, *_ = line.split()
        low, high = (int(part, 16) for part in bounds.split("-"))
        if low <= address < high:
            return rights
    return ""


def loaded(code: bytes) -> Any:
    made = elf.image_of(code)
    assert made is not None
    return image.load(image.dumped(made))


def test_memory_is_executable_or_writable_and_given_back(objects: list[bytes]) -> None:
    code = loaded(objects[0])
    place = code.address("program")
    assert mapped(place) == "r-xp"
    del code
    assert "x" not in mapped(place)


FORKING = """
import os, sys
import numpy as np
import graphad as ga
x = ga.vector("x", shape=("n",))
f = ga.function([x], ga.exp(x) * x, backend="llvm", cache=sys.argv[1])
a = np.linspace(-1, 1, 200_000)
before = f(a).tobytes()
child = os.fork()
if not child:
    os._exit(0 if f(a).tobytes() == before else 1)
print(os.waitpid(child, 0)[1], "llvmlite" in sys.modules)
"""


def test_a_forked_child_runs_it(tmp_path: Path) -> None:
    assert [run(FORKING, str(tmp_path)) for _ in range(2)] == [["0", "True"], ["0", "False"]]


# ---- what is no image ------------------------------------------------------------------------
def function(folder: Path) -> Any:
    x = ga.vector("x", shape=("n",))
    f = ga.function([x], ga.exp(x) * x, backend="llvm", cache=str(folder))
    a = np.linspace(-1, 1, 50)
    np.testing.assert_allclose(f(a), np.exp(a) * a, rtol=1e-14)
    return f


@pytest.mark.parametrize("what", ["system", "memory", "protection", "symbol"])
def test_where_images_cannot_be_used_llvm_loads(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mmap

    function(tmp_path)
    entries = {path: path.read_bytes() for path in tmp_path.iterdir()}
    if what == "system":
        monkeypatch.setattr(sys, "platform", "other")
        assert cache.store(str(tmp_path)) is not None
    elif what == "memory":
        monkeypatch.setattr(mmap, "mmap", _refuse)
    elif what == "protection":
        monkeypatch.setattr(image, "_EXECUTE", 1 << 20)  # no such right
    else:
        monkeypatch.setattr(image.link, "address", lambda _: None)
        monkeypatch.setattr(image.load, "__defaults__", (lambda _: None,))
    made = function(tmp_path)
    assert isinstance(made._compiled.native.kernels._library._code, llvm._Compiled)
    if what != "system":
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == entries


def _refuse(*_: Any) -> Any:
    raise PermissionError("not here")


def test_object_files_are_kept_where_there_are_no_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image, "is_possible", lambda: False)
    function(tmp_path)
    (path,) = tmp_path.iterdir()
    assert b"\x7fELF" in path.read_bytes()[:100]
    function(tmp_path)
    monkeypatch.undo()
    function(tmp_path)  # and are of use where there are


# ---- what is read ----------------------------------------------------------------------------
def changed(code: bytes, place: int, form: str, value: Any) -> bytes:
    made = bytearray(code)
    struct.pack_into(form, made, place, value)
    return bytes(made)


def sections(code: bytes) -> list[tuple[int, tuple[int, ...]]]:
    """(place of the header, header) of each section."""
    head = elf._header.unpack_from(code)
    return [(head[6] + 64 * i, elf._section.unpack_from(code, head[6] + 64 * i))
            for i in range(head[12])]  # fmt: skip


def test_what_images_do_not_hold_is_left_to_llvm(objects: list[bytes]) -> None:
    code = objects[0]
    assert elf.image_of(code) is not None
    assert elf.image_of(changed(code, 18, "<H", 183)) is None  # aarch64
    assert elf.image_of(changed(code, 16, "<H", 3)) is None  # a shared library
    assert elf.image_of(b"\xcf\xfa\xed\xfe" + code[4:]) is None  # another format
    text = next(p for p, s in sections(code) if s[1] == elf.PROGBITS and s[2] & 4 and s[5])
    for place, form, value in (
        (8, "<Q", 0x407), (8, "<Q", 0x3), (4, "<I", 14), (4, "<I", 17), (48, "<Q", 1 << 16),
    ):  # fmt: skip  # thread-local, writable, constructors, a group, alignment
        assert elf.image_of(changed(code, text + place, form, value)) is None
    number = [p for p, _ in sections(code)].index(text)
    ours = next(s for _, s in sections(code) if s[1] == elf.RELA and s[7] == number)
    for kind in (9, 10, 11, 19, 41, 42):  # by a table of addresses, of 32 bits, thread-local
        info = elf._relocation.unpack_from(code, ours[4])[1] >> 32 << 32 | kind
        assert elf.image_of(changed(code, ours[4] + 8, "<Q", info)) is None
    table = next(s for _, s in sections(code) if s[1] == elf.SYMTAB)
    used = {
        elf._relocation.unpack_from(code, ours[4] + 24 * i)[1] >> 32 for i in range(ours[5] // 24)
    }
    symbol = table[4] + 24 * min(used)
    for info in (0x16, 0x1A):  # thread-local, one that chooses itself
        assert elf.image_of(changed(code, symbol + 4, "<B", info)) is None
    for section in (0xFFF1, 0xFFF2, 0xFFFF):  # absolute, common, a number elsewhere
        assert elf.image_of(changed(code, symbol + 6, "<H", section)) is None


def test_relative_addresses_within_the_file(objects: list[bytes]) -> None:
    code = objects[1]
    wanted = elf.image_of(code)
    assert wanted is not None
    number = next(i for i, (_, s) in enumerate(sections(code)) if s[2] & 4 and s[5])
    ours = next(s for _, s in sections(code) if s[1] == elf.RELA and s[7] == number)
    symbols = next(s for _, s in sections(code) if s[1] == elf.SYMTAB)
    for i in range(ours[5] // 24):
        place = ours[4] + 24 * i
        info = elf._relocation.unpack_from(code, place)[1]
        symbol = elf._symbol.unpack_from(code, symbols[4] + 24 * (info >> 32))
        for kind, form in ((elf.PC32, "<i"), (elf.PLT32, "<i"), (elf.PC64, "<q")):
            found = elf.image_of(changed(code, place + 8, "<Q", info >> 32 << 32 | kind))
            assert (found is None) == (symbol[3] == 0)
            if found is not None:
                gone = set(wanted.inner) - set(found.inner)
                ((at, target),) = gone
                assert struct.unpack_from(form, found.data, at)[0] == target - at
                return
    raise AssertionError("nothing within the file is addressed")


def test_damaged_object_files_are_refused_or_read(objects: list[bytes]) -> None:
    """Whatever the bytes: an image or None, no exception."""
    rng = random.Random(0)
    for code in objects:
        for end in range(0, len(code), 37):
            elf.image_of(code[:end])
        for _ in range(400):
            spot = rng.randrange(len(code))
            elf.image_of(changed(code, spot, "<B", rng.randrange(256)))
        for place, _ in sections(code):
            for _ in range(20):
                elf.image_of(changed(code, place + rng.randrange(64), "<B", rng.randrange(256)))


def test_no_damaged_entry_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    function(tmp_path)
    (path,) = (path for path in tmp_path.iterdir() if image.MAGIC in path.read_bytes()[:100])
    whole, key = path.read_bytes(), path.name.removesuffix(cache.ENDING)
    store = cache.Store(tmp_path)
    assert store.get(key) is not None
    rng = random.Random(0)
    for end in [*range(0, 100, 7), *range(100, len(whole), 211), len(whole) - 1]:
        path.write_bytes(whole[:end])
        assert store.get(key) is None
    for spot in [*range(0, 60), *[rng.randrange(len(whole)) for _ in range(50)]]:
        path.write_bytes(changed(whole, spot, "<B", whole[spot] ^ 1 << rng.randrange(8)))
        assert store.get(key) is None
    other = cache.key("another text")
    path.write_bytes(whole)
    path.rename(tmp_path / f"{other}{cache.ENDING}")
    assert store.get(other) is None  # an entry under another's name
    monkeypatch.setattr(image, "load", lambda _: pytest.fail("it was used"))
    path.write_bytes(whole[:-9])
    function(tmp_path)
    assert path.read_bytes() == whole
