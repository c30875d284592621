//! x
use crate::options::OptionSpec;
use crate::registry::Connector;
/// `STORED AS REDDIT`.
#[derive(Debug)]
pub struct Reddit;
impl Connector for Reddit {
    fn name(&self) -> &'static str {
        "REDDIT"
    }
    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }
    fn is_source(&self) -> bool {
        true
    }
}
/// `[reddit]`.
#[derive(Debug, Clone, Default)]
pub struct RedditConfig {}

/// x
pub fn replay_notice(_: &RedditConfig) -> Option<String> {
    None
}
