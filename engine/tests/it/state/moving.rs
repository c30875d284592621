//! `engine state migrate`: from any store to any other, and what is said of the old one.

use std::collections::{BTreeMap, BTreeSet};

use engine::state::{self, Checkpoint, Ending, EpochFlow, Pause, Request, RunEnding, RunRecord, StateStore};
use tempfile::TempDir;
use testkit::s3::S3Server;

use super::Backend;
use super::backend::{at, commit, elsewhere, epoch, granted};
use super::postgres::{DATABASE, server};
use crate::s3::settings;

fn request(pipeline: &str, key: &str) -> Request {
    Request { pipeline: pipeline.into(), key: key.into(), reason: "why".into(), due: at(1), date: Some(at(2)), attempt: 3 }
}

/// Something of everything.
async fn fill(backend: &Backend) {
    let store = backend.open().await;
    let lease = granted(&store, "one", at(0)).await;
    for number in 0..70 {
        commit(&store, &lease, "lake://t", number, at(0)).await;
    }
    let checkpoint = Checkpoint { date: Some(at(7)), ..epoch(&store, "one", "lake://t", 5).await };
    store.record(&lease, &checkpoint).await.unwrap();
    store.advance(&lease, checkpoint.epoch, at(1)).await.unwrap();
    store.release(&lease, &RunEnding::of(Some("no".into())), at(1)).await.unwrap();
    // It is killed, with an epoch pending and a request begun.
    let lease = granted(&store, "one", at(2)).await;
    store.record(&lease, &epoch(&store, "one", "lake://t", 6).await).await.unwrap();
    assert!(store.move_cursor("one", "clock", None, "9", &[request("one", "a"), request("other", "b")], at(2)).await.unwrap());
    let open = store.open_requests(Some("one")).await.unwrap();
    store.take_requests(&lease, &[open[0].id]).await.unwrap();
    store.pause("other", Some(&Pause { at: at(3), by: "me".into() })).await.unwrap();
}

/// What is the same wherever it is kept.
async fn told(store: &dyn StateStore) -> Vec<String> {
    let now = at(10);
    let mut told = Vec::new();
    for pipeline in ["one", "other"] {
        let progress = store.progress(pipeline).await.unwrap();
        told.push(format!("{} {} {:?}", progress.incarnation, progress.next_epoch, progress.flows));
        told.push(serde_json::to_string(&progress.pending).unwrap());
        told.push(format!("{:?}", store.dates_done(pipeline, at(0), at(9)).await.unwrap()));
        let flows = store.epoch_flows(pipeline).await.unwrap();
        told.extend(flows.iter().map(|flow: &EpochFlow| format!("{flow:?}")));
    }
    let page = state::Page { limit: 1_000, ..state::Page::default() };
    let runs = store.runs(&page, now).await.unwrap();
    told.extend(runs.into_iter().map(|run| format!("{:?}", RunRecord { position: 0, ..run })));
    let epochs = store.epochs(&page).await.unwrap();
    told.extend(epochs.into_iter().map(|epoch| format!("{:?}", state::EpochRecord { position: 0, ..epoch })));
    let open = store.open_requests(None).await.unwrap();
    let open: BTreeSet<String> =
        open.into_iter().map(|open| format!("{:?} {:?} {:?}", open.request, open.requested_at, open.run)).collect();
    told.extend(open);
    told.push(format!("{:?} {:?}", store.cursors().await.unwrap(), store.pauses().await.unwrap()));
    told.push(format!("{:?}", store.leases(now).await.unwrap()));
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_moves_from_any_place_to_any_other_and_is_the_same() {
    let (Some(server), folder) = (server(), TempDir::new().unwrap()) else { return };
    let s3 = S3Server::builder().start().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let urls = [
        place("first"),
        server.url(DATABASE),
        super::objects::url(),
        place("second"),
        format!("{}-again", super::objects::url()),
        format!("{}?schema=again", server.url(DATABASE)),
        place("third"),
    ];
    let at_place = |url: &str| Backend::new(url, &folder, settings(s3.environment()));
    fill(&at_place(&urls[0])).await;
    let mut before = None;
    for (from, to) in urls.iter().zip(&urls[1..]) {
        let old = at_place(from);
        let open = old.open().await;
        let moved = state::migrate(old.session(), from, to, at(10)).await.unwrap();
        assert_eq!(moved.pipelines, ["one", "other"], "{from} to {to}");
        let now = told(at_place(to).open().await.as_ref()).await;
        let before = before.get_or_insert_with(|| now.clone());
        assert_eq!(&now, before, "{from} to {to}");
        // Whoever still has the old one open gets no lease there, and who opens it is told where the state is.
        let said = format!("the state was moved to {}", moved.to);
        let refused =
            open.acquire("one", &elsewhere(), &state::Purpose::default(), at(11), super::backend::TTL).await.unwrap_err();
        assert!(refused.to_string().contains(&said), "{refused}");
        let refused =
            open.acquire("new", &elsewhere(), &state::Purpose::default(), at(11), super::backend::TTL).await.unwrap_err();
        assert!(refused.to_string().contains(&said), "{refused}");
        let refused = state::open(old.session()).await.unwrap_err();
        assert!(refused.to_string().contains(&said) && !refused.to_string().contains(testkit::postgres::PASSWORD), "{refused}");
        // Done again, it has nothing to do.
        assert_eq!(state::migrate(old.session(), from, to, at(10)).await.unwrap().pipelines, ["one", "other"]);
    }
    // What was moved can be run on.
    let store = at_place(urls.last().unwrap()).open().await;
    let lease = granted(&store, "one", at(12)).await;
    let pending = store.progress("one").await.unwrap().pending.unwrap();
    store.advance(&lease, pending.epoch, at(12)).await.unwrap();
    let ids: Vec<i64> = store.open_requests(Some("one")).await.unwrap().iter().map(|open| open.id).collect();
    assert_eq!(store.take_requests(&lease, &ids).await.unwrap(), ids);
    store.end_requests(&lease, &Ending::Done).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_used_or_not_empty_or_not_there_is_not_moved() {
    let folder = TempDir::new().unwrap();
    let s3 = S3Server::builder().start().unwrap();
    let at_place = |url: &str| Backend::new(url, &folder, settings(s3.environment()));
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for [used, full, empty] in [
        [place("used"), place("full"), place("empty")],
        ["used", "full", "empty"].map(|name| format!("{}-{name}", super::objects::url())),
    ] {
        let session_of = at_place(&used);
        let refused =
            async |from: &str, to: &str| state::migrate(session_of.session(), from, to, at(0)).await.unwrap_err().to_string();
        let error = refused(&empty, &full).await;
        assert!(error.starts_with("there is no state in "), "{error}");
        let (one, other) = (at_place(&used).open().await, at_place(&full).open().await);
        let lease = granted(&one, "one", at(0)).await;
        let other_lease = granted(&other, "two", at(0)).await;
        other.release(&other_lease, &RunEnding::default(), at(0)).await.unwrap();
        let error = refused(&used, &empty).await;
        assert!(error.contains("pipeline 'one' is being run by process 4711 on elsewhere"), "{error}");
        commit(&one, &lease, "lake://t", 1, at(0)).await;
        one.release(&lease, &RunEnding::default(), at(0)).await.unwrap();
        let error = refused(&used, &full).await;
        assert!(error.contains("has state of pipeline 'two' already"), "{error}");
        let error = refused(&used, &used).await;
        assert!(error.ends_with("is where the state is already"), "{error}");
        // Nothing of it has marked the old place.
        granted(&at_place(&used).open().await, "one", at(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_there_is_is_told() {
    let (folder, settings) = (TempDir::new().unwrap(), BTreeMap::new());
    let url = folder.path().join("state").to_str().unwrap().to_owned();
    let backend = Backend::new(&url, &folder, settings);
    assert_eq!(state::facts(backend.session(), &url).await.unwrap(), (url.clone(), None));
    fill(&backend).await;
    let facts = state::facts(backend.session(), &url).await.unwrap().1.unwrap();
    assert_eq!((facts.place, facts.pipelines, facts.moved), (url, vec!["one".to_owned(), "other".to_owned()], None));
    assert!(facts.version >= 4 && facts.bytes > 10_000, "{} {}", facts.version, facts.bytes);
}
