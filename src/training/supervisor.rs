//! Who is next, and what becomes of those at work: one task for the queue, one for each process.

use super::device::{Reading, disk_bytes};
use super::process::{AtWork, Exit};
use super::{Inner, ending, evaluate, logs, recorder};
use crate::store::{Change, EndReason, JobState, Point, StoreError, StoredJob};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// Between two looks at a process and its file.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Between two readings of the device.
const SAMPLE_EVERY: Duration = Duration::from_secs(2);
/// Before something is tried again that the disk or the database refused.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Finds the processes of the server before, and begins to take the queue in turn.
pub(super) async fn start(inner: &Arc<Inner>) -> Result<(), StoreError> {
    for mut job in inner.store.jobs(&AT_WORK).await? {
        take_up(inner, &mut job).await?;
        let process = AtWork::find(&job);
        match &process {
            Some(found) => {
                tracing::info!(job = job.id, name = job.name, "a job's process goes on");
                inner.store.set_job_process(&job.id, &found.identity.to_string()).await?;
                // The wish to stop may have come when nobody could pass it on.
                let job = StoredJob { process: Some(found.identity.to_string()), ..job.clone() };
                inner.signal(&job);
            }
            None => tracing::warn!(job = job.id, name = job.name, "a job's process has ended"),
        }
        tokio::spawn(follow(Arc::clone(inner), job, process));
    }
    let turns = take_turns(Arc::clone(inner));
    let mut closing = inner.closing.subscribe();
    tokio::spawn(async move {
        tokio::select! {
            () = turns => (),
            _ = closing.wait_for(|closing| *closing) => (),
        }
    });
    inner.queue.notify_one();
    Ok(())
}

async fn take_turns(inner: Arc<Inner>) {
    loop {
        inner.queue.notified().await;
        while let Err(error) = start_next(&inner).await {
            tracing::error!(%error, "the queue of jobs cannot be read");
            sleep(RETRY_AFTER).await;
        }
    }
}

/// Starts every job whose turn it is.
async fn start_next(inner: &Arc<Inner>) -> Result<(), StoreError> {
    let at_work = inner.store.jobs(&AT_WORK).await?;
    let slot = |job: &StoredJob| inner.sampler.is_gpu(&job.device);
    let mut busy = [false, true].map(|gpu| at_work.iter().filter(|job| slot(job) == gpu).count());
    for job in inner.store.queued_jobs().await? {
        let busy = &mut busy[usize::from(slot(&job))];
        if *busy < inner.settings.jobs_at_once && start_one(inner, job).await? {
            *busy += 1;
        }
    }
    Ok(())
}

/// False where it is not at work now: the process did not start, or somebody took the job out of the queue.
async fn start_one(inner: &Arc<Inner>, mut job: StoredJob) -> Result<bool, StoreError> {
    take_up(inner, &mut job).await?;
    job.status.process_begins(now());
    let begin = Change { status: Some(job.status.clone()), ..Change::default() };
    // Marked before it is started: a server that dies in between leaves a process that is looked for, not two.
    if !inner.store.move_job(&job.id, &[JobState::Queued], JobState::Running, &begin).await? {
        return Ok(false);
    }
    let process = match AtWork::start(&job, &inner.program) {
        Ok(process) => process,
        Err(error) => {
            tracing::error!(%error, job = job.id, "a job's process could not be started");
            tokio::spawn(give_up(Arc::clone(inner), job, ending::not_started(&error)));
            return Ok(false);
        }
    };
    tracing::info!(job = job.id, name = job.name, process = process.identity.to_string(), "a job is started");
    // Whatever the database says now: the process is there, and is watched.
    match note_process(inner, &job.id, &process).await {
        Ok(Some(now)) => job = now,
        Ok(None) => (),
        Err(error) => tracing::error!(%error, job = job.id, "which process works at a job could not be noted"),
    }
    inner.changed();
    tokio::spawn(follow(Arc::clone(inner), job, Some(process)));
    Ok(true)
}

/// Takes up a job's file where it ends, in case a power cut has left less of it than the database knows: what is
/// written from there on would else be passed over.
async fn take_up(inner: &Inner, job: &mut StoredJob) -> Result<(), StoreError> {
    let recorded = job.events_offset;
    match recorder::place(Path::new(&job.folder), recorded) {
        Ok(place) if place < recorded => {
            tracing::warn!(job = job.id, recorded, place, "a job's events were cut short: going on at their end");
            inner.store.take_up_job(job, place).await?;
        }
        Ok(_) => (),
        Err(error) => tracing::error!(%error, job = job.id, "a job's events cannot be read"),
    }
    Ok(())
}

async fn note_process(inner: &Inner, id: &str, process: &AtWork) -> Result<Option<StoredJob>, StoreError> {
    inner.store.set_job_process(id, &process.identity.to_string()).await?;
    let job = inner.store.job(id).await?;
    // Somebody may have stopped it before its process was known.
    job.iter().for_each(|job| inner.signal(job));
    Ok(job)
}

const AT_WORK: [JobState; 2] = [JobState::Running, JobState::Stopping];

/// Ends a job whose process did not start, as soon as the database takes it.
async fn give_up(inner: Arc<Inner>, job: StoredJob, reason: EndReason) {
    let mut closing = inner.closing.subscribe();
    let change = Change { reason: Some(reason), ..Change::default() };
    let work = async {
        while let Err(error) = finish(&inner, &job.id, JobState::Failed, &change).await {
            tracing::error!(%error, job = job.id, "that a job has not started cannot be kept: trying again");
            sleep(RETRY_AFTER).await;
        }
    };
    tokio::select! {
        () = work => inner.queue.notify_one(),
        _ = closing.wait_for(|closing| *closing) => (),
    }
}

/// Records what a process tells until it has ended, then ends the job. `None`: it has ended already.
async fn follow(inner: Arc<Inner>, mut job: StoredJob, mut process: Option<AtWork>) {
    let mut closing = inner.closing.subscribe();
    let work = async {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sampled = Instant::now();
        loop {
            looks.tick().await;
            match look(&inner, &mut job, process.as_mut()).await {
                Ok(true) => break,
                Ok(false) => (),
                Err(error) => {
                    tracing::error!(%error, job = job.id, "what a job tells cannot be kept: trying again");
                    sleep(RETRY_AFTER).await;
                }
            }
            if sampled.elapsed() >= SAMPLE_EVERY {
                sampled = Instant::now();
                if let Err(error) = sample(&inner, &job).await {
                    tracing::warn!(%error, job = job.id, "a reading of the device is lost");
                }
            }
        }
    };
    tokio::select! {
        () = work => inner.queue.notify_one(),
        _ = closing.wait_for(|closing| *closing) => (),
    }
}

/// Takes in what is new; true when the process has ended, and with it the job.
async fn look(inner: &Inner, job: &mut StoredJob, process: Option<&mut AtWork>) -> Result<bool, RecordError> {
    // Before the file is read: what is read afterwards is all that it told.
    let exit = process.map_or(Some(Exit::Unseen), AtWork::ended);
    record_all(inner, job).await?;
    let Some(exit) = exit else { return Ok(false) };
    end(inner, &job.id, exit).await?;
    Ok(true)
}

/// Takes in everything that is new in the file.
async fn record_all(inner: &Inner, job: &mut StoredJob) -> Result<(), RecordError> {
    loop {
        let (folder, offset) = (PathBuf::from(&job.folder), job.events_offset);
        let reading = tokio::task::spawn_blocking(move || recorder::read(&folder, offset));
        let recorded = reading.await.map_err(|died| RecordError::Died(died.to_string()))??;
        if recorded.bytes == 0 {
            return Ok(());
        }
        if !inner.store.record_job(job, &recorded).await? {
            return Err(RecordError::Gone);
        }
        inner.changed();
    }
}

/// Why nothing was taken in or read.
#[derive(Debug, thiserror::Error)]
enum RecordError {
    #[error("its file: {0}")]
    File(#[from] std::io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("another server records it, or it is gone")]
    Gone,
    #[error("reading ended unexpectedly: {0}")]
    Died(String),
}

/// Keeps how busy the device is, beside the figures of the training.
async fn sample(inner: &Arc<Inner>, job: &StoredJob) -> Result<(), RecordError> {
    let (reader, folder) = (Arc::clone(inner), PathBuf::from(&job.folder));
    let reading = tokio::task::spawn_blocking(move || reader.sampler.read(&folder));
    let reading = reading.await.map_err(|died| RecordError::Died(died.to_string()))?;
    let Reading { cpu_percent, memory_used, gpus, .. } = reading;
    let phase = job.status.current.clone().unwrap_or_default();
    let (time, iteration) = (now(), job.status.iteration());
    let mut figures = vec![("cpu_percent", cpu_percent), ("memory_bytes", memory_used as f64)];
    if let Some(gpu) = gpus.first() {
        figures.extend([("gpu_percent", gpu.percent), ("gpu_memory_bytes", gpu.memory_used as f64)]);
    }
    let point = |(name, value): (&str, f64)| Point { phase: phase.clone(), name: name.into(), iteration, time, value };
    let points: Vec<Point> = figures.into_iter().map(point).collect();
    Ok(inner.store.add_job_points(&job.id, &points).await?)
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

async fn end(inner: &Inner, id: &str, exit: Exit) -> Result<(), StoreError> {
    // Anew: an admin may have asked it to stop since.
    let Some(mut job) = inner.store.job(id).await? else { return Ok(()) };
    let words = logs::last_words(Path::new(&job.folder)).await;
    let (free, _) = disk_bytes(Path::new(&job.folder));
    let (state, reason) = ending::judge(exit, &job, words.as_deref(), free);
    job.status.process_ended(state);
    job.status.progress = None;
    evaluate::remove_models(&job, state).await;
    let why = reason.as_ref().map(|reason: &EndReason| reason.text.clone()).unwrap_or_default();
    let change = Change { reason, status: Some(job.status), process: None };
    if finish(inner, id, state, &change).await? {
        tracing::info!(job = id, name = job.name, state = state.as_str(), why, "a job has ended");
    }
    Ok(())
}

/// Moves a job to its end and tells everybody; false where it had ended before.
async fn finish(inner: &Inner, id: &str, state: JobState, change: &Change) -> Result<bool, StoreError> {
    if !inner.store.move_job(id, &AT_WORK, state, change).await? {
        return Ok(false);
    }
    inner.changed();
    match inner.store.job(id).await {
        Ok(job) => job.into_iter().for_each(|job| inner.announce(job)),
        // The end is kept all the same.
        Err(error) => tracing::error!(%error, job = id, "a job's end could not be told"),
    }
    Ok(true)
}
