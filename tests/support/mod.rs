//! A model that needs no libtorch, and a web application around it with a real temporary store.

#![allow(dead_code, reason = "each test program uses its own part of this")]

pub mod fake_model;
pub mod gate;
pub mod null_model;
pub mod web;
