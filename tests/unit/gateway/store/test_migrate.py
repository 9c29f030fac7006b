"""Migration files and how they are cut into statements."""

from gateway.store.migrate import known_migrations, statements


def test_both_engines_have_the_same_numbered_migrations() -> None:
    sqlite, postgres = known_migrations("sqlite"), known_migrations("postgres")
    assert [m.number for m in sqlite] == list(range(1, len(sqlite) + 1))
    assert [(m.number, m.name) for m in sqlite] == [(m.number, m.name) for m in postgres]
    assert sqlite[0].name == "0001_initial"


def test_statements_are_cut_at_semicolons_without_comments() -> None:
    sql = """
    -- one; two
    CREATE TABLE a (id bigint); -- three
    CREATE TABLE b (
        id bigint -- four;
    );

    """
    assert [" ".join(s.split()) for s in statements(sql)] == [
        "CREATE TABLE a (id bigint)",
        "CREATE TABLE b ( id bigint )",
    ]


def test_migrations_keep_to_what_the_cutting_understands() -> None:
    for dialect in ("sqlite", "postgres"):
        for migration in known_migrations(dialect):
            for statement in statements(migration.sql):
                assert statement.startswith(("CREATE ", "INSERT ", "ALTER ", "UPDATE ", "DROP "))
