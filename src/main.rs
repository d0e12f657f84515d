//! The `expansionnet` program: reads the command line and runs one command.

use clap::Parser;
use expansionnet::cli::Cli;
use std::env;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    start_with_patient_threads();
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            // Where the log's disk is full, that is no reason to end otherwise.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// How often libgomp's threads look whether the others are done before they sleep.
const SPINS: (&str, &str) = ("GOMP_SPINCOUNT", "1000");

/// Starts the program anew, as the same process, with fewer spins than libgomp's default of 300,000.
///
/// libtorch's threads wait for each other many times a caption. Spinning takes the cores away from the very
/// thread that is waited for as soon as anything else runs on the machine: a caption then takes seconds
/// (docs/PERFORMANCE.md). libgomp reads this when it is loaded, before `main`. Where the variable is set
/// already, or the program cannot be started anew, it goes on as it is.
fn start_with_patient_threads() {
    let (name, value) = SPINS;
    if env::var_os(name).is_some() || env::var_os("OMP_WAIT_POLICY").is_some() {
        return;
    }
    let mut arguments = env::args_os();
    if let (Ok(program), Some(own_name)) = (env::current_exe(), arguments.next()) {
        // Gives back control only where it fails.
        let _ = Command::new(program).arg0(own_name).args(arguments).env(name, value).exec();
    }
}
