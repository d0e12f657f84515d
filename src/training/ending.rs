//! How a job ended, by how its process did and what it told: in a state, and in words that say what to do.

use super::process::Exit;
use crate::store::{EndReason, JobState, JobStatus, PhaseState, StoredJob};

/// Exit code of a trainer that has saved and stopped.
pub const STOPPED: u8 = 3;
const HAS_STOPPED: i32 = STOPPED as i32;
/// The signal that ends a process at once; the system sends it when memory runs out.
const KILL: i32 = 9;

/// The state that a job's end leads to, and the reason. `job` is as it was when its process ended, with everything
/// it told; `last_words` is the end of its log, and `free_bytes` what its disk has left.
pub(super) fn judge(
    exit: Exit,
    job: &StoredJob,
    last_words: Option<&str>,
    free_bytes: u64,
) -> (JobState, Option<EndReason>) {
    let status = &job.status;
    let told_to = job.stop_asked || job.kill_asked;
    let done = status.completed() && !status.phases.is_empty();
    let stopped = status.phases.iter().any(|phase| phase.state == PhaseState::Stopped);
    match exit {
        Exit::Code(0) => (JobState::Completed, None),
        Exit::Unseen if done => (JobState::Completed, None),
        _ if status.failure.is_some() => (JobState::Failed, failure(status)),
        Exit::Code(HAS_STOPPED) | Exit::Unseen if told_to && (stopped || exit == Exit::Code(HAS_STOPPED)) => {
            (JobState::Cancelled, None)
        }
        Exit::Code(HAS_STOPPED) => (JobState::Interrupted, reason("killed", STOPPED_FROM_OUTSIDE)),
        Exit::Signal(_) | Exit::Unseen if told_to => (JobState::Cancelled, None),
        Exit::Signal(KILL) => (JobState::Interrupted, reason("killed", KILLED)),
        Exit::Signal(signal) => {
            let text = format!("Its process was ended by signal {signal}. {GOES_ON}");
            (JobState::Interrupted, reason("killed", &text))
        }
        Exit::Unseen => (JobState::Interrupted, reason("server", UNSEEN)),
        // On a full disk it could not even say so.
        Exit::Code(_) if free_bytes < NO_ROOM => (JobState::Failed, reason("disk_full", DISK_FULL)),
        Exit::Code(code) => {
            let ended = || format!("Its process ended with code {code}: the log may say why.");
            (JobState::Failed, reason("other", &last_words.map_or_else(ended, str::to_owned)))
        }
    }
}

/// What failed, with what to do about it.
fn failure(status: &JobStatus) -> Option<EndReason> {
    let (kind, said) = status.failure.as_ref()?;
    let phase = status.current.as_deref().unwrap_or("PHASE");
    let advice = match kind.as_str() {
        "out_of_memory" => format!(
            "Out of memory: lower {phase}.batch_size (and raise {phase}.accumulate by the same factor), or \
             {phase}.evaluation_batch_size if it happened in an evaluation, in a clone of this run."
        ),
        "disk_full" => DISK_FULL.to_owned(),
        "diverged" => format!(
            "The loss is no number any more: clone this run with a lower {phase}.learning_rate or with \
             {phase}.clip_gradients."
        ),
        "data" => {
            "The dataset or its images cannot be used: check data.dataset, data.images and data.captions.".to_owned()
        }
        "weights" => {
            format!("The weights to start from do not fit: check [weights], {phase}.backbone and {phase}.body.")
        }
        "locked" => "Another process trains in this folder: end it, then try again.".to_owned(),
        _ => return reason(kind, said),
    };
    reason(kind, &format!("{advice} ({said})"))
}

fn reason(kind: &str, text: &str) -> Option<EndReason> {
    Some(EndReason { kind: kind.to_owned(), text: text.to_owned() })
}

/// The reason of a job whose process could not be started.
pub(super) fn not_started(error: &std::io::Error) -> EndReason {
    EndReason { kind: "start".to_owned(), text: format!("Its process could not be started: {error}.") }
}

/// Less than this on a disk is nothing.
const NO_ROOM: u64 = 1_000_000;
const DISK_FULL: &str = "The disk is full: make room, then try again from the last checkpoint.";
const GOES_ON: &str = "It goes on from its last checkpoint when it is resumed.";
const KILLED: &str = "Its process was killed. The system does that when memory runs out: see the system's log. \
     It goes on from its last checkpoint when it is resumed.";
const STOPPED_FROM_OUTSIDE: &str = "Its process was asked to stop by somebody on the server's machine, and has saved. \
     It goes on from its last checkpoint when it is resumed.";
const UNSEEN: &str = "Its process ended without a word: the machine was restarted, or the process was killed. \
     It goes on from its last checkpoint when it is resumed.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{PhaseStatus, Work};

    fn job(phase: PhaseState, stop_asked: bool) -> StoredJob {
        let mut xe = PhaseStatus::waiting("xe", "cross-entropy", true);
        xe.state = phase;
        let failed = phase == PhaseState::Failed;
        let failure = failed.then(|| ("out_of_memory".to_owned(), "CUDA out of memory".to_owned()));
        let current = Some("xe".to_owned());
        StoredJob {
            id: "1".into(),
            name: "a run".into(),
            state: if stop_asked { JobState::Stopping } else { JobState::Running },
            folder: "/runs/1".into(),
            device: "cpu".into(),
            recipe: "paper".into(),
            cloned_from: None,
            work: Work::Train { phases: vec!["xe".into()] },
            status: JobStatus { phases: vec![xe], current, failure, ..JobStatus::default() },
            reason: None,
            process: None,
            stop_asked,
            kill_asked: false,
            events_offset: 0,
            last_sequence: -1,
            created_at: String::new(),
            queued_at: None,
            started_at: None,
            ended_at: None,
        }
    }

    const PLENTY: u64 = 1 << 40;

    fn state(exit: Exit, phase: PhaseState, stop_asked: bool) -> JobState {
        judge(exit, &job(phase, stop_asked), None, PLENTY).0
    }

    #[test]
    fn the_state_follows_from_the_exit_and_the_wish() {
        use PhaseState::{Completed, Failed, Running, Stopped};
        assert_eq!(state(Exit::Code(0), Completed, false), JobState::Completed);
        assert_eq!(state(Exit::Unseen, Completed, false), JobState::Completed);
        assert_eq!(state(Exit::Code(0), Completed, true), JobState::Completed, "it was done before it could stop");
        assert_eq!(state(Exit::Code(3), Stopped, true), JobState::Cancelled);
        assert_eq!(state(Exit::Unseen, Stopped, true), JobState::Cancelled);
        assert_eq!(state(Exit::Code(3), Stopped, false), JobState::Interrupted);
        assert_eq!(state(Exit::Signal(9), Running, true), JobState::Cancelled);
        assert_eq!(state(Exit::Signal(9), Running, false), JobState::Interrupted);
        assert_eq!(state(Exit::Unseen, Running, false), JobState::Interrupted);
        assert_eq!(state(Exit::Code(1), Failed, false), JobState::Failed);
        assert_eq!(state(Exit::Unseen, Failed, false), JobState::Failed);
        assert_eq!(state(Exit::Code(1), Running, false), JobState::Failed);
    }

    #[test]
    fn reasons_say_what_to_do() {
        let text = |exit, phase, words| judge(exit, &job(phase, false), words, PLENTY).1.expect("a reason").text;
        let memory = text(Exit::Code(1), PhaseState::Failed, None);
        assert!(memory.contains("xe.batch_size") && memory.contains("xe.evaluation_batch_size"), "{memory}");
        assert!(memory.ends_with("(CUDA out of memory)"), "{memory}");
        assert_eq!(text(Exit::Code(1), PhaseState::Waiting, Some("no such file")), "no such file");
        let full = judge(Exit::Code(101), &job(PhaseState::Running, false), Some("an old line"), 4096).1;
        assert_eq!(full.map(|reason| reason.kind).as_deref(), Some("disk_full"));
        assert!(text(Exit::Signal(9), PhaseState::Running, None).contains("resumed"));
    }
}
