//! What every connector is tested with: the contract suites and the small things they need. Not for use outside tests.

mod clock;
mod sink;
mod source;

pub use clock::ManualClock;
pub use sink::{SinkCase, read_rows, sink_contract, stage};
pub use source::source_contract;
