"""The document that the series adds to the kernel: its build takes it without a warning."""

from __future__ import annotations

import io
from pathlib import Path

from docutils.core import publish_doctree

RST = Path(__file__).parents[2] / "kernel" / "src" / "Documentation" / "filesystems" / "msharefs.rst"


def complaints(text: str) -> str:
    said = io.StringIO()
    publish_doctree(text, settings_overrides={"warning_stream": said, "report_level": 1, "halt_level": 5})
    return said.getvalue()


def test_the_document_is_well_formed() -> None:
    assert complaints(RST.read_text()) == ""


def test_a_table_whose_text_leaves_its_column_is_noticed() -> None:
    assert "column margin" in complaints("===  ===\na    b\nabcd  c\n===  ===\n")
