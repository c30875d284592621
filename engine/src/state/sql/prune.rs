//! Forgetting old runs, without what is still asked of the past.

use chrono::{DateTime, Utc};

use super::database::{Within, values};
use crate::state::Result;

/// Runs that ended, or were killed, before `$1`, but for the last one of each pipeline.
const RUNS: &str = "DELETE FROM runs
 WHERE coalesce(ended_at, started_at) < $1
   AND EXISTS (SELECT 1 FROM runs later WHERE later.pipeline = runs.pipeline AND later.generation > runs.generation)";

/// Epochs that were committed before `$1` and whose run is gone, but for the last one of each pipeline, and the last of each flow and table
/// that brought rows: whether a table that is gone had any is asked for (`epoch::gone`).
const EPOCHS: &str = "DELETE FROM epochs
 WHERE committed_at < $1
   AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.pipeline = epochs.pipeline AND r.generation = epochs.generation)
   AND EXISTS (SELECT 1 FROM epochs later WHERE later.pipeline = epochs.pipeline AND later.rowid > epochs.rowid)
   AND NOT EXISTS (
       SELECT 1 FROM epoch_flows f
         JOIN pipelines p ON p.name = f.pipeline AND p.incarnation = f.incarnation
        WHERE f.pipeline = epochs.pipeline AND f.incarnation = epochs.incarnation AND f.epoch = epochs.epoch AND f.rows > 0
          AND NOT EXISTS (
              SELECT 1 FROM epoch_flows later
               WHERE later.pipeline = f.pipeline AND later.incarnation = f.incarnation AND later.flow = f.flow AND later.sink = f.sink
                 AND coalesce(later.place, '') = coalesce(f.place, '') AND later.epoch > f.epoch AND later.rows > 0))";

const LOADS: &str = "DELETE FROM epoch_flows
 WHERE NOT EXISTS (SELECT 1 FROM epochs e WHERE e.pipeline = epoch_flows.pipeline AND e.incarnation = epoch_flows.incarnation
                                            AND e.epoch = epoch_flows.epoch)";

pub(super) async fn prune(transaction: Within<'_>, before: DateTime<Utc>) -> Result<u64> {
    let runs = transaction.execute(RUNS, values![before]).await?;
    if transaction.execute(EPOCHS, values![before]).await? > 0 {
        transaction.execute(LOADS, &[]).await?;
    }
    Ok(runs)
}
