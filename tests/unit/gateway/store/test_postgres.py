"""Placeholders of the one SQL text in PostgreSQL's words."""

from gateway.store.postgres import numbered


def test_placeholders_arenumbered_in_order() -> None:
    assert numbered("SELECT 1") == "SELECT 1"
    assert numbered("a = ? AND (b, c) > (?, ?)") == "a = $1 AND (b, c) > ($2, $3)"
