//! Pages and API. [`app`] is the whole web application without a socket, so that tests can call it.

mod admin;
mod answer;
mod api;
mod assets;
mod auth;
mod body_time;
mod captioning;
mod cross_site;
mod exchange;
mod forms;
mod health;
mod history;
mod hosts;
mod in_progress;
mod limits;
mod metrics;
mod openapi;
mod options;
mod pages;
mod pieces;
mod problem;
mod request_id;
mod router;
mod server;
mod state;
mod tags;
mod upload;
mod upload_memory;

pub use router::app;
pub use server::Server;
pub use state::AppState;
