"""Calls inside one formula write over what nobody reads any more, and nothing else."""

from typing import Any

import numpy as np
import pytest

import graphad as ga
from graphad.codegen import temporaries
from graphad.codegen.recording import Instruction, Recorder, Traced
from graphad.ir.types import TensorType

X, Y = ga.matrix("x", shape=("n", "m")), ga.matrix("y", shape=("n", "m"))
COLUMN = ga.matrix("c", shape=("n", 1))

FORMULAS: dict[str, Any] = {
    "logsumexp": lambda x, y, c: ga.logsumexp(x, axis=1),
    "log-softmax": lambda x, y, c: ga.log_softmax(x * y, axis=0),
    "its gradient": lambda x, y, c: ga.grad(ga.logsumexp(x * y, axis=1).sum(), [x, y]),
    "a column": lambda x, y, c: ga.softplus(c) * x + ga.sigmoid(c - x),
    "activations": lambda x, y, c: [ga.nn.gelu(x), ga.nn.elu(y), ga.nn.selu(x - y)],
    "named inside": lambda x, y, c: ga.logaddexp(ga.sinc(x), ga.sinc(y)) + ga.logsumexp(y),
    "integers": lambda x, y, c: (
        ga.softplus((x * 3.0).astype("int32")) + ga.floor(x) % (abs(y) + 1)
    ),
    "a masked derivative": lambda x, y, c: ga.grad(ga.where(x > 0, ga.sqrt(abs(x)), y).sum(), x),
}


@pytest.mark.parametrize("make", FORMULAS.values(), ids=FORMULAS)
@pytest.mark.parametrize("shape", [(3, 5), (1, 4), (0, 2), (300, 400)], ids=str)
@pytest.mark.parametrize("layout", ["C", "F", "strided"])
def test_same_bits_as_without(
    make: Any, shape: tuple[int, int], layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=s) * 3 for s in (shape, shape, (shape[0], 1))]
    if layout == "strided":
        arrays = [np.repeat(a, 2, axis=1)[:, ::2] for a in arrays]
    arrays = [np.asarray(a, order="F") if layout == "F" else a for a in arrays]
    if arrays[0].size:
        arrays[0].flat[0] = np.inf
    inputs = [X, Y, COLUMN]
    options: dict[str, Any] = {"backend": "numpy", "unused": "ignore"}
    found = ga.function(inputs, make(*inputs), **options)(*arrays)
    monkeypatch.setattr(temporaries, "write_over", lambda *_: None)
    plain = ga.function(inputs, make(*inputs), **options)(*arrays)
    for a, b in zip(ga.tree.flatten(found)[0], ga.tree.flatten(plain)[0], strict=True):
        np.testing.assert_array_equal(a, b)


def recorded(formula: Any, *types: TensorType) -> list[str]:
    """The calls of a formula on a0, a1, …, as they are written."""
    names = iter(range(100))
    recorder = Recorder(lambda: f"t{next(names)}")
    operands = [Traced(recorder, f"a{i}", t) for i, t in enumerate(types)]
    result = formula(recorder, *operands)
    temporaries.write_over(recorder.instructions, result, True)

    def shown(call: Instruction) -> str:
        texts = [v.text if isinstance(v, Traced) else repr(v) for v in call.arguments]
        texts += [f"{k}={getattr(v, 'text', v)}" for k, v in call.keywords.items()]
        return f"{call.target} = {call.function}({', '.join(texts)})"

    return [*map(shown, recorder.instructions), result.text]


MATRIX, ROW, SINGLE = (TensorType(d, s) for d, s in (
    ("float64", (300, 400)), ("float64", (400,)), ("float32", (300, 400))))  # fmt: skip


def test_a_chain_lies_in_one_array() -> None:
    assert recorded(lambda xp, x, y: xp.exp(xp.subtract(xp.minimum(x, 9), y)), MATRIX, ROW) == [
        "t0 = minimum(a0, 9)",
        "t0 = subtract(t0, a1, out=t0)",
        "t0 = exp(t0, out=t0)",
        "t0",
    ]


@pytest.mark.parametrize(("formula", "types"), [
    (lambda xp, x, y: xp.add(x, xp.exp(y)), (MATRIX, ROW)),  # smaller than the result
    (lambda xp, x: xp.equal(xp.exp(x), 0), (MATRIX,)),  # another dtype
    (lambda xp, x, y: xp.multiply(xp.exp(x), y), (SINGLE, ROW)),  # a smaller dtype
    (lambda xp, x: xp.exp(x), (MATRIX,)),  # an operand of the formula itself
], ids=["size", "dtype", "precision", "operand"])  # fmt: skip
def test_what_stays(formula: Any, types: Any) -> None:
    assert not any("out=" in line for line in recorded(formula, *types))


def test_what_is_read_later_stays() -> None:
    def formula(xp: Any, x: Any) -> Any:
        e = xp.exp(x)
        return xp.multiply(xp.add(e, 1), xp.sin(e))

    assert recorded(formula, MATRIX) == [
        "t0 = exp(a0)",
        "t1 = add(t0, 1)",
        "t0 = sin(t0, out=t0)",
        "t1 = multiply(t1, t0, out=t1)",
        "t1",
    ]


def test_temporaries_are_dropped() -> None:
    source = ga.function([X], ga.logsumexp(X, axis=1) + 1.0, backend="numpy").source
    made = {line.split(" = ")[0].strip() for line in source.splitlines() if " = " in line}
    dropped = {n for line in source.splitlines() if line.strip().startswith("del ")
               for n in line.strip()[4:].split(", ")}  # fmt: skip
    assert (
        {n for n in made if n.startswith("t")}
        == {n for n in dropped if n.startswith("t")}
        != set()
    )
