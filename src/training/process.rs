//! A job's process: the same binary, in a group of its own, so that it outlives the server.
//!
//! What it tells goes to files in the job's folder; nothing it writes waits for anybody. Another server finds it
//! again by its number, the time it started, and the machine's boot.

use super::recorder::EVENTS;
use crate::store::{StoredJob, Work};
use procfs::ProcResult;
use procfs::process::{ProcState, Process as Proc};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What a job's process says to people.
pub(super) const LOG: &str = "log.txt";
/// The reports of an evaluation.
pub(super) const EVALUATION: &str = "evaluation";

/// How processes are started.
#[derive(Clone, Debug)]
pub struct Program {
    /// The binary.
    pub path: PathBuf,
    /// Folder of METEOR's and SPICE's programs.
    pub jars: PathBuf,
}

/// Which process it is, among all that ever were on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    boot: String,
    pid: i32,
    /// In ticks since the boot.
    start: u64,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// Nobody was there to see.
    Unseen,
}

/// A process that is at work.
pub(super) struct AtWork {
    pub identity: Identity,
    /// Where this server started it.
    child: Option<Child>,
}

impl Identity {
    fn of(pid: i32) -> ProcResult<Identity> {
        let start = Proc::new(pid)?.stat()?.starttime;
        Ok(Identity { boot: procfs::sys::kernel::random::boot_id()?, pid, start })
    }

    /// That of a process just started. One that cannot be known again is ended: nobody could watch or stop it.
    pub fn of_child(child: &mut Child) -> io::Result<Identity> {
        let pid = i32::try_from(child.id()).map_err(io::Error::other);
        let identity = pid.and_then(|pid| Identity::of(pid).map_err(io::Error::other));
        identity.inspect_err(|_| {
            let _ = child.kill().and_then(|()| child.wait());
        })
    }

    /// As it was written by [`fmt::Display`].
    pub fn read(text: &str) -> Option<Identity> {
        let mut parts = text.split(' ');
        let (boot, pid, start) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Identity { boot: boot.to_owned(), pid: pid.parse().ok()?, start: start.parse().ok()? })
    }

    /// Whether it is still there; a process that has ended and was not waited for is not.
    pub fn is_alive(&self) -> bool {
        let ended = |state| matches!(state, Ok(ProcState::Zombie | ProcState::Dead));
        Identity::of(self.pid).is_ok_and(|now| now == *self)
            && Proc::new(self.pid).and_then(|process| process.stat()).is_ok_and(|stat| !ended(stat.state()))
    }

    /// Asks it to save and stop.
    pub fn terminate(&self) {
        self.signal(|pid| kill_process(pid, Signal::TERM));
    }

    /// Ends it and whatever it has started.
    pub fn kill(&self) {
        self.signal(|pid| kill_process_group(pid, Signal::KILL));
    }

    fn signal(&self, send: impl Fn(Pid) -> rustix::io::Result<()>) {
        let Some(pid) = Pid::from_raw(self.pid).filter(|_| self.is_alive()) else { return };
        if let Err(error) = send(pid) {
            tracing::warn!(%error, pid = self.pid, "a job's process got no signal");
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.boot, self.pid, self.start)
    }
}

impl AtWork {
    /// Starts the process of a job.
    pub fn start(job: &StoredJob, program: &Program) -> io::Result<AtWork> {
        let log = OpenOptions::new().create(true).append(true).open(Path::new(&job.folder).join(LOG))?;
        let mut child = command(job, program)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            // Ctrl-C at the server's terminal is not meant for it.
            .process_group(0)
            // Not its business.
            .env_remove("EXPANSIONNET_ACCESS__ADMIN_PASSWORD")
            .spawn()?;
        let identity = Identity::of_child(&mut child)?;
        Ok(AtWork { identity, child: Some(child) })
    }

    /// One that another server has started, where it is still at work.
    pub fn find(job: &StoredJob) -> Option<AtWork> {
        let known = job.process.as_deref().and_then(Identity::read);
        // The server may have died before it noted which process it had started.
        let identity = known.or_else(|| search(&job.folder))?;
        identity.is_alive().then_some(AtWork { identity, child: None })
    }

    /// How it ended, once it has.
    pub fn ended(&mut self) -> Option<Exit> {
        match &mut self.child {
            None => (!self.identity.is_alive()).then_some(Exit::Unseen),
            Some(child) => match child.try_wait() {
                Ok(None) => None,
                Ok(Some(status)) => Some(match (status.code(), status.signal()) {
                    (Some(code), _) => Exit::Code(code),
                    (None, Some(signal)) => Exit::Signal(signal),
                    (None, None) => Exit::Unseen,
                }),
                Err(error) => {
                    tracing::warn!(%error, "a job's process cannot be waited for");
                    Some(Exit::Unseen)
                }
            },
        }
    }
}

fn command(job: &StoredJob, program: &Program) -> Command {
    let mut command = Command::new(&program.path);
    match &job.work {
        Work::Train { phases } => {
            command.args(["train", "--run", &job.folder, "--device", &job.device, "--events", "none"]);
            command.args(phases.iter().flat_map(|phase| ["--phase", phase]));
        }
        Work::Evaluate { models, dataset, images, split, beam_sizes, limit, .. } => {
            let beams: Vec<String> = beam_sizes.iter().map(usize::to_string).collect();
            command.args(["evaluate", "--dataset", dataset, "--images", images, "--split", split]);
            command.args(["--beam-size", &beams.join(","), "--device", &job.device]);
            command.arg("--output").arg(Path::new(&job.folder).join(EVALUATION)).arg("--jars").arg(&program.jars);
            command.arg("--event-log").arg(Path::new(&job.folder).join(EVENTS));
            command.args(models.iter().flat_map(|model| ["--model", model]));
            if let Some(limit) = limit {
                command.args(["--limit", &limit.to_string()]);
            }
        }
    }
    command
}

/// The process that trains or evaluates in a folder.
fn search(folder: &str) -> Option<Identity> {
    let events = Path::new(folder).join(EVENTS).display().to_string();
    let works_here = |process: &Proc| {
        let arguments = process.cmdline().unwrap_or_default();
        let has = |name: &str, value: &str| arguments.windows(2).any(|pair| pair[0] == name && pair[1] == value);
        match arguments.get(1).map(String::as_str) {
            Some("train") => has("--run", folder),
            Some("evaluate") => has("--event-log", &events),
            _ => false,
        }
    };
    let process = procfs::process::all_processes().ok()?.flatten().find(works_here)?;
    Identity::of(process.pid).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_again_and_no_other_is_taken_for_it() {
        let own = Identity::of(std::process::id() as i32).expect("we are there");
        assert_eq!(Identity::read(&own.to_string()), Some(own.clone()));
        assert!(own.is_alive());
        let other = Identity { start: own.start + 1, ..own.clone() };
        assert!(!other.is_alive(), "the number was given to another process");
        assert!(!Identity { boot: "before".to_owned(), ..own }.is_alive(), "that was before the last boot");
        assert_eq!(Identity::read("one 2"), None);
    }

    #[test]
    fn how_a_process_ended_is_seen_and_one_that_is_not_waited_for_is_gone() {
        let start = |script: &str| {
            let child = Command::new("sh").args(["-c", script]).process_group(0).spawn().expect("starts");
            AtWork { identity: Identity::of(child.id() as i32).expect("is there"), child: Some(child) }
        };
        let end = |mut process: AtWork| loop {
            match process.ended() {
                Some(exit) => break exit,
                None => std::thread::yield_now(),
            }
        };
        assert_eq!(end(start("exit 3")), Exit::Code(3));
        let asleep = start("sleep 100");
        asleep.identity.terminate();
        assert_eq!(end(asleep), Exit::Signal(15));
        let asleep = start("sleep 100");
        let seen_by_another = AtWork { identity: asleep.identity.clone(), child: None };
        asleep.identity.kill();
        assert_eq!(end(seen_by_another), Exit::Unseen);
        assert_eq!(end(asleep), Exit::Signal(9));
    }
}
