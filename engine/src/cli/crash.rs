//! A crash of ours: one paragraph for whoever sees it, in place of a stack trace, and exit code 2.

use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicBool, Ordering};

static HAS_CRASHED: AtomicBool = AtomicBool::new(false);

/// From now on a panic of any thread is told as a person, or with `json` a machine, can read it. Those that follow from the first
/// say nothing new. `RUST_BACKTRACE=1` shows where the first comes from.
pub(super) fn watch(json: bool) {
    let trace = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if HAS_CRASHED.swap(true, Ordering::SeqCst) {
            return;
        }
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|wanted| wanted != "0") {
            trace(panic);
        }
        // There is nobody left to tell.
        drop(tell(&text(panic), json));
    }));
}

/// Whether any thread panicked.
pub(super) fn has_happened() -> bool {
    HAS_CRASHED.load(Ordering::SeqCst)
}

fn text(panic: &PanicHookInfo<'_>) -> String {
    let what = panic.payload_as_str().unwrap_or("for a reason that it did not say");
    let place = panic.location().map_or_else(String::new, |place| format!(" ({}:{})", place.file(), place.line()));
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "engine crashed: {what}{place}\n\
         This is a bug in engine {version}, and not your fault. Progress and tables are safe: what was committed stays, and nothing is half \
         there. Run the same command again: it goes on where it must. Please report this to whoever gave you engine, with these lines, \
         the command and, if it happens again, what it says with RUST_BACKTRACE=1."
    )
}

/// Past whatever draws progress lines, which may be what panicked.
fn tell(text: &str, json: bool) -> io::Result<()> {
    let mut stderr = io::stderr().lock();
    if json {
        let timestamp = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        let event = serde_json::json!({"timestamp": timestamp, "level": "ERROR", "message": text, "target": "engine"});
        return writeln!(stderr, "{event}");
    }
    // The shell may have the terminal in raw mode, where a line does not begin by itself at the left.
    let (begin, end) = if stderr.is_terminal() { ("\r\n", "\r\n") } else { ("", "\n") };
    write!(stderr, "{begin}error: {}{end}", text.replace('\n', end))
}
