"""Keep tenants ready on every cluster, on a schedule."""

import time

from provisioning import configuration, control_plane
from provisioning.errors import DatabaseCreationFailed
from provisioning.identity import Tenant
from provisioning.ledger.runner import Event, LambdaContext, Output, typed_error
from provisioning.observability import logger, measure_pool
from provisioning.tenant import pool

REMOVAL_SECONDS = 45.0
"""No removal is begun with less time than this left: a statement that waits for a lock ends after 40 seconds."""


def refill_pools(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Refill the pool of every cluster and return {made, removed, lost, failed, busy}.

    `lost` are tenants that no job could have used, with what was wrong: others are made in their place. `failed` are
    tenants and clusters that could not be refilled or removed: they do not hold up the others, and the first error is
    raised at the end. A cluster that another refill works on is skipped. The metric PoolEntries is what the emptiest
    pool still had, EmptyPools how many had nothing that should have had something, and LostPoolEntries how many tenants
    were lost.
    """
    del event
    size = int(configuration.optional("POOL_SIZE", "0"))
    ends_at = time.monotonic() + context.get_remaining_time_in_millis() / 1000
    output: Output = {"made": [], "removed": [], "lost": {}, "failed": {}, "busy": []}
    failed: dict[str, Exception] = {}
    ready: list[int] = []
    empty = 0
    unwanted: list[Tenant] = []
    clusters = control_plane.connect().clusters()
    for number, cluster in enumerate(clusters):
        now, done = time.monotonic(), pool.Refilled()
        # An equal share of the time left, so that a slow cluster does not use up another's.
        share = (ends_at - pool.RESERVE_SECONDS - now) / (len(clusters) - number)
        try:
            pool.refill(cluster, size, now + share, done)
        except pool.PoolBusy:
            output["busy"].append(cluster.cluster_id)
            continue
        except Exception as error:  # noqa: BLE001 no error of one cluster may stop the others
            failed[cluster.cluster_id] = error
            done.ready = 0
            done.is_empty = size > 0
        output["made"] += done.made
        output["lost"] |= done.lost
        failed |= done.failed
        unwanted += done.unwanted
        ready.append(done.ready)
        empty += done.is_empty
    output["removed"], left = pool.remove(control_plane.connect(), unwanted, ends_at - REMOVAL_SECONDS)
    failures = {name: typed_error(error, DatabaseCreationFailed) for name, error in (failed | left).items()}
    output["failed"] = {name: str(error) for name, error in failures.items()}
    measure_pool(min(ready, default=None), empty, len(output["lost"]))
    log = logger()
    (log.warning if output["lost"] or failures else log.info)("pools refilled", **output)
    if failures:
        raise next(iter(failures.values())) from None
    return output
