//! Training by the real trainer under a real server: whatever is killed or full, states stay true and no event is
//! lost or doubled.

mod admin;

use super::made_dataset::MadeDataset;
use super::server::Server;
use super::small_disk::{NEEDS, on_a_small_disk, seen_from_outside};
use super::{PATIENT, start};
use admin::{Admin, PASSWORD, Run};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// The place of `xe` among the recipe's phases.
const XE: usize = 2;

/// Starts a server that trains on the made dataset.
async fn training_server(made: &MadeDataset) -> Result<Server> {
    let (runs, roots) = (made.path("runs").display().to_string(), format!("[\"{}\"]", made.path("").display()));
    let models = made.path("models").display().to_string();
    let further = [
        ("TRAINING__DIRECTORY", runs.as_str()),
        ("TRAINING__ROOTS", &roots),
        ("MODEL__DIRECTORY", &models),
        ("ACCESS__ADMIN_PASSWORD", PASSWORD),
    ];
    start(&made.path("storage"), &further).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_finds_its_run_again() -> Result<()> {
    let made = MadeDataset::new();
    let mut server = training_server(&made).await?;
    let admin = Admin::sign_in(&server).await?;
    let run = Run::create(&admin, &made, 300).await?;
    run.wait(&admin, "at work in xe", |job| job["phases"][XE]["iteration"].as_u64() > Some(3)).await?;
    server.kill()?;
    let told = run.events()?.len();
    run.tells_more_than(told).context("the process goes on without its server")?;

    let server = training_server(&made).await?;
    let admin = Admin::sign_in(&server).await?;
    let job = run.wait(&admin, "followed again", |job| job["last_sequence"].as_u64() > Some(told as u64)).await?;
    ensure!(job["state"] == "running", "{job}");
    run.act(&admin, "stop", 200).await?;
    run.wait(&admin, "cancelled", |job| job["state"] == "cancelled").await?;
    run.has_every_event(&admin).await?;
    run.act(&admin, "stop", 409).await?;

    run.act(&admin, "resume", 200).await?;
    run.wait(&admin, "at work again", |job| job["phases"][XE]["state"] == "running").await?;
    run.kill_process()?;
    let job = run.wait(&admin, "interrupted", |job| job["state"] == "interrupted").await?;
    ensure!(job["reason"]["kind"] == "killed" && job["phases"][XE]["state"] == "interrupted", "{job}");

    run.act(&admin, "resume", 200).await?;
    let job = run.wait(&admin, "completed", |job| job["state"] == "completed").await?;
    ensure!(job["phases"][XE]["iteration"] == job["phases"][XE]["iterations"], "{job}");
    run.has_every_event(&admin).await?;
    let last = run.events()?.pop().context("events")?;
    ensure!(last["sequence"] == run.events()?.len() - 1, "the trainer has left none out: {last}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_goes_from_a_run_into_service_and_back() -> Result<()> {
    let made = MadeDataset::new();
    let server = training_server(&made).await?;
    let admin = Admin::sign_in(&server).await?;
    let run = Run::create(&admin, &made, 60).await?;
    run.wait(&admin, "completed", |job| job["state"] == "completed").await?;
    let checkpoints = admin.get(&format!("{}/checkpoints", run.path())).await?;
    let best = checkpoints["checkpoints"].as_array().context("a list")?.iter().find(|one| one["best"] == true);
    let best = best.with_context(|| format!("no best checkpoint: {checkpoints}"))?;
    let name = best["name"].as_str().context("a name")?;
    let path = format!("{}/checkpoints/xe/{name}", run.path());

    let archive = admin.download(&format!("{path}/download")).await?;
    let mut files = Vec::new();
    for entry in tar::Archive::new(archive.as_slice()).entries()? {
        files.push(entry?.path()?.file_name().unwrap_or_default().to_string_lossy().into_owned());
    }
    for file in ["model.safetensors", "config.json", "vocab.json"] {
        ensure!(files.iter().any(|found| found == file), "{file} is not in {files:?}");
    }

    let (status, activated) = admin.post(&format!("{path}/activate"), &json!({})).await?;
    ensure!(status == 200 && activated["previous"] == json!(["default"]), "{status}: {activated}");
    let picture = std::fs::read(made.path("images/red-disc.png"))?;
    let (status, answer) = server.caption("red-disc.png", picture.clone()).await?;
    ensure!(status == 200 && answer["caption"] == "A red disc.", "{status}: {answer}");
    ensure!(answer["model"]["id"] == best["model"], "{answer}");
    let listed = admin.get(&format!("{}/checkpoints", run.path())).await?;
    let served = |list: &Value| {
        list["checkpoints"].as_array().map(|all| all.iter().filter(|one| one["in_service"] == true).count())
    };
    ensure!(served(&listed) == Some(1), "{listed}");
    let (status, back) = admin.post("/models/activate", &json!({"models": activated["previous"]})).await?;
    ensure!(status == 200 && back["active"]["id"] == "default", "{status}: {back}");

    evaluates(&admin, &made, &run, name).await?;
    let (status, gone) =
        admin.post(&format!("{}/checkpoints/xe/state-00000001/activate", run.path()), &json!({})).await?;
    ensure!(status == 404, "{status}: {gone}");
    Ok(())
}

/// The checkpoint and the bundled model as an ensemble do not fit together; alone, the checkpoint is judged.
async fn evaluates(admin: &Admin, made: &MadeDataset, run: &Run, checkpoint: &str) -> Result<()> {
    let request = json!({
        "checkpoints": [{"job": run.id, "phase": "xe", "name": checkpoint}], "split": "val", "beam_sizes": [1, 3],
        "dataset": made.path("dataset.json"), "images": made.path("images"), "device": "cpu",
    });
    let (status, job) = admin.post("/evaluations", &request).await?;
    ensure!(status == 201 && job["kind"] == "evaluate", "{status}: {job}");
    let evaluation = Run::of(&job)?;
    let job = evaluation.wait(admin, "judged", |job| job["ended_at"].is_string()).await?;
    ensure!(job["state"] == "completed", "{job}");
    let report = admin.get(&format!("{}/evaluation", evaluation.path())).await?;
    let outcomes = report["outcomes"].as_array().context("outcomes")?;
    ensure!(outcomes.len() == 2 && outcomes[0]["BLEU-1"]["corpus"].as_f64() > Some(0.9), "{report}");
    ensure!(report["paper"]["single"]["CIDEr-D"] == 1.404, "{report}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_tells_what_a_run_would_meet() -> Result<()> {
    let made = MadeDataset::new();
    let server = training_server(&made).await?;
    let admin = Admin::sign_in(&server).await?;
    let (status, report) = admin.post("/jobs/check", &admin::request(&made, 5)).await?;
    ensure!(status == 200 && report["images"]["val"] == 6 && report["images"]["missing"] == 0, "{status}: {report}");
    let mut broken = admin::request(&made, 5);
    broken["settings"]["data.images"] = json!(made.path("storage"));
    let (status, report) = admin.post("/jobs/check", &broken).await?;
    let findings = report["findings"].as_array().context("findings")?;
    ensure!(status == 200 && findings.iter().any(|finding| finding["level"] == "error"), "{status}: {report}");
    let left: Vec<_> = std::fs::read_dir(made.path("runs"))?.collect();
    ensure!(left.is_empty(), "a check leaves nothing behind: {left:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_on_a_full_disk_fails_with_that_reason_and_goes_on_when_there_is_room() -> Result<()> {
    let made = MadeDataset::new();
    let disk = made.path("disk");
    std::fs::create_dir(&disk)?;
    let mut command = on_a_small_disk("12m", &disk)?;
    command.arg(env!("CARGO_BIN_EXE_expansionnet"));
    let (runs, roots) = (disk.join("runs").display().to_string(), format!("[\"{}\"]", made.path("").display()));
    let settings = [
        &PATIENT[..],
        &[("TRAINING__DIRECTORY", runs.as_str()), ("TRAINING__ROOTS", &roots), ("ACCESS__ADMIN_PASSWORD", PASSWORD)],
    ];
    // The database has a disk of its own: what is full is that of the runs.
    let server = Server::start_as(command, &made.path("storage"), &settings.concat()).await.context(NEEDS)?;
    let inside = seen_from_outside(server.process_id(), &disk);

    let admin = Admin::sign_in(&server).await?;
    let mut run = Run::create(&admin, &made, 300).await?;
    // The disk is only seen from inside of the server's name space.
    run.folder = inside.join("runs").join(run.folder.file_name().context("a name")?);
    run.wait(&admin, "at work in xe", |job| job["phases"][XE]["iteration"].as_u64() > Some(3)).await?;
    super::full_disk::fill_up(&inside.join("filler"))?;
    let job = run.wait(&admin, "failed", |job| job["state"] == "failed").await?;
    std::fs::remove_file(inside.join("filler"))?;
    ensure!(job["reason"]["kind"] == "disk_full", "{job}");

    run.act(&admin, "retry", 200).await?;
    run.wait(&admin, "completed", |job| job["state"] == "completed").await?;
    run.has_every_event(&admin).await
}
