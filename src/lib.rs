//! ExpansionNet: image captioning as a web application, a JSON API and a command line.
//!
//! Data runs one way, downwards: [`web`] (pages and API) and [`cli`] use [`captioning`] (the queue in front
//! of the model's thread), [`training`] (jobs, each a process of its own) and [`store`] (SQLite and image files); below them is the `trainer` library.

pub mod captioning;
pub mod cli;
pub mod config;
pub mod fetch;
mod leftovers;
pub mod metrics;
pub mod store;
pub mod training;
pub mod web;
