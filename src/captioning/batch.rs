//! Which waiting requests the model takes next: pure functions, without threads or clocks.

use std::time::Instant;
use trainer::captioner::SearchOptions;

/// What the policy needs to know of a waiting request.
pub trait Waiting {
    /// True when nobody waits for the answer any more.
    fn abandoned(&self) -> bool;
    /// When the answer comes too late.
    fn deadline(&self) -> Instant;
}

/// Requests taken from the queue.
#[derive(Debug)]
pub struct Batch<R> {
    /// To be captioned together, in the order they came.
    pub run: Vec<R>,
    /// Too late: to be told so.
    pub expired: Vec<R>,
}

/// Takes `first` and then what `next` gives, until `max` requests are worth running or none waits.
///
/// Abandoned requests are dropped on the way and, like expired ones, take no place in the batch.
pub fn collect<R: Waiting>(first: R, mut next: impl FnMut() -> Option<R>, max: usize, now: Instant) -> Batch<R> {
    let mut batch = Batch { run: Vec::new(), expired: Vec::new() };
    let mut request = Some(first);
    while let Some(taken) = request {
        if taken.abandoned() {
            drop(taken);
        } else if taken.deadline() <= now {
            batch.expired.push(taken);
        } else {
            batch.run.push(taken);
        }
        if batch.run.len() >= max {
            break;
        }
        request = next();
    }
    batch
}

/// Groups the positions in a batch by search options: all are encoded together, each group is searched together.
///
/// Groups come in the order of their first member.
pub fn group_by_options(options: &[SearchOptions]) -> Vec<(SearchOptions, Vec<usize>)> {
    let mut groups: Vec<(SearchOptions, Vec<usize>)> = Vec::new();
    for (position, wanted) in options.iter().enumerate() {
        match groups.iter_mut().find(|(group, _)| group == wanted) {
            Some((_, members)) => members.push(position),
            None => groups.push((*wanted, vec![position])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[derive(Debug)]
    struct Request {
        name: char,
        abandoned: bool,
        deadline: Instant,
    }

    impl Waiting for Request {
        fn abandoned(&self) -> bool {
            self.abandoned
        }
        fn deadline(&self) -> Instant {
            self.deadline
        }
    }

    /// Lower case: worth running; `-`: abandoned; upper case: expired. Gives (run, expired, left in the queue).
    fn take(queue: &str, max: usize) -> (String, String, String) {
        let start = Instant::now();
        let now = start + Duration::from_secs(10);
        let mut requests = queue.chars().map(|name| Request {
            name,
            abandoned: name == '-',
            deadline: if name.is_uppercase() { now } else { now + Duration::from_secs(1) },
        });
        let first = requests.next().expect("a test queue is not empty");
        let batch = collect(first, || requests.next(), max, now);
        let names = |taken: Vec<Request>| taken.iter().map(|r| r.name).collect();
        (names(batch.run), names(batch.expired), names(requests.collect()))
    }

    fn expect(run: &str, expired: &str, left: &str) -> (String, String, String) {
        (run.to_owned(), expired.to_owned(), left.to_owned())
    }

    #[test]
    fn takes_whatever_waits() {
        assert_eq!(take("abc", 8), expect("abc", "", ""));
    }

    #[test]
    fn leaves_what_is_beyond_the_largest_batch() {
        assert_eq!(take("abcde", 3), expect("abc", "", "de"));
    }

    #[test]
    fn abandoned_and_expired_requests_take_no_place() {
        assert_eq!(take("-a-Bcd", 3), expect("acd", "B", ""));
    }

    #[test]
    fn nothing_may_be_worth_running() {
        assert_eq!(take("-A", 3), expect("", "A", ""));
    }

    #[test]
    fn groups_keep_the_order_of_their_first_member() {
        let search = SearchOptions::new;
        let groups = group_by_options(&[search(5, 20), search(1, 20), search(5, 20), search(5, 9)]);
        assert_eq!(groups, vec![(search(5, 20), vec![0, 2]), (search(1, 20), vec![1]), (search(5, 9), vec![3]),]);
    }
}
