//! Each success and each refusal of the protocol, in a local folder whose warehouse is the lake.

use super::world::World;

const USERS: &str = r#"{"table_name":"users","columns":[{"name":"id","type":"BIGINT","nullable":false},{"name":"First name","type":"VARCHAR(5)"},
  {"name":"born","type":"DATE"}],"allowed_operations":["append","truncate"],"schema_version":"20240101_000000"}"#;

fn lines(text: &[&str]) -> Option<Vec<String>> {
    Some(text.iter().map(|line| (*line).to_owned()).collect())
}

#[test]
fn a_table_is_made_of_a_header_and_added_to_by_name() {
    let world = World::new();
    world.put("warehouse/append/users/a.csv", "id,First name,zip\n1,Ann,01234\n2,Bob,00001\n");
    let said = world.land_well();
    assert_eq!(said.lines().next(), Some("loaded   warehouse/append/users/a.csv: 2 rows into public.users (append)"));
    assert_eq!(world.table("users"), lines(&["id,first_name,zip", "1,Ann,01234", "2,Bob,00001"]));
    // In another order, with capitals, quotes and a byte order mark, in UTF-16, in Latin-1, with semicolons, compressed.
    world.put("warehouse/APPEND/users/b.csv", "\u{feff}\"ZIP\",\"First Name\",\"ID\"\n00003,\"C, D\",3\n");
    let utf16: Vec<u8> = "\u{feff}id\tfirst_name\tzip\n4\tÉ\t00004\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    world.put("warehouse/append/users/c.tsv", utf16);
    world.put("warehouse/append/users/2026/01/d.csv", b"id;first_name;zip\n5;J\xfcrgen;00005\n");
    world.land_well();
    let table = world.table("users").unwrap();
    assert_eq!(table[3..], ["3,\"C, D\",00003", "4,É,00004", "5,Jürgen,00005"]);
    assert!(world.land_well().contains("nothing new"));
    assert_eq!(world.files("in").len(), 4, "what was loaded stays");
    assert_eq!(
        world.log()[..2],
        [
            "warehouse/append/users/a.csv,public.users,append,SUCCESS,2,unknown,false",
            "warehouse/APPEND/users/b.csv,public.users,append,SUCCESS,1,unknown,true"
        ]
    );
    // The same key with other content is another file.
    world.put("warehouse/append/users/a.csv", "id,first_name,zip\n9,Z,00009\n");
    world.land_well();
    assert_eq!(world.table("users").unwrap().len(), 7);
}

#[test]
fn json_and_parquet_are_read_and_odd_names_are_names() {
    let world = World::new();
    world.put("warehouse/append/t/a.ndjson", "{\"id\":1,\"n\":1.5}\n{\"id\":2,\"n\":2}\n");
    world.put("warehouse/append/t/b.json", "[{\"N\":3,\"ID\":3}]");
    world.put("warehouse/append/t/it's [a] {b}*? $HOME ${x} %41.csv", "id,n\n4,4.5\n");
    world.land_well();
    assert_eq!(world.table("t"), lines(&["id,n", "1,1.5", "2,2.0", "3,3.0", "4,4.5"]));
    let copy = format!(
        "COPY (SELECT id, n FROM warehouse.public.t WHERE id < 3) TO '{}' STORED AS PARQUET",
        world.path("p.parquet").display()
    );
    world.query(&copy);
    world.put("warehouse/truncate/t/p.parquet", std::fs::read(world.path("p.parquet")).unwrap());
    world.land_well();
    assert_eq!(world.table("t"), lines(&["id,n", "1,1.5", "2,2.0"]));
    world.put("warehouse/append/t/extra.ndjson", "{\"id\":1,\"n\":1}\n{\"id\":2,\"n\":1,\"more\":1}\n");
    assert!(world.land_badly().contains("not in the table: more"));
}

#[test]
fn truncate_replaces_the_rows_and_schema_the_table() {
    let world = World::new();
    world.put("warehouse/append/t/a.csv", "id,name,old\n1,a,x\n2,b,y\n");
    world.put("warehouse/truncate/t/b.csv", "old,id,name\nz,3,c\n");
    world.land_well();
    assert_eq!(world.table("t"), lines(&["id,name,old", "3,c,z"]));
    world.put("warehouse/truncate/t/none.csv", "id,name,old\n");
    world.land_well();
    assert_eq!(world.table("t"), lines(&["id,name,old"]));
    // A column fewer, one of another type, one that is new.
    world.put("warehouse/schema/t/c.csv", "id,name,more\nx1,d,4\nx2,e,5\n");
    world.land_well();
    assert_eq!(world.table("t"), lines(&["id,name,more", "x1,d,4", "x2,e,5"]));
    world.put("warehouse/append/t/d.csv", "id,name,more\n7,f,6\n");
    world.land_well();
    assert_eq!(world.table("t").unwrap().len(), 4);
    world.put("warehouse/schema/fresh/a.csv", "a,b\n1,2\n");
    world.land_well();
    assert_eq!(world.table("fresh"), lines(&["a,b", "1,2"]));
    let modes: Vec<String> = world.log().iter().map(|line| line.split(',').nth(2).unwrap().to_owned()).collect();
    assert_eq!(modes, ["append", "truncate", "truncate", "schema", "append", "schema"]);
}

#[test]
fn a_schema_makes_a_table_that_files_are_held_against_from_then_on() {
    let world = World::new();
    world.put("warehouse/schema/users/users.json", USERS);
    world.put("warehouse/append/users/a.csv", "born,first_name,ID\n2001-02-03,Ann,1\n,,2\n");
    let said = world.land_well();
    assert!(said.contains("users.json: 0 rows into public.users (schema)"), "{said}");
    assert_eq!(world.table("users"), lines(&["id,first_name,born", "1,Ann,2001-02-03", "2,,"]));
    for (name, text, line, column, reason) in [
        ("type", "id,first name,born\n1,a,2001-01-01\nx,b,\n", 3, "id", "'x' is not a BIGINT"),
        (
            "length",
            "id,first name,born\n1,\"a\nb\",\n2,abcdef,\n",
            4,
            "first_name",
            "'abcdef' has 6 letters, and the column takes 5",
        ),
        ("null", "id,first name,born\n,a,\n", 2, "id", "NOT NULL"),
        ("date", "id,first name,born\n1,a,yesterday\n", 2, "born", "'yesterday' is not a DATE"),
    ] {
        let key = format!("warehouse/append/users/{name}.csv");
        world.put(&key, text);
        let said = world.land_badly();
        let found = world.reason(&key);
        assert_eq!((found["line"].as_u64(), found["column"].as_str()), (Some(line), Some(column)), "{found}");
        assert!(found["reason"].as_str().unwrap().contains(reason) && said.contains(reason), "{found}");
        assert_eq!(found["table"], "public.users");
    }
    assert_eq!(world.table("users").unwrap().len(), 3, "nothing of a refused file is in");
    // What is not allowed, a schema by CSV too; the same schema again; an older one; one that takes away; one that adds.
    world.put("warehouse/schema/users/c.csv", "id\n1\n");
    assert!(world.land_badly().contains("'schema' is not allowed for table 'users'"));
    world.put("warehouse/schema/users/same.json", USERS);
    world.land_well();
    world.put("warehouse/schema/users/older.json", USERS.replace("20240101", "20230101").replace("BIGINT", "INT"));
    assert!(world.land_badly().contains("is not newer than that of the schema that counts"));
    world.put("warehouse/schema/users/narrow.json", USERS.replace("20240101", "20250101").replace("VARCHAR(5)", "VARCHAR(3)"));
    let said = world.land_badly();
    assert!(said.contains("ALTER TABLE public.users ALTER COLUMN first_name TYPE VARCHAR(3)"), "{said}");
    let wider = USERS
        .replace("20240101", "20250101")
        .replace("VARCHAR(5)", "VARCHAR(9)")
        .replace("\"DATE\"}", "\"DATE\"},{\"name\":\"city\",\"type\":\"TEXT\"}");
    world.put("warehouse/schema/users/wider.json", wider.replace("\"append\",", ""));
    world.land_well();
    world.put("warehouse/append/users/e.csv", "id,first name,born,city\n1,a,,x\n");
    assert!(world.land_badly().contains("'append' is not allowed"));
    world.put("warehouse/truncate/users/f.csv", "id,first name,born,city\n7,abcdefghi,,x\n");
    world.land_well();
    assert_eq!(world.table("users"), lines(&["id,first_name,born,city", "7,abcdefghi,,x"]));
    assert_eq!(
        world.log().last().unwrap(),
        "warehouse/truncate/users/f.csv,public.users,truncate,SUCCESS,1,20250101_000000,true"
    );
}

#[test]
fn what_is_wrong_with_a_schema_is_told() {
    let world = World::new();
    for (name, text, part) in [
        ("syntax", "{\"table_name\": }".to_owned(), "is no JSON"),
        ("key", USERS.replace("nullable", "nulable"), "did you mean 'nullable'?"),
        ("type", USERS.replace("BIGINT", "BIGNT"), "did you mean BIGINT?"),
        ("table", USERS.replace("users", "orders"), "the schema is of table 'orders'"),
        ("version", USERS.replace("20240101_000000", "1"), "schema_version is '1'"),
    ] {
        world.put(&format!("warehouse/schema/users/{name}.json"), text);
        let said = world.land_badly();
        assert!(said.contains(part), "{name}: {said}");
    }
    assert_eq!(world.table("users"), None);
}

#[test]
fn refused_files_are_put_aside_with_their_reasons_and_hold_up_nobody() {
    let world = World::new();
    world.put("warehouse/append/t/1.csv", "id,name\n1,a\n");
    world.put("a.csv", "id\n1\n");
    world.put("warehouse/apend/t/a.csv", "id\n1\n");
    world.put("prod/append/t/a.csv", "id\n1\n");
    world.put("warehouse/append/a.b/a.csv", "id\n1\n");
    world.put("warehouse/append/t/empty.csv", "");
    world.put("warehouse/append/t/wrong.csv", "id,nmae\n1,a\n");
    world.put("warehouse/append/t/less.csv", "id\n1\n");
    world.put("warehouse/append/t/ragged.csv", "id,name\n1,a\n2,b,c\n");
    world.put("warehouse/append/t/cut.csv.gz", &[0x1f, 0x8b, 8, 0, 0][..]);
    world.put("warehouse/append/t/_SUCCESS", "");
    world.put("warehouse/append/t/.hidden.csv", "x\n");
    world.put("warehouse/append/t/2.csv", "id,name\n2,b\n");
    let said = world.land_badly();
    assert_eq!(world.table("t"), lines(&["id,name", "1,a", "2,b"]), "{said}");
    for (key, reason, hint) in [
        ("a.csv", "has 1 of 4 parts", "database/action/table/file"),
        ("warehouse/apend/t/a.csv", "'apend' in the key", "did you mean 'append'?"),
        ("prod/append/t/a.csv", "names the database 'prod'", "put it under warehouse/append/t/"),
        ("warehouse/append/a.b/a.csv", "'a.b' in the key", ""),
        ("warehouse/append/t/empty.csv", "is empty", ""),
        (
            "warehouse/append/t/wrong.csv",
            "missing in the file: name; not in the table: nmae",
            "put a file under db/schema/t/ to change the table",
        ),
        ("warehouse/append/t/less.csv", "the file has id; the table has id, name", "put a file under db/schema/t/"),
        ("warehouse/append/t/ragged.csv", "the record has 3 cells, 2 expected", ""),
        ("warehouse/append/t/cut.csv.gz", "truncated", ""),
    ] {
        let found = world.reason(key);
        assert!(found["reason"].as_str().unwrap().contains(reason), "{found:#}");
        assert!(found["hint"].as_str().unwrap_or_default().contains(hint), "{found:#}");
        assert_eq!(found["key"], key);
        let names: Vec<&str> = found.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names.len(), 12, "{names:?}");
    }
    assert_eq!(world.reason("warehouse/append/t/ragged.csv")["line"], 3);
    let log = world.log();
    assert_eq!(log.iter().filter(|line| line.contains(",FAILED,")).count(), 9, "{log:#?}");
    assert_eq!(log.iter().filter(|line| line.contains(",SUCCESS,")).count(), 2);
    assert!(world.land_well().contains("nothing new"), "what was refused is not looked at again");
    // Repaired and put again, it is loaded.
    world.put("warehouse/append/t/wrong.csv", "id,name\n3,c\n");
    world.land_well();
    assert_eq!(world.table("t").unwrap().len(), 4);
}

#[test]
fn a_large_file_is_one_epoch_or_nothing() {
    let mut world = World::new();
    world.environment.insert("ENGINE_RUN_EPOCH_ROWS".into(), "100".into());
    let rows = |count: usize| (0..count).map(|number| format!("{number},n{number}\n")).collect::<String>();
    world.put("warehouse/append/t/a.csv", format!("id,name\n{}", rows(20_000)));
    world.land_well();
    world.put("warehouse/append/t/b.csv", format!("id,name\n{}x,last\n", rows(20_000)));
    let said = world.land_badly();
    assert!(said.contains("row 20001 (line 20002), column 'id': 'x' is not a BIGINT"), "{said}");
    assert_eq!(world.query("SELECT count(*) FROM warehouse.public.t")[1], "20000");
    assert_eq!(world.query("SELECT epochs FROM system.runs ORDER BY run")[1..], ["1", "1"]);
}

#[test]
fn a_plan_says_what_would_become_of_files_and_touches_nothing() {
    let world = World::new();
    world.put("warehouse/append/t/1.csv", "id\n1\n");
    world.land_well();
    world.put("warehouse/append/t/2.csv", "id\n2\n").put("warehouse/append/t/3.csv", "id\n3\nx\n").put("nowhere.csv", "id\n");
    // Not the bytes of the database, which SQLite tidies when it is opened.
    let state = || world.engine(&["runs", "--json"]).stdout;
    let before = (world.files("in"), world.files("lake"), state());
    let output = world.engine(&["land", "--plan"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("would load    warehouse/append/t/2.csv: into public.t (append)"), "{said}");
    assert!(said.contains("refused  warehouse/append/t/3.csv") && said.contains("(line 3), column 'id'"), "{said}");
    assert!(said.contains("refused  nowhere.csv"), "{said}");
    assert_eq!(output.status.code(), Some(1));
    assert!((world.files("in"), world.files("lake"), state()) == before);
    assert_eq!(world.table("t"), lines(&["id", "1"]));
}

#[test]
fn several_zones_have_names_and_what_is_missing_is_told() {
    let settings = "[[landing]]\nurl = './in'\n\n[[landing]]\nname = 'sales'\nurl = './sales'\ndatabase = 'dev'\nschema = 'sales'\nrejected = 'no/'\n";
    let world = World::with(settings, std::collections::BTreeMap::new());
    std::fs::create_dir_all(world.path("sales/dev/append/orders")).unwrap();
    std::fs::write(world.path("sales/dev/append/orders/a.csv"), "id\n1\n").unwrap();
    std::fs::write(world.path("sales/b.csv"), "id\n1\n").unwrap();
    world.put("warehouse/append/t/1.csv", "id\n1\n");
    let output = world.engine(&["land", "sales"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(world.query("SELECT id FROM warehouse.sales.orders")[1..], ["1"]);
    assert!(world.path("sales/no/b.csv.reason.json").exists());
    assert_eq!(world.table("t"), None);
    let output = world.engine(&["land", "salse"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no landing zone 'salse'; did you mean 'sales'?"));
    let config = world.engine(&["config"]);
    assert!(String::from_utf8_lossy(&config.stdout).contains("[[landing]]"));
    let none = World::with("", std::collections::BTreeMap::new());
    let output = none.engine(&["land"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("put one into engine.toml"), "{output:?}");
    let shown = world.engine(&["runs", "show", "sales/1", "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    let statuses: Vec<&str> = shown["files"].as_array().unwrap().iter().map(|file| file["status"].as_str().unwrap()).collect();
    assert_eq!(statuses.len(), 2, "{shown:#}");
    assert!(statuses.contains(&"FAILED") && statuses.contains(&"SUCCESS"));
}

#[test]
fn a_dropped_table_is_made_anew() {
    let world = World::new();
    world.put("warehouse/append/t/1.csv", "id\n1\n");
    world.land_well();
    std::fs::remove_dir_all(world.path("lake/warehouse/public/t")).unwrap();
    world.put("warehouse/append/t/2.csv", "other,columns\n1,2\n");
    world.land_well();
    assert_eq!(world.table("t"), lines(&["other,columns", "1,2"]));
}
