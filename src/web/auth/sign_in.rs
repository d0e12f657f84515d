//! Signing in and out: a page, a form, a cookie.

use super::credentials::{self, SESSION_COOKIE};
use super::{Caller, Credentials};
use crate::store::SessionRole;
use crate::web::AppState;
use crate::web::pages::{self, Frame};
use crate::web::problem::Problem;
use askama::Template;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use serde::Deserialize;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    frame: Frame,
    next: &'a str,
    /// The last try was wrong.
    wrong: bool,
    /// False where nobody can be admin yet.
    has_password: bool,
}

/// `?next=/history&wrong=true`
#[derive(Deserialize)]
pub(in crate::web) struct SignInQuery {
    next: Option<String>,
    #[serde(default)]
    wrong: bool,
}

/// The form.
#[derive(Deserialize)]
pub(in crate::web) struct SignInForm {
    /// The admin's password, or an API key.
    secret: String,
    next: Option<String>,
}

/// `GET /sign-in`
pub(in crate::web) async fn sign_in_page(
    State(state): State<AppState>,
    frame: Frame,
    query: Result<Query<SignInQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query?;
    let has_password = state.store.has_admin_password().await?;
    let next = local_path(query.next.as_deref());
    pages::page(&SignInPage { frame, next, wrong: query.wrong, has_password })
}

/// `POST /sign-in`: on to where the person wanted to go, or back to the form.
pub(in crate::web) async fn sign_in(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    form: Result<Form<SignInForm>, FormRejection>,
) -> Result<Response, Problem> {
    let Form(form) = form?;
    // Before looking, so that tries at the same time count too.
    state.limits.count_sign_in(caller.address)?;
    let next = local_path(form.next.as_deref());
    let Some(role) = role_of(&form.secret, &state).await? else {
        tracing::warn!(%caller, "sign-in refused: wrong password or key");
        let again = form_urlencoded::Serializer::new("wrong=true".to_owned()).append_pair("next", next).finish();
        return Ok(Redirect::to(&format!("/sign-in?{again}")).into_response());
    };
    if let Some(before) = credentials::session(&headers) {
        state.store.end_session(&before).await?;
    }
    let access = &state.config.access;
    let secret = state.store.start_session(&role, access.session_hours).await?;
    tracing::info!(%caller, ?role, "signed in");
    let cookie = Cookie::build((SESSION_COOKIE, secret))
        .path("/")
        .http_only(true)
        // Strict would leave people who follow a link from their mail at the sign-in page.
        .same_site(SameSite::Lax)
        .secure(access.secure_cookies)
        .max_age(time::Duration::hours(access.session_hours.into()));
    Ok((CookieJar::new().add(cookie), Redirect::to(next)).into_response())
}

/// `POST /sign-out`
pub(in crate::web) async fn sign_out(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Credentials::Session(cookie) = Credentials::of(&headers) {
        state.store.end_session(&cookie).await?;
        tracing::info!(%caller, "signed out");
    }
    let gone = CookieJar::from_headers(&headers).remove(Cookie::build(SESSION_COOKIE).path("/"));
    Ok((gone, Redirect::to("/")).into_response())
}

/// As whom this password or key signs in.
async fn role_of(secret: &str, state: &AppState) -> Result<Option<SessionRole>, Problem> {
    if let Some(key) = state.store.valid_key(secret).await? {
        return Ok(Some(SessionRole::User { key: key.id }));
    }
    let right = state.store.is_admin_password(secret).await?;
    Ok(right.then_some(SessionRole::Admin))
}

/// Where to go afterwards: a place on this server, else the start page.
///
/// Browsers read `//host` and `/\host` as other hosts, and skip tabs and line breaks.
fn local_path(next: Option<&str>) -> &str {
    let is_local = |path: &&str| {
        let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        plain && path.starts_with('/') && !path.starts_with("//")
    };
    next.filter(is_local).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_in_leads_to_places_on_this_server_only() {
        for path in ["/", "/history?query=a%20dog", "/captions/1#edit"] {
            assert_eq!(local_path(Some(path)), path);
        }
        for path in ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example", "", "history"] {
            assert_eq!(local_path(Some(path)), "/", "{path}");
        }
        assert_eq!(local_path(None), "/");
    }
}
