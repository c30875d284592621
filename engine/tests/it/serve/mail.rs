//! Runs that fail are told by e-mail: by a server that wants STARTTLS and a login, and is too busy at first.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use testkit::python::venv_with;

use super::appending;
use super::world::World;
use crate::checks::skipped;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/serve/mailbox.py");
const PASSWORD: &str = "hush:hush@";

struct Mailbox {
    child: Child,
    port: u16,
    letters: Arc<Mutex<Vec<Value>>>,
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Mailbox {
    fn start(python: &Path, folder: &Path) -> Self {
        let (certificate, key) = (folder.join("mail.pem"), folder.join("mail.key"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"])
            .args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .stderr(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        let child = Command::new(python)
            .args([Path::new(SCRIPT), &certificate, &key, Path::new("me@example.com"), Path::new(PASSWORD)])
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().expect("the mail server starts").unwrap().parse().unwrap();
        let letters = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&letters);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, port, letters }
    }

    fn letters(&self) -> Vec<Value> {
        self.letters.lock().unwrap().clone()
    }
}

#[test]
fn a_run_that_failed_is_told_by_e_mail() {
    let Ok(python) = venv_with(&["aiosmtpd==1.4.6"]).inspect_err(|error| skipped("aiosmtpd", error)) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mailbox = Mailbox::start(&python, folder.path());
    let url = format!("smtp://me%40example.com@127.0.0.1:{}?tls=required", mailbox.port);
    let certificate = folder.path().join("mail.pem");
    let settings = "SET pipeline.trigger = 'in/*.json'; SET pipeline.on_failure = 'mailto:ops@example.com';";
    let world = World::new();
    world.put("queries/a.sql", &appending("a", settings));
    let serving = world.serve();
    world.wait("that nobody sends e-mails is told", || world.log().contains("set [mail] url"));
    drop(serving);
    let world = world.and(&[
        ("ENGINE_MAIL_URL", &url),
        ("ENGINE_MAIL_PASSWORD", PASSWORD),
        ("SSL_CERT_FILE", certificate.to_str().unwrap()),
    ]);
    world.put("in/1.json", "{\"id\":1}\nbroken\n");
    let serving = world.serve();
    world.wait("a letter comes", || !mailbox.letters().is_empty());
    let letter = &mailbox.letters()[0];
    assert_eq!(letter["to"], serde_json::json!(["ops@example.com"]));
    assert_eq!(letter["from"], "engine <me@example.com>");
    assert!(letter["subject"].as_str().unwrap().starts_with("pipeline a failed: "), "{letter}");
    let text = letter["text"].as_str().unwrap();
    assert!(text.contains("1.json") && text.contains("engine runs show a/1"), "{text}");
    drop(serving);
    assert!(!world.log().contains("hush"), "{}", world.log());
}
