"""Alembic as a project has it: `init`, a revision by --autogenerate, up, down, and `check`."""

import os
import sys
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

URL = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://", 1)
MODELS = """
import sqlalchemy as sa
metadata = sa.MetaData()
sa.Table("users", metadata, sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("email", sa.Text, unique=True))
sa.Table("notes", metadata, sa.Column("id", sa.BigInteger, primary_key=True),
         sa.Column("mood", sa.Enum("calm", "cross", name="mood")), sa.Column("user_id", sa.ForeignKey("users.id")))
"""


def revision(message: str) -> str:
    (file,) = Path("migrations/versions").glob(f"*_{message}.py")
    return file.read_text()


configuration = Config("alembic.ini")
command.init(configuration, "migrations")
# A URL has percent signs for configparser to take literally.
configuration.set_main_option("sqlalchemy.url", URL.replace("%", "%%"))
environment = Path("migrations/env.py")
wired = environment.read_text().replace("target_metadata = None", "from models import metadata as target_metadata")
environment.write_text(f"import sys\nsys.path.insert(0, '.')\n{wired}")

Path("models.py").write_text("import sqlalchemy as sa\nmetadata = sa.MetaData()\n")
command.check(configuration)
command.revision(configuration, "nothing", autogenerate=True)
assert "drop_" not in revision("nothing")

Path("models.py").write_text(MODELS)
sys.modules.pop("models", None)
command.upgrade(configuration, "head")
command.revision(configuration, "models", autogenerate=True)
upgrade, _ = revision("models").split("def downgrade")
assert upgrade.count("op.create_table") == 2
assert "op.drop" not in upgrade
command.upgrade(configuration, "head")
command.check(configuration)
command.downgrade(configuration, "base")
with sa.create_engine(URL).connect() as connection:
    assert sa.inspect(connection).get_table_names() == ["alembic_version"]
