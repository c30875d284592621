//! x
use crate::options::OptionSpec;
use crate::registry::Connector;
/// `STORED AS DELTA`.
#[derive(Debug)]
pub struct Delta;
impl Connector for Delta {
    fn name(&self) -> &'static str {
        "DELTA"
    }
    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }
}
/// `STORED AS PARQUET`.
#[derive(Debug)]
pub struct Parquet;
impl Connector for Parquet {
    fn name(&self) -> &'static str {
        "PARQUET"
    }
    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }
}
