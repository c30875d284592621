//! Listings and the tables they become.

use proptest::prelude::*;

use super::*;
use crate::drift::Policy;
use crate::infer::{FileObservation, ObservedSchema, ResolveOptions};

fn schema(path: &str, columns: &str) -> ObservedSchema {
    let mut file = FileObservation::new(path);
    file.header(columns.split(','));
    file.begin_row();
    for column in 0..columns.split(',').count() {
        file.cell(column, "1");
    }
    file.finish(&ResolveOptions::default())
}

/// A listing of `path columns`, in any order; `path` alone is skipped.
fn crawl(listing: &[&str]) -> Crawl {
    let mut listing = listing.to_vec();
    listing.sort_unstable();
    let mut grouping = Grouping::new("s3://bucket/lake", GroupOptions::default());
    for line in listing {
        match line.split_once(' ') {
            Some((path, columns)) => {
                let format = Format::of_path(path).unwrap();
                let object = CrawledObject { path, size: 10, format, compression: Compression::of_path(path) };
                grouping.push(&object, &schema(path, columns)).unwrap();
            }
            None => grouping.skip(line, 0, SkipReason::of(line, 0).unwrap()).unwrap(),
        }
    }
    grouping.finish()
}

/// By table, what its location takes in of others.
fn overlapping(crawl: &Crawl) -> Vec<Vec<String>> {
    overlaps(&crawl.tables.iter().map(PlacedTable::from).collect::<Vec<_>>())
}

/// `name location (partitions) objects` of each table.
fn tables(listing: &[&str]) -> Vec<String> {
    let describe = |table: &TablePlan| {
        let partitions: Vec<String> = table.partitioning.fields().iter().map(|field| field.name().clone()).collect();
        format!("{} {:?} ({}) {}", table.name, table.location, partitions.join(","), table.objects)
    };
    crawl(listing).tables.iter().map(describe).collect()
}

#[test]
fn folders_with_different_columns_are_tables() {
    let listing = ["raw/orders/1.csv id,total", "raw/orders/2.csv id,total", "raw/users/1.csv name,mail"];
    assert_eq!(tables(&listing), ["orders \"raw/orders/\" () 2", "users \"raw/users/\" () 1"]);
}

#[test]
fn hive_and_dated_folders_are_partitions() {
    let listing = [
        "orders/dt=2026-11-20/a.csv id,total",
        "orders/dt=2026-11-21/a.csv id,total,tax,vat,net",
        "clicks/2026/11/20/a.json.gz url,at",
        "clicks/2026/11/21/a.json url,at",
        "clicks/2026/12/01/b.json.gz url,at",
    ];
    assert_eq!(tables(&listing), ["clicks \"clicks/\" (year,month,day) 3", "orders \"orders/\" (dt) 2"]);
}

#[test]
fn similar_folders_are_partitions_and_dissimilar_ones_tables() {
    let similar = ["m/eu/1.csv a,b,c,d", "m/us/1.csv a,b,c,e", "m/us/2.csv a,b,c,d"];
    assert_eq!(tables(&similar), ["m \"m/\" (partition_0) 3"]);
    let one_differs = ["m/eu/1.csv a,b,c,d", "m/us/1.csv a,b,c,d", "m/xx/1.csv z"];
    assert_eq!(tables(&one_differs), ["eu \"m/eu/\" () 1", "us \"m/us/\" () 1", "xx \"m/xx/\" () 1"]);
}

#[test]
fn files_of_a_folder_are_one_table_or_one_each() {
    let similar = ["a.csv x,y,z", "b.csv x,y,z"];
    assert_eq!(tables(&similar), ["lake \"\" () 2"]);
    let different = ["orders_1.csv id,total", "orders_2.csv.gz id,total", "users.csv name,mail"];
    assert_eq!(tables(&different), ["orders \"orders_*\" () 2", "users \"users.csv\" () 1"]);
    assert_eq!(tables(&["in/orders.csv id"]), ["in \"in/\" () 1"]);
    assert_eq!(tables(&["orders.csv id"]), ["orders \"orders.csv\" () 1"]);
}

#[test]
fn a_stray_file_beside_partitions_is_a_table_of_its_own() {
    let listing = ["orders/dt=2026-11-20/a.csv id,total", "orders/dt=2026-11-21/a.csv id,total", "orders/readme.csv note"];
    assert_eq!(tables(&listing), ["orders \"orders/dt=*/*\" (dt) 2", "readme \"orders/readme.csv\" () 1"]);
}

#[test]
fn a_folder_beside_partitions_is_not_matched_by_their_pattern() {
    let years = ["data/2023/a.csv id,total", "data/2024/f.csv id,total", "data/UPPER/g.csv id,total"];
    assert_eq!(tables(&years), ["data \"data/[0-9]*/*\" (year) 2", "upper \"data/UPPER/\" () 1"]);
    let days = ["data/dt=2026-11-21/f.csv id,total", "data/other/g.csv id,total"];
    assert_eq!(tables(&days), ["data \"data/dt=*/*\" (dt) 1", "other \"data/other/\" () 1"]);
}

#[test]
fn tables_that_share_their_partitions_are_told_apart_inside() {
    let listing = [
        "x/dt=2026-11-20/orders.csv id,total",
        "x/dt=2026-11-20/users.csv name,mail",
        "x/dt=2026-11-21/orders.csv id,total",
        "x/dt=2026-11-21/users.csv name,mail",
        "z/dt=2026-11-20/a_2026-11-20.csv id",
        "z/dt=2026-11-20/b_2026-11-20.csv name",
        "z/dt=2026-11-21/a_2026-11-21.csv id",
        "z/dt=2026-11-21/b_2026-11-21.csv name",
        "y/2026/11/20/a/1.csv id,total",
        "y/2026/11/20/b/1.csv name,mail",
        "y/2026/11/21/a/1.csv id,total",
        "y/2026/11/21/b/1.csv name,mail",
    ];
    assert_eq!(
        tables(&listing),
        [
            "orders \"x/dt=*/orders*\" (dt) 2",
            "users \"x/dt=*/users*\" (dt) 2",
            "a \"y/[0-9]*/[0-9]*/[0-9]*/a/*\" (year,month,day) 2",
            "b \"y/[0-9]*/[0-9]*/[0-9]*/b/*\" (year,month,day) 2",
            "z_a \"z/dt=*/a_*\" (dt) 2",
            "z_b \"z/dt=*/b_*\" (dt) 2",
        ]
    );
}

#[test]
fn patterns_that_take_in_other_tables_are_reported() {
    let crawl = crawl(&["orders_1.csv id,total", "orders_2.csv x,y,z", "orders_3.csv id,total"]);
    let [orders, other] = crawl.tables.as_slice() else { panic!("{crawl:#?}") };
    assert_eq!((orders.location.as_str(), other.location.as_str()), ("orders_*", "orders_2.csv"));
    let said = "the location matches `orders_2.csv` of table orders_2 as well; move it to a folder of its own";
    assert_eq!(overlapping(&crawl), [vec![said.to_owned()], Vec::new()]);
}

#[test]
fn the_root_is_the_longest_prefix() {
    assert_eq!(tables(&["a/b/c/1.csv x", "a/b/c/2.csv x"]), ["c \"a/b/c/\" () 2"]);
    let deep = ["x/eu/part/1.csv a,b", "x/us/part/1.csv a,b"];
    assert_eq!(tables(&deep), ["x \"x/\" (partition_0) 2"]);
}

#[test]
fn compressions_may_be_mixed_and_it_is_said() {
    let crawl = crawl(&["t/1.csv a,b", "t/2.csv.gz a,b", "t/3.csv.gz a,b"]);
    let [table] = crawl.tables.as_slice() else { panic!("{crawl:#?}") };
    assert_eq!(table.format, Format::Csv);
    assert_eq!(table.evidence, ["2 columns are the same in 3 files", "compressions are mixed: 2 gzip, 1 uncompressed"]);
}

#[test]
fn a_format_is_a_table_of_its_own() {
    assert_eq!(tables(&["t/1.csv a,b", "t/2.csv.gz a,b", "t/4.json a,b"]), ["t \"t/\" () 2", "t_json \"t/\" () 1"]);
    let dated =
        ["t/dt=2026-11-20/a.csv a,b", "t/dt=2026-11-21/a.csv a,b", "t/dt=2026-11-22/a.json a,b", "t/dt=2026-11-23/a.json a,b"];
    assert_eq!(tables(&dated), ["t \"t/\" (dt) 2", "t_json \"t/\" (dt) 2"]);
}

#[test]
fn a_file_whose_name_tells_nothing_is_in_no_table_of_another_format() {
    let mut grouping = Grouping::new("s3://bucket/lake", GroupOptions::default());
    let objects = [
        ("x/a.csv", Format::Csv),
        ("x/part-0", Format::Json),
        ("y/1.csv", Format::Csv),
        ("y/2.csv", Format::Csv),
        ("y/deep/events", Format::Json),
        ("z/a.csv", Format::Csv),
        ("z/b.json", Format::Json),
    ];
    for (path, format) in objects {
        let object = CrawledObject { path, size: 1, format, compression: Compression::None };
        grouping.push(&object, &schema(path, if format == Format::Csv { "a,b" } else { "x,y" })).unwrap();
    }
    let crawl = grouping.finish();
    let locations: Vec<String> = crawl.tables.iter().map(|table| format!("{} {}", table.format, table.location)).collect();
    assert_eq!(locations, ["CSV x/a.csv", "JSON x/", "CSV y/*", "JSON y/deep/", "CSV z/", "JSON z/"]);
    assert!(overlapping(&crawl).iter().all(Vec::is_empty), "{crawl:#?}");
}

#[test]
fn what_no_pattern_leaves_out_is_reported_with_its_table() {
    let mut grouping = Grouping::new("lake", GroupOptions::default());
    for (path, format) in [("x/1.csv", Format::Csv), ("x/2.csv", Format::Csv), ("x/part-0", Format::Json)] {
        let object = CrawledObject { path, size: 1, format, compression: Compression::None };
        grouping.push(&object, &schema(path, if format == Format::Csv { "a,b" } else { "x,y" })).unwrap();
    }
    let crawl = grouping.finish();
    assert_eq!(crawl.tables[0].location, "x/*");
    let said = "the location matches `x/part-0` of table x_json as well; move it to a folder of its own";
    assert_eq!(overlapping(&crawl)[0], [said]);
}

#[test]
fn what_no_location_can_say_is_reported_and_no_table() {
    let listing = ["raw/{2026}/a.csv a,b", "raw/report[1]/a.csv c,d", "raw/50%/a.csv e,f", "raw/good/a.csv g,h"];
    let crawl = crawl(&listing);
    assert_eq!(crawl.tables.iter().map(|table| table.location.as_str()).collect::<Vec<_>>(), ["raw/good/"]);
    let skipped: Vec<(u64, &SkipReason, &str)> =
        crawl.skipped.iter().map(|skipped| (skipped.objects, &skipped.reason, skipped.first.as_str())).collect();
    assert_eq!(skipped, [(3, &SkipReason::Unsayable, "raw/50%/a.csv")]);
    // On a disk, '%' is a letter as any other.
    let mut grouping = Grouping::new("/data/lake", GroupOptions::default());
    let object = CrawledObject { path: "50%/a.csv", size: 1, format: Format::Csv, compression: Compression::None };
    grouping.push(&object, &schema("50%/a.csv", "a,b")).unwrap();
    assert_eq!(grouping.finish().tables[0].location, "50%/");
}

#[test]
fn files_without_header_are_alike_by_type_and_number() {
    let unnamed = |path: &str, cells: &[&str]| {
        let mut file = FileObservation::new(path);
        file.without_header(cells.len());
        file.begin_row();
        cells.iter().enumerate().for_each(|(column, cell)| file.cell(column, cell));
        file.finish(&ResolveOptions::default())
    };
    let mut grouping = Grouping::new("x", GroupOptions::default());
    for (path, cells) in [("a.csv", ["1", "x"]), ("b.csv", ["2", "y"]), ("c.csv", ["x", "2026-11-21"])] {
        let object = CrawledObject { path, size: 1, format: Format::Csv, compression: Compression::None };
        grouping.push(&object, &unnamed(path, &cells)).unwrap();
    }
    let objects: Vec<u64> = grouping.finish().tables.iter().map(|table| table.objects).collect();
    assert_eq!(objects, [2, 1]);
}

#[test]
fn what_is_no_data_is_reported_with_its_table_or_alone() {
    let crawl = crawl(&["a/_SUCCESS", "a/1.csv x", "a/2.csv x", "b/.keep", "c/empty.csv"]);
    let [table] = crawl.tables.as_slice() else { panic!("{crawl:#?}") };
    let reasons = |skips: &Skips| skips.iter().map(|s| format!("{} {} {}", s.objects, s.reason, s.first)).collect::<Vec<_>>();
    assert_eq!(table.name, "a");
    assert_eq!(reasons(&table.skipped), ["1 hidden a/_SUCCESS"]);
    assert_eq!(reasons(&crawl.skipped), ["1 hidden b/.keep", "1 empty c/empty.csv"]);
}

#[test]
fn delta_tables_are_recognised_by_their_log() {
    let crawl = crawl(&["t/_delta_log/0.json", "t/day=1/a.parquet x", "t/day=2/b.parquet x"]);
    assert_eq!(crawl.tables[0].format, Format::Delta);
}

#[test]
fn a_listing_out_of_order_is_refused() {
    let mut grouping = Grouping::new("x", GroupOptions::default());
    grouping.skip("b", 0, SkipReason::Empty).unwrap();
    let error = grouping.skip("a", 0, SkipReason::Empty).unwrap_err();
    assert!(error.to_string().starts_with("the listing is not in key order: 'a' comes after 'b'"), "{error}");
}

#[test]
fn a_table_is_written_as_ddl() {
    let mut file = FileObservation::new("toll/2023/08/13/a.json");
    file.begin_row();
    let (root, place) = file.object();
    let place = place.clone();
    root.child("transaction_id").observe_number("95254", &place);
    root.child("Booth").observe_string("it's", &place);
    root.child("transaction_date").observe_string("2023/08/13", &place);
    let schema = file.finish(&ResolveOptions::default());
    let mut grouping = Grouping::new("s3://bucket", GroupOptions::default());
    let object = CrawledObject { path: "toll/2023/08/a.json", size: 1234, format: Format::Json, compression: Compression::None };
    grouping.push(&object, &schema).unwrap();
    let crawl = grouping.finish();
    let mut registration = crawl.tables[0].registration("raw", "s3://bucket/", Policy::Evolve);
    registration.options.0.insert("mode".to_owned(), "lenient".to_owned());
    let ddl = Ddl { table: &registration, qualified: true, location: &registration.location };
    assert_eq!(
        ddl.to_string(),
        "CREATE EXTERNAL TABLE raw.toll (
    transaction_id BIGINT,
    \"Booth\" VARCHAR,
    transaction_date DATE
)
STORED AS JSON
PARTITIONED BY (year BIGINT, month BIGINT)
LOCATION 's3://bucket/toll/'
OPTIONS (
    'mode' 'lenient',
    'partitions' '{year}/{month}',
    'form.transaction_date' 'Y/M/D'
);"
    );
    assert_eq!(crawl.tables[0].summary(), "toll: 1 object, 1,234 bytes, JSON");
}

/// Forty tables of 2,500 objects each. `--nocapture` shows how long it takes.
#[test]
fn many_objects_are_few_tables() {
    let started = std::time::Instant::now();
    let mut grouping = Grouping::new("s3://bucket", GroupOptions::default());
    for table in 0..40 {
        let columns: Vec<String> = (0..20).map(|column| format!("t{table}_c{column}")).collect();
        let observed = schema("s3://bucket/some/file.csv", &columns.join(","));
        for object in 0..2500 {
            let path = format!("table_{table:02}/dt=2026-{:02}-{:02}/{object:05}.csv", object / 250 + 1, object / 10 % 25 + 1);
            let object = CrawledObject { path: &path, size: 10, format: Format::Csv, compression: Compression::None };
            grouping.push(&object, &observed).unwrap();
        }
    }
    let crawl = grouping.finish();
    println!("100,000 objects grouped in {:?}", started.elapsed());
    assert_eq!(crawl.tables.len(), 40);
    assert!(crawl.tables.iter().all(|table| table.objects == 2500 && table.schema.fields().len() == 20));
}

#[test]
fn new_tables_are_beside_those_that_are_known() {
    let known = Neighbours {
        names: [("t".to_owned(), Some(Format::Csv)), ("x".to_owned(), None)].into(),
        locations: vec![("t/".to_owned(), Some(Format::Csv)), ("x/y/*".to_owned(), None)],
    };
    let mut grouping = Grouping::beside("s3://bucket/lake", GroupOptions::default(), known);
    for path in ["t/a.csv", "t/b.json", "x/1.csv", "z/1.csv"] {
        let format = Format::of_path(path).unwrap();
        let object = CrawledObject { path, size: 1, format, compression: Compression::None };
        grouping.push(&object, &schema(path, path)).unwrap();
    }
    let found: Vec<String> = grouping.finish().tables.iter().map(|table| format!("{} {}", table.name, table.location)).collect();
    assert_eq!(found, ["a t/a.csv", "t_json t/", "x_2 x/1.csv", "z z/"]);
}

#[test]
fn folders_without_end_do_not_wait_for_ever() {
    let listing: Vec<String> = (0..3000).map(|index| format!("t/customer_{index:05}/a.csv id,total")).collect();
    let listing: Vec<&str> = listing.iter().map(String::as_str).collect();
    assert_eq!(tables(&listing), ["t \"t/\" (partition_0) 3000"]);
}

fn any_listing() -> impl Strategy<Value = Vec<(String, &'static str)>> {
    let folder = proptest::sample::select(vec!["a", "b", "dt=2026-11-20", "dt=2026-11-21", "2026", "11", "02", "17", "k=x"]);
    let file = proptest::sample::select(vec!["orders_1.csv", "orders_2.csv", "users.json", "x.parquet"]);
    let columns = proptest::sample::select(vec!["a,b,c", "a,b,c,d", "x,y", "z"]);
    let object = (proptest::collection::vec(folder, 0..4), file, columns).prop_map(|(folders, file, columns)| {
        let path = folders.into_iter().chain([file]).collect::<Vec<_>>().join("/");
        (path, columns)
    });
    proptest::collection::btree_map(object.clone().prop_map(|(path, _)| path), object.prop_map(|(_, columns)| columns), 0..20)
        .prop_map(|listing| listing.into_iter().collect())
}

/// What [`super::kinds`] is to come to: each file compared with each group.
fn compared_one_by_one(files: &[Vec<usize>], least: f64) -> Vec<u64> {
    let mut groups: Vec<(ObservedSchema, u64)> = Vec::new();
    for columns in files {
        let file = columns_of(columns);
        match groups.iter_mut().find(|(group, _)| super::similarity::similarity(group, &file) >= least) {
            Some((group, files)) => {
                group.merge(&file);
                *files += 1;
            }
            None => groups.push((file, 1)),
        }
    }
    groups.into_iter().map(|(_, files)| files).collect()
}

fn columns_of(columns: &[usize]) -> ObservedSchema {
    if columns.is_empty() {
        return FileObservation::new("x").finish(&ResolveOptions::default());
    }
    schema("x", &columns.iter().map(|column| format!("c{column}")).collect::<Vec<_>>().join(","))
}

proptest! {
    #[test]
    fn files_are_grouped_as_if_each_was_compared_with_all(
        files in proptest::collection::vec(proptest::collection::btree_set(0..12_usize, 0..6), 0..25),
        least in proptest::sample::select(vec![0.0, 0.3, 0.5, 0.7, 1.0]),
    ) {
        // One that was seen before goes where the first went: it may have been taken by an earlier group that has grown since.
        let distinct: Vec<Vec<usize>> = files.into_iter().collect::<std::collections::BTreeSet<_>>().into_iter().map(|file| file.into_iter().collect()).collect();
        let options = GroupOptions { similarity: least, ..GroupOptions::default() };
        let mut grouping = Grouping::new("x", options);
        for (index, columns) in distinct.iter().enumerate() {
            let path = format!("{index:03}.csv");
            let object = CrawledObject { path: &path, size: 1, format: Format::Csv, compression: Compression::None };
            grouping.push(&object, &columns_of(columns)).unwrap();
        }
        let mut found: Vec<u64> = grouping.finish().tables.iter().map(|table| table.objects).collect();
        let mut expected = compared_one_by_one(&distinct, least);
        found.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn every_object_is_in_one_table_whose_folders_it_fits(listing in any_listing()) {
        let lines: Vec<String> = listing.iter().map(|(path, columns)| format!("{path} {columns}")).collect();
        let crawl = crawl(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        prop_assert_eq!(crawl.tables.iter().map(|table| table.objects).sum::<u64>(), listing.len() as u64);
        prop_assert_eq!(crawl.tables.iter().map(|table| table.observed.files).sum::<u64>(), listing.len() as u64);
        let names: std::collections::HashSet<&str> = crawl.tables.iter().map(|table| table.name.as_str()).collect();
        prop_assert_eq!(names.len(), crawl.tables.len());
        let overlapping = overlapping(&crawl);
        for (table, lines) in crawl.tables.iter().zip(&overlapping) {
            // A reader passes over what is of another format.
            let mut owners = Owners::default();
            crawl.tables.iter().filter(|other| other.format == table.format).for_each(|other| owners.insert(&other.location, other.name.as_str()));
            let of_format = listing.iter().filter(|(path, _)| Format::of_path(path) == Some(table.format));
            let below: Vec<&str> = of_format.filter_map(|(path, _)| path.strip_prefix(&table.root)).collect();
            prop_assert!(below.len() as u64 >= table.objects);
            let owner = owners.of(&table.first).copied();
            let said = format!("of table {} as well", table.name);
            let is_said = |owner: &str| {
                let place = crawl.tables.iter().position(|table| table.name == owner);
                place.is_some_and(|place| overlapping[place].iter().any(|line| line.contains(&said) || line.contains("further tables")))
            };
            prop_assert!(owner.is_some_and(|owner| owner == table.name || is_said(owner)));
            if table.location != table.root {
                let folder = table.first[table.root.len()..].rsplit_once('/').map_or("", |(folder, _)| folder);
                prop_assert!(table.partitioning.values(folder).is_ok(), "{folder} in {:?}", table.partitioning);
                continue;
            }
            let alone = !lines.iter().any(|line| line.ends_with("move it to a folder of its own"));
            prop_assert_eq!(below.len() as u64 == table.objects, alone, "{:?} holds nothing else, or says so", table);
            if !alone {
                continue;
            }
            for path in below {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                prop_assert!(table.partitioning.values(folder).is_ok(), "{folder} in {:?}", table.partitioning);
            }
        }
    }
}
