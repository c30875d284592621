//! How far a table has been read, as it is stored.

use std::collections::BTreeSet;

use futures::TryStreamExt;
use object_store::{ObjectStoreExt, PutPayload};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::window::{Identity, Seen};
use crate::error::{Error, Result};
use crate::source::Offset;
use crate::stores::Location;

/// Rows that were read and are remembered are named in the offset itself up to this number, and in a file beside the state above it.
const MOST_INLINE: usize = 64;
/// Bytes of a remembered row: its rank and its identity.
const ROW: usize = 32;
/// What files of remembered rows begin with.
const PREFIX: &str = "seen-";

/// From where the next rows are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Resume {
    /// Behind [`Progress::at`]; from the beginning when there is none.
    #[default]
    After,
    /// From the floor on (from the last cursor on, where there is none), but for the rows that are remembered.
    Window,
}

/// An offset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// The position of the last row that was read: its cursor, then the rest of its key.
    pub(super) at: Vec<String>,
    pub(super) resume: Resume,
    /// The least rank of the cursor from which on rows are remembered; nothing before a round has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    floor: Option<String>,
    /// The rows that have the cursor of the last one were too many to be remembered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_lost: bool,
    /// Rows so far.
    pub(super) rows: u64,
    /// The rows that are remembered, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    seen: String,
    /// Where they are, when they are many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen_file: Option<String>,
}

impl Progress {
    pub(super) fn load(offset: Option<&Offset>) -> Result<Self> {
        let Some(offset) = offset else { return Ok(Self::default()) };
        serde_json::from_str(&offset.0)
            .map_err(|error| Error::internal(format!("the offset of a table of PostgreSQL cannot be read: {error}")))
    }

    pub(super) fn floor(&self) -> Option<i128> {
        self.floor.as_ref()?.parse().ok()
    }

    pub(super) fn set_floor(&mut self, floor: Option<i128>) {
        // As a text: JSON's numbers are not that large.
        self.floor = floor.map(|rank| rank.to_string());
    }

    pub(super) fn offset(&self) -> Result<Offset> {
        let text = serde_json::to_string(self);
        text.map(Offset).map_err(|error| Error::internal(format!("an offset cannot be written: {error}")))
    }

    /// What offsets have in common that stand at one place, however many rows came before.
    pub(super) fn mark(self) -> Result<String> {
        Self { rows: 0, ..self }.offset().map(|offset| offset.0)
    }

    /// Keeps what is to be remembered: in itself, or in a file of `home`.
    pub(super) async fn remember(&mut self, seen: &Seen, home: &Location) -> Result<()> {
        let mut rows: Vec<(i128, Identity)> = seen.iter().map(|(identity, rank)| (*rank, *identity)).collect();
        rows.sort_unstable();
        let bytes: Vec<u8> =
            rows.iter().flat_map(|(rank, identity)| [rank.to_be_bytes(), identity.to_be_bytes()].concat()).collect();
        (self.seen, self.seen_file) = (String::new(), None);
        if rows.len() <= MOST_INLINE {
            self.seen = hex::encode(bytes);
            return Ok(());
        }
        let name = format!("{PREFIX}{}", hex::encode(&Sha256::digest(&bytes)[..16]));
        home.store.put(&home.join(&name).path, PutPayload::from(bytes)).await?;
        self.seen_file = Some(name);
        Ok(())
    }

    /// What is remembered.
    pub(super) async fn seen(&self, home: &Location) -> Result<Seen> {
        let bytes = match &self.seen_file {
            Some(name) => home.store.get(&home.join(name).path).await?.bytes().await?.to_vec(),
            None => hex::decode(&self.seen).map_err(|error| Error::internal(format!("an offset cannot be read: {error}")))?,
        };
        let (rows, []) = bytes.as_chunks::<ROW>() else { return Err(Error::internal("remembered rows are cut")) };
        Ok(rows
            .iter()
            .map(|row| {
                let (mut rank, mut identity) = ([0; 16], [0; 16]);
                rank.copy_from_slice(&row[..16]);
                identity.copy_from_slice(&row[16..]);
                (u128::from_be_bytes(identity), i128::from_be_bytes(rank))
            })
            .collect())
    }

    /// Removes the files that none of `live` names.
    pub(super) async fn retain(live: &[&Offset], home: &Location) -> Result<()> {
        let live = live.iter().map(|offset| Self::load(Some(offset))).collect::<Result<Vec<_>>>()?;
        let kept: BTreeSet<String> = live.into_iter().filter_map(|progress| progress.seen_file).collect();
        let found: Vec<_> = home.store.list(Some(&home.path)).try_collect().await?;
        for object in found {
            let name = object.location.filename().unwrap_or_default();
            if name.starts_with(PREFIX) && !kept.contains(name) {
                match home.store.delete(&object.location).await {
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}
