//! Tables on S3 that a queue tells of new objects: moto's SQS, with the events of moto's own S3, and with events as AWS documents them.

use std::sync::Arc;
use std::time::Duration;

use connectors::Error;
use connectors::context::Context;
use connectors::registry::connector;
use connectors::source::{Offset, Source};
use connectors::stores::S3Config;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tempfile::TempDir;
use testkit::moto::{Moto, Queue};
use testkit::s3::{Operation, S3Server};
use tokio::time::{Instant, sleep, timeout};

use crate::bench::{HUGE, context, context_on, id_name, read, spec};

const BUCKET: &str = "incoming";
/// How long anything may take that is to happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A bucket and a queue on moto, and a lake on the local disk.
struct Bench {
    moto: Moto,
    queue: Queue,
    context: Context,
    _folder: TempDir,
}

/// Moto, or nothing where it is not to be had. In CI that is an error.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
async fn moto() -> Option<Moto> {
    match Moto::start().await {
        Ok(moto) => Some(moto),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "moto: {error}");
            eprintln!("skipped: moto is not to be had: {error}");
            None
        }
    }
}

impl Bench {
    async fn new() -> Option<Self> {
        let moto = moto().await?;
        moto.create_bucket(BUCKET).await.unwrap();
        let queue = moto.create_queue("news", &[]).await.unwrap();
        let folder = TempDir::new().unwrap();
        let s3 = S3Config {
            endpoint: Some(moto.endpoint()),
            region: Some("us-east-1".into()),
            access_key_id: Some("testing".into()),
            secret_access_key: Some("testing".into()),
            ..S3Config::default()
        };
        let context = context(folder.path().join("lake").to_str().unwrap(), s3);
        Some(Self { moto, queue, context, _folder: folder })
    }

    /// The same, with the bucket's events in the queue.
    async fn notified() -> Option<Self> {
        let bench = Self::new().await?;
        bench.moto.notify(BUCKET, &bench.queue).await.unwrap();
        Some(bench)
    }

    async fn table(&self, name: &str, location: &str, options: &[(&str, &str)]) -> Arc<dyn Source> {
        open(&self.context, &self.queue, name, location, options).await
    }

    /// A table of `in/`, that listens.
    async fn listening(&self, options: &[(&str, &str)]) -> Reader {
        let source = self.table("t", &format!("s3://{BUCKET}/in/"), options).await;
        source.listen().await.unwrap();
        Reader { source, offset: None }
    }

    fn store(&self) -> Arc<dyn ObjectStore> {
        self.context.locate(&format!("s3://{BUCKET}/")).unwrap().store
    }

    async fn put(&self, key: &str, text: &str) {
        self.store().put(&Path::parse(key).unwrap(), text.to_owned().into()).await.unwrap();
    }

    async fn put_id(&self, key: &str, id: i64) {
        self.put(key, &format!("{{\"id\":{id}}}\n")).await;
    }

    /// An event as S3 writes it of an object as it is now.
    async fn event(&self, key: &str) -> String {
        let meta = self.store().head(&Path::parse(key).unwrap()).await.unwrap();
        event(BUCKET, key, meta.size, meta.e_tag.as_deref().unwrap().trim_matches('"'))
    }

    async fn is_empty(&self) {
        eventually("the queue is empty", async || self.queue.counts().await.unwrap() == (0, 0)).await;
    }
}

async fn open(context: &Context, queue: &Queue, name: &str, location: &str, options: &[(&str, &str)]) -> Arc<dyn Source> {
    let queue = format!("sqs:{}", queue.url());
    let mut all = vec![("notifications", queue.as_str())];
    all.extend(options);
    let mut table = spec("JSON", location, id_name(), &all);
    table.name = name.to_owned();
    let home = context.locate(&format!("lake://.engine/sources/p/{name}")).unwrap();
    connector("JSON").unwrap().source(&table, home, context).await.unwrap()
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
fn event(bucket: &str, key: &str, size: u64, etag: &str) -> String {
    let key: String = key
        .bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    let key = key.replace("%20", "+");
    let object = serde_json::json!({"key": key, "size": size, "eTag": etag, "sequencer": "0055AED6DCD90281E5"});
    let s3 = serde_json::json!({"s3SchemaVersion": "1.0", "configurationId": "c", "bucket": {"name": bucket, "arn": format!("arn:aws:s3:::{bucket}")}, "object": object});
    serde_json::json!({"Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventTime": "2026-11-21T10:00:00.000Z",
        "eventName": "ObjectCreated:Put", "s3": s3,
    }]})
    .to_string()
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "not so after {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(100)).await;
    }
}

/// Who reads a source as the engine does, and commits.
struct Reader {
    source: Arc<dyn Source>,
    offset: Option<Offset>,
}

impl Reader {
    /// Reads what is there, without committing it.
    async fn read(&mut self) -> Vec<i64> {
        let mut ids = Vec::new();
        loop {
            let read = read(&self.source, self.offset.as_ref(), HUGE).await.unwrap();
            ids.extend(read.ids());
            self.offset = Some(read.offset);
            if !read.more {
                ids.sort_unstable();
                return ids;
            }
        }
    }

    async fn commit(&self) {
        self.source.committed(&[self.offset.as_ref().unwrap()]).await.unwrap();
    }

    /// Reads what is there, and commits it.
    async fn next(&mut self) -> Vec<i64> {
        let ids = self.read().await;
        self.commit().await;
        ids
    }

    async fn told(&self) {
        let told = timeout(PATIENCE, self.source.changed()).await;
        assert!(matches!(told, Ok(Ok(()))), "nothing was told: {told:?}");
    }

    /// Is told and reads, again and again, until as many ids came as are `expected`; those are all.
    async fn follows(&mut self, expected: &[i64]) {
        let mut ids = Vec::new();
        while ids.len() < expected.len() {
            self.told().await;
            ids.extend(self.next().await);
        }
        ids.sort_unstable();
        assert_eq!(ids, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_put_copied_and_uploaded_in_parts_are_read_once_and_their_messages_deleted() {
    let Some(bench) = Bench::notified().await else { return };
    bench.put_id("in/first.json", 1).await;
    let mut reader = bench.listening(&[]).await;
    assert_eq!(reader.next().await, [1]);

    bench.put_id("in/a b+ü%2F.json", 2).await;
    bench.put_id("in/日/k=v/x.json", 3).await;
    let store = bench.store();
    store.copy(&Path::from("in/first.json"), &Path::parse("in/copy of first.json").unwrap()).await.unwrap();
    let mut upload = store.put_multipart(&Path::from("in/parts.json")).await.unwrap();
    upload.put_part("{\"id\":5}".into()).await.unwrap();
    upload.complete().await.unwrap();
    store.delete(&Path::from("in/first.json")).await.unwrap();
    // Neither is to be read: gone again, hidden, empty, of another format, and of no table here.
    bench.put_id("in/gone.json", 90).await;
    store.delete(&Path::from("in/gone.json")).await.unwrap();
    bench.put_id("in/_hidden.json", 91).await;
    bench.put("in/empty.json", "").await;
    bench.put("in/x.csv", "id\n92\n").await;
    bench.put_id("other/x.json", 93).await;
    reader.follows(&[1, 2, 3, 5]).await;
    while timeout(Duration::from_secs(2), reader.source.changed()).await.is_ok() {
        assert!(reader.next().await.is_empty());
    }
    bench.is_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_named_is_read_without_listing_the_others() {
    let Some(moto) = moto().await else { return };
    let queue = moto.create_queue("news", &[]).await.unwrap();
    let server = S3Server::start().await.unwrap();
    let (context, bucket) = (context_on(&server), testkit::s3::BUCKET);
    let store = context.locate(&format!("s3://{bucket}/")).unwrap().store;
    let put = async |number: i64| {
        let key = format!("in/{number}.json");
        let put = store.put(&Path::from(key.as_str()), format!("{{\"id\":{number}}}").into()).await.unwrap();
        (key, put.e_tag.unwrap().trim_matches('"').to_owned())
    };
    for number in 0..20 {
        put(number).await;
    }
    let source = open(&context, &queue, "t", &format!("s3://{bucket}/in/"), &[]).await;
    source.listen().await.unwrap();
    let mut reader = Reader { source, offset: None };
    assert_eq!(reader.next().await.len(), 20);
    let (key, etag) = put(20).await;
    queue.send(&event(bucket, &key, 9, &etag)).await.unwrap();
    server.requests().reset();
    reader.follows(&[20]).await;
    let requests = server.requests();
    let lists = requests.all().into_iter().filter(|request| format!("{:?}", request.operation).starts_with("List"));
    let source_lists: Vec<_> = lists.collect();
    assert!(source_lists.is_empty(), "{source_lists:?}");
    let asked = |operation| requests.count(operation, "in/");
    assert_eq!((asked(Operation::HeadObject), asked(Operation::GetObject)), (1, 1), "{:?}", requests.all());

    // An event of what is known, as it is known, asks for nothing at all.
    requests.reset();
    queue.send(&event(bucket, &key, 9, &etag)).await.unwrap();
    reader.told().await;
    assert!(reader.next().await.is_empty());
    assert_eq!(asked(Operation::HeadObject), 0, "{:?}", requests.all());
    eventually("it is deleted", async || queue.counts().await.unwrap() == (0, 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_told_of_is_found_by_the_listing_that_is_due() {
    let Some(bench) = Bench::new().await else { return };
    let mut patient = bench.listening(&[("poll", "1h")]).await;
    let mut hasty = bench.listening(&[("poll", "1s")]).await;
    for reader in [&mut patient, &mut hasty] {
        assert!(reader.next().await.is_empty());
    }
    bench.put_id("in/silent.json", 1).await;
    assert!(patient.next().await.is_empty(), "not due for an hour");
    eventually("it is listed", async || hasty.next().await == [1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated_and_reordered_events_load_nothing_twice() {
    let Some(bench) = Bench::new().await else { return };
    let mut reader = bench.listening(&[("on_change", "reprocess")]).await;
    assert!(reader.next().await.is_empty());
    bench.put_id("in/a.json", 1).await;
    let old = bench.event("in/a.json").await;
    bench.put_id("in/a.json", 22).await;
    let new = bench.event("in/a.json").await;
    for body in [&new, &old, &new] {
        bench.queue.send(body).await.unwrap();
    }
    reader.follows(&[22]).await;
    for body in [&old, &new] {
        bench.queue.send(body).await.unwrap();
        reader.told().await;
        assert!(reader.next().await.is_empty());
    }
    bench.put_id("in/a.json", 333).await;
    bench.queue.send(&bench.event("in/a.json").await).await.unwrap();
    reader.follows(&[333]).await;
    bench.is_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn event_bridge_and_sns_say_the_same_and_test_events_say_nothing() {
    let Some(bench) = Bench::new().await else { return };
    bench.moto.notify_by_event_bridge(BUCKET, &bench.queue).await.unwrap();
    let wrapped = bench.moto.create_topic("wrapped", &bench.queue, false).await.unwrap();
    let raw = bench.moto.create_topic("raw", &bench.queue, true).await.unwrap();
    let mut reader = bench.listening(&[]).await;
    assert!(reader.next().await.is_empty());
    bench.put_id("in/a b+ü.json", 1).await;
    reader.follows(&[1]).await;
    // Nobody tells of objects in another bucket but the topics.
    bench.moto.create_bucket("silent").await.unwrap();
    let source = bench.table("u", "s3://silent/", &[]).await;
    source.listen().await.unwrap();
    let mut other = Reader { source, offset: None };
    assert!(other.next().await.is_empty());
    let silent = bench.context.locate("s3://silent/").unwrap().store;
    for (id, topic) in [(2, &wrapped), (3, &raw)] {
        let (key, text) = (format!("a b+{id}.json"), format!("{{\"id\":{id}}}"));
        let put = silent.put(&Path::parse(&key).unwrap(), text.into()).await.unwrap();
        let body = event("silent", &key, 8, put.e_tag.unwrap().trim_matches('"'));
        bench.moto.publish(topic, &body).await.unwrap();
        other.follows(&[id]).await;
    }
    let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-11-21T10:00:00.000Z","Bucket":"incoming","RequestId":"r","HostId":"h"}"#;
    bench.queue.send(test).await.unwrap();
    bench.moto.publish(&wrapped, test).await.unwrap();
    bench.is_empty().await;
    assert!(timeout(Duration::from_millis(500), reader.source.changed()).await.is_err(), "a test event tells of nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_cannot_be_understood_ends_in_the_dead_letter_queue_and_the_others_are_read() {
    let Some(bench) = Bench::new().await else { return };
    let dead = bench.moto.create_queue("dead", &[]).await.unwrap();
    let policy = dead.redrive_policy(2);
    let queue = bench.moto.create_queue("with-dead", &[("RedrivePolicy", policy.as_str())]).await.unwrap();
    bench.moto.notify(BUCKET, &queue).await.unwrap();
    let bench = Bench { queue, ..bench };
    let mut reader = bench.listening(&[("visibility", "1s")]).await;
    assert!(reader.next().await.is_empty());
    for broken in ["new file!", "{\"Records\":[{\"eventName\":\"ObjectCreated:Put\"}]}"] {
        bench.queue.send(broken).await.unwrap();
    }
    bench.put_id("in/a.json", 1).await;
    reader.follows(&[1]).await;
    eventually("both are in the dead-letter queue", async || dead.counts().await.unwrap().0 == 2).await;
    bench.put_id("in/b.json", 2).await;
    reader.follows(&[2]).await;
    bench.is_empty().await;
    let mut bodies = dead.bodies().await.unwrap();
    bodies.sort();
    assert_eq!(bodies, ["new file!", "{\"Records\":[{\"eventName\":\"ObjectCreated:Put\"}]}"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_stay_hidden_while_work_goes_on_however_long_and_come_again_when_it_dies() {
    let Some(bench) = Bench::notified().await else { return };
    // Hidden again when less than half is left: a machine that stands still for two seconds breaks nothing.
    let visibility = [("visibility", "8s")];
    let mut reader = bench.listening(&visibility).await;
    assert!(reader.next().await.is_empty());
    bench.put_id("in/a.json", 1).await;
    reader.told().await;
    assert_eq!(reader.read().await, [1]);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(bench.queue.counts().await.unwrap(), (0, 1));
    assert!(bench.queue.bodies().await.unwrap().is_empty(), "another received what is being worked on");
    // Committed, and killed before the message was deleted.
    let offset = reader.offset.clone();
    drop(reader);
    let mut reader = bench.listening(&visibility).await;
    reader.offset = offset;
    assert!(reader.next().await.is_empty());
    reader.told().await;
    assert!(reader.next().await.is_empty(), "what came again was loaded again");
    bench.is_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_deleted_when_all_flows_and_all_tables_have_what_it_names() {
    let Some(bench) = Bench::notified().await else { return };
    let mut readers = Vec::new();
    for name in ["a", "b"] {
        let source = bench.table(name, &format!("s3://{BUCKET}/{name}/**/*.json"), &[]).await;
        source.listen().await.unwrap();
        let mut reader = Reader { source, offset: None };
        assert!(reader.next().await.is_empty());
        readers.push(reader);
    }
    bench.is_empty().await;
    let before = readers[0].offset.clone().unwrap();
    for name in ["a", "b"] {
        bench.put_id(&format!("{name}/1.json"), 1).await;
    }
    readers[0].told().await;
    assert_eq!(readers[0].read().await, [1]);
    let now = readers[0].offset.clone().unwrap();
    eventually("both were received", async || bench.queue.counts().await.unwrap() == (0, 2)).await;
    readers[0].source.committed(&[&now, &before]).await.unwrap();
    assert_eq!(bench.queue.counts().await.unwrap(), (0, 2), "a flow has not got it yet");
    readers[0].source.committed(&[&now, &now]).await.unwrap();
    assert_eq!(bench.queue.counts().await.unwrap(), (0, 1), "the other table has not got its own yet");
    readers[1].follows(&[1]).await;
    bench.is_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_keeps_order_is_read_too() {
    let Some(bench) = Bench::new().await else { return };
    let queue = bench.moto.create_queue("news.fifo", &[("FifoQueue", "true")]).await.unwrap();
    let bench = Bench { queue, ..bench };
    let mut reader = bench.listening(&[]).await;
    assert!(reader.next().await.is_empty());
    for id in 1..=3 {
        let key = format!("in/{id}.json");
        bench.put_id(&key, id).await;
        bench.queue.send_in_order(&bench.event(&key).await, "one", &id.to_string()).await.unwrap();
    }
    reader.follows(&[1, 2, 3]).await;
    bench.is_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_does_not_follow_takes_from_the_queue_what_its_listing_has_covered() {
    let Some(bench) = Bench::notified().await else { return };
    for id in 0..25 {
        bench.put_id(&format!("in/{id}.json"), id).await;
    }
    let mut reader = Reader { source: bench.table("t", &format!("s3://{BUCKET}/in/"), &[]).await, offset: None };
    assert_eq!(reader.next().await, (0..25).collect::<Vec<_>>());
    bench.put_id("in/late.json", 99).await;
    bench.put_id("elsewhere/x.json", 98).await;
    reader.source.retain(&[reader.offset.as_ref().unwrap()]).await.unwrap();
    assert_eq!(bench.queue.counts().await.unwrap(), (1, 0), "what came late waits for the next run");
    assert_eq!(reader.next().await, [99]);
    reader.source.retain(&[reader.offset.as_ref().unwrap()]).await.unwrap();
    bench.is_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_share_a_queue_each_take_from_it_what_their_listings_have_covered() {
    let Some(bench) = Bench::notified().await else { return };
    let mut readers = Vec::new();
    for name in ["a", "b"] {
        for id in 0..12 {
            bench.put_id(&format!("{name}/{id}.json"), id).await;
        }
        readers.push(Reader { source: bench.table(name, &format!("s3://{BUCKET}/{name}/"), &[]).await, offset: None });
    }
    for reader in &mut readers {
        assert_eq!(reader.next().await, (0..12).collect::<Vec<_>>());
    }
    let end = async |readers: &[Reader]| {
        for reader in readers {
            reader.source.retain(&[reader.offset.as_ref().unwrap()]).await.unwrap();
        }
        bench.queue.counts().await.unwrap()
    };
    assert_eq!(end(&readers).await, (0, 0));
    bench.put_id("a/late.json", 99).await;
    assert_eq!(end(&readers).await, (1, 0), "what came late waits for the next run");
    assert_eq!(readers[0].next().await, [99]);
    assert_eq!(end(&readers).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_share_a_queue_and_hide_its_messages_for_different_times_are_refused() {
    let folder = TempDir::new().unwrap();
    let context = context(folder.path().to_str().unwrap(), S3Config::default());
    let home = context.locate("lake://home").unwrap();
    let open = async |visibility: &[(&str, &str)]| {
        let queue = ("notifications", "sqs:https://sqs.eu-west-1.amazonaws.com/123456789012/news");
        let options: Vec<_> = [queue].iter().chain(visibility).copied().collect();
        let table = spec("JSON", "s3://somewhere/in/", id_name(), &options);
        connector("JSON").unwrap().source(&table, home.clone(), &context).await
    };
    let first = open(&[]).await.unwrap();
    let same = open(&[("visibility", "1min")]).await.unwrap();
    let error = open(&[("visibility", "30s")]).await.unwrap_err();
    assert_eq!(error.subject(), Some("visibility"));
    assert!(error.to_string().starts_with("option 'visibility' is 30 s, and 60 s with another table"), "{error}");
    drop((first, same));
    open(&[("visibility", "30s")]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_of_aws_is_asked_where_the_settings_say() {
    let Some(moto) = moto().await else { return };
    moto.create_bucket(BUCKET).await.unwrap();
    let queue = moto.create_queue("news", &[]).await.unwrap();
    let folder = TempDir::new().unwrap();
    let endpoint = Some(moto.endpoint());
    let keys = [Some("testing".to_owned()), Some("testing".to_owned())];
    let [access_key_id, secret_access_key] = keys;
    let s3 = S3Config {
        endpoint: endpoint.clone(),
        queue_endpoint: endpoint,
        access_key_id,
        secret_access_key,
        ..S3Config::default()
    };
    let context = context(folder.path().join("lake").to_str().unwrap(), s3);
    let url = "sqs:https://sqs.us-east-1.amazonaws.com/123456789012/news";
    let table = spec("JSON", &format!("s3://{BUCKET}/in/"), id_name(), &[("notifications", url)]);
    let home = context.locate("lake://.engine/sources/p/t").unwrap();
    let source = connector("JSON").unwrap().source(&table, home, &context).await.unwrap();
    source.listen().await.unwrap();
    queue.send("{\"Service\":\"Amazon S3\",\"Event\":\"s3:TestEvent\",\"Bucket\":\"incoming\"}").await.unwrap();
    eventually("the test event is taken", async || queue.counts().await.unwrap() == (0, 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_not_there_is_an_error_that_names_it() {
    let Some(bench) = Bench::new().await else { return };
    let url = bench.queue.url().replace("news", "nowhere");
    let table = spec("JSON", &format!("s3://{BUCKET}/in/"), id_name(), &[("notifications", &format!("sqs:{url}"))]);
    let home = bench.context.locate("lake://.engine/sources/p/t").unwrap();
    let source = connector("JSON").unwrap().source(&table, home, &bench.context).await.unwrap();
    let error = source.listen().await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with("table 't': cannot look at queue 'nowhere'") && text.contains("check the URL"), "{text}");
}
