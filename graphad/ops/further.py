"""Everything that `graphad.ops` does not load at once; the op table asks for it when needed."""

from graphad.ops import arrays, linalg, products, special, statistics

__all__ = ["arrays", "linalg", "products", "special", "statistics"]
