//! Ctrl-C: once to finish the epoch and leave, twice to abort.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::checks::Expected;
use crate::lab::Lab;
use crate::leases::{following, wait_for};
use crate::pipelines::REDDIT;

/// How long a run may take to notice.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn send(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

pub(crate) fn exit_code(child: &mut Child) -> Option<i32> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    panic!("the run went on for {PATIENCE:?}");
}

#[test]
fn the_first_interrupt_ends_a_following_run_well() {
    for signal in ["-INT", "-TERM"] {
        let lab = Lab::local(REDDIT);
        let mut child = following(&lab);
        send(&child, signal);
        assert_eq!(exit_code(&mut child), Some(0), "{signal}");
        let output = lab.run_well("after the interrupt");
        assert!(String::from_utf8_lossy(&output.stdout).contains("nothing new"));
    }
}

#[test]
fn the_second_interrupt_aborts_harmlessly() {
    let undisturbed = Lab::local(REDDIT);
    undisturbed.run_well("undisturbed");
    let expected = Expected::of(&undisturbed);
    let mut aborted = 0;
    // Aborted at several places: which one is struck does not matter.
    for delay in [0, 10, 20, 40, 80].map(Duration::from_millis) {
        let lab = Lab::local(REDDIT);
        let mut child = lab.spawn(&["--follow", "-v"]);
        wait_for(&mut child, "committed", "reddit_posts");
        std::thread::sleep(delay);
        for _ in 0..2 {
            send(&child, "-INT");
            std::thread::sleep(Duration::from_millis(2));
        }
        let code = exit_code(&mut child);
        assert!(matches!(code, Some(0 | 130)), "{code:?} after {delay:?}");
        aborted += u32::from(code == Some(130));
        let context = format!("aborted after {delay:?}");
        expected.whole_epochs(&lab, &context);
        lab.run_well(&context);
        expected.holds(&lab, &context);
    }
    assert!(aborted > 0, "every run had ended before it could be aborted");
}
