//! Any bytes as the records of a CSV file.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Err(bug) = connectors::files::csv::fuzz::fuzz_split(data) {
        panic!("{bug}");
    }
});
