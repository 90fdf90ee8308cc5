"""`Generator`: an explicit source of random numbers, whose state outlives calls.

The state lives in a shared variable; a draw is a node from a state to the next. A compiled
function that draws advances the state by itself in each call. There is no hidden global generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphad.errors import UseError
from graphad.ir.cell import Cell
from graphad.ir.families.random import as_dict, words
from graphad.ir.streams import STATE, Chain, Stream
from graphad.ir.variable import Shared
from graphad.ops.random.declare import METHODS


class Generator:
    """Random numbers as nodes of a graph, with the methods of NumPy's Generator.

    Made by `ga.random.default_rng`. A method such as ``rng.normal(loc, scale, size)`` returns a
    Variable; parameters may be Variables, sizes may be those of other arrays. For the same seed
    and the same calls the numbers are those of ``numpy.random.default_rng(seed)``:

    - draws come in the order in which they were built; those that a function does not use take no
      numbers;
    - each call of a function goes on where the last call ended, also a call of another function
      that draws from the same generator; a call that fails advances nothing;
    - ``x.eval()`` shows what would come next, and advances nothing.

    A pickled generator, or a function that draws from it, continues from the same state.

    >>> import graphad as ga
    >>> rng = ga.random.default_rng(1)
    >>> scale = ga.scalar("scale")
    >>> f = ga.function([scale], rng.normal(0.0, scale, size=2))
    >>> theirs = np.random.default_rng(1)
    >>> bool((f(3.0) == theirs.normal(0.0, 3.0, size=2)).all())
    True
    >>> bool((f(1.0) == theirs.normal(0.0, 1.0, size=2)).all())
    True
    """

    if TYPE_CHECKING:  # the methods that draw are declared in graphad/ops/random

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, bit_generator: Any, name: str = "rng") -> None:
        if not isinstance(bit_generator, np.random.PCG64):
            raise UseError(
                f"a generator of {type(bit_generator).__name__}",
                cause="random numbers in a graph are those of NumPy's default, PCG64",
                remedy="pass a seed: ga.random.default_rng(0)",
            )
        self._seeds: Any = getattr(bit_generator, "seed_seq", None)
        array = words(bit_generator)
        array.flags.writeable = False
        self.chain = Chain(Stream(STATE, Cell(array), name))

    @property
    def stream(self) -> Shared:
        """The shared variable with the state, which functions that draw update."""
        return self.chain.root

    @property
    def state(self) -> dict[str, Any]:
        """The state, as NumPy's ``bit_generator.state`` shows and takes it.

        >>> import graphad as ga
        >>> ga.random.default_rng(0).state == np.random.default_rng(0).bit_generator.state
        True
        """
        return as_dict(self.stream.value)

    @state.setter
    def state(self, new: dict[str, Any]) -> None:
        scratch: Any = np.random.PCG64(0)
        scratch.state = new
        self.stream.value = words(scratch)

    def spawn(self, n_children: int) -> list[Generator]:
        """Generators of independent streams, those of NumPy's ``Generator.spawn``.

        Raises UseError for a generator that was made from a bare state.

        >>> import graphad as ga
        >>> first, second = ga.random.default_rng(0).spawn(2)
        >>> first.state == np.random.default_rng(0).spawn(1)[0].bit_generator.state
        True
        """
        if not hasattr(self._seeds, "spawn"):
            raise UseError(
                "spawn of a generator that was not made from a seed",
                remedy="make it by ga.random.default_rng(seed)",
            )
        return [
            Generator(np.random.PCG64(seeds), f"{self.stream.name}_{i}")
            for i, seeds in enumerate(self._seeds.spawn(n_children))
        ]

    def split(self, n: int = 2) -> list[Generator]:
        """`spawn` under its other name: n generators of independent streams.

        >>> import graphad as ga
        >>> left, right = ga.random.default_rng(0).split()
        >>> left.state == right.state
        False
        """
        return self.spawn(n)

    def __repr__(self) -> str:
        return f"<Generator {self.stream.name}: PCG64>"

    def __reduce__(self) -> tuple:
        return _restore, (self._seeds, self.chain)


for _name, _method in METHODS.items():
    setattr(Generator, _name, _method)


def _restore(seeds: Any, chain: Chain) -> Generator:
    made: Generator = object.__new__(Generator)
    made._seeds, made.chain = seeds, chain
    return made


def default_rng(seed: Any = None, name: str = "rng") -> Generator:
    """A generator of random numbers inside graphs, in the state of ``numpy.random.default_rng``.

    seed: None (drawn from the operating system), an int or several, a numpy.random.SeedSequence, a
    PCG64, or a NumPy Generator of one, whose state is copied. A graphad Generator is returned as
    it is. name: of the shared variable with the state. Raises UseError for other bit generators.

    >>> import graphad as ga
    >>> rng = ga.random.default_rng(0)
    >>> rng.integers(10, size=3).eval()
    array([8, 6, 5])
    """
    if isinstance(seed, Generator):
        return seed
    bit_generator = seed.bit_generator if isinstance(seed, np.random.Generator) else seed
    if not isinstance(bit_generator, np.random.BitGenerator):
        try:
            bit_generator = np.random.PCG64(seed)
        except (TypeError, ValueError) as error:
            raise UseError(
                f"default_rng: {seed!r} is no seed",
                cause=str(error),
                remedy="pass an int that is not negative, several of them, or None",
            ) from error
    return Generator(bit_generator, name)


def reset(shared: Sequence[Shared], seed: Any) -> None:
    """The streams among `shared` start again: one as ``default_rng(seed)`` does, several with the
    children that the seed spawns, in their order; a list of seeds gives each its own."""
    streams = [v for v in shared if isinstance(v, Stream)]
    if not streams:
        raise UseError("reset_rng of a function that draws no random numbers")
    if isinstance(seed, list | tuple) and len(streams) > 1:
        if len(seed) != len(streams):
            raise UseError(
                f"reset_rng: {len(seed)} seeds for {len(streams)} generators",
                remedy="give one seed for each, or one for all",
            )
        made = [default_rng(s) for s in seed]
    else:
        made = [default_rng(seed)]
        made = made[0].spawn(len(streams)) if len(streams) > 1 else made
    for stream, generator in zip(streams, made, strict=True):
        stream.value = generator.stream.value
