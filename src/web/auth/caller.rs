//! Who sent the request at hand.

use super::Credentials;
use super::address::client_address;
use crate::config::Access;
use crate::store::{SessionRole, ValidKey};
use crate::web::AppState;
use crate::web::problem::Problem;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Who asks, and from where. Handlers take it as an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::web) struct Caller {
    pub who: Who,
    pub address: IpAddr,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::web) enum Who {
    /// Nobody said.
    Anonymous,
    /// Somebody with a key that does not hold, or no longer.
    Stranger,
    /// A client app.
    Key {
        /// The key's id.
        id: String,
    },
    /// A program that does what admins do.
    AdminKey {
        /// The key's id.
        id: String,
    },
    /// A person who signed in with an API key.
    User {
        /// The key's id.
        key: String,
    },
    /// A person who signed in with the admin's password.
    Admin,
}

impl Caller {
    /// True where a part of the server that is open to these is open to the caller.
    pub(in crate::web) fn may_use(&self, access: Access) -> bool {
        match (&self.who, access) {
            // Who shows a wrong key believes it holds, and is told.
            (Who::Stranger, _) | (Who::Anonymous, Access::Key) => false,
            (Who::Anonymous, Access::Open) => true,
            (Who::Key { .. } | Who::AdminKey { .. } | Who::User { .. } | Who::Admin, _) => true,
        }
    }

    /// The key by which the caller came in.
    pub(in crate::web) fn key(&self) -> Option<&str> {
        match &self.who {
            Who::Key { id: key } | Who::AdminKey { id: key } | Who::User { key } => Some(key),
            Who::Anonymous | Who::Stranger | Who::Admin => None,
        }
    }

    /// `"admin"` or `"user"` for people who signed in.
    pub(in crate::web) fn signed_in(&self) -> Option<&'static str> {
        match self.who {
            Who::Admin => Some("admin"),
            Who::User { .. } => Some("user"),
            Who::Anonymous | Who::Stranger | Who::Key { .. } | Who::AdminKey { .. } => None,
        }
    }
}

impl fmt::Display for Caller {
    /// For the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.who {
            Who::Anonymous | Who::Stranger => write!(f, "somebody at {}", self.address),
            Who::Key { id: key } | Who::User { key } => write!(f, "key {key} at {}", self.address),
            Who::AdminKey { id } => write!(f, "admin key {id} at {}", self.address),
            Who::Admin => write!(f, "admin at {}", self.address),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Caller, Problem> {
        let caller = parts.extensions.get::<Caller>().cloned();
        caller.ok_or_else(|| Problem::internal(&"nobody was identified on this route"))
    }
}

/// Finds out who asks and leaves a [`Caller`] with the request. Refuses nobody.
pub(in crate::web) async fn identify(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let address = client_address(&request, state.config.server.client_address);
    let who = who_brings(Credentials::of(request.headers()), &state).await?;
    request.extensions_mut().insert(Caller { who, address });
    Ok(next.run(request).await)
}

async fn who_brings(credentials: Credentials, state: &AppState) -> Result<Who, Problem> {
    Ok(match credentials {
        Credentials::None => Who::Anonymous,
        Credentials::Key(secret) => match state.store.valid_key(&secret).await? {
            None => Who::Stranger,
            Some(key) => {
                let (id, admin) = (key.id.clone(), key.admin);
                note_use(key, state);
                if admin { Who::AdminKey { id } } else { Who::Key { id } }
            }
        },
        Credentials::Session(cookie) => match state.store.session(&cookie).await? {
            // The session is over: sign-in comes next where something is not for everyone.
            None => Who::Anonymous,
            Some(SessionRole::User { key }) => Who::User { key },
            Some(SessionRole::Admin) => Who::Admin,
        },
    })
}

/// Notes the use of a key beside the request, which does not wait for it: one note at a time, so that a
/// database that is slow to write does not gather them; what is left out, the next request notes.
fn note_use(key: ValidKey, state: &AppState) {
    if !key.use_unnoted {
        return;
    }
    let Ok(turn) = Arc::clone(&state.key_notes).try_acquire_owned() else {
        return;
    };
    let store = state.store.clone();
    tokio::spawn(async move {
        let _turn = turn;
        if let Err(error) = store.note_key_use(&key.id).await {
            tracing::warn!(%error, key = key.id, "the use of a key could not be noted");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wrong_key_is_worse_than_none() {
        let may = |who, access| Caller { who, address: IpAddr::from([127, 0, 0, 1]) }.may_use(access);
        assert!(may(Who::Anonymous, Access::Open));
        assert!(!may(Who::Anonymous, Access::Key));
        assert!(!may(Who::Stranger, Access::Open));
        for who in [
            Who::Key { id: "1".to_owned() },
            Who::AdminKey { id: "1".to_owned() },
            Who::User { key: "1".to_owned() },
            Who::Admin,
        ] {
            assert!(may(who.clone(), Access::Open) && may(who, Access::Key));
        }
    }
}
