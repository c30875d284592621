//! Why a COPY failed, as the system tables tell it.

use object_store::ObjectStoreExt;

use crate::warehouse::redshift::load_errors::{DETAIL, STL, explained, told};
use crate::warehouse::redshift::tests::cluster::Cluster;

over_each_way!(reason_is_in_either_table_and_outlives_the_transaction);

/// The engine loads Parquet, of which the client is told all; the tables are asked where it is not, as of text.
async fn reason_is_in_either_table_and_outlives_the_transaction(cluster: Cluster) {
    let place = cluster.context.locate(&format!("s3://{}/notes.csv", testkit::s3::BUCKET)).unwrap();
    place.store.put(&place.path, "1,ok\n2,too long\n".into()).await.unwrap();
    let session = cluster.session().await;
    session.run("CREATE TABLE notes (id BIGINT, note VARCHAR(4))").await.unwrap();
    session.run("BEGIN").await.unwrap();
    let copy = format!("COPY notes FROM '{}' IAM_ROLE 'arn:aws:iam::123456789012:role/loader' CSV", place.url);
    let fault = session.run(&copy).await.unwrap_err();
    session.roll_back().await;
    assert!(fault.message.contains("stl_load_errors"), "{fault}");
    let (by_stl, by_detail) = (told(&session, STL).await.unwrap(), told(&session, DETAIL).await.unwrap());
    for part in ["column 'note' VARCHAR(4)", "row 2", "notes.csv", "(error 1204)"] {
        assert!(by_stl.contains(part) && by_detail.contains(part), "{part}: {by_stl}; {by_detail}");
    }
    assert!(by_stl.contains("value 'too long'"), "{by_stl}");
    assert_eq!(explained(&session, fault).await.message, by_stl);
}
