"""EventBridge's rules about the end of an execution, as template.yaml has them: which functions get its event."""

import json
import threading
from collections.abc import Callable
from typing import Any

from provisioning.ledger.stopping import STOPPED


class EndRules:
    """Invoke the functions that the rules name, before the execution counts as ended; pools are not refilled."""

    def __init__(self, invoke: Callable[[str, str], object]) -> None:
        self._invoke = invoke
        # As the concurrency that is reserved for the function: a second run would leave its events to the first.
        self._one_delivery = threading.Lock()

    def deliver(self, event: dict[str, Any]) -> None:
        """Take Step Functions' event about the end of an execution. What a function answers changes nothing."""
        body = json.dumps(event)
        if event["detail"]["status"] in STOPPED:
            self._invoke("RecordStoppedExecutionsFunction", body)
        with self._one_delivery:
            self._invoke("DeliverEventsFunction", body)
