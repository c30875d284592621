//! Whether a body is the one the client meant to send: every digest that came with it is recomputed.
//! Source: "Checking object integrity for data uploads in Amazon S3", S3 User Guide.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::HeaderMap;
use s3s::crypto::{Checksum, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::{S3Result, TrailingHeaders, s3_error};

/// Compares `body` with the digests in the headers and in the trailing headers of an upload in chunks.
pub(super) fn verify(body: &[u8], headers: &HeaderMap, trailers: Option<&TrailingHeaders>) -> S3Result<()> {
    verify_headers(body, headers)?;
    verify_payload_hash(body, headers)?;
    match trailers.and_then(|trailers| trailers.read(|headers| verify_headers(body, headers))) {
        Some(verified) => verified,
        None => Ok(()),
    }
}

fn verify_headers(body: &[u8], headers: &HeaderMap) -> S3Result<()> {
    for (name, sent) in headers {
        let computed = match name.as_str() {
            "content-md5" => BASE64_STANDARD.encode(Md5::checksum(body)),
            "x-amz-checksum-crc32" => BASE64_STANDARD.encode(Crc32::checksum(body)),
            "x-amz-checksum-crc32c" => BASE64_STANDARD.encode(Crc32c::checksum(body)),
            "x-amz-checksum-crc64nvme" => BASE64_STANDARD.encode(Crc64Nvme::checksum(body)),
            "x-amz-checksum-sha1" => BASE64_STANDARD.encode(Sha1::checksum(body)),
            "x-amz-checksum-sha256" => BASE64_STANDARD.encode(Sha256::checksum(body)),
            _ => continue,
        };
        if sent.as_bytes() != computed.as_bytes() {
            return Err(s3_error!(BadDigest, "the {name} you specified did not match the calculated {computed}"));
        }
    }
    Ok(())
}

/// The hash that a signed payload was signed with; `UNSIGNED-PAYLOAD` and the `STREAMING-` forms are no hashes.
fn verify_payload_hash(body: &[u8], headers: &HeaderMap) -> S3Result<()> {
    let Some(sent) = headers.get("x-amz-content-sha256").and_then(|value| value.to_str().ok()) else { return Ok(()) };
    let is_hash = sent.len() == 64 && sent.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash && !sent.eq_ignore_ascii_case(&hex::encode(Sha256::checksum(body))) {
        return Err(s3_error!(BadDigest, "the body does not have the x-amz-content-sha256 it was signed with"));
    }
    Ok(())
}

/// The entity tag of an object written in one piece.
pub(super) fn etag(body: &[u8]) -> String {
    hex::encode(Md5::checksum(body))
}

/// The entity tag of an object written in parts: the digest of the parts' digests, and how many there were.
pub(super) fn multipart_etag<'a>(parts: impl ExactSizeIterator<Item = &'a [u8]>) -> String {
    let count = parts.len();
    let mut digests = Md5::new();
    for part in parts {
        digests.update(Md5::checksum(part).as_ref());
    }
    format!("{}-{count}", hex::encode(digests.finalize()))
}
