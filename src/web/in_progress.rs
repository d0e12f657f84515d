//! Captions that are being made: who asks for one of them waits for it, so that nothing is computed twice.

use super::problem::Problem;
use crate::store::{SearchKey, StoredCaption};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A photo's hash and what is asked of it.
pub(super) type Wanted = (String, SearchKey);

/// What comes of it: the caption, and whether the store had it already.
pub(super) type Outcome = Result<(StoredCaption, bool), Problem>;

/// Goes on while anybody waits for it.
type Work = BoxFuture<'static, Outcome>;

/// The work that goes on. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct InProgress {
    works: Arc<Mutex<Works>>,
}

#[derive(Default)]
struct Works {
    begun: u64,
    by_wanted: HashMap<Wanted, (u64, WeakShared<Work>)>,
}

/// Work that somebody waits for.
pub(super) struct Joined {
    work: Shared<Work>,
    /// Whether it goes on for somebody else too, who began it.
    pub others: bool,
}

impl Joined {
    /// Waits for its end.
    pub(super) async fn outcome(self) -> Outcome {
        self.work.await
    }
}

impl InProgress {
    /// Joins the work that goes on for this, or else begins it. It ends early when nobody waits any more.
    pub(super) fn join<W>(&self, wanted: &Wanted, begin: impl FnOnce() -> W) -> Joined
    where
        W: Future<Output = Outcome> + Send + 'static,
    {
        let mut works = self.works();
        let going_on = works.by_wanted.get(wanted).and_then(|(_, work)| work.upgrade());
        // Work that has ended gives its outcome at once, and its caption is in the store as well.
        if let Some(work) = going_on {
            return Joined { work, others: true };
        }
        works.begun += 1;
        let number = works.begun;
        let entry = Entry { all: self.clone(), wanted: wanted.clone(), number };
        let work = begin();
        let work = async move {
            let _entry = entry;
            work.await
        };
        let work = work.boxed().shared();
        if let Some(weak) = work.downgrade() {
            works.by_wanted.insert(wanted.clone(), (number, weak));
        }
        Joined { work, others: false }
    }

    fn works(&self) -> MutexGuard<'_, Works> {
        // Nothing that holds the lock can leave the map half-changed.
        self.works.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes work out of the map when it ends or nobody waits for it any more.
struct Entry {
    all: InProgress,
    wanted: Wanted,
    number: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut works = self.all.works();
        if works.by_wanted.get(&self.wanted).is_some_and(|(number, _)| *number == self.number) {
            works.by_wanted.remove(&self.wanted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::oneshot;

    fn wanted(photo: &str) -> Wanted {
        let key = SearchKey {
            model_revision: "r1".to_owned(),
            precision: "float32".to_owned(),
            beam_size: 5,
            max_length: 20,
        };
        (photo.to_owned(), key)
    }

    /// Work that fails with what it is told, and counts how often it was begun.
    fn told(begun: &AtomicUsize) -> (oneshot::Sender<&'static str>, impl FnOnce() -> BoxFuture<'static, Outcome> + '_) {
        let (tell, hear) = oneshot::channel();
        let begin = move || {
            begun.fetch_add(1, Ordering::SeqCst);
            hear.map(|heard| Err(Problem::malformed(heard.unwrap_or("nobody told")))).boxed()
        };
        (tell, begin)
    }

    async fn detail(joined: Joined) -> String {
        joined.outcome().await.expect_err("the work fails").detail
    }

    #[tokio::test]
    async fn who_comes_later_gets_the_same() {
        let (all, begun) = (InProgress::default(), AtomicUsize::new(0));
        let (tell, begin) = told(&begun);
        let (_, again) = told(&begun);
        let (_, other) = told(&begun);
        let first = all.join(&wanted("aa"), begin);
        let second = all.join(&wanted("aa"), again);
        let third = all.join(&wanted("bb"), other);
        assert_eq!((first.others, second.others, third.others), (false, true, false));
        assert_eq!(begun.load(Ordering::SeqCst), 2);
        tell.send("done").expect("somebody waits");
        assert_eq!((detail(first).await, detail(second).await), ("Done.".to_owned(), "Done.".to_owned()));
        drop(third);
        assert!(all.works().by_wanted.is_empty(), "what has ended or was left is forgotten");
    }

    #[tokio::test]
    async fn work_goes_on_when_the_one_who_began_it_leaves_and_ends_with_the_last() {
        let (all, begun) = (InProgress::default(), AtomicUsize::new(0));
        let (tell, begin) = told(&begun);
        let (_, again) = told(&begun);
        let mut first = Box::pin(all.join(&wanted("aa"), begin).outcome());
        assert!((&mut first).now_or_never().is_none());
        let second = all.join(&wanted("aa"), again);
        drop(first);
        tell.send("done").expect("somebody waits");
        assert_eq!(detail(second).await, "Done.");

        let (mut tell, begin) = told(&begun);
        let only = all.join(&wanted("aa"), begin);
        drop(only);
        tell.closed().await;
        assert!(all.works().by_wanted.is_empty());
        assert_eq!(begun.load(Ordering::SeqCst), 2, "the second only joined");
    }
}
