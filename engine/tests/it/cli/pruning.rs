//! Queries of some partitions of a crawled table: what is listed, and what is read.

use object_store::aws::AmazonS3Builder;
use object_store::{ObjectStoreExt, PutPayload};
use testkit::s3::{BUCKET, Operation, S3Server};

use super::bench::Bench;
use crate::lab::block_on;
use crate::s3::settings;

/// Keys of a page of a listing: with so few, one that lists too much is seen to.
const PAGE: usize = 10;

const DAYS: u32 = 30;
const FILES: u32 = 4;

fn start(key: impl Fn(u32, u32) -> String) -> (S3Server, Bench) {
    let s3 = S3Server::builder().page_size(PAGE).start().unwrap();
    let store = AmazonS3Builder::new()
        .with_endpoint(s3.endpoint())
        .with_region(s3.region())
        .with_access_key_id(s3.access_key())
        .with_secret_access_key(s3.secret_key())
        .with_bucket_name(BUCKET)
        .with_allow_http(true)
        .build()
        .unwrap();
    block_on(async {
        for day in 1..=DAYS {
            for file in 0..FILES {
                let text = format!("{{\"id\":{},\"file\":{file}}}\n", day * 100 + file);
                store.put(&key(day, file).into(), PutPayload::from(text.into_bytes())).await.unwrap();
            }
        }
    });
    let mut bench = Bench::new();
    for (name, value) in settings(s3.environment()) {
        bench.set(&name, value);
    }
    let report = bench.good(&["crawl", &format!("s3://{BUCKET}/raw")]);
    assert!(report.contains("raw.clicks"), "{report}");
    (s3, bench)
}

/// The rows, the pages that were listed below the table, and the objects that were read, of a query of it.
fn asked(s3: &S3Server, bench: &Bench, condition: &str) -> (String, usize, Vec<String>) {
    s3.requests().reset();
    let query = format!("SELECT count(*), sum(id) FROM raw.clicks WHERE {condition}");
    let rows = bench.good(&["shell", "--format", "tsv", "-c", &query]);
    let lists = s3.requests().count(Operation::ListObjectsV2, "");
    let read = s3.requests().all().into_iter().filter(|request| request.operation == Operation::GetObject);
    let mut read: Vec<String> = read.map(|request| request.key).filter(|key| key.starts_with("raw/")).collect();
    read.sort();
    (rows.lines().nth(1).unwrap().to_owned(), lists, read)
}

#[test]
fn a_day_of_many_is_all_that_is_listed_and_read() {
    let (s3, bench) = start(|day, file| format!("raw/clicks/dt=2026-11-{day:02}/part-{file}.json"));
    let (all, all_lists, all_read) = asked(&s3, &bench, "dt IS NOT NULL");
    assert_eq!((all.as_str(), all_read.len()), ("120\t186180", (DAYS * FILES) as usize));
    let day = |day: u32| (0..FILES).map(|file| format!("raw/clicks/dt=2026-11-{day:02}/part-{file}.json")).collect::<Vec<_>>();

    let (rows, lists, read) = asked(&s3, &bench, "dt = '2026-11-21'");
    assert_eq!((rows.as_str(), read), ("4\t8406", day(21)));
    // The names of the days, and the files of one of them, in place of all files.
    assert!(lists < all_lists, "{lists} pages were listed, and {all_lists} without a condition that helps");

    let (rows, _, read) = asked(&s3, &bench, "dt BETWEEN '2026-11-05' AND '2026-11-06' AND id % 2 = 0");
    assert_eq!((rows.as_str(), read), ("4\t2204", [day(5), day(6)].concat()));
    let (rows, _, read) = asked(&s3, &bench, "dt = '2026-11-03' OR id = 2500");
    assert_eq!((rows.as_str(), read.len()), ("5\t3706", (DAYS * FILES) as usize), "a condition that is not of folders alone");
    let (rows, _, read) = asked(&s3, &bench, "dt = '2027-01-01'");
    assert_eq!((rows.as_str(), read.len()), ("0\t\\N", 0));
}

#[test]
fn folders_that_are_told_by_their_place_are_passed_over_level_by_level() {
    let (s3, bench) = start(|day, file| format!("raw/clicks/{}/{:02}/part-{day}-{file}.json", 2020 + day % 3, day % 10 + 1));
    let (rows, _, read) = asked(&s3, &bench, "year = 2021");
    let of_year = |year: u32| (1..=DAYS).filter(move |day| 2020 + day % 3 == year);
    let ids = |days: Vec<u32>| -> u32 { days.iter().map(|day| day * 100 * FILES + 6).sum() };
    assert_eq!((rows, read.len()), (format!("40\t{}", ids(of_year(2021).collect())), 40));
    let (rows, lists, read) = asked(&s3, &bench, "year = 2021 AND month = 5");
    let expected: Vec<String> = (0..FILES).map(|file| format!("raw/clicks/2021/05/part-4-{file}.json")).collect();
    assert_eq!((rows.as_str(), read), ("4\t1606", expected));
    // The years, the second level of one year, and one folder of that.
    assert!(lists <= 5, "{lists} pages were listed");
}
