//! What the S3 server does for a client that behaves, and refuses one that does not.

use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::signer::Signer;
use object_store::{
    Error, GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutPayload, UpdateVersion,
};
use reqwest::Method;
use testkit::s3::{BUCKET, Operation, S3Server};

use crate::client::{builder, client, create, get, path, put, race};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn an_object_is_given_back_whole_and_in_ranges() {
    let s3 = S3Server::start().await.unwrap();
    let store = client(&s3);
    put(&store, "a/b c+ü.txt", "0123456789").await.unwrap();
    assert_eq!(get(&store, "a/b c+ü.txt").await.unwrap(), "0123456789");
    let path = path("a/b c+ü.txt");
    assert_eq!(store.get_range(&path, 2..5).await.unwrap(), "234");
    assert_eq!(store.get_ranges(&path, &[0..1, 9..10]).await.unwrap(), ["0", "9"]);
    for (range, expected) in [(GetRange::Offset(7), "789"), (GetRange::Suffix(2), "89")] {
        let options = GetOptions { range: Some(range), ..Default::default() };
        assert_eq!(store.get_opts(&path, options).await.unwrap().bytes().await.unwrap(), expected);
    }
    assert_eq!(store.head(&path).await.unwrap().size, 10);
    assert_eq!(s3.object(BUCKET, "a/b c+ü.txt").unwrap(), "0123456789");
    assert!(matches!(store.get(&"a".into()).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn a_read_with_conditions_is_refused_unless_they_hold() {
    let s3 = S3Server::start().await.unwrap();
    let store = client(&s3);
    put(&store, "a", "1").await.unwrap();
    let etag = store.head(&"a".into()).await.unwrap().e_tag;
    let with = |if_match, if_none_match| GetOptions { if_match, if_none_match, ..Default::default() };
    assert!(store.get_opts(&"a".into(), with(etag.clone(), None)).await.is_ok());
    assert!(matches!(store.get_opts(&"a".into(), with(None, etag.clone())).await, Err(Error::NotModified { .. })));
    put(&store, "a", "2").await.unwrap();
    assert!(matches!(store.get_opts(&"a".into(), with(etag, None)).await, Err(Error::Precondition { .. })));
}

#[tokio::test]
async fn listings_page_through_keys_and_prefixes_in_order() {
    let s3 = S3Server::builder().page_size(2).start().unwrap();
    let store = client(&s3);
    let keys = ["a", "d/1", "d/2", "d/3", "d/e/1", "f ü+", "g"];
    for key in keys {
        put(&store, key, key).await.unwrap();
    }
    let listed: Vec<_> = store.list(None).map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap();
    assert_eq!(listed, keys);
    assert_eq!(s3.requests().count(Operation::ListObjectsV2, ""), 4);
    let after: Vec<_> =
        store.list_with_offset(None, &"d/2".into()).map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap();
    assert_eq!(after, ["d/3", "d/e/1", "f ü+", "g"]);
    let root = store.list_with_delimiter(None).await.unwrap();
    assert_eq!(root.common_prefixes, ["d".into()]);
    assert_eq!(root.objects.iter().map(|meta| meta.location.as_ref()).collect::<Vec<_>>(), ["a", "f ü+", "g"]);
    let folder = store.list_with_delimiter(Some(&"d".into())).await.unwrap();
    assert_eq!((folder.objects.len(), folder.common_prefixes.len()), (3, 1));
}

#[tokio::test]
async fn deleted_objects_are_gone_one_by_one_and_together() {
    let s3 = S3Server::start().await.unwrap();
    let store = client(&s3);
    for key in ["a", "b", "c"] {
        put(&store, key, key).await.unwrap();
    }
    store.delete(&"a".into()).await.unwrap();
    let both = futures::stream::iter([Ok("b".into()), Ok("not there".into())]);
    assert_eq!(store.delete_stream(Box::pin(both)).try_collect::<Vec<_>>().await.unwrap().len(), 2);
    assert_eq!(s3.object_keys(BUCKET), ["c"]);
}

#[tokio::test]
async fn a_multipart_upload_is_seen_whole_or_not_at_all() {
    let s3 = S3Server::start().await.unwrap();
    let store = client(&s3);
    let mut upload = store.put_multipart(&"big".into()).await.unwrap();
    upload.put_part(vec![b'a'; 5 * MIB].into()).await.unwrap();
    upload.put_part("end".into()).await.unwrap();
    assert_eq!((s3.object_keys(BUCKET).len(), s3.unfinished_uploads(BUCKET).len()), (0, 1));
    upload.complete().await.unwrap();
    let body = s3.object(BUCKET, "big").unwrap();
    assert_eq!((body.len(), &body[5 * MIB - 1..]), (5 * MIB + 3, b"aend".as_slice()));
    assert!(store.head(&"big".into()).await.unwrap().e_tag.unwrap().ends_with("-2\""));
    let mut abandoned = store.put_multipart(&"other".into()).await.unwrap();
    abandoned.put_part("x".into()).await.unwrap();
    abandoned.abort().await.unwrap();
    assert_eq!((s3.object_keys(BUCKET).len(), s3.unfinished_uploads(BUCKET).len()), (1, 0));
}

#[tokio::test]
async fn a_part_under_5_mib_is_refused_unless_it_is_the_last() {
    let s3 = S3Server::start().await.unwrap();
    let mut upload = client(&s3).put_multipart(&"big".into()).await.unwrap();
    upload.put_part(vec![b'a'; 5 * MIB - 1].into()).await.unwrap();
    upload.put_part("end".into()).await.unwrap();
    let error = upload.complete().await.unwrap_err().to_string();
    assert!(error.contains("EntityTooSmall"), "{error}");
    assert!(s3.object_keys(BUCKET).is_empty());
}

#[tokio::test]
async fn a_copy_overwrites_or_creates_as_asked() {
    let s3 = S3Server::start().await.unwrap();
    let store = client(&s3);
    put(&store, "from", "1").await.unwrap();
    store.copy(&"from".into(), &path("to +ü")).await.unwrap();
    assert_eq!(get(&store, "to +ü").await.unwrap(), "1");
    put(&store, "from", "2").await.unwrap();
    let refused = store.copy_if_not_exists(&"from".into(), &path("to +ü")).await;
    assert!(matches!(refused, Err(Error::AlreadyExists { .. })), "{refused:?}");
    store.copy_if_not_exists(&"from".into(), &"new".into()).await.unwrap();
    assert_eq!((get(&store, "to +ü").await.unwrap(), get(&store, "new").await.unwrap()), ("1".into(), "2".into()));
    assert!(s3.unfinished_uploads(BUCKET).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_creates_at_once_exactly_one_wins() {
    let s3 = S3Server::start().await.unwrap();
    let store = client(&s3);
    for round in 0..8 {
        let key = format!("log/{round}");
        let winners = race(&store, &key).await;
        assert_eq!(winners, [get(&store, &key).await.unwrap()]);
    }
}

#[tokio::test]
async fn an_update_is_refused_after_someone_elses() {
    let s3 = S3Server::start().await.unwrap();
    let store = client(&s3);
    let read = store.put(&"a".into(), "1".into()).await.unwrap();
    let update = |etag| PutMode::Update(UpdateVersion { e_tag: etag, version: None }).into();
    store.put_opts(&"a".into(), "2".into(), update(read.e_tag.clone())).await.unwrap();
    let refused = store.put_opts(&"a".into(), "3".into(), update(read.e_tag)).await;
    assert!(matches!(refused, Err(Error::Precondition { .. })), "{refused:?}");
    assert_eq!(s3.object(BUCKET, "a").unwrap(), "2");
}

#[tokio::test]
async fn a_wrong_signature_and_no_signature_are_refused() {
    let s3 = S3Server::start().await.unwrap();
    put(&client(&s3), "a", "1").await.unwrap();
    s3.requests().reset();
    let wrong = builder(s3.environment()).with_secret_access_key("guess").build().unwrap();
    let unknown = builder(s3.environment()).with_access_key_id("guess").build().unwrap();
    let anonymous = builder(s3.environment()).with_skip_signature(true).build().unwrap();
    for store in [wrong, unknown, anonymous] {
        let (put, get) = (put(&store, "a", "2").await, get(&store, "a").await);
        assert!(matches!(put, Err(Error::PermissionDenied { .. })), "{put:?}");
        assert!(matches!(get, Err(Error::PermissionDenied { .. })), "{get:?}");
    }
    assert_eq!(s3.object(BUCKET, "a").unwrap(), "1");
    assert!(s3.requests().all().is_empty());
}

#[tokio::test]
async fn a_body_that_is_not_what_was_announced_is_refused() {
    let s3 = S3Server::start().await.unwrap();
    let store = client(&s3);
    // Presigned, so that the headers are the test's own.
    let url = store.signed_url(Method::PUT, &"a".into(), Duration::from_secs(60)).await.unwrap();
    let put = |header: &'static str, value: &'static str| {
        reqwest::Client::new().put(url.clone()).header(header, value).body("hello").send()
    };
    for (header, right, wrong) in [
        ("content-md5", "XUFAKrxLKna5cZ2REBfFkg==", "1B2M2Y8AsgTpgAmY7PhCfg=="),
        ("x-amz-checksum-crc32", "NhCmhg==", "AAAAAA=="),
    ] {
        assert_eq!(put(header, wrong).await.unwrap().status(), 400, "{header}");
        assert!(s3.object_keys(BUCKET).is_empty());
        assert_eq!(put(header, right).await.unwrap().status(), 200, "{header}");
        store.delete(&"a".into()).await.unwrap();
    }
}

#[tokio::test]
async fn an_object_is_not_created_twice_and_a_bucket_must_be_there() {
    let s3 = S3Server::builder().bucket("first").bucket("second").start().unwrap();
    let store = builder(s3.environment()).with_bucket_name("second").build().unwrap();
    create(&store, "a", "1").await.unwrap();
    assert!(matches!(create(&store, "a", "2").await, Err(Error::AlreadyExists { .. })));
    assert_eq!((s3.object_keys("first").len(), s3.object("second", "a")), (0, Some(Bytes::from("1"))));
    let nowhere = builder(s3.environment()).with_bucket_name("third").build().unwrap();
    assert!(matches!(nowhere.put(&"a".into(), PutPayload::new()).await, Err(Error::NotFound { .. })));
}
