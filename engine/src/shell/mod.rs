//! The SQL shell, `engine shell`: statements and backslash commands, from a person at a terminal or from a script, over the
//! lake, files by path and the pipeline's own DDL.
//!
//! | question | place |
//! |---|---|
//! | where does a statement end, what is a command | [`lexer`], [`input`], [`command`] |
//! | which table does a name stand for | [`catalog`] |
//! | what does a statement do here | [`statement`], [`workspace`], [`time_travel`], [`summary`], [`describe`] |
//! | how are rows printed, to whom | [`output`] |
//! | editing, completion, colours | [`interactive`] |
//! | what is answered over HTTP | [`reader`] |
//!
//! It writes nothing but its history, and what `COPY` and `\o` are asked to write: rows get into the lake by `engine run`.

mod bounded;
mod catalog;
mod command;
mod console;
mod describe;
mod input;
mod interactive;
mod lexer;
mod mistake;
mod output;
mod progress;
mod reader;
mod shown;
mod statement;
mod summary;
mod time_travel;
mod workspace;

pub(crate) use console::{Console, Ending};
pub(crate) use interactive::KEYWORDS;
pub(crate) use lexer::{Kind, pieces};
pub(crate) use output::Format;
pub(crate) use reader::{Answer, ReadLimits, Reader, Unanswered};
