//! The pages of the web server in a browser: Chromium, walked by `browser/walk.py` through Playwright.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use testkit::python::venv_with;

use crate::checks::skipped;
use crate::house::{House, READ_TOKEN, TOKEN};
use crate::lab::block_on;

/// What drives the browser. Its own browsers are not needed.
const PACKAGES: &[&str] = &["playwright==1.65.2"];

/// Under which names Chromium is installed.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Rows of the pipeline that is watched while it runs.
const ROWS: &str = "40000";

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/browser").join(name)
}

/// The file of an installed browser.
fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).flat_map(|folder| BROWSERS.map(|name| folder.join(name))).find(|file| file.is_file())
}

#[test]
fn people_walk_all_pages_in_a_browser() {
    let Some(chromium) = chromium() else { return skipped("Chromium", &"no chromium in PATH") };
    let python = match venv_with(PACKAGES) {
        Ok(python) => python,
        Err(error) => return skipped("the Python package playwright", &error),
    };
    block_on(async {
        let furnish = |folder: &Path| {
            let filled = Command::new(&python).arg("-B").arg(script("furnish.py")).arg(folder).arg(ROWS).status().unwrap();
            assert!(filled.success());
        };
        let open = House::furnished(&[("ENGINE_SERVE_QUERY_TIMEOUT", "60s")], furnish).await;
        let guarded = House::guarded().await;
        let pictures = testkit::target_directory().unwrap().join("pictures");
        let settings = open.folder.path().join("walk.json");
        let told = json!({
            "chromium": chromium, "folder": open.folder.path(), "pictures": pictures, "token": TOKEN, "read_token": READ_TOKEN,
            "open": format!("http://{}", open.address), "guarded": format!("http://{}", guarded.address),
        });
        std::fs::write(&settings, told.to_string()).unwrap();
        let walk = tokio::process::Command::new(&python).arg("-B").arg(script("walk.py")).arg(&settings).output().await.unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        println!("{}", said(&walk.stdout));
        assert!(walk.status.success(), "{}(pictures of the pages are in {})", said(&walk.stderr), pictures.display());
        open.close().await;
        guarded.close().await;
    });
}
