"""The sizes of the functions' zipped artefact and of the layers, which `make build` prints at its end."""

import io
import zipfile
from pathlib import Path

from local.template import REPOSITORY

BUILT = REPOSITORY / ".aws-sam" / "build" / "VerifyProjectFunction"
"""All functions share one build, whose code is uploaded once."""

LAYER = BUILT.with_name("ValidationLayer")
"""What only the HTTP API's function also has."""

PG_DUMP_LAYER = BUILT.with_name("PgDumpLayer")
"""What only the function that exports has besides."""

LIMIT_MIB = 9.0
"""Lambda's own quota is 50. Half of ours is libpq with what it links to. The limit is a fifth above the present size,
so that no package of the size of boto3 is added unnoticed.
"""
LAYER_LIMIT_MIB = 4.5
PG_DUMP_LIMIT_MIB = 0.5


def zipped_mib(directory: Path = BUILT) -> float:
    """Return the size of the directory as one zip file."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(directory.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(directory))
    return len(content.getvalue()) / 2**20


if __name__ == "__main__":
    print(f"Zipped, the artefact is {zipped_mib():.1f} MiB of at most {LIMIT_MIB:.0f},", end=" ")
    print(f"the HTTP API's layer {zipped_mib(LAYER):.1f} of at most {LAYER_LIMIT_MIB:.1f},", end=" ")
    print(f"and that of exports {zipped_mib(PG_DUMP_LAYER):.1f} of at most {PG_DUMP_LIMIT_MIB:.1f}.")
