"""docs/ops.md, written by docs/operations.py, lists every public function of the op table."""

from pathlib import Path

from graphad.ir.op import OPS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "ops.md"
PRIVATE = {"getitem", "getitem_by", "scatter_add"}


def test_every_function_is_on_the_page() -> None:
    page = PAGE.read_text("utf-8")
    public = {name for name, e in OPS.entries.items() if e.samples is not None} - PRIVATE
    missing = [name for name in sorted(public) if f"| `{name}(" not in page]
    assert not missing, f"run python docs/operations.py: {', '.join(missing)}"
