//! The `expansionnet` program: reads the command line and runs one command.

use clap::Parser;
use expansionnet::cli::{Cli, said};
use std::env;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    start_with_settings();
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            // Where the log's disk is full, that is no reason to end otherwise.
            let _ = writeln!(io::stderr(), "error: {}", said(&error));
            ExitCode::FAILURE
        }
    }
}

/// How often libgomp's threads look whether the others are done before they sleep.
///
/// libtorch's threads wait for each other many times a caption. Spinning (300,000 times by default) takes the cores
/// away from the very thread that is waited for as soon as anything else runs on the machine: a caption then takes
/// seconds (docs/PERFORMANCE.md).
const SPINS: (&str, &str) = ("GOMP_SPINCOUNT", "1000");

/// Has the C library keep memory that is freed, where batches of images are worked through.
///
/// It gives large blocks back to the system at once by default, and each activation then has its pages
/// mapped and cleared anew: features took three times as long (docs/TRAINING.md). The server holds on to less.
const KEPT_MEMORY: (&str, &str) = (
    "GLIBC_TUNABLES",
    "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184:glibc.malloc.top_pad=268435456",
);

/// The commands that work through batches of images.
const IN_BATCHES: [&str; 3] = ["train", "features", "evaluate"];

/// Starts the program anew, as the same process, with settings that libraries read when they are loaded, before `main`.
///
/// What is set already stays. Where the program cannot be started anew, it goes on as it is.
fn start_with_settings() {
    let mut arguments = env::args_os();
    let own_name = arguments.next();
    let arguments: Vec<_> = arguments.collect();
    let mut missing = Vec::new();
    if env::var_os(SPINS.0).is_none() && env::var_os("OMP_WAIT_POLICY").is_none() {
        missing.push(SPINS);
    }
    let in_batches = arguments.first().is_some_and(|command| IN_BATCHES.iter().any(|name| command == name));
    if in_batches && env::var_os(KEPT_MEMORY.0).is_none() {
        missing.push(KEPT_MEMORY);
    }
    if let (false, Ok(program), Some(own_name)) = (missing.is_empty(), env::current_exe(), own_name) {
        // Gives back control only where it fails.
        let _ = Command::new(program).arg0(own_name).args(arguments).envs(missing).exec();
    }
}
