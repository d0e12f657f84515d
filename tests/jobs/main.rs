//! Jobs through the router: a script stands in for the trainer.

mod life;
mod models;
mod queue;
mod requests;
mod site;
mod stream;
#[path = "../support/mod.rs"]
mod support;
mod webhook;
