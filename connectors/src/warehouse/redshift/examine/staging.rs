//! The way of one row: from here to S3, and by the role's right into a temporary table, in a transaction that is rolled back.

use std::sync::Arc;

use arrow::array::{Int32Array, RecordBatch};
use object_store::ObjectStoreExt;
use parquet::arrow::ArrowWriter;

use crate::context::Context;
use crate::error::Result;
use crate::finding::Finding;
use crate::probe::{self, bucket_region, objects_arn};
use crate::stores::Location;
use crate::warehouse::redshift::config::RedshiftConfig;
use crate::warehouse::redshift::examine::STAGING;
use crate::warehouse::redshift::fault::{Fault, Kind};
use crate::warehouse::redshift::load::role;
use crate::warehouse::redshift::load_errors::explained;
use crate::warehouse::redshift::manifest::Manifest;
use crate::warehouse::redshift::names::literal;
use crate::warehouse::redshift::parquet::writer_options;
use crate::warehouse::redshift::session::Session;

const ROLE: &str = "role";
const REGION: &str = "region";
const TABLE: &str = "\"_engine_doctor\"";

pub(super) async fn examine(session: &Session, config: &RedshiftConfig, context: &Context) -> Vec<Finding> {
    if let Some(elsewhere) = regions(config, context).await {
        return vec![elsewhere];
    }
    let folder = config.staging.join(&format!("{}/{:016x}", probe::FOLDER, rand::random::<u64>()));
    let manifest = match upload(&folder).await {
        Ok(manifest) => manifest,
        Err(error) => {
            // Nothing stays; what is told is why it was not all there.
            drop(folder.clear(None).await);
            return vec![Finding::problem(STAGING, error.to_string(), "check [s3], and the policy of the bucket")];
        }
    };
    let copied = copy(session, config, &manifest).await;
    let mut findings = match copied {
        Ok(()) => vec![
            Finding::ok(
                ROLE,
                format!("{} can read {}: a COPY of one row worked, and was rolled back", config.iam_role, config.staging.url),
            ),
            Finding::ok(REGION, "bucket and cluster are in the same region: COPY from Parquet takes no other"),
        ],
        // Whose the fault is, is said by the rights.
        Err(fault) if is_about_temporary(&fault) => Vec::new(),
        Err(fault) => vec![refused(&fault, config)],
    };
    if let Err(error) = folder.clear(None).await {
        findings.push(Finding::warning(
            STAGING,
            format!("{} was not removed: {error}", folder.url),
            format!("aws s3 rm --recursive {}", folder.url),
        ));
    }
    findings
}

/// Where the cluster's name says in which region it is, that is known before anything is copied.
async fn regions(config: &RedshiftConfig, context: &Context) -> Option<Finding> {
    let cluster = config.transport.region()?;
    let name = config.staging.url.host_str()?;
    let bucket = bucket_region(&context.stores, name).await?;
    let found = format!("the cluster is in {cluster}, and bucket '{name}' in {bucket}");
    (cluster != bucket).then(|| Finding::problem(REGION, found, another_bucket(&cluster)))
}

/// "The Amazon S3 bucket must be in the same AWS Region as the Amazon Redshift database" (`copy-usage_notes-copy-from-columnar`).
fn another_bucket(region: &str) -> String {
    format!(
        "aws s3 mb s3://NEW-BUCKET --region {region}, then [warehouse] staging = \"s3://NEW-BUCKET/engine\": COPY from Parquet takes no REGION"
    )
}

/// One row as Parquet, and a manifest; the manifest's URL.
async fn upload(folder: &Location) -> Result<String> {
    let rows = RecordBatch::try_from_iter_with_nullable([("n", Arc::new(Int32Array::from(vec![1])) as _, true)])?;
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new_with_options(&mut bytes, rows.schema(), writer_options(&rows.schema())?)?;
    writer.write(&rows)?;
    writer.close()?;
    let (part, manifest) = (folder.join("part-00000.parquet"), folder.join("manifest.json"));
    let list = Manifest::new([(part.url.to_string(), bytes.len() as u64)]).to_json()?;
    part.store.put(&part.path, bytes.into()).await?;
    manifest.store.put(&manifest.path, list.into()).await?;
    Ok(manifest.url.to_string())
}

async fn copy(session: &Session, config: &RedshiftConfig, manifest: &str) -> Result<(), Fault> {
    session.run("BEGIN").await?;
    let copied = copy_one(session, config, manifest).await;
    session.roll_back().await;
    match copied {
        Ok(Some(1)) => Ok(()),
        Ok(count) => Err(Fault::new("", &format!("COPY of one row counted {count:?}"))),
        Err(fault) => Err(explained(session, fault).await),
    }
}

async fn copy_one(session: &Session, config: &RedshiftConfig, manifest: &str) -> Result<Option<i64>, Fault> {
    session.run(&format!("CREATE TEMP TABLE {TABLE} (\"n\" INTEGER)")).await?;
    let (from, role) = (literal(manifest), role(&config.iam_role));
    session.run(&format!("COPY {TABLE} (\"n\") FROM {from} IAM_ROLE {role} FORMAT PARQUET MANIFEST STATUPDATE OFF")).await?;
    session.copied(TABLE).await
}

fn is_about_temporary(fault: &Fault) -> bool {
    fault.kind == Kind::Denied && fault.message.to_ascii_lowercase().contains("temporary")
}

/// What a COPY says that could not read, and what would help.
fn refused(fault: &Fault, config: &RedshiftConfig) -> Finding {
    let (message, role) = (fault.message.to_ascii_lowercase(), &config.iam_role);
    let place = &config.staging.url;
    let (check, fix) =
        if ["different region", "permanentredirect", "specified endpoint"].iter().any(|text| message.contains(text)) {
            (REGION, another_bucket("REGION-OF-THE-CLUSTER"))
        } else if message.contains("not authorized to assume") || message.contains("invalid iam_role") {
            (ROLE, attach(role))
        } else if message.contains("access denied") || message.contains("accessdenied") || message.contains("forbidden") {
            (ROLE, readable(config))
        } else if message.contains("default") && message.contains("role") {
            (ROLE, attach("default"))
        } else {
            (ROLE, "see what the cluster says; sys_load_error_detail and stl_load_errors may have more".to_owned())
        };
    Finding::problem(check, format!("COPY with role {role} from {place} fails: {}", fault.message), fix)
}

/// "Authorizing COPY, UNLOAD ... operations using IAM roles" (Amazon Redshift Management Guide).
fn attach(role: &str) -> String {
    if role.eq_ignore_ascii_case("default") {
        return "make a role the cluster's default, or set [warehouse] iam_role to an ARN".to_owned();
    }
    // Of a chain, the first is the cluster's own.
    let role = role.split(',').next().unwrap_or(role).trim();
    format!(
        "let redshift.amazonaws.com assume the role, and attach it: aws redshift modify-cluster-iam-roles --cluster-identifier CLUSTER \
         --add-iam-roles {role} (serverless: associate it with the namespace in the console; `update-namespace --iam-roles` replaces the whole \
         list)"
    )
}

fn readable(config: &RedshiftConfig) -> String {
    let bucket = config.staging.url.host_str().unwrap_or_default();
    format!(
        "give the role this policy: {{\"Effect\": \"Allow\", \"Action\": [\"s3:GetObject\", \"s3:ListBucket\"], \"Resource\": \
         [\"arn:aws:s3:::{bucket}\", \"{}\"]}} (and kms:Decrypt where the bucket has a key; a condition s3:signatureAge of the bucket must \
         allow 3600000)",
        objects_arn(&config.staging)
    )
}
