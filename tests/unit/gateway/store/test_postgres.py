"""Placeholders of the one SQL text in PostgreSQL's words."""

from gateway.store.postgres import _numbered


def test_placeholders_are_numbered_in_order() -> None:
    assert _numbered("SELECT 1") == "SELECT 1"
    assert _numbered("a = ? AND (b, c) > (?, ?)") == "a = $1 AND (b, c) > ($2, $3)"
