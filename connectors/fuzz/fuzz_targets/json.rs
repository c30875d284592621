//! Any bytes as a JSON file.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Err(bug) = connectors::files::json::fuzz::fuzz_decode(data) {
        panic!("{bug}");
    }
});
