"""psycopg 3: a pool that resets its connections, prepared statements, a pipeline, COPY, notifications."""

import os

import psycopg
from psycopg_pool import ConnectionPool

URL = os.environ["DATABASE_URL"]


def reset(connection: psycopg.Connection) -> None:
    connection.autocommit = True
    connection.execute("DISCARD ALL")
    connection.autocommit = False


with psycopg.connect(URL, prepare_threshold=0) as connection:
    connection.execute("CREATE TYPE mood AS ENUM ('calm', 'cross')")
    connection.execute(
        "CREATE TABLE notes (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), mood mood NOT NULL, text text NOT NULL)"
    )
    with connection.cursor().copy("COPY notes (mood, text) FROM STDIN") as copy:
        for number in range(100):
            copy.write_row(("calm", f"note {number}"))
    with connection.pipeline():
        for number in range(10):
            connection.execute("INSERT INTO notes (mood, text) VALUES ('cross', %s)", (f"late {number}",))
    found = connection.execute("SELECT count(*) FROM public.notes WHERE mood = %s", ("cross",), binary=True).fetchone()
    assert found == (10,), found

# A pool of one: the second block has the connection that the first one's reset has discarded everything of.
with ConnectionPool(URL, min_size=1, max_size=1, reset=reset, open=True) as pool:
    for table in ("first", "second"):
        with pool.connection() as pooled:
            pooled.execute(psycopg.sql.SQL("CREATE TABLE {} (id bigint)").format(psycopg.sql.Identifier(table)))
            owner = "SELECT tableowner = current_user FROM pg_tables WHERE (schemaname, tablename) = ('public', %s)"
            assert pooled.execute(owner, (table,)).fetchone() == (True,)

with psycopg.connect(URL, autocommit=True) as listener, psycopg.connect(URL, autocommit=True) as speaker:
    listener.execute("LISTEN news")
    speaker.execute("SELECT pg_notify('news', 'heard')")
    assert [heard.payload for heard in listener.notifies(timeout=10, stop_after=1)] == ["heard"]
