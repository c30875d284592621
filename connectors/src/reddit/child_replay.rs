//! Bad children of listings decoded once more. What a post must have is not the pipeline's to say, so it is a newer engine that may
//! make rows of them.

use arrow::array::RecordBatch;
use async_trait::async_trait;

use super::batch::Projection;
use super::page::Child;
use super::source::Decoded;
use super::walk::Rules;
use crate::error::{Error, Result};
use crate::replay::{Replay, Replayed};
use crate::source::BadRecord;

/// A replay of bad children.
#[derive(Debug)]
pub(super) struct ChildReplay {
    rules: Rules,
    projection: Projection,
    /// Those that are rows now and were not handed out.
    children: Vec<Child>,
}

impl ChildReplay {
    pub(super) fn new(rules: Rules, projection: Projection) -> Self {
        Self { rules, projection, children: Vec::new() }
    }
}

#[async_trait]
impl Replay for ChildReplay {
    async fn record(&mut self, record: &BadRecord) -> Result<Replayed> {
        let child = Child::of_record(&record.raw, self.rules.kind);
        let refused = Decoded::new(&child, &self.projection, &self.rules).err();
        Ok(match refused {
            None => {
                self.children.push(child);
                Replayed::Decoded { rows: 1, bad: Vec::new() }
            }
            Some(refused) => {
                let bad = BadRecord { reason: refused.reason, ..record.clone() };
                Replayed::Decoded { rows: 0, bad: vec![bad] }
            }
        })
    }

    fn batch(&mut self) -> Result<Option<RecordBatch>> {
        let children = std::mem::take(&mut self.children);
        if children.is_empty() {
            return Ok(None);
        }
        let decoded = children.iter().map(|child| Decoded::new(child, &self.projection, &self.rules));
        let decoded: Vec<Decoded<'_>> = decoded.collect::<Result<_, _>>().map_err(|_| Error::internal("a child is bad again"))?;
        let rows: Vec<_> = decoded.iter().map(|row| (row.raw, &row.fields)).collect();
        self.projection.batch(&rows).map(Some)
    }
}
