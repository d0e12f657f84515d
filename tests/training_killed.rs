//! Training by the real program, killed at random moments: always a whole checkpoint, and in the end
//! the weights of a run that nobody killed.

#[path = "../trainer/tests/support/made_dataset.rs"]
mod made_dataset;
#[path = "support/program.rs"]
mod program;

use made_dataset::MadeDataset;
use program::program;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tch::Tensor;

const KILLS: usize = 40;
const PHASE: &str = "xe";

fn train(made: &MadeDataset, run: &Path) -> Command {
    let mut command = program();
    command.args(["train", "--device", "cpu", "--events", "json", "--set", "xe.save_every_minutes=1e-9", "--recipe"]);
    command.arg(made.path("recipe.toml")).arg("--run").arg(run);
    // One thread each, so that many processes share a machine and sums have one order.
    command.env("OMP_NUM_THREADS", "1").stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a phase to its end.
fn finish(made: &MadeDataset, run: &Path, phase: &str) {
    let output = train(made, run).args(["--phase", phase]).output().expect("starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Waits for that many lines of events, then kills without warning; whether it was still at work.
fn kill_after(child: &mut Child, lines: usize) -> bool {
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let seen = output.lines().map_while(Result::ok).take(lines).count();
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    seen == lines
}

fn weights(run: &Path) -> Vec<(String, Tensor)> {
    let model = run.join(PHASE).join("model/model.safetensors");
    Tensor::read_safetensors(model).expect("the model is whole")
}

#[test]
fn a_run_killed_forty_times_ends_with_the_same_weights() {
    let made = MadeDataset::new();
    std::fs::write(made.path("recipe.toml"), made.recipe(24)).expect("writable");
    for phase in ["features", PHASE] {
        finish(&made, &made.path("unbroken"), phase);
    }
    let broken = made.path("broken");
    finish(&made, &broken, "features");
    let mut random = fastrand::Rng::with_seed(5);
    let mut killed = 0;
    for _ in 0..KILLS {
        let mut child = train(&made, &broken).args(["--phase", PHASE]).spawn().expect("starts");
        killed += usize::from(kill_after(&mut child, random.usize(1..12)));
    }
    assert!(killed >= KILLS / 2, "only {killed} were killed at work");
    finish(&made, &broken, PHASE);

    let broken = weights(&broken);
    for (name, tensor) in weights(&made.path("unbroken")) {
        let (_, other) = broken.iter().find(|(other, _)| *other == name).expect("the same variables");
        assert!(tensor.equal(other), "{name} differs");
    }
}
