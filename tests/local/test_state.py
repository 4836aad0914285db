"""The directory of a stack has one holder, whoever asks for it at the same time."""

import fcntl
import threading
from pathlib import Path

from local import state


def test_whoever_is_asking_for_the_holder_does_not_keep_a_stack_from_starting(tmp_path: Path) -> None:
    state.prepare(tmp_path)
    with (tmp_path / "lock").open() as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        answered = threading.Timer(0.05, fcntl.flock, (asking, fcntl.LOCK_UN))
        answered.start()
        with state.hold(tmp_path):
            assert state.holder(tmp_path) is not None
        answered.join()
