//! Memory for uploads: a budget in bytes, of which each request takes what its body may need until it is answered.

use super::AppState;
use super::problem::Problem;
use super::upload::PhotoSource;
use crate::config::ServerConfig;
use axum::http::{HeaderMap, StatusCode, header};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The budget.
pub(super) struct UploadMemory {
    /// One permit a kibibyte.
    free: Arc<Semaphore>,
    kibibytes: u32,
}

/// What the smallest request takes: its photo may be small, its pixels and the model's input are not.
const LEAST_KIBIBYTES: u32 = 1024;

impl UploadMemory {
    pub(super) fn new(settings: &ServerConfig) -> UploadMemory {
        let kibibytes = to_kibibytes(settings.max_upload_memory_bytes).max(LEAST_KIBIBYTES);
        UploadMemory { free: Arc::new(Semaphore::new(kibibytes as usize)), kibibytes }
    }

    /// Takes the memory of so many bytes until the permit is dropped; none if it is not free. A request that is
    /// larger than the whole budget takes all of it.
    fn take(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let wanted = to_kibibytes(bytes).max(LEAST_KIBIBYTES).min(self.kibibytes);
        Arc::clone(&self.free).try_acquire_many_owned(wanted).ok()
    }
}

/// Memory for a request with photos: by its `Content-Length`; without one, for the largest request there can be.
///
/// # Errors
/// 429 with a time to come back, by the measured pace.
pub(super) fn for_request(state: &AppState, headers: &HeaderMap) -> Result<OwnedSemaphorePermit, Problem> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    for_bytes(state, length.unwrap_or(state.config.server.max_body_bytes() as u64))
}

/// Memory for a photo that is to be fetched: the largest there can be. What was sent is in the request's.
///
/// # Errors
/// As [`for_request`].
pub(super) fn for_photo(state: &AppState, photo: &PhotoSource) -> Result<Option<OwnedSemaphorePermit>, Problem> {
    match photo {
        PhotoSource::At(_) if state.fetcher.is_some() => {
            for_bytes(state, state.config.server.max_upload_bytes as u64).map(Some)
        }
        PhotoSource::At(_) | PhotoSource::Sent(_) => Ok(None),
    }
}

/// Memory for so many bytes.
///
/// # Errors
/// As [`for_request`].
pub(super) fn for_bytes(state: &AppState, bytes: u64) -> Result<OwnedSemaphorePermit, Problem> {
    state.upload_memory.take(bytes).ok_or_else(|| {
        let status = StatusCode::TOO_MANY_REQUESTS;
        let detail = "too many photos are being uploaded at the moment: try again in a moment";
        Problem::new(status, "too-many-uploads", "Too many uploads", detail)
            .retry_after(state.models.active().time_to_finish())
    })
}

/// Rounded up; settings beyond 4 tebibytes are as good as that.
fn to_kibibytes(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const MEBIBYTE: u64 = 1024 * 1024;

    fn memory(mebibytes: u64) -> UploadMemory {
        let mut settings = Config::defaults().expect("valid").server;
        settings.max_upload_memory_bytes = mebibytes * MEBIBYTE;
        UploadMemory::new(&settings)
    }

    #[test]
    fn many_small_requests_fit_where_few_large_ones_do() {
        let memory = memory(10);
        let small: Vec<_> = std::iter::from_fn(|| memory.take(10)).collect();
        assert_eq!(small.len(), 10, "each takes the least");
        drop(small);
        let large: Vec<_> = std::iter::from_fn(|| memory.take(4 * MEBIBYTE)).collect();
        assert_eq!(large.len(), 2);
    }

    #[test]
    fn what_is_larger_than_the_budget_goes_alone() {
        let memory = memory(3);
        let whole = memory.take(100 * MEBIBYTE).expect("all of it is free");
        assert!(memory.take(1).is_none());
        drop(whole);
        assert!(memory.take(1).is_some());
    }
}
