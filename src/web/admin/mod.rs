//! Pages for admins, one file a page.

mod keys;
mod models;
mod overview;
mod training;

pub(super) use keys::{create_key, keys, revoke_key};
pub(super) use models::{activate_models, delete_model, models};
pub(super) use overview::overview;
pub(super) use training::{compare, evaluate, new_run, run};
