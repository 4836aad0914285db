"""asyncpg: its pool with its own reset, an enum by introspection, records by COPY, a nested transaction."""

import asyncio
import os

import asyncpg

URL = os.environ["DATABASE_URL"]


async def main() -> None:
    async with asyncpg.create_pool(URL, min_size=1, max_size=1) as pool:
        await pool.execute("CREATE TYPE mood AS ENUM ('calm', 'cross')")
        await pool.execute("CREATE TABLE notes (id bigint PRIMARY KEY, mood mood[] NOT NULL, details jsonb)")
        async with pool.acquire() as connection:
            # It asks the catalogs for the type and its array, with a path of its own.
            await connection.copy_records_to_table("notes", records=[(1, ["calm", "cross"], "{}")])
            prepared = await connection.prepare("SELECT mood FROM notes WHERE id = $1")
            assert await prepared.fetchval(1) == ["calm", "cross"]
            async with connection.transaction():
                try:
                    async with connection.transaction():
                        await connection.execute("INSERT INTO notes VALUES (1, '{}')")
                except asyncpg.UniqueViolationError:
                    pass
                await connection.execute("INSERT INTO notes VALUES (2, '{}')")
        assert await pool.fetchval("SELECT count(*) FROM public.notes") == 2
        owner = "SELECT tableowner = current_user FROM pg_tables WHERE tablename = 'notes'"
        assert await pool.fetchval(owner)


asyncio.run(main())
