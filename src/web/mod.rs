//! Pages and API. [`app`] is the whole web application without a socket, so that tests can call it.

mod answer;
mod api;
mod assets;
mod captioning;
mod health;
mod options;
mod pages;
mod problem;
mod request_id;
mod router;
mod state;
mod upload;

pub use router::app;
pub use state::AppState;
