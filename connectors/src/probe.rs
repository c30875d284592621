//! Whether a place on a store can be listed, written, read and cleared, by doing so: `engine doctor`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use object_store::{ObjectStoreExt, PutMode, PutOptions};

use crate::context::Context;
use crate::finding::Finding;
use crate::skew;
use crate::stores::{Location, Stores};

/// The folder of objects that an examination makes, and removes.
pub(crate) const FOLDER: &str = "_engine_doctor";
/// How long a bucket may take to say where it is.
const REGION_LIMIT: Duration = Duration::from_secs(10);

/// An object that was written, and when its store says that was.
struct Written {
    place: Location,
    modified: DateTime<Utc>,
    before: DateTime<Utc>,
    after: DateTime<Utc>,
}

/// Examines a place on S3 as `check`. `exclusive`: two writers must not be able to create one object.
pub async fn store(check: &str, location: &Location, exclusive: bool, context: &Context) -> Vec<Finding> {
    if let Some(wrong) = region(check, location, &context.stores).await {
        return vec![wrong];
    }
    if let Some(Err(error)) = location.store.list(Some(&location.path)).next().await {
        return vec![refused(check, "listed", "s3:ListBucket", location, &error, &context.stores)];
    }
    let written = match write(location, context).await {
        Ok(written) => written,
        Err((what, right, error)) => return vec![refused(check, what, right, location, &error, &context.stores)],
    };
    let mut findings = vec![exclusivity(check, location, &written, exclusive).await];
    if let Err(error) = written.place.store.delete(&written.place.path).await {
        findings.push(refused(check, "cleared", "s3:DeleteObject", location, &error, &context.stores));
    }
    let clock = format!("{check} clock");
    findings.push(skew::finding(&clock, "the store", written.modified, written.before, written.after));
    findings
}

type Refused = (&'static str, &'static str, object_store::Error);

/// Writes an object, reads it, and asks for its time.
async fn write(location: &Location, context: &Context) -> Result<Written, Refused> {
    let place = location.join(&format!("{FOLDER}/{:016x}", rand::random::<u64>()));
    let before = context.clock.now();
    let options = PutOptions::from(PutMode::Create);
    let put = place.store.put_opts(&place.path, "engine doctor".into(), options).await;
    put.map_err(|error| ("written", "s3:PutObject", error))?;
    let after = context.clock.now();
    match read(&place).await {
        Ok(modified) => Ok(Written { place, modified, before, after }),
        Err(error) => {
            // Nothing stays; that it cannot be read is what is told.
            drop(place.store.delete(&place.path).await);
            Err(("read", "s3:GetObject", error))
        }
    }
}

async fn read(place: &Location) -> object_store::Result<DateTime<Utc>> {
    let modified = place.store.head(&place.path).await?.last_modified;
    place.store.get(&place.path).await?.bytes().await?;
    Ok(modified)
}

/// Creates the object once more, which has to fail.
async fn exclusivity(check: &str, location: &Location, written: &Written, exclusive: bool) -> Finding {
    let can = format!("{} can be listed, written, read and cleared", location.url);
    if !exclusive {
        return Finding::ok(check, can);
    }
    let again = written.place.store.put_opts(&written.place.path, "twice".into(), PutOptions::from(PutMode::Create)).await;
    match again {
        Err(object_store::Error::AlreadyExists { .. }) => {
            Finding::ok(check, format!("{can}, and an object is created once only"))
        }
        Err(error) => Finding::problem(check, format!("{can}, but a conditional write fails: {}", said(&error)), CONDITIONAL),
        Ok(_) => Finding::problem(check, format!("{can}, but an object that is there can be created again"), CONDITIONAL),
    }
}

const CONDITIONAL: &str =
    "use a store that honours `If-None-Match: *`, as S3 does: two writers of one Delta table would lose commits here";

/// A place that cannot be used, and what would help.
fn refused(check: &str, what: &str, right: &str, location: &Location, error: &object_store::Error, stores: &Stores) -> Finding {
    let (bucket, region) = (location.url.host_str().unwrap_or_default(), stores.region());
    let said = said(error);
    let fix = if said.contains("NoSuchBucket") {
        format!("aws s3 mb s3://{bucket} --region {region}")
    } else if ["SignatureDoesNotMatch", "InvalidAccessKeyId", "ExpiredToken", "InvalidToken"]
        .iter()
        .any(|code| said.contains(code))
    {
        "set [s3] access_key_id and secret_access_key (or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) to keys that are valid"
            .to_owned()
    } else if said.contains("RequestTimeTooSkewed") {
        skew::FIX.to_owned()
    } else if said.contains("403") || said.contains("AccessDenied") {
        allow(right, location)
    } else {
        format!("check [s3] endpoint and region ('{region}'), and that the store is reached from here")
    };
    Finding::problem(check, format!("{} cannot be {what}: {said}", location.url), fix)
}

/// The statement of a policy that gives a right.
fn allow(right: &str, location: &Location) -> String {
    let arn = match right {
        "s3:ListBucket" => format!("arn:aws:s3:::{}", location.url.host_str().unwrap_or_default()),
        _ => objects_arn(location),
    };
    format!(
        "allow it to the identity of [s3]: {{\"Effect\": \"Allow\", \"Action\": \"{right}\", \"Resource\": \"{arn}\"}} (a policy of the \
         bucket may deny it too)"
    )
}

/// All objects of a place, as policies call them.
pub(crate) fn objects_arn(location: &Location) -> String {
    let bucket = location.url.host_str().unwrap_or_default();
    let path = location.path.as_ref();
    format!("arn:aws:s3:::{bucket}/{path}{}*", if path.is_empty() { "" } else { "/" })
}

/// What is the matter with the bucket's region, if it says where it is.
async fn region(check: &str, location: &Location, stores: &Stores) -> Option<Finding> {
    let bucket = location.url.host_str()?;
    let (ours, theirs) = (stores.region(), bucket_region(stores, bucket).await?);
    if ours == theirs {
        return None;
    }
    let found = format!("bucket '{bucket}' is in {theirs}, and [s3] region is '{ours}'");
    Some(Finding::problem(check, found, format!("[s3]\nregion = \"{theirs}\"")))
}

/// Where a bucket is: S3 says it to everybody who asks for the bucket, also to those who may not see it ("HeadBucket",
/// `x-amz-bucket-region`, Amazon S3 API Reference). `None` where nobody says.
pub(crate) async fn bucket_region(stores: &Stores, bucket: &str) -> Option<String> {
    let url = match stores.endpoint() {
        Some(endpoint) => format!("{}/{bucket}", endpoint.trim_end_matches('/')),
        None => format!("https://{bucket}.s3.amazonaws.com/"),
    };
    let redirects = reqwest::redirect::Policy::none();
    let client = reqwest::Client::builder().timeout(REGION_LIMIT).redirect(redirects).build().ok()?;
    let answer = client.head(&url).send().await.ok()?;
    answer.headers().get("x-amz-bucket-region")?.to_str().ok().map(str::to_owned)
}

/// What the store said, in its own words where there are some.
fn said(error: &object_store::Error) -> String {
    let text = crate::error::chain(error);
    let element = |name: &str| {
        let (_, after) = text.split_once(&format!("<{name}>"))?;
        after.split_once(&format!("</{name}>")).map(|(value, _)| value.to_owned())
    };
    match (element("Code"), element("Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code,
        _ => text.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}
