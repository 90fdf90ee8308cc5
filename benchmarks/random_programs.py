"""Random programs, drawn by seed: how graphad compares where nobody has looked.

python -m benchmarks.random_programs                       50 programs of each family, against JAX
python -m benchmarks.random_programs --count 10 --only elementwise --show

A program is a list of steps with sizes, dtype and layout, all drawn; every library runs the same
steps. Value and gradient are compared, then timed as the workloads are. For each family: the
median of (other library's time / graphad's), the worst decile, the worst program and its seed.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks import measure
from benchmarks.workloads import Workload

Step = Callable[[Any, list[Any]], Any]  # (namespace, values so far) → value
Draw = Callable[[np.random.Generator], tuple[dict[str, Any], list[tuple[str, Step]]]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, draw, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.random_programs")
    parser.add_argument("--count", type=int, default=50, help="programs of each family")
    parser.add_argument("--seed", type=int, default=0, help="of the first program")
    parser.add_argument("--only", nargs="+", choices=list(FAMILIES), default=list(FAMILIES))
    parser.add_argument("--other", default="jax", help="the library to compare with")
    parser.add_argument(
        "--graphad", default="graphad", help="graphad, graphad-llvm, graphad-numpy"
    )
    parser.add_argument("--seconds", type=float, default=0.1, help="of timing, for each program")
    parser.add_argument("--show", action="store_true", help="a line for each program")
    options = parser.parse_args(arguments)
    for family in options.only:
        ratios: dict[int, float] = {}
        for seed in range(options.seed, options.seed + options.count):
            workload = make(family, seed)
            names = (options.graphad, options.other)
            try:
                found = measure.time_calls(workload, names, options.seconds)["seconds"]
            except measure.ResultsApart as error:  # float32 where a rounding decides a branch
                print(f"left out: {error}", flush=True)
                continue
            ratios[seed] = found[options.other] / found[options.graphad]
            if options.show:
                print(f"{family} {seed}: {ratios[seed]:.2f}  {found[options.graphad]:.2e} s  "
                      f"{workload.title}", flush=True)  # fmt: skip
        ordered = sorted(ratios.values())
        worst = min(ratios, key=ratios.__getitem__)
        print(f"{family:<12} {len(ratios)} programs, times {options.graphad}: median "
              f"{statistics.median(ordered):.2f}, worst decile {ordered[len(ordered) // 10]:.2f}, "
              f"worst {ordered[0]:.2f} (seed {worst})", flush=True)  # fmt: skip


def make(family: str, seed: int) -> Workload:
    """The program of a family with this seed."""
    values, steps = FAMILIES[family](np.random.default_rng([seed, *family.encode()]))

    def loss(xp: Any, *arguments: Any) -> Any:
        made = list(arguments)
        for _, step in steps:
            made.append(step(xp, made))
        return made[-1]

    title = f"{', '.join(str(np.shape(v)) for v in values.values())} {steps_text(steps)}"
    single = any(np.asarray(v).dtype == np.float32 for v in values.values())
    return Workload(name=f"{family} {seed}", title=title, arguments=lambda: values,
                    wrt=len(values), losses={"graphad": loss, "jax": loss}, sizes={},
                    tolerance=1e-2 if single else 1e-6)  # fmt: skip


def steps_text(steps: Sequence[tuple[str, Step]]) -> str:
    """The names of the steps."""
    return " ".join(name for name, _ in steps)


# ---- drawing ---------------------------------------------------------------------------------
def _size(rng: np.random.Generator, low: float, high: float) -> int:
    return round(float(np.exp(rng.uniform(np.log(low), np.log(high)))))


def _dtype(rng: np.random.Generator) -> str:
    return "float32" if rng.random() < 0.3 else "float64"


def _array(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return rng.normal(size=shape).astype(dtype)


UNARY: dict[str, Callable[[Any, Any], Any]] = {
    "tanh": lambda xp, x: xp.tanh(x), "sin": lambda xp, x: xp.sin(x),
    "exp": lambda xp, x: xp.exp(-x * x), "sqrt": lambda xp, x: xp.sqrt(x * x + 1),
    "log1p": lambda xp, x: xp.log1p(x * x), "square": lambda xp, x: 0.1 * x * x,
    "abs": lambda xp, x: xp.abs(x), "where": lambda xp, x: xp.where(x > 0.3, x, 0.5 * x),
    "shrink": lambda xp, x: x / (1 + xp.abs(x)), "scale": lambda xp, x: 0.7 * x - 0.1,
}  # fmt: skip
BINARY: dict[str, Callable[[Any, Any, Any], Any]] = {
    "add": lambda xp, x, y: x + y, "subtract": lambda xp, x, y: x - y,
    "multiply": lambda xp, x, y: x * y, "divide": lambda xp, x, y: x / (1.5 + y * y),
    "maximum": lambda xp, x, y: xp.maximum(x, y), "blend": lambda xp, x, y: 0.3 * x + 0.7 * y,
}  # fmt: skip
ROWS: dict[str, Callable[[Any, Any], Any]] = {
    "centre": lambda xp, x: x - x.mean(axis=1, keepdims=True),
    "softmax": lambda xp, x: (
        (e := xp.exp(x - x.max(axis=1, keepdims=True))) / e.sum(axis=1, keepdims=True)
    ),
    "norm": lambda xp, x: x / xp.sqrt(1 + (x * x).sum(axis=1, keepdims=True)),
    "columns": lambda xp, x: x - x.sum(axis=0) / x.shape[0],
}


def _named(table: dict[str, Any], rng: np.random.Generator) -> tuple[str, Any]:
    name = str(rng.choice(list(table)))
    return name, table[name]


def _unary(name: str, function: Any, i: int) -> tuple[str, Step]:
    return name, lambda xp, v: function(xp, v[i])


def _binary(name: str, function: Any, i: int, j: int) -> tuple[str, Step]:
    return name, lambda xp, v: function(xp, v[i], v[j])


def elementwise(rng: np.random.Generator) -> tuple[dict[str, Any], list[tuple[str, Step]]]:
    """Broadcasting formulas with reductions over rows and columns."""
    n, k, dtype = _size(rng, 3, 2000), _size(rng, 3, 500), _dtype(rng)
    shapes = [(n, k), (n, k), (k,), (n, 1)][: int(rng.integers(1, 5))]
    values = {f"x{i}": _array(rng, s, dtype) for i, s in enumerate(shapes)}
    steps: list[tuple[str, Step]] = []
    full = [i for i, s in enumerate(shapes) if s == (n, k)]
    unused = [i for i in range(len(shapes)) if i not in full]
    for _ in range(int(rng.integers(3, 25))):
        draw, i = rng.random(), int(rng.choice(full[-4:]))
        if draw < 0.4:
            steps.append(_unary(*_named(UNARY, rng), i))
        elif draw < 0.8 or unused:
            j = unused.pop() if unused else int(rng.choice(full))
            steps.append(_binary(*_named(BINARY, rng), i, j))
        else:
            steps.append(_unary(*_named(ROWS, rng), i))
        full.append(len(shapes) + len(steps) - 1)
    return values, _ended(values, steps)


def _ended(values: dict[str, Any], steps: list[tuple[str, Step]]) -> list[tuple[str, Step]]:
    """All arguments count in the loss, and the last three steps."""
    count = len(values)
    last = max(count, count + len(steps) - 3)

    def total(xp: Any, v: list[Any]) -> Any:
        found = sum([(x * x).mean() for x in v[last:]])
        return found + sum([0.01 * x.sum() for x in v[:count]])

    return [*steps, ("mean", total)]


def network(rng: np.random.Generator) -> tuple[dict[str, Any], list[tuple[str, Step]]]:
    """Products of matrices with nonlinearities between them."""
    batch, dtype, depth = _size(rng, 4, 300), _dtype(rng), int(rng.integers(1, 5))
    widths = [_size(rng, 4, 300) for _ in range(depth + 1)]
    values = {"x": _array(rng, (batch, widths[0]), dtype)}
    for i in range(depth):
        values[f"w{i}"] = _array(rng, (widths[i], widths[i + 1]), dtype) / widths[i] ** 0.5
        values[f"b{i}"] = _array(rng, (widths[i + 1],), dtype)
    values = {k: v.astype(dtype) for k, v in values.items()}
    steps: list[tuple[str, Step]] = []
    current, count = 0, len(values)
    for i in range(depth):
        w, b, h = 1 + 2 * i, 2 + 2 * i, current
        steps.append(("layer", lambda xp, v, h=h, w=w, b=b: v[h] @ v[w] + v[b]))
        steps.append(_unary(*_named(UNARY if rng.random() < 0.7 else ROWS, rng),
                            count + len(steps) - 1))  # fmt: skip
        current = count + len(steps) - 1
    if rng.random() < 0.5:
        steps.append(("gram", lambda xp, v, h=current: v[h] @ v[h].T))
    return values, _ended(values, steps)


def indexing(rng: np.random.Generator) -> tuple[dict[str, Any], list[tuple[str, Step]]]:
    """Slices, transposes, joins and gathers between cheap formulas."""
    n, k, dtype = _size(rng, 6, 1500), _size(rng, 6, 200), _dtype(rng)
    values = {"x": _array(rng, (n, k), dtype), "y": _array(rng, (n, k), dtype)}
    steps: list[tuple[str, Step]] = []
    shapes = [(n, k), (n, k)]

    def put(name: str, step: Step, shape: tuple[int, int]) -> int:
        steps.append((name, step))
        shapes.append(shape)
        return len(shapes) - 1

    for _ in range(int(rng.integers(3, 12))):
        i = int(rng.integers(max(0, len(shapes) - 4), len(shapes)))
        (rows, columns), kind = shapes[i], int(rng.integers(7))
        if kind == 0:
            put("transpose", lambda xp, v, i=i: v[i].T, (columns, rows))
        elif kind == 1 and rows > 3:
            j = put("rows", lambda xp, v, i=i: v[i][1:] * v[i][:-1], (rows - 1, columns))
            put("tanh", lambda xp, v, j=j: xp.tanh(v[j]), (rows - 1, columns))
        elif kind == 2 and columns > 3:
            put("columns", lambda xp, v, i=i: v[i][:, 1:] - v[i][:, :-1], (rows, columns - 1))
        elif kind == 3:
            put("steps", lambda xp, v, i=i: v[i][::2] * 0.5, ((rows + 1) // 2, columns))
        elif kind == 4:
            index = rng.integers(0, rows, size=int(rng.integers(1, rows + 1)))
            put("take", lambda xp, v, i=i, index=index: v[i][index], (len(index), columns))
        elif kind == 5 and rows * columns < 300_000:
            put("join", lambda xp, v, i=i: xp.concatenate([v[i], 2 * v[i]], axis=0),
                (2 * rows, columns))  # fmt: skip
        else:
            name, function = _named(UNARY, rng)
            put(name, lambda xp, v, i=i, f=function: f(xp, v[i]), (rows, columns))
    return values, _ended(values, steps)


def algebra(rng: np.random.Generator) -> tuple[dict[str, Any], list[tuple[str, Step]]]:
    """Systems, factorizations and products of square matrices."""
    n = _size(rng, 3, 150)
    values = {"a": _array(rng, (n, n), "float64") / n**0.5, "b": _array(rng, (n, 3), "float64")}
    steps: list[tuple[str, Step]] = [
        ("definite", lambda xp, v: v[0] @ v[0].T + 2 * xp.eye(n)),
    ]
    for _ in range(int(rng.integers(1, 4))):
        kind = int(rng.integers(5))
        if kind == 0:
            steps.append(("solve", lambda xp, v: xp.linalg.solve(v[2], v[1])))
        elif kind == 1:
            steps.append(("cholesky", lambda xp, v: xp.linalg.cholesky(v[2])))
        elif kind == 2:
            steps.append(("inv", lambda xp, v: xp.linalg.inv(v[2]) @ v[1]))
        elif kind == 3:
            steps.append(("slogdet", lambda xp, v: xp.linalg.slogdet(v[2])[1].reshape((1, 1))))
        else:
            steps.append(("chain", lambda xp, v: v[0] @ v[2] @ v[1]))
    return values, _ended(values, steps)


FAMILIES: dict[str, Draw] = {
    "elementwise": elementwise, "network": network, "indexing": indexing, "algebra": algebra,
}  # fmt: skip

if __name__ == "__main__":
    main()
