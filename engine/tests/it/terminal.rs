//! The shell, and the progress of a run, as a person at a terminal sees them: typed through `tmux`, and read off its screen.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long something may take to be on the screen, on a machine that does other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

static TERMINALS: AtomicU32 = AtomicU32::new(0);

/// A terminal of 100 columns and 30 lines.
struct Terminal {
    socket: String,
}

impl Terminal {
    /// With `engine` and these arguments in it, in `folder`, with nothing of this process's environment; `None` without tmux.
    fn start(folder: &Path, arguments: &str) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "tmux is not installed");
            eprintln!("skipped: tmux is not installed");
            return None;
        }
        let socket = format!("engine-test-{}-{}", std::process::id(), TERMINALS.fetch_add(1, Ordering::Relaxed));
        let terminal = Self { socket };
        let path = std::env::var("PATH").unwrap();
        let engine = env!("CARGO_BIN_EXE_engine");
        let home = folder.display();
        let command = format!(
            "trap : INT; env -i HOME='{home}' PATH='{path}' TERM=screen LANG=C.UTF-8 LESSHISTFILE=- '{engine}' {arguments}; echo \"ended with $?\"; \
             exec sleep 600"
        );
        let folder = folder.to_str().unwrap();
        terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", "-c", folder, "sh", "-c", &command]);
        Some(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux").args(["-L", &self.socket]).args(arguments).output().unwrap();
        assert!(output.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Presses a key, as tmux calls it.
    fn press(&self, key: &str) -> &Self {
        self.tmux(&["send-keys", key]);
        self
    }

    /// Types a text, without Enter.
    fn types(&self, text: &str) -> &Self {
        // tmux takes a semicolon at the end of a text for one of its own.
        let text = text.strip_suffix(';').map_or_else(|| text.to_owned(), |text| format!("{text}\\;"));
        self.tmux(&["send-keys", "-l", "--", &text]);
        self
    }

    /// Types a line.
    fn enters(&self, line: &str) -> &Self {
        self.types(line).press("Enter")
    }

    /// What is on the screen, without empty lines at its end.
    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"]).trim_end().to_owned()
    }

    /// The screen, once it is as it should be.
    fn sees(&self, what: &str, is_there: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if is_there(&screen) {
                return screen;
            }
            assert!(Instant::now() < deadline, "never seen: {what}; on the screen is\n{screen}");
            std::thread::sleep(LOOK);
        }
    }

    /// The screen, once it ends in a prompt with nothing behind it and has all of `parts`; it is empty after that.
    fn answers(&self, parts: &[&str]) -> String {
        let screen = self.sees(&format!("{parts:?} before a prompt"), |screen| {
            screen.ends_with("\nengine>") && parts.iter().all(|part| screen.contains(part))
        });
        self.press("C-l").sees("an empty screen", |screen| screen == "engine>");
        screen
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(Command::new("tmux").args(["-L", &self.socket, "kill-server"]).output());
    }
}

/// A folder with a lake of two tables, one of them wide.
fn lake() -> TempDir {
    let folder = TempDir::new().unwrap();
    let columns: Vec<String> = (0..40).map(|number| format!("{number} AS column_{number:02}")).collect();
    let text = format!(
        "CREATE EXTERNAL TABLE orders STORED AS DELTA LOCATION 'lake://shop/orders';
         CREATE EXTERNAL TABLE wide STORED AS DELTA LOCATION 'lake://shop/wide';
         INSERT OVERWRITE orders SELECT value AS id, 'item ' || value AS title FROM range(3);
         INSERT OVERWRITE wide SELECT {} FROM range(3);\n",
        columns.join(", ")
    );
    std::fs::write(folder.path().join("shop.sql"), text).unwrap();
    let made = Command::new(env!("CARGO_BIN_EXE_engine"))
        .args(["run", "shop.sql"])
        .current_dir(folder.path())
        .env_clear()
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    folder
}

/// A shell over [`lake`], at its first prompt.
fn shell() -> Option<(TempDir, Terminal)> {
    let folder = lake();
    let terminal = Terminal::start(folder.path(), "shell")?;
    let screen = terminal.answers(&["\\? helps, Ctrl-D leaves"]);
    assert!(screen.contains("the lake at file://"), "{screen}");
    Some((folder, terminal))
}

#[test]
fn names_are_completed_and_what_is_no_name_stays() {
    let Some((_folder, shell)) = shell() else { return };
    shell.types("SELECT tit FROM ord").press("Tab").sees("the table's name", |screen| screen == "engine> SELECT tit FROM orders");
    // Columns are those of the table that stands behind the cursor.
    for _ in 0.." FROM orders ".len() {
        shell.press("Left");
    }
    shell.press("Tab").sees("the column's name", |screen| screen.starts_with("engine> SELECT title"));
    shell.press("End").enters("WHERE id = 2;").answers(&["| item 2 |", "(1 row)"]);
    shell.types("SELECT * FROM shop.").press("Tab");
    shell.sees("a menu of tables", |screen| screen.contains("orders") && screen.contains("wide"));
    shell.press("C-c").sees("a fresh prompt", |screen| screen.ends_with("engine>"));
    shell.press("C-l").types("SELECT * FROM nowhere").press("Tab");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(shell.screen(), "engine> SELECT * FROM nowhere");
}

#[test]
fn mistakes_are_pointed_at_with_what_to_try() {
    let Some((_folder, shell)) = shell() else { return };
    shell.enters("SELECT titel FROM orders;").answers(&[
        "error: column 'titel' not found",
        "       ^^^^^",
        "did you mean 'title'?",
    ]);
    shell.enters("SELECT * FROM shop.order;").answers(&["error: table 'shop.order' not found", "did you mean shop.orders?"]);
    shell.enters("SELEC 1;").answers(&["SELEC begins no statement", "did you mean SELECT?"]);
    shell.enters("SELECT conut(*) FROM orders;").answers(&["function 'conut' not found", "did you mean 'count'?"]);
    shell.enters("SELECT title + id FROM orders;").answers(&["Cannot coerce arithmetic expression Utf8View + Int64"]);
    shell.enters("\\tming").answers(&["\\timing"]);
    // What was wrong can be repaired: it is in the history.
    shell.press("Up").press("Up").sees("the statement", |screen| screen == "engine> SELECT title + id FROM orders;");
}

#[test]
fn a_command_below_an_unfinished_statement_is_run_and_the_statement_waits() {
    let Some((_folder, shell)) = shell() else { return };
    shell.enters("SELECT title FROM orders");
    shell.sees("a line that goes on", |screen| screen.ends_with("->"));
    shell.enters("\\timing");
    shell.sees("the statement again", |screen| screen.matches("SELECT title FROM orders").count() == 2);
    shell.enters("WHERE id = 2;").answers(&["| item 2 |", "(1 row"]);
}

#[test]
fn a_query_is_stopped_and_the_shell_goes_on() {
    let Some((_folder, shell)) = shell() else { return };
    shell.enters("SELECT count(*) FROM range(1000000000000);");
    shell.sees("a line of progress", |screen| screen.contains("rows read, ") && screen.contains("Ctrl-C stops"));
    shell.press("C-c");
    let screen = shell.answers(&["stopped"]);
    assert!(!screen.contains("rows read"), "the line of progress is gone: {screen}");
    shell.enters("SELECT 41 + 1 AS answer;").answers(&["|     42 |", "(1 row)"]);
    shell.press("C-d").sees("the end", |screen| screen.contains("ended with 0"));
}

#[test]
fn statements_of_several_lines_are_remembered_and_timed() {
    let Some((folder, shell)) = shell() else { return };
    shell.enters("\\timing").answers(&["timing is on"]);
    shell.enters("SELECT 6 *").sees("a further line", |screen| screen.ends_with("\n     ->"));
    shell.enters("  7 AS answer").enters(";").answers(&["|     42 |", "(1 row)", "Time: 0."]);
    shell.press("Up").sees("all of it", |screen| {
        screen.starts_with("engine> SELECT 6 *\n") && screen.ends_with("     ->   7 AS answer\n     -> ;")
    });
    shell.press("C-c").sees("a new prompt", |screen| screen.ends_with("\nengine>"));
    shell.press("C-d").sees("the end", |screen| screen.contains("ended with 0"));

    let next = Terminal::start(folder.path(), "shell").unwrap();
    next.answers(&["Ctrl-D leaves"]);
    next.press("C-r").types("timing").sees("the search", |screen| screen.contains("(history: timing)"));
    next.press("Enter").press("Enter").answers(&["timing is on"]);
}

#[test]
fn long_and_wide_results_are_paged_and_the_reader_is_not_timed() {
    if Command::new("less").arg("-V").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "less is not installed");
        eprintln!("skipped: less is not installed");
        return;
    }
    let Some((_folder, shell)) = shell() else { return };
    shell.enters("\\timing").answers(&["timing is on"]);
    shell
        .enters("SELECT value FROM range(1000);")
        .sees("the first page", |screen| screen.contains("|     0 |") && screen.ends_with(':'));
    shell.types(" ").sees("the next page", |screen| screen.contains("|    40 |") && !screen.contains("|     0 |"));
    std::thread::sleep(Duration::from_secs(3));
    let screen = shell.types("q").answers(&["Time: "]);
    let time = screen.split("Time: ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    assert!(time.parse::<f64>().unwrap() < 3.0, "{screen}");

    shell
        .enters("SELECT * FROM wide;")
        .sees("the left columns", |screen| screen.contains("column_00") && !screen.contains("column_20"));
    shell.press("Right").press("Right").sees("the columns behind them", |screen| screen.contains("column_10"));
    shell.types("q").answers(&["Time: "]);
    shell.enters("\\x").answers(&["the format is vertical"]);
    shell.enters("SELECT * FROM orders LIMIT 1;").answers(&["-[ 1 ]", "id    | 0", "title | item 0"]);
}

/// Enough rows for a run to be seen at work.
const ROWS: u32 = 400_000;

#[test]
fn a_run_shows_a_line_for_each_flow_while_it_works_and_none_when_it_is_done() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("in")).unwrap();
    let rows: String = (0..ROWS).map(|id| format!("{{\"id\":{id},\"text\":\"the text of {id}\"}}\n")).collect();
    std::fs::write(folder.path().join("in/a.json"), rows).unwrap();
    let text = "CREATE EXTERNAL TABLE rows (id BIGINT, text VARCHAR) STORED AS JSON LOCATION 'in/';
                CREATE EXTERNAL TABLE evens STORED AS DELTA LOCATION 'lake://evens';
                CREATE EXTERNAL TABLE odds STORED AS DELTA LOCATION 'lake://odds';
                INSERT INTO evens SELECT * FROM rows WHERE id % 2 = 0;
                INSERT INTO odds SELECT * FROM rows WHERE id % 2 = 1;\n";
    std::fs::write(folder.path().join("numbers.sql"), text).unwrap();
    let Some(run) = Terminal::start(folder.path(), "run numbers.sql") else { return };
    let line = |screen: &str, flow: &str| {
        let of_flow = |line: &&str| line.contains(&format!("{flow}: ")) && line.contains(" rows/s");
        screen.lines().filter(of_flow).count()
    };
    run.sees("a line for each flow", |screen| line(screen, "evens") == 1 && line(screen, "odds") == 1);
    let screen = run.sees("the end", |screen| screen.contains("ended with 0"));
    assert_eq!((line(&screen, "evens"), line(&screen, "odds")), (0, 0), "{screen}");
    assert!(screen.contains("numbers: up to epoch") && screen.contains("400,000"), "{screen}");
}
