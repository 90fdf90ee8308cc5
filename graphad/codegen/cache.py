"""Machine code on disk, so that a second process starts without compiling.

An entry is one file: a head that says what it is, a checksum, and machine code: an image that is
mapped into memory as it is (see `image`), or an object file where there are none. Its name is the
digest of all that the code depends on: the text it was compiled from, the versions of compiler
and graphad, and the processor. Files are written under another name and renamed, so that
a reader sees a whole entry or none, whoever else writes or is killed meanwhile; what does not
agree with its checksum is ignored and written anew.

Whoever can write into the folder can have code run by whoever reads it. Therefore the folder
belongs to the user alone: it is made with mode 0700, and one that is somebody else's, or that a
link stands for, is refused.
"""

from __future__ import annotations

import contextlib
import functools
import os
import stat
import sys
import time
import warnings

from graphad._version import __version__
from graphad.codegen.digest import digest, hexdigest
from graphad.errors import UseError

VARIABLE = "GRAPHAD_CACHE_DIR"  # the folder; empty: no cache
LIMIT = 64 << 20  # bytes of all entries; the least recently used ones go
HEAD = b"graphad machine code 2\n"
TRIMMING = "0"  # entries whose names begin so have the folder looked through: one of 16
STALE = 3600  # seconds after which an unfinished file was left by somebody who was killed
ENDING = ".object"

Choice = bool | str


class Store:
    """Entries in a folder, which is made when something is first written."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = os.fspath(folder)

    def path(self, key: str) -> str:
        """The file of an entry."""
        return os.path.join(self.folder, key + ENDING)

    def is_empty(self) -> bool:
        """Is there no entry, and maybe no folder?"""
        try:
            with os.scandir(self.folder) as entries:
                return next(entries, None) is None
        except OSError:
            return True

    def get(self, key: str) -> bytes | None:
        """The machine code of an entry; None if there is none that is whole."""
        path = self.path(key)
        try:
            _check_folder(self.folder)
            with open(os.open(path, os.O_RDONLY | _NO_LINKS), "rb") as file:
                if not _is_ours(os.fstat(file.fileno())):
                    return None
                entry = file.read()
        except (OSError, UseError):
            return None
        code = _unwrapped(key, entry)
        if code is not None:
            with contextlib.suppress(OSError):
                os.utime(path)  # recently used
        return code

    def put(self, key: str, code: bytes) -> None:
        """Write an entry, in one step; a disk that is full or read-only is no failure."""
        with contextlib.suppress(OSError, UseError):
            _make_folder(self.folder)
            _check_folder(self.folder)
            unfinished = self.path(f".{os.getpid()}-{os.urandom(8).hex()}")
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINKS
            handle = os.open(unfinished, flags, 0o600)
            try:
                with open(handle, "wb") as file:
                    file.write(_wrapped(key, code))
                os.replace(unfinished, self.path(key))
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(unfinished)
                raise
            if key.startswith(TRIMMING) or len(code) > LIMIT >> 6:
                self._trim()

    def _trim(self) -> None:
        """Remove the least recently used entries beyond `LIMIT`, and what was left unfinished."""
        found = []
        for entry in os.scandir(self.folder):
            if entry.name.endswith(ENDING):
                with contextlib.suppress(OSError):
                    known = entry.stat(follow_symlinks=False)
                    unfinished = entry.name.startswith(".")
                    if not unfinished:
                        found.append((known.st_mtime, known.st_size, entry.path))
                    elif known.st_mtime < time.time() - STALE:
                        os.unlink(entry.path)
        excess = sum(size for _, size, _ in found) - LIMIT
        for _, size, path in sorted(found):
            if excess <= 0:
                break
            with contextlib.suppress(OSError):
                os.unlink(path)
            excess -= size


def key(text: str, *circumstances: str) -> str:
    """The name of the entry for a text, compiled under the given circumstances.

    >>> key("text", "compiler 1") == key("text", "compiler 2")
    False
    """
    parts = [text, *circumstances, __version__, sys.platform]
    joined = b"".join([f"{len(p.encode())}:".encode() + p.encode() for p in parts])
    return hexdigest(joined)


def _wrapped(key: str, code: bytes) -> bytes:
    return HEAD + digest(key.encode() + code) + code


def _unwrapped(key: str, entry: bytes) -> bytes | None:
    start = len(HEAD) + 32
    code = entry[start:]
    good = entry[:start] == HEAD + digest(key.encode() + code)
    return code if good else None


# ---- the folder ------------------------------------------------------------------------------
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def _is_ours(known: os.stat_result) -> bool:
    return not hasattr(os, "getuid") or known.st_uid == os.getuid()


def _make_folder(folder: str) -> None:
    """Make it, and what it lies in: for the user alone, as far as that is missing."""
    above = os.path.dirname(folder)
    if not os.path.isdir(above):
        os.makedirs(above, mode=0o700, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)


def _check_folder(folder: str) -> None:
    """UseError for a folder in which somebody else could put code; OSError if there is none."""
    known = os.lstat(folder)
    if not stat.S_ISDIR(known.st_mode) or not _is_ours(known):
        raise UseError(
            f"{folder} cannot hold machine code",
            cause="it is a link or a file, or belongs to another user, who could put code there",
            remedy="choose a folder of your own: ga.function(..., cache='/path'), or the "
            f"environment variable {VARIABLE}; cache=False does without",
        )
    if hasattr(os, "getuid") and stat.S_IMODE(known.st_mode) & 0o077:
        os.chmod(folder, 0o700)


def default_folder() -> str:
    """Where the system keeps a user's caches; RuntimeError without a home."""
    if sys.platform == "darwin":
        return os.path.join(_whole("~"), "Library", "Caches", "graphad")
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return os.path.join(base or _whole("~/AppData/Local"), "graphad", "cache")
    named = os.environ.get("XDG_CACHE_HOME", "")
    return os.path.join(named if os.path.isabs(named) else _whole("~/.cache"), "graphad")


def _whole(path: str) -> str:
    """The absolute path; RuntimeError if it begins with a home that is not known."""
    found = os.path.expanduser(path)
    if found.startswith("~"):
        raise RuntimeError(f"there is no home for {path}")
    return os.path.abspath(found)


def store(choice: Choice) -> Store | None:
    """The store that the user chose: a folder, True for the usual one, False for none.

    A folder that is given is checked at once: UseError if it cannot be used. The usual one is
    done without if it cannot be used.
    """
    if isinstance(choice, str):
        folder = _whole(choice)
        with contextlib.suppress(FileNotFoundError):
            _check_folder(folder)
        return Store(folder)
    return _usual() if choice else None


@functools.cache
def _usual() -> Store | None:
    """The store in the folder of the environment variable, which is read once, or the default."""
    named = os.environ.get(VARIABLE)
    if named == "":
        return None
    try:
        folder = _whole(named) if named else default_folder()
        with contextlib.suppress(FileNotFoundError):
            _check_folder(folder)
    except (UseError, OSError, RuntimeError) as error:  # RuntimeError: there is no home
        if named:
            warnings.warn(f"{VARIABLE} is not used: {error}", stacklevel=2)
        return None
    return Store(folder)
