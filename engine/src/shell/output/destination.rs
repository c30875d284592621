//! Where results go: standard output, a file, or a pager when they are longer or wider than the terminal.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use terminal_size::{Height, Width};

/// Bytes that are collected before standard output is written to.
const BUFFERED: usize = 64 << 10;

/// The terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shell) struct Screen {
    pub(in crate::shell) rows: usize,
    pub(in crate::shell) columns: usize,
}

impl Screen {
    /// The terminal behind standard output, if there is one.
    pub(in crate::shell) fn now() -> Option<Self> {
        let (Width(columns), Height(rows)) = terminal_size::terminal_size_of(io::stdout())?;
        Some(Self { rows: usize::from(rows), columns: usize::from(columns) })
    }
}

/// One result's way out. What is not finished is still written, as far as it goes, when this is dropped.
#[derive(Debug)]
pub(in crate::shell) enum Destination {
    /// Standard output.
    Plain(BufWriter<io::Stdout>),
    /// A file that `\o` opened.
    File(BufWriter<File>),
    /// A person's terminal.
    Paged(Paged),
}

impl Destination {
    pub(in crate::shell) fn plain() -> Self {
        Self::Plain(BufWriter::with_capacity(BUFFERED, io::stdout()))
    }

    pub(in crate::shell) fn file(file: File) -> Self {
        Self::File(BufWriter::new(file))
    }

    pub(in crate::shell) fn paged(screen: Screen, pager: &str) -> Self {
        Self::Paged(Paged {
            screen,
            pager: pager.to_owned(),
            held: Vec::new(),
            line: 0,
            lines: 0,
            child: None,
            was_started: false,
        })
    }

    /// Whether the pager has it.
    pub(in crate::shell) fn is_read_by_a_person(&self) -> bool {
        matches!(self, Self::Paged(paged) if paged.was_started)
    }

    /// After the last of it: the user has seen it all, or has left the pager.
    pub(in crate::shell) fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Paged(paged) => paged.finish(),
            other => other.flush(),
        }
    }
}

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::File(file) => file.write(bytes),
            Self::Paged(paged) => paged.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            Self::File(file) => file.flush(),
            Self::Paged(paged) => paged.flush(),
        }
    }
}

/// Holds what fits on the screen, and starts the pager with the first line that does not.
#[derive(Debug)]
pub(in crate::shell) struct Paged {
    screen: Screen,
    pager: String,
    held: Vec<u8>,
    /// Characters of the line that is being written.
    line: usize,
    lines: usize,
    child: Option<(Child, BufWriter<ChildStdin>)>,
    was_started: bool,
}

impl Paged {
    fn does_not_fit(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            if *byte == b'\n' {
                (self.line, self.lines) = (0, self.lines + 1);
            } else if byte & 0xC0 != 0x80 {
                // Bytes that go on a character of UTF-8 are not counted.
                self.line += 1;
            }
            // The prompt needs lines of its own.
            if self.line > self.screen.columns || self.lines + 2 >= self.screen.rows {
                return true;
            }
        }
        false
    }

    /// `$PAGER` may have arguments, as in `less -S`; without a pager everything is simply printed.
    fn start(&mut self) -> io::Result<()> {
        self.was_started = true;
        let mut child = Command::new("sh").arg("-c").arg(&self.pager).stdin(Stdio::piped()).spawn();
        match child.as_mut().ok().and_then(|child| child.stdin.take()) {
            Some(pipe) => self.child = child.ok().map(|child| (child, BufWriter::new(pipe))),
            None => self.screen = Screen { rows: usize::MAX, columns: usize::MAX },
        }
        let held = std::mem::take(&mut self.held);
        self.pass_on(&held)
    }

    fn pass_on(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.child {
            Some((_, pipe)) => pipe.write_all(bytes),
            None => io::stdout().write_all(bytes),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        let Some((mut child, pipe)) = self.child.take() else {
            let held = std::mem::take(&mut self.held);
            return io::stdout().write_all(&held).and_then(|()| io::stdout().flush());
        };
        drop(pipe);
        child.wait().map(|_| ())
    }
}

impl Write for Paged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.child.is_some() {
            self.pass_on(bytes)?;
        } else {
            self.held.extend_from_slice(bytes);
            if self.does_not_fit(bytes) {
                self.start()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Paged {
    /// A query that was stopped leaves its pager, and the terminal, in order.
    fn drop(&mut self) {
        drop(self.finish());
    }
}
