//! The guards: one for each group of routes, each a layer in `router.rs`.

use super::{Caller, Who};
use crate::config::Access;
use crate::web::problem::{Problem, wants_page};
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

/// For what a setting of `access` opens or closes.
pub(in crate::web) async fn by_setting(
    State(access): State<Access>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Response {
    if caller.may_use(access) { next.run(request).await } else { to_sign_in(&caller, &request) }
}

/// For admins alone.
pub(in crate::web) async fn admins(caller: Caller, request: Request, next: Next) -> Response {
    match caller.who {
        Who::Admin | Who::AdminKey { .. } => next.run(request).await,
        Who::Key { .. } | Who::User { .. } => Problem::forbidden().into_response(),
        Who::Anonymous | Who::Stranger => to_sign_in(&caller, &request),
    }
}

/// Shows people to the sign-in page, and programs why they are refused.
fn to_sign_in(caller: &Caller, request: &Request) -> Response {
    if !wants_page(request) {
        let problem = match caller.who {
            Who::Stranger => Problem::unauthorized("the API key is not valid: it was revoked, or never was one"),
            _ => Problem::unauthorized("send an API key as `Authorization: Bearer <key>`, or sign in at /sign-in"),
        };
        return problem.into_response();
    }
    // After signing in, a form's post is not repeated.
    let back = if request.method() == Method::GET { request.uri().path_and_query() } else { None };
    Redirect::to(&sign_in_address(back.map_or("/", |back| back.as_str()))).into_response()
}

/// The sign-in page, which leads on to `next`.
fn sign_in_address(next: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
    format!("/sign-in?{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_one_parameter() {
        assert_eq!(sign_in_address("/history?query=a&model=b"), "/sign-in?next=%2Fhistory%3Fquery%3Da%26model%3Db");
    }
}
