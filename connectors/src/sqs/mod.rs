//! SQS queues that tell of new objects: what is on them, who wants it, and when a message may go.
//!
//! A message is deleted only when everything that it names is known to be in the sinks of every table that wants it; until then it
//! is held, and kept hidden from others. So a process that dies leaves its messages to the next one, and a message that comes twice
//! names what is known already. Which objects were read is not kept here: that is the ledger of each table.
//!
//! [`Queue`] speaks to AWS, `event` reads what S3, EventBridge and SNS write, [`Inbox`] holds
//! messages, and a table has its [`Post`] there.

mod event;
mod inbox;
mod message;
mod post;
mod queue;
mod state;
mod url;

pub(crate) use inbox::Inbox;
pub(crate) use message::{Name, Reader, Seen};
pub(crate) use post::Post;
pub(crate) use queue::Queue;
pub(crate) use url::QueueUrl;
