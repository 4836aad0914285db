"""Keep tenants ready on every cluster, on a schedule."""

import time

from provisioning import configuration, control_plane
from provisioning.errors import DatabaseCreationFailed
from provisioning.ledger.runner import Event, LambdaContext, Output, typed_error
from provisioning.observability import logger, measure_pool
from provisioning.tenant import pool


def refill_pools(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Refill the pool of every cluster and return {made, removed, busy}.

    A cluster that another refill works on is skipped. A cluster that does not answer does not hold up the others; its
    error is raised at the end. The metric PoolEntries is what the emptiest pool still had.
    """
    del event
    size = int(configuration.optional("POOL_SIZE", "0"))
    ends_at = time.monotonic() + context.get_remaining_time_in_millis() / 1000
    output: Output = {"made": [], "removed": [], "busy": []}
    failed: list[Exception] = []
    ready: list[int] = []
    for cluster in control_plane.connect().clusters():
        try:
            done = pool.refill(cluster, size, ends_at)
        except pool.PoolBusy:
            output["busy"].append(cluster.cluster_id)
        except Exception as error:  # noqa: BLE001 no error of one cluster may stop the others
            failed.append(error)
            ready.append(0)
        else:
            output["made"] += done.made
            output["removed"] += done.removed
            failed += done.failed
            ready.append(done.ready)
    if ready:
        measure_pool(min(ready))
    logger().info("pools refilled", **output)
    if failed:
        raise typed_error(failed[0], DatabaseCreationFailed) from None
    return output
