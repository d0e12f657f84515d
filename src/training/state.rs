//! What may be done with a job in each of its states, and where that leads.
//!
//! ```text
//!            start            save and stop             its process ends
//! queued ------------> running -------------> stopping ------------------> cancelled
//!   |  ^                  |                                                    |
//!   |  |                  +--> completed | failed | interrupted                |
//!   |  +------ retry ----------------------/          |                        |
//!   |  +------ resume --------------------------------+------------------------+
//!   +--- stop ---> cancelled
//! ```
//!
//! "Run next" leaves a job in the queue, before all others.

use crate::store::JobState;
use serde::Serialize;

/// What an admin may do with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Save and stop; a job that waits leaves the queue.
    Stop,
    /// Put it before all others that wait.
    RunNext,
    /// End its process at once, without saving.
    ForceStop,
    /// Go on from the last checkpoint.
    Resume,
    /// Try again what failed, from the last checkpoint.
    Retry,
    /// Make a job with changed settings.
    Clone,
    /// Forget it.
    Delete,
}

const ALL: [Action; 7] =
    [Action::RunNext, Action::Stop, Action::ForceStop, Action::Resume, Action::Retry, Action::Clone, Action::Delete];

impl Action {
    /// The states in which it may be done.
    pub fn from(self) -> &'static [JobState] {
        use JobState::{Cancelled, Completed, Failed, Interrupted, Queued, Running, Stopping};
        match self {
            Action::RunNext => &[Queued],
            Action::Stop => &[Queued, Running],
            Action::ForceStop => &[Running, Stopping],
            Action::Resume => &[Cancelled, Interrupted],
            Action::Retry => &[Failed],
            Action::Clone => &[Queued, Running, Stopping, Completed, Failed, Cancelled, Interrupted],
            Action::Delete => &[Queued, Completed, Failed, Cancelled, Interrupted],
        }
    }

    /// Where it leads from a state; none where it must not be done, or leaves the state as it is.
    pub fn leads(self, from: JobState) -> Option<JobState> {
        if !self.from().contains(&from) {
            return None;
        }
        match (self, from) {
            (Action::Stop, JobState::Queued) => Some(JobState::Cancelled),
            (Action::Stop | Action::ForceStop, _) => Some(JobState::Stopping),
            (Action::Resume | Action::Retry, _) => Some(JobState::Queued),
            (Action::RunNext | Action::Clone | Action::Delete, _) => None,
        }
    }

    /// As messages call it.
    pub fn verb(self) -> &'static str {
        match self {
            Action::RunNext => "put first",
            Action::Stop => "stopped",
            Action::ForceStop => "ended at once",
            Action::Resume => "resumed",
            Action::Retry => "tried again",
            Action::Clone => "cloned",
            Action::Delete => "deleted",
        }
    }
}

/// What may be done in a state.
pub fn actions(state: JobState) -> Vec<Action> {
    ALL.into_iter().filter(|action| action.from().contains(&state)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use JobState::{Cancelled, Completed, Failed, Interrupted, Queued, Running, Stopping};

    #[test]
    fn every_state_has_its_actions() {
        use Action::{Clone, Delete, ForceStop, Resume, Retry, RunNext, Stop};
        assert_eq!(actions(Queued), [RunNext, Stop, Clone, Delete]);
        assert_eq!(actions(Running), [Stop, ForceStop, Clone]);
        assert_eq!(actions(Stopping), [ForceStop, Clone]);
        assert_eq!(actions(Completed), [Clone, Delete]);
        assert_eq!(actions(Failed), [Retry, Clone, Delete]);
        assert_eq!(actions(Cancelled), [Resume, Clone, Delete]);
        assert_eq!(actions(Interrupted), [Resume, Clone, Delete]);
    }

    #[test]
    fn actions_lead_where_the_picture_says() {
        assert_eq!(Action::Stop.leads(Queued), Some(Cancelled));
        assert_eq!(Action::Stop.leads(Running), Some(Stopping));
        assert_eq!(Action::Stop.leads(Stopping), None);
        assert_eq!(Action::ForceStop.leads(Stopping), Some(Stopping));
        assert_eq!(Action::Resume.leads(Interrupted), Some(Queued));
        assert_eq!(Action::Resume.leads(Failed), None);
        assert_eq!(Action::Retry.leads(Failed), Some(Queued));
        assert_eq!(Action::Delete.leads(Completed), None);
    }
}
