//! The JSON API: one file a noun.

pub(super) mod caption;
pub(super) mod captions;
pub(super) mod export;
mod fields;
pub(super) mod images;
pub(super) mod jobs;
pub(super) mod keys;
pub(super) mod models;
pub(super) mod training;

pub(super) use caption::caption;
pub(super) use captions::{
    captions, delete_caption, delete_captions, edit_caption, restore_caption, restore_captions, stored_caption,
};
pub(super) use export::export;
pub(super) use images::{again, image};
pub(super) use keys::{create_key, end_key, keys, make_key, revoke_key};
pub(super) use models::{activate_models, model_folders, models};
