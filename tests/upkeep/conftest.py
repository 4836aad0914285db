from tests.stages.conftest import environment, job

__all__ = ["environment", "job"]
