//! What the frame of every page shows: header, navigation, footer.

use crate::web::AppState;
use crate::web::assets::VERSION;
use crate::web::auth::Caller;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::convert::Infallible;

/// Context of `templates/base.html`. Handlers of pages take it as an argument.
#[derive(Clone, Copy, Debug)]
pub(in crate::web) struct Frame {
    /// Of the program and its static files, which browsers keep by it.
    pub version: &'static str,
    /// `"admin"`, `"user"`, or nobody.
    pub signed_in: Option<&'static str>,
    /// False where past captions are not for this visitor.
    pub show_history: bool,
}

impl Frame {
    /// Where nothing is known of the request, as on error pages. The links lead to sign-in where they must.
    pub(in crate::web) fn bare() -> Frame {
        Frame { version: &VERSION, signed_in: None, show_history: true }
    }
}

impl FromRequestParts<AppState> for Frame {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Frame, Infallible> {
        Ok(match parts.extensions.get::<Caller>() {
            None => Frame::bare(),
            Some(caller) => Frame {
                version: &VERSION,
                signed_in: caller.signed_in(),
                show_history: caller.may_use(state.config.access.history),
            },
        })
    }
}
