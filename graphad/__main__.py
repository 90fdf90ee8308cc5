"""The command line: `python -m graphad demo`."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from graphad._version import __version__
from graphad.demo.digits import Settings, require_libraries, run
from graphad.errors import GraphadError, UseError

DEFAULTS = Settings()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; wrong arguments end the program with code 2."""
    parser, demo = parsers()
    given = parser.parse_args(arguments)
    if given.command is None:
        parser.print_help(sys.stderr)
        return 2
    settings = Settings(given.out, given.epochs, given.batch, given.rate, given.seed)
    try:
        require_libraries()
        check_folder(settings.out, demo)
        run(settings)
    except UseError as error:
        demo.error(str(error))
    except (GraphadError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    return 0


def parsers() -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    """The parser of the whole line, and that of `demo`."""
    parser = argparse.ArgumentParser(
        "python -m graphad", description="Static computation graphs and gradients on NumPy.",
        epilog="`python -m graphad demo --help` shows what can be set.",
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"graphad {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command")
    demo = commands.add_parser(
        "demo",
        help="train a network that reads handwritten digits, and draw its graph",
        description="Train a network with two layers on the 1,797 handwritten digits of "
        "scikit-learn. Writes a picture of the graph and its gradient (digits-graph.svg), the "
        "curves of the training (digits-training.png), and the program that graphad generated "
        "(digits-source.py).",
    )  # fmt: skip
    # fmt: off
    for flag, kind, default, text in (
        ("--out",    Path,     DEFAULTS.out,    "folder for the files; made where it is missing"),
        ("--epochs", positive, DEFAULTS.epochs, "how often each image is seen"),
        ("--batch",  positive, DEFAULTS.batch,  "images in one step"),
        ("--rate",   step,     DEFAULTS.rate,   "rate at the start (0.2, less if BATCH < 32)"),
        ("--seed",   seed,     DEFAULTS.seed,   "decides split, weights and order"),
    ):
        shown = text if default is None else f"{text} ({default})"
        demo.add_argument(flag, type=kind, default=default, metavar=flag[2:].upper(), help=shown)
    # fmt: on
    return parser, demo


# ---- checks of arguments ---------------------------------------------------------------------
def whole(text: str, least: int) -> int:
    """The number that the text says, if it is at least `least`.

    >>> whole("32", least=1)
    32
    """
    with contextlib.suppress(ValueError):
        if int(text) >= least:
            return int(text)
    raise argparse.ArgumentTypeError(f"{text[:40]!r} is no whole number from {least} on")


def positive(text: str) -> int:
    """A whole number from 1 on."""
    return whole(text, 1)


def seed(text: str) -> int:
    """A whole number from 0 on."""
    return whole(text, 0)


def step(text: str) -> float:
    """A finite number above 0."""
    with contextlib.suppress(ValueError):
        if 0 < float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number above 0")


def check_folder(folder: Path, parser: argparse.ArgumentParser) -> None:
    """Make the folder and try to write there, before time is spent on training."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        strange = isinstance(error, FileExistsError | NotADirectoryError)
        reason = "a file is in the way" if strange else getattr(error, "strerror", error)
        parser.error(f"argument --out: cannot write into {str(folder)!r}: {reason}")


if __name__ == "__main__":
    sys.exit(main())
