//! Who asks, and what they may do.
//!
//! [`identify`] looks up every request's key or session and leaves a [`Caller`] with it; the guards, one
//! for each group of routes in `router.rs`, let it in or send it to sign-in.

mod address;
mod caller;
mod credentials;
mod guard;
mod sign_in;

pub(super) use caller::{Caller, Who, identify};
pub(super) use credentials::Credentials;
pub(super) use guard::{admins, by_setting};
pub(super) use sign_in::{sign_in, sign_in_page, sign_out};
