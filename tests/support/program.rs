//! The program itself, as tests run it.

#![allow(dead_code, reason = "each test program uses its own part of this")]

use std::process::Command;

/// The program without the settings of whoever runs the tests.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_expansionnet"));
    forget_settings(&mut command);
    command
}

/// Keeps our variables in the environment from a command: whatever they say, tests mean the defaults.
pub fn forget_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("EXPANSIONNET_") {
            command.env_remove(name);
        }
    }
}
