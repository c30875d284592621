use std::collections::BTreeSet;

use super::*;

#[test]
fn the_description_is_as_it_was() {
    insta::assert_snapshot!("openapi", openapi::text());
}

#[test]
fn every_path_is_described() {
    let document: serde_json::Value = serde_json::from_str(openapi::text()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let described: BTreeSet<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let there: BTreeSet<&str> = PATHS.iter().copied().filter(|path| *path != "/api/openapi.json").collect();
    assert_eq!(described, there);
}

#[test]
fn every_operation_says_what_it_does_and_answers_with() {
    let document: serde_json::Value = serde_json::from_str(openapi::text()).unwrap();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{method} {path}");
            assert!(operation["responses"].as_object().unwrap().keys().any(|status| status.starts_with('2')), "{method} {path}");
        }
    }
}
