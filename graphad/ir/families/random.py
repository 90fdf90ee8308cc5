"""Random draws: ops from (state, parameters, sizes) to (state, numbers).

The state is that of NumPy's PCG64, and NumPy's own Generator draws: the numbers are those that it
gives from the same state. A draw is a pure function of its operands; what makes two draws differ
is that the second starts from the state in which the first ended (see `ir.streams`).

Derivatives go by reparameterisation: the numbers as functions of the parameters, what was drawn
being held fixed. Where a draw is discrete there is none, and asking for it raises.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from graphad.errors import GradientError, ParameterError, ShapeError
from graphad.ir.dimtext import shape_text
from graphad.ir.families.common import Declared, add_up, broadcast_shapes, fill_sizes, weigh
from graphad.ir.families.rows import by_rows
from graphad.ir.families.stacks import lifted, size_operand, spread, stack_size
from graphad.ir.sizes import joint_size
from graphad.ir.streams import STATE
from graphad.ir.types import Shape, TensorType
from graphad.ir.variable import Apply, Variable

Flows = Sequence[Variable | None]
Static = Mapping[str, Any]
LIKE = "like"  # in place of a size: the shape of the last operand


class _Own(threading.local):
    """What belongs to a thread: the generator that draws, and its state where that is known."""

    generator: np.random.Generator | None = None
    state: bytes | None = None


_own = _Own()


# ---- the state -------------------------------------------------------------------------------
def words(bit_generator: Any) -> np.ndarray[Any, Any]:
    """The state of a PCG64 as uint64 (6,): state and increment, low word first, spare bits."""
    found = bit_generator.state
    parts = (
        found["state"]["state"].to_bytes(16, "little"),
        found["state"]["inc"].to_bytes(16, "little"),
    )
    spare = found["has_uint32"].to_bytes(8, "little") + found["uinteger"].to_bytes(8, "little")
    return np.frombuffer(b"".join(parts) + spare, "<u8").astype("uint64", copy=False)


def as_dict(state: Any) -> dict[str, Any]:
    """The state as NumPy's ``bit_generator.state`` shows it."""
    return _as_dict(np.asarray(state, "<u8").tobytes())


def _as_dict(state: bytes) -> dict[str, Any]:
    first, second, third, fourth = (
        int.from_bytes(state[i:j], "little") for i, j in ((0, 16), (16, 32), (32, 40), (40, 48))
    )
    numbers = {"state": first, "inc": second}
    return {"bit_generator": "PCG64", "state": numbers, "has_uint32": third, "uinteger": fourth}


def restored(state: Any) -> np.random.Generator:
    """NumPy's Generator in this state; each thread has one, which it uses again and again."""
    wanted = np.asarray(state, "<u8").tobytes()
    if _own.generator is None:
        _own.generator = np.random.Generator(np.random.PCG64(0))
    if wanted != _own.state:
        _own.generator.bit_generator.state = _as_dict(wanted)
    _own.state = None  # it will draw
    return _own.generator


def left(generator: np.random.Generator) -> np.ndarray[Any, Any]:
    """The state after drawing: most often the next draw goes on from it."""
    found = words(generator.bit_generator)
    _own.state = found.astype("<u8", copy=False).tobytes()
    return found


# ---- the family ------------------------------------------------------------------------------
class Drawn:
    """A draw as its derivatives see it: `y` the numbers, `parameters`, the draw again."""

    def __init__(self, node: Apply) -> None:
        self.node, self.y = node, node.output(1)
        self.count = node.op.params["count"]
        self.parameters = node.inputs[1 : 1 + self.count]

    def again(self, draw: Draw, *parameters: Any, **static: Any) -> Variable:
        """What another distribution makes of the same state, in the shape of `y`."""
        count = len(parameters)
        made = draw(self.node.inputs[0], *parameters, self.y, size=LIKE, count=count, **static)
        found: Variable = made[1]
        return found


Pull = Callable[[Drawn, Variable], Sequence[Callable[[], Variable | None]]]
Push = Callable[[Drawn, Flows], Variable | None]


class Draw(Declared):
    """One distribution.

    result    ``(types of the parameters, shape asked for or None, **static) -> TensorType``
    value     ``(generator, *parameters, size, **static) -> array``, by NumPy's Generator
    names     of the parameters, for messages
    partials  for each parameter ``(drawn, *parameters) -> ∂y/∂parameter``, element by element; a
              number where it is one; None where the parameter is an integer
    pull      ``(drawn, cotangent) -> what makes the cotangent of each parameter``, where the
              numbers are not independent; `push` ``(drawn, tangents) -> tangent``
    discrete  there is no derivative; the alternatives are told
    independent  parameters broadcast, and each number depends on its own parameters only
    """

    foldable = False

    def __init__(
        self,
        name: str,
        names: Sequence[str],
        *,
        result: Callable[..., TensorType],
        value: Callable[..., Any],
        partials: Sequence[Any] | None = None,
        pull: Pull | None = None,
        push: Push | None = None,
        discrete: bool = False,
        independent: bool = True,
    ) -> None:
        super().__init__(name)
        self.names, self.result, self.value = tuple(names), result, value
        self.partials, self.pull, self.push = partials, pull, push
        self.independent = independent
        if discrete:
            self.refuse = self._refuse

    def infer(self, types: Sequence[TensorType], params: Static) -> tuple[Any, ...]:
        given, size = types[1 : 1 + params["count"]], params["size"]
        if size == LIKE:
            return STATE, TensorType(params.get("dtype", "float64"), types[-1].shape)
        return STATE, self.result(given, size, **_static(params))

    def hands_on(self, params: Static) -> Mapping[int, int]:
        return {} if params["size"] == LIKE else {0: 0}

    def cuts_in(self, params: Static, position: int) -> bool:
        return position == 0 or position > params["count"]

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Static) -> Any:
        count, spec = params["count"], params["size"]
        state, given, sizes = arrays[0], arrays[1 : 1 + count], arrays[1 + count :]
        if spec == LIKE:
            size: Any = np.shape(sizes[0])
        else:
            size = None if spec is None else fill_sizes(spec, sizes)
        generator = restored(state)
        numbers = self.run(generator, given, size, _static(params))
        return left(generator), numbers

    def run(self, generator: Any, given: Sequence[Any], size: Any, static: Static) -> Any:
        """The numbers; a parameter outside its range is an error that names it."""
        given = [np.asarray(array)[()] for array in given]
        try:
            return np.asarray(self.value(generator, *given, size, **static))
        except (ValueError, TypeError) as error:
            text = str(error)
            told = [
                f"{name} is {_shown(value)}"
                for name, value in zip(self.names, given, strict=False)
            ]
            raise ParameterError(
                f"{self.name}: {text}",
                cause="; ".join(told),
                remedy="keep the parameters in the range of the distribution; "
                "where they are computed, ga.clip or ga.softplus can do so",
            ) from error

    def vjp(self, node: Apply, cotangents: Flows, wanted: Sequence[bool]) -> Flows:
        found: list[Variable | None] = [None] * len(node.inputs)
        cotangent = cotangents[1]
        if cotangent is None:
            return found
        drawn = Drawn(node)
        rules = self.pull(drawn, cotangent) if self.pull is not None else ()
        for i in range(drawn.count):
            if wanted[i + 1]:
                found[i + 1] = rules[i]() if rules else self._weighed(drawn, i, cotangent)
        return found

    def jvp(self, node: Apply, tangents: Flows) -> Flows:
        drawn, given = Drawn(node), tangents[1:]
        if self.push is not None:
            return [None, self.push(drawn, given)]
        moved = [self._weighed(drawn, i, t) for i, t in enumerate(given) if t is not None]
        return [None, add_up(moved)]

    def _weighed(self, drawn: Drawn, i: int, flow: Variable) -> Variable | None:
        """The flow (a cotangent or a tangent) times the partial derivative by parameter i."""
        partial = self.partials[i] if self.partials is not None else None
        if callable(partial):
            partial = partial(drawn, *drawn.parameters)
        return None if partial is None else weigh(flow, partial)

    def batch(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool]
    ) -> Sequence[Variable]:
        """All rows at once where the numbers are independent; else, and where each row has a state
        of its own, one row after the other."""
        if batched[0]:
            return by_rows(node, operands, batched)
        return self.of_rows(node, operands, batched, stack_size(operands, batched))

    def at_once(self, params: Static, batched: Sequence[bool]) -> bool:
        """Can all rows be drawn from one state? Not where the row says how many numbers."""
        like = params["size"] == LIKE
        return self.independent and (like or not any(batched[1 + params["count"] :]))

    def of_rows(
        self, node: Apply, operands: Sequence[Variable], batched: Sequence[bool], rows: Any
    ) -> Sequence[Variable]:
        """The state after all rows, and their numbers; some operands may be stacks."""
        count, spec = node.op.params["count"], node.op.params["size"]
        if not self.at_once(node.op.params, batched):
            state, states = SPLIT(operands[0], *size_operand(rows)[1], rows=size_operand(rows)[0])
            numbers = by_rows(node, [states, *operands[1:]], [True, *batched[1:]])[1]
            return state, numbers
        ndim = node.types[1].ndim
        pairs = list(zip(operands, batched, strict=True))
        if spec is None and count and not any(batched):
            pairs[1] = (spread(operands[1], rows), True)
        given = [lifted(v, ndim) if b else v for v, b in pairs[1 : 1 + count]]
        rest = list(operands[1 + count :])
        params = dict(node.op.params)
        if spec == LIKE:
            rest = [v if b else spread(v, rows) for v, b in pairs[1 + count :]]
        elif spec is not None or not count:
            size, unknown = size_operand(rows)
            params["size"], rest = (size, *(spec or ())), [*unknown, *rest]
        found: Sequence[Variable] = self(operands[0], *given, *rest, **params)
        return found

    def _refuse(self, node: Apply, read: Collection[Variable]) -> None:
        if node.output(1) not in read:  # only its state is
            return
        raise GradientError(
            f"{self.name}: the numbers drawn have no derivative with respect to its parameters",
            cause="they are integers: they jump where the parameters move",
            remedy="wrap the parameters in ga.stop_gradient(...) and differentiate the expected "
            "value by the score function: (value * log-probability of what was drawn), the value "
            "in ga.stop_gradient; ga.stats has the log-probabilities. Or draw from a continuous "
            "relaxation, such as softmax((log p + rng.gumbel(...)) / temperature)",
            where=str(node.site or ""),
        )

    def label(self, params: Static) -> str:
        shown = {k: v for k, v in params.items() if k not in ("count", "size")}
        if params["size"] is not None:
            shown["size"] = params["size"]
        return super().label(shown)


def _static(params: Static) -> dict[str, Any]:
    return {k: v for k, v in params.items() if k not in ("count", "size")}


def _shown(value: Any) -> str:
    array = np.asarray(value)
    if array.ndim == 0:
        return str(array[()])
    if not array.size:
        return f"of shape {array.shape}"
    return f"from {array.min()} to {array.max()}"


class Split(Declared):
    """A state → (the next state, a state for each of some rows): streams of their own, which start
    from numbers that the generator draws."""

    foldable = False

    def infer(self, types: Sequence[TensorType], params: Static) -> tuple[Any, ...]:
        return STATE, STATE.with_shape((params["rows"], *STATE.shape))

    def hands_on(self, params: Static) -> Mapping[int, int]:
        return {0: 0}

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Static) -> Any:
        (count,) = fill_sizes((params["rows"],), arrays[1:])
        generator = restored(arrays[0])
        raw = generator.bit_generator.random_raw(4 * count).reshape(count, 4)
        raw[:, 2] |= 1  # the increment of a PCG64 is odd
        states = np.concatenate([raw, np.zeros((count, 2), raw.dtype)], axis=1)
        return left(generator), states


SPLIT = Split("random.split")


class Renew(Declared):
    """A state → the state of a new stream, which starts from numbers that the generator draws."""

    foldable = False

    def infer(self, types: Sequence[TensorType], params: Static) -> tuple[Any, ...]:
        return (STATE,)

    def hands_on(self, params: Static) -> Mapping[int, int]:
        return {0: 0}

    def evaluate(self, xp: Any, arrays: Sequence[Any], params: Static) -> Any:
        given = [array[...] for array in arrays if array.nbytes]  # on arrays only
        return SPLIT.evaluate(np, given, {"rows": 1})[1][0]


RENEW = Renew("random.renew")


# ---- type rules ------------------------------------------------------------------------------
def drawn_shape(name: str, given: Sequence[Shape], size: Shape | None) -> Shape:
    """The shape of the numbers: that asked for, to which the parameters must broadcast."""
    if size is None:
        return broadcast_shapes(name, given) if given else ()
    for shape in given:
        pairs = zip(reversed(size), reversed(shape), strict=False)
        stretched = [joint_size(a, b) is None or (a == 1 and b != 1) for a, b in pairs]
        if len(shape) > len(size) or any(stretched):
            raise ShapeError(
                f"{name}: size={shape_text(size)} does not hold parameters of shape "
                f"{shape_text(shape)}",
                cause="every parameter must broadcast to size",
                remedy="leave size= away, or give a size that ends in the parameters' shape",
            )
    return size
