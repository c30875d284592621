//! What is remembered of what was run.

use std::sync::Arc;

use engine::state::{
    Checkpoint, LandedFile, LoadPage, LoadRecord, Page, Purpose, RunEnding, RunRecord, RunStatus, StateStore, Totals,
};

use super::Backend;
use super::backend::{at, commit, elsewhere, epoch, granted, granted_for};

pub(super) async fn runs_are_remembered_with_what_they_were_for(backend: &Backend) {
    let store = backend.open().await;
    let purpose = Purpose { reason: "by hand".into(), attempt: 2, date: Some(at(-60)), due: Some(at(-1)) };
    let lease = granted_for(&store, "told", &purpose, at(0)).await;
    commit(&store, &lease, "lake://t", 3, at(0)).await;
    commit(&store, &lease, "lake://t", 4, at(0)).await;
    store.record(&lease, &epoch(&store, "told", "lake://t", 5).await).await.unwrap();
    let run = |now| store.run("told", lease.generation, at(now));
    let running = run(0).await.unwrap().unwrap();
    assert_eq!((running.status, running.ended_at, &running.purpose), (RunStatus::Running, None, &purpose));
    assert_eq!((running.started_at, running.holder.clone()), (at(0), elsewhere()));
    let totals = Totals { rows_in: 9, rows_written: 7, bad_rows: 0, files: 2, bytes: 70 };
    assert_eq!((running.epochs, running.totals), (2, totals), "of epochs that are committed");
    assert_eq!(run(1).await.unwrap().unwrap().status, RunStatus::Killed, "its lease has ended");
    let ending = RunEnding { error: Some("no".into()), canceled: false, again_at: Some(at(9)) };
    store.release(&lease, &ending, at(2)).await.unwrap();
    let failed = run(2).await.unwrap().unwrap();
    assert_eq!((failed.status, failed.ended_at, failed.again_at), (RunStatus::Failed, Some(at(2)), Some(at(9))));
    assert_eq!((failed.error.as_deref(), failed.position), (Some("no"), running.position));
    assert!(store.run("told", lease.generation + 1, at(2)).await.unwrap().is_none());
    assert!(store.run("told-never", 1, at(2)).await.unwrap().is_none());
    let epochs = store.epochs(&Page { pipeline: Some("told".into()), limit: 2, ..Page::default() }).await.unwrap();
    let told: Vec<_> = epochs.iter().map(|epoch| (epoch.epoch, epoch.run, epoch.committed_at)).collect();
    assert_eq!(told, [(3, Some(lease.generation), None), (2, Some(lease.generation), Some(at(0)))]);
    let before = Page { pipeline: Some("told".into()), before: Some(epochs[1].position), limit: 9, ..Page::default() };
    assert_eq!(store.epochs(&before).await.unwrap().len(), 1);
    let since = Page { pipeline: Some("told".into()), since: Some(at(1)), limit: 9, ..Page::default() };
    assert!(store.epochs(&since).await.unwrap().is_empty());
}

async fn runs(store: &Arc<dyn StateStore>, page: Page) -> Vec<RunRecord> {
    store.runs(&Page { pipeline: Some("paged".into()), limit: 9, ..page }, at(10)).await.unwrap()
}

pub(super) async fn runs_are_found_by_status_and_time_page_by_page(backend: &Backend) {
    let store = backend.open().await;
    let endings = [
        Some(RunEnding::default()),
        Some(RunEnding::of(Some("no".into()))),
        None,
        Some(RunEnding { error: Some("by me".into()), canceled: true, again_at: None }),
        Some(RunEnding::default()),
    ];
    for (number, ending) in (0..).zip(endings) {
        let lease = granted(&store, "paged", at(number * 2)).await;
        if let Some(ending) = ending {
            store.release(&lease, &ending, at(number * 2)).await.unwrap();
        }
    }
    let last = granted(&store, "paged", at(10)).await;
    let all = runs(&store, Page::default()).await;
    let statuses: Vec<RunStatus> = all.iter().map(|run| run.status).collect();
    use RunStatus::{Canceled, Done, Failed, Killed, Running};
    assert_eq!(statuses, [Running, Done, Canceled, Killed, Failed, Done]);
    assert_eq!(all[0].run, last.generation);
    for status in [Running, Done, Canceled, Killed, Failed] {
        let some = runs(&store, Page { status: Some(status), ..Page::default() }).await;
        assert_eq!(some, all.iter().filter(|run| run.status == status).cloned().collect::<Vec<_>>());
    }
    assert_eq!(runs(&store, Page { since: Some(at(6)), ..Page::default() }).await, all[..3]);
    let (mut page, mut paged) = (Page { pipeline: Some("paged".into()), limit: 4, ..Page::default() }, Vec::new());
    loop {
        let next = store.runs(&page, at(10)).await.unwrap();
        let Some(last) = next.last() else { break };
        page.before = Some(last.position);
        paged.extend(next);
    }
    assert_eq!(paged, all);
    // A page of one that is among many that are not asked for is filled.
    let killed = Page { pipeline: Some("paged".into()), limit: 1, status: Some(Killed), ..Page::default() };
    assert_eq!(store.runs(&killed, at(10)).await.unwrap(), all[3..4]);
}

async fn loads(store: &Arc<dyn StateStore>, page: LoadPage) -> Vec<LoadRecord> {
    store.loads(&LoadPage { limit: 9, ..page }).await.unwrap()
}

pub(super) async fn loads_are_found_by_table_and_time(backend: &Backend) {
    let store = backend.open().await;
    let (one, other) = (granted(&store, "loads", at(0)).await, granted(&store, "loads-other", at(0)).await);
    commit(&store, &one, "Sales.Orders", 3, at(1)).await;
    let mut landed = epoch(&store, "loads-other", "loads_of_ORDERS", 4).await;
    landed.recorded_at = at(5);
    landed.flows[0].landed_at = Some(at(2));
    store.record(&other, &landed).await.unwrap();
    let table = |name: &str| LoadPage { locations: vec![name.into()], ..LoadPage::default() };
    let [first] = loads(&store, table("sales.orders")).await.try_into().unwrap();
    let told = (first.pipeline.as_str(), first.table.as_str(), first.connector.as_str(), first.epoch, first.run);
    assert_eq!(told, ("loads", "Sales.Orders", "DELTA", 1, Some(one.generation)));
    assert_eq!((first.rows, first.bytes, first.files, first.bad_rows), (3, 30, 1, 1));
    assert_eq!((first.landed_at, first.recorded_at, first.committed_at), (None, at(1), Some(at(1))));
    let both = LoadPage { locations: vec!["sales.orders".into(), "loads_of_orders".into()], ..LoadPage::default() };
    let [second, again] = loads(&store, both.clone()).await.try_into().unwrap();
    assert_eq!(again, first);
    assert_eq!((second.pipeline.as_str(), second.landed_at, second.committed_at), ("loads-other", Some(at(2)), None));
    let since = |minutes| LoadPage { since: Some(at(minutes)), ..both.clone() };
    assert_eq!(loads(&store, since(2)).await, std::slice::from_ref(&second));
    assert_eq!(loads(&store, since(3)).await, [], "it landed before, though it was recorded later");
    assert_eq!(loads(&store, LoadPage { before: Some(second.position), ..both }).await, [first]);
    assert!(loads(&store, table("nowhere")).await.is_empty());
    assert!(loads(&store, LoadPage::default()).await.len() >= 2, "of all tables");
    let of = |pipeline: &str, run| LoadPage { pipeline: Some(pipeline.into()), run, ..LoadPage::default() };
    assert_eq!(loads(&store, of("loads-other", Some(other.generation))).await, [second]);
    assert_eq!(loads(&store, of("loads", None)).await[0].run, Some(one.generation));
    assert!(loads(&store, of("loads", Some(one.generation + 1))).await.is_empty(), "of a run that brought nothing");
    let flows = store.epoch_flows("loads").await.unwrap();
    assert_eq!((flows[0].bytes, flows[0].bad_rows, flows[0].run, flows[0].is_committed()), (30, 1, Some(one.generation), true));
}

pub(super) async fn old_runs_are_forgotten_but_not_what_is_asked_of_them(backend: &Backend) {
    let store = backend.open().await;
    store.prune(at(-100)).await.unwrap();
    // Long before whatever else is in the store.
    let past = -100_000;
    for (number, rows) in (0..).zip([1, 2, 0, 0]) {
        let now = at(past + number * 2);
        let lease = granted(&store, "pruned", now).await;
        let mut checkpoint = Checkpoint { date: Some(now), ..epoch(&store, "pruned", "lake://t", rows).await };
        checkpoint.recorded_at = now;
        store.record(&lease, &checkpoint).await.unwrap();
        store.advance(&lease, checkpoint.epoch, now).await.unwrap();
        if number != 1 {
            store.release(&lease, &RunEnding::default(), now).await.unwrap();
        }
    }
    let (page, now) = (Page { pipeline: Some("pruned".into()), limit: 9, ..Page::default() }, at(past + 9));
    let before = (store.progress("pruned").await.unwrap(), store.runs(&page, now).await.unwrap());
    assert_eq!(store.prune(at(past + 1)).await.unwrap(), 1, "the first run");
    assert_eq!(store.prune(at(past + 1)).await.unwrap(), 0);
    assert_eq!(store.prune(at(past + 50)).await.unwrap(), 2, "one was killed; the last one stays");
    assert_eq!(store.runs(&page, now).await.unwrap(), before.1[..1]);
    let epochs: Vec<u64> = store.epochs(&page).await.unwrap().iter().map(|epoch| epoch.epoch).collect();
    assert_eq!(epochs, [4, 2], "the last one, and the last that brought rows");
    let flows: Vec<(u64, u64)> = store.epoch_flows("pruned").await.unwrap().iter().map(|flow| (flow.epoch, flow.rows)).collect();
    assert_eq!(flows, [(2, 2), (4, 0)]);
    let after = store.progress("pruned").await.unwrap();
    assert_eq!((after.next_epoch, after.incarnation, after.flows), (5, before.0.incarnation, before.0.flows));
    assert_eq!(store.dates_done("pruned", at(past), now).await.unwrap().len(), 4);
}

pub(super) async fn files_that_landed_are_in_the_load_log_those_refused_too(backend: &Backend) {
    let store = backend.open().await;
    let lease = granted(&store, "landed", at(0)).await;
    let file = |error: Option<&str>| LandedFile {
        key: "dev/append/users/a.csv".into(),
        version: "7".into(),
        size: 12,
        landed_at: at(-9),
        action: "append".into(),
        table: "public.users".into(),
        schema_version: Some("20240101_000000".into()),
        table_existed: true,
        error: error.map(str::to_owned),
    };
    let landed = [file(None), file(Some("it's wrong"))];
    for landed in &landed {
        let mut checkpoint = epoch(&store, "landed", "landed.users", 3).await;
        checkpoint.flows[0].landed = Some(landed.clone());
        checkpoint.flows[0].landed_at = Some(landed.landed_at);
        store.record(&lease, &checkpoint).await.unwrap();
        store.advance(&lease, checkpoint.epoch, at(1)).await.unwrap();
    }
    let found = loads(&store, LoadPage { locations: vec!["landed.users".into()], ..LoadPage::default() }).await;
    let known: Vec<_> = found.iter().rev().map(|load| load.landed.clone().unwrap()).collect();
    assert_eq!(known, landed);
    assert_eq!(found.iter().map(LoadRecord::is_refusal).collect::<Vec<_>>(), [true, false]);
    assert_eq!(found[0].landed_at, Some(at(-9)));
    let brought = store.epoch_flows("landed").await.unwrap();
    assert_eq!(brought.len(), 1, "what was refused brought nothing: {brought:?}");
}
