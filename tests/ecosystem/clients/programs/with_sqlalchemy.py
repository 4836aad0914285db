"""SQLAlchemy by each of its drivers: it reflects nothing on a fresh tenant, and its own tables afterwards."""

import asyncio
import os

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

URL = os.environ["DATABASE_URL"]

metadata = sa.MetaData()
users = sa.Table(
    "users",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True, server_default=sa.text("gen_random_uuid()")),
    sa.Column("mood", sa.Enum("calm", "cross", name="mood"), nullable=False),
)
notes = sa.Table(
    "notes",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("user_id", sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column("tags", sa.ARRAY(sa.Text)),
)


def exercise(connection: sa.Connection) -> None:
    assert sa.inspect(connection).get_table_names() == []
    reflected = sa.MetaData()
    reflected.reflect(connection)
    assert list(reflected.tables) == []
    metadata.create_all(connection)
    user = connection.execute(users.insert().values(mood="calm").returning(users.c.id)).scalar_one()
    connection.execute(notes.insert().values(user_id=user, tags=["a", "b"]))
    assert connection.execute(sa.select(notes.c.tags).join(users)).scalars().all() == [["a", "b"]]
    again = sa.MetaData()
    again.reflect(connection)
    assert sorted(again.tables) == ["notes", "users"]
    metadata.drop_all(connection)
    assert sa.inspect(connection).get_table_names() == []


async def exercise_by_asyncpg() -> None:
    engine = create_async_engine(URL.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.begin() as connection:
        await connection.run_sync(exercise)
    await engine.dispose()


for driver in ("psycopg", "psycopg2", "pg8000"):
    engine = sa.create_engine(URL.replace("postgresql://", f"postgresql+{driver}://", 1))
    with engine.begin() as connection:
        exercise(connection)
    engine.dispose()
asyncio.run(exercise_by_asyncpg())
