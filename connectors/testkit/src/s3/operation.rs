//! The operations of S3's API that the server knows, by the names AWS gives them.

/// An operation of the S3 API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the S3 API reference")]
#[non_exhaustive]
pub enum Operation {
    AbortMultipartUpload,
    CompleteMultipartUpload,
    CopyObject,
    CreateBucket,
    CreateMultipartUpload,
    DeleteObject,
    DeleteObjects,
    GetObject,
    HeadBucket,
    HeadObject,
    ListBuckets,
    ListObjects,
    ListObjectsV2,
    ListParts,
    PutObject,
    UploadPart,
    UploadPartCopy,
    /// Anything else: the server refuses it as not implemented.
    Other,
}

impl Operation {
    pub(super) fn named(name: &str) -> Self {
        match name {
            "AbortMultipartUpload" => Self::AbortMultipartUpload,
            "CompleteMultipartUpload" => Self::CompleteMultipartUpload,
            "CopyObject" => Self::CopyObject,
            "CreateBucket" => Self::CreateBucket,
            "CreateMultipartUpload" => Self::CreateMultipartUpload,
            "DeleteObject" => Self::DeleteObject,
            "DeleteObjects" => Self::DeleteObjects,
            "GetObject" => Self::GetObject,
            "HeadBucket" => Self::HeadBucket,
            "HeadObject" => Self::HeadObject,
            "ListBuckets" => Self::ListBuckets,
            "ListObjects" => Self::ListObjects,
            "ListObjectsV2" => Self::ListObjectsV2,
            "ListParts" => Self::ListParts,
            "PutObject" => Self::PutObject,
            "UploadPart" => Self::UploadPart,
            "UploadPartCopy" => Self::UploadPartCopy,
            _ => Self::Other,
        }
    }
}
