"""provision watch."""

from console.shown import Sources


def watch(sources: Sources, job: str, as_json: bool) -> int:
    raise NotImplementedError
