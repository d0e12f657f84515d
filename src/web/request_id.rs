//! Each request has an id: the client's own `x-request-id` if it is sound, else a new one.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_LENGTH: usize = 128;

/// The id of the request at hand: visible ASCII, at most 128 characters.
#[derive(Clone, Debug)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// Gives the request an id, for the log and for problems, and echoes it in the response.
pub(super) async fn assign(mut request: Request, next: Next) -> Response {
    let given = request.headers().get(X_REQUEST_ID).filter(|id| is_sound(id));
    let id = given.cloned().unwrap_or_else(new_id);
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    response.headers_mut().insert(X_REQUEST_ID, id);
    response
}

fn is_sound(id: &HeaderValue) -> bool {
    let bytes = id.as_bytes();
    (1..=MAX_LENGTH).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

fn new_id() -> HeaderValue {
    let id = uuid::Uuid::now_v7().to_string();
    // Hexadecimal digits and dashes are always a valid header value.
    HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_visible_ascii_of_bounded_length() {
        let sound = |id: &[u8]| HeaderValue::from_bytes(id).is_ok_and(|id| is_sound(&id));
        assert!(sound(b"abc-123"));
        assert!(sound(&[b'x'; MAX_LENGTH]));
        assert!(!sound(&[b'x'; MAX_LENGTH + 1]));
        assert!(!sound(b""));
        assert!(!sound(b"two words"));
        assert!(!sound("käse".as_bytes()));
    }

    #[test]
    fn new_ids_are_sound_and_differ() {
        assert!(is_sound(&new_id()));
        assert_ne!(new_id(), new_id());
    }
}
