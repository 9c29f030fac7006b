import pytest

from benchmarks.postgres import database_url


@pytest.mark.parametrize(
    ("server_url", "url"),
    [
        (
            "postgresql://u:p@host:5433/db?sslmode=require",
            "postgresql://u:p@host:5433/x?sslmode=require",
        ),
        ("postgresql://u@host", "postgresql://u@host/x"),
        ("postgresql://postgres:@/postgres?host=/run/pg", "postgresql://postgres:@/x?host=/run/pg"),
        ("postgresql:///db?host=/run/pg", "postgresql:///x?host=/run/pg"),
    ],
)
def test_only_the_database_of_the_url_changes(server_url, url):
    assert database_url(server_url, "x") == url
