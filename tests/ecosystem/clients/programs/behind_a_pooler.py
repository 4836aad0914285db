"""psycopg 3 and asyncpg behind a pooler: prepared statements or none, notifications, transactions side by side.

Takes "prepared" or "unprepared" for whether the pooler keeps prepared statements, and the URL past the pooler.
"""

import asyncio
import os
import sys

import asyncpg
import psycopg

URL = os.environ["DATABASE_URL"]
prepared, direct = sys.argv[1] == "prepared", sys.argv[2]


def by_psycopg() -> None:
    threshold = 0 if prepared else None
    with psycopg.connect(URL, prepare_threshold=threshold, autocommit=True) as one:
        one.execute("CREATE TABLE notes (id bigint PRIMARY KEY)")
        with psycopg.connect(URL, prepare_threshold=threshold, autocommit=True) as other:
            for number in range(20):
                with (one if number % 2 else other).transaction():
                    (one if number % 2 else other).execute("INSERT INTO notes VALUES (%s)", (number,))
        assert one.execute("SELECT count(*) FROM notes").fetchone() == (20,)
        # LISTEN needs a session; NOTIFY does not.
        with psycopg.connect(direct, autocommit=True) as listener:
            listener.execute("LISTEN news")
            one.execute("SELECT pg_notify('news', 'heard')")
            assert [heard.payload for heard in listener.notifies(timeout=10, stop_after=1)] == ["heard"]


async def by_asyncpg() -> None:
    size = {} if prepared else {"statement_cache_size": 0}
    async with asyncpg.create_pool(URL, min_size=3, max_size=3, **size) as pool:
        counts = [pool.fetchval("SELECT count(*) FROM notes WHERE id < $1", 10) for _ in range(30)]
        assert await asyncio.gather(*counts) == [10] * 30


by_psycopg()
asyncio.run(by_asyncpg())
