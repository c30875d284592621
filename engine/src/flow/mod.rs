//! One flow: a query, the sink it feeds, and how the two fit.

pub mod assign;
pub mod classify;
pub mod comments;
pub mod plan;
pub mod source_table;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use connectors::context::TableSpec;
use connectors::sink::{Sink, SinkPlan, WriteMode};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::Insert;

pub use classify::Class;

use crate::state::Declared;

/// One `INSERT INTO`, `INSERT OVERWRITE` or `REPLACE INTO`.
#[derive(Debug, Clone)]
pub struct Flow {
    /// Stays the same from run to run; safe in a file name.
    pub id: String,
    /// Where the statement stands in the file.
    pub span: Range<usize>,
    /// How the sink is written.
    pub mode: WriteMode,
    /// How the query is computed.
    pub class: Class,
    /// The sources it reads.
    pub sources: BTreeSet<String>,
    /// The tables it reads as they stand.
    pub bounded: BTreeSet<String>,
    /// The query, as written.
    pub query: LogicalPlan,
    /// The statement.
    pub insert: Box<Insert>,
    /// Hash of the query and of the views it reads, but for spaces and comments.
    pub fingerprint: String,
    /// The table it feeds, `${...}` unresolved.
    pub table: TableSpec,
    /// Which of several places the table is in, where that is for the settings to say.
    pub place: Option<String>,
    /// That table.
    pub sink: Arc<dyn Sink>,
    /// How the rows have to be staged.
    pub sink_plan: SinkPlan,
}

impl Flow {
    /// Where the file says that the flow's table is.
    pub fn declared(&self) -> Declared {
        Declared { connector: self.table.connector.clone(), location: self.table.location.clone() }
    }

    /// Flows with equal stage keys stage the same rows in the same way: computed once, committed several times.
    pub fn stage_key(&self) -> (String, SinkPlan) {
        (self.fingerprint.clone(), SinkPlan { changes: Vec::new(), ..self.sink_plan.clone() })
    }
}
