//! The table of rules.

use std::fs;
use std::path::Path;

use redshift_sim::RULES;

/// The text of all tests.
fn tests() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files.map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn each_rule_has_a_test_named_after_it() {
    let tests = tests();
    let missing: Vec<&str> = RULES.iter().map(|rule| rule.id).filter(|id| !tests.contains(&format!("fn {id}()"))).collect();
    assert!(missing.is_empty(), "no test is named after {missing:?}");
}

#[test]
fn each_rule_stands_in_the_readme_with_its_source() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let expected: Vec<String> = RULES.iter().map(|rule| format!("| `{}` | {} | {} |", rule.id, rule.text, rule.source)).collect();
    let missing: Vec<&String> = expected.iter().filter(|line| !readme.contains(line.as_str())).collect();
    assert!(missing.is_empty(), "lines that README.md lacks:\n{missing:#?}");
}
