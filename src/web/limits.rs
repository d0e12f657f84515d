//! How much one client may ask for: photos a minute, and tries to sign in.
//!
//! Buckets that refill steadily: a limit of 60 a minute lets 60 through at once, then one each second. Who
//! comes with an API key is counted by the key, everybody else by address (IPv6 by the network of 64 bits,
//! which is what one household or machine gets).

use super::AppState;
use super::auth::Caller;
use super::problem::Problem;
use crate::config::LimitsConfig;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::{DefaultKeyedStateStore, ShrinkableKeyedStateStore};
use governor::{Quota, RateLimiter};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Every limit of the settings.
#[derive(Debug)]
pub(super) struct Limits {
    photos_by_address: Option<Limit>,
    photos_by_key: Option<Limit>,
    sign_ins: Option<Limit>,
}

/// Whom something is counted for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Client {
    Address(IpAddr),
    Key(String),
}

impl Client {
    fn at(address: IpAddr) -> Client {
        Client::Address(match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        })
    }
}

impl Limits {
    pub(super) fn new(settings: &LimitsConfig) -> Limits {
        Limits {
            photos_by_address: Limit::new("address", settings.photos_per_minute_per_address),
            photos_by_key: Limit::new("key", settings.photos_per_minute_per_key),
            sign_ins: Limit::new("sign-in", settings.sign_in_attempts_per_minute),
        }
    }

    /// Counts a try to sign in.
    pub(super) fn count_sign_in(&self, address: IpAddr) -> Result<(), Problem> {
        let Some(limit) = &self.sign_ins else {
            return Ok(());
        };
        limit.charge(&Client::at(address), NonZeroU32::MIN).map(drop).map_err(|wait| {
            tracing::warn!(%address, "sign-in refused: too many tries");
            rate_limited("too many tries to sign in: wait a moment").retry_after(wait)
        })
    }

    /// What this caller's photos are counted by.
    fn photos_of(&self, caller: &Caller) -> (Option<&Limit>, Client) {
        match caller.key() {
            Some(key) => (self.photos_by_key.as_ref(), Client::Key(key.to_owned())),
            None => (self.photos_by_address.as_ref(), Client::at(caller.address)),
        }
    }
}

fn rate_limited(detail: &str) -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", "Too many requests", detail)
}

/// A request with more photos than there ever may be at once: waiting does not help.
fn beyond_limit(per_minute: NonZeroU32) -> Problem {
    let detail = format!("{per_minute} photos a minute can be captioned for you, so at most {per_minute} per request");
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    Problem::new(status, "beyond-limit", "More photos than the limit allows", detail)
}

/// So much a minute for each client.
#[derive(Debug)]
struct Limit {
    /// Its name in the headers.
    name: &'static str,
    per_minute: NonZeroU32,
    limiter: RateLimiter<Client, Buckets, DefaultClock, StateInformationMiddleware>,
    /// The same buckets that the limiter takes from.
    buckets: Buckets,
    charges: AtomicU32,
}

/// When each client's bucket will be full again. Cheap to clone; clones are the same buckets.
#[derive(Clone, Debug, Default)]
struct Buckets(Arc<DefaultKeyedStateStore<Client>>);

impl StateStore for Buckets {
    type Key = Client;

    fn measure_and_replace<T, F, E>(&self, client: &Client, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0.measure_and_replace(client, measure)
    }
}

impl ShrinkableKeyedStateStore<Client> for Buckets {
    fn retain_recent(&self, drop_below: Nanos) {
        self.0.retain_recent(drop_below);
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// After so many charges, the buckets that are full again are forgotten: that bounds the memory.
const CHARGES_BETWEEN_SWEEPS: u32 = 1024;

impl Limit {
    /// `None` for 0, which is no limit.
    fn new(name: &'static str, per_minute: u32) -> Option<Limit> {
        let per_minute = NonZeroU32::new(per_minute)?;
        let buckets = Buckets::default();
        let limiter = RateLimiter::new(Quota::per_minute(per_minute), buckets.clone(), DefaultClock::default());
        Some(Limit { name, per_minute, limiter, buckets, charges: AtomicU32::new(0) })
    }

    /// Takes so many out of a client's bucket, or none; gives how many are left, or how long to wait.
    fn charge(&self, client: &Client, number: NonZeroU32) -> Result<u32, Duration> {
        if self.charges.fetch_add(1, Ordering::Relaxed) % CHARGES_BETWEEN_SWEEPS == CHARGES_BETWEEN_SWEEPS - 1 {
            self.limiter.retain_recent();
        }
        match self.limiter.check_key_n(client, number) {
            Ok(Ok(state)) => Ok(state.remaining_burst_capacity()),
            Ok(Err(refused)) => Err(whole_seconds(refused.wait_time_from(self.limiter.clock().now()))),
            // More than the bucket holds.
            Err(_) => Err(MINUTE),
        }
    }

    /// Puts one back into a client's bucket.
    fn give_back(&self, client: &Client) {
        let one = Nanos::from(Quota::per_minute(self.per_minute).replenish_interval());
        let sooner = |full: Option<Nanos>| full.map(|full| ((), full.saturating_sub(one))).ok_or(());
        // A client without a bucket has everything back already.
        self.buckets.measure_and_replace(client, sooner).ok();
    }

    /// Time until the bucket is full.
    fn until_full(&self, remaining: u32) -> Duration {
        let missing = self.per_minute.get().saturating_sub(remaining);
        whole_seconds(MINUTE * missing / self.per_minute.get())
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// Rounded up: who comes back then is not early.
fn whole_seconds(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
}

/// The photos that the caller of the request at hand may still send. Handlers take it as an extension.
#[derive(Clone, Debug)]
pub(super) struct PhotoQuota {
    limits: Arc<Limits>,
    caller: Caller,
    remaining: Arc<Mutex<u32>>,
}

impl PhotoQuota {
    /// Counts photos: all of them, or none.
    fn charge(&self, photos: NonZeroU32) -> Result<(), Problem> {
        let (Some(limit), client) = self.limits.photos_of(&self.caller) else {
            return Ok(());
        };
        let remaining = limit.charge(&client, photos).map_err(|wait| {
            let detail = format!("{} photos a minute can be captioned for you: wait, or send fewer", limit.per_minute);
            rate_limited(&detail).retry_after(wait)
        })?;
        *self.remaining() = remaining;
        Ok(())
    }

    /// Counts all photos of a request, or none of them. One was counted at the door: it is given back first, so that a
    /// request that is refused costs nothing, and whoever comes back when told to is let in.
    pub(super) fn charge_all(&self, photos: usize) -> Result<(), Problem> {
        let (Some(limit), client) = self.limits.photos_of(&self.caller) else {
            return Ok(());
        };
        if photos == 1 {
            return Ok(());
        }
        limit.give_back(&client);
        *self.remaining() += 1;
        let allowed = u32::try_from(photos).ok().and_then(NonZeroU32::new).filter(|photos| *photos <= limit.per_minute);
        self.charge(allowed.ok_or_else(|| beyond_limit(limit.per_minute))?)
    }

    fn remaining(&self) -> MutexGuard<'_, u32> {
        self.remaining.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The headers in use and those that the IETF is about to put in their place.
    fn describe(&self, headers: &mut HeaderMap) {
        let (Some(limit), _) = self.limits.photos_of(&self.caller) else {
            return;
        };
        let (name, per_minute) = (limit.name, limit.per_minute);
        let remaining = *self.remaining();
        let reset = limit.until_full(remaining).as_secs();
        let policy = format!("\"{name}\";q={per_minute};w=60");
        let state = format!("\"{name}\";r={remaining};t={reset}");
        let values = [per_minute.to_string(), remaining.to_string(), reset.to_string(), policy, state];
        for (name, value) in RATE_LIMIT_HEADERS.into_iter().zip(values) {
            // Digits, letters and a few signs are always a valid header value.
            headers.extend(HeaderValue::from_str(&value).ok().map(|value| (name, value)));
        }
    }
}

/// On every answer to a request that brings photos, where there is a limit.
pub(super) const RATE_LIMIT_HEADERS: [HeaderName; 5] = [
    HeaderName::from_static("ratelimit-limit"),
    HeaderName::from_static("ratelimit-remaining"),
    HeaderName::from_static("ratelimit-reset"),
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("ratelimit"),
];

/// Counts one photo before the body is read, and leaves the [`PhotoQuota`] for the others in it.
pub(super) async fn photos(
    State(state): State<AppState>,
    caller: Caller,
    mut request: Request,
    next: Next,
) -> Response {
    let quota = PhotoQuota { limits: Arc::clone(&state.limits), caller, remaining: Arc::default() };
    let mut response = match quota.charge(NonZeroU32::MIN) {
        Ok(()) => {
            request.extensions_mut().insert(quota.clone());
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    };
    quota.describe(response.headers_mut());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).expect("not zero")
    }

    #[test]
    fn a_bucket_holds_a_minutes_worth_and_refills_steadily() {
        let limit = Limit::new("address", 3).expect("a limit");
        let client = Client::at(IpAddr::from([1, 2, 3, 4]));
        assert_eq!(limit.charge(&client, number(1)), Ok(2));
        assert_eq!(limit.charge(&client, number(3)), Err(Duration::from_secs(20)), "one of three is missing");
        assert_eq!(limit.charge(&client, number(2)), Ok(0));
        assert_eq!(limit.charge(&client, number(1)), Err(Duration::from_secs(20)));
        assert_eq!(limit.charge(&client, number(4)), Err(MINUTE), "more than it ever holds");
        let another = Client::at(IpAddr::from([1, 2, 3, 5]));
        assert_eq!(limit.charge(&another, number(3)), Ok(0));
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_and_nothing_more() {
        let limit = Limit::new("address", 3).expect("a limit");
        let client = Client::at(IpAddr::from([1, 2, 3, 4]));
        limit.give_back(&client);
        assert_eq!(limit.charge(&client, number(3)), Ok(0), "a full bucket stays as it is");
        limit.give_back(&client);
        assert_eq!(limit.charge(&client, number(2)), Err(Duration::from_secs(20)));
        assert_eq!(limit.charge(&client, number(1)), Ok(0));
    }

    #[test]
    fn the_time_until_full_is_rounded_up() {
        let limit = Limit::new("address", 7).expect("a limit");
        assert_eq!(limit.until_full(7), Duration::ZERO);
        assert_eq!(limit.until_full(6), Duration::from_secs(9), "60 / 7 = 8.6");
        assert_eq!(limit.until_full(0), MINUTE);
    }

    #[test]
    fn zero_is_no_limit() {
        assert!(Limit::new("address", 0).is_none());
    }

    #[test]
    fn neighbours_in_ipv6_count_as_one() {
        let at = |address: &str| Client::at(address.parse().expect("an address"));
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::9"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
        assert_ne!(at("1.2.3.4"), at("1.2.3.5"));
    }

    #[test]
    fn clients_whose_buckets_are_full_again_are_forgotten() {
        // A bucket of a million a minute is full again after 60 microseconds.
        let limit = Limit::new("address", 1_000_000).expect("a limit");
        for number in 0..10 * CHARGES_BETWEEN_SWEEPS {
            let client = Client::at(IpAddr::from(number.to_be_bytes()));
            limit.charge(&client, NonZeroU32::MIN).expect("plenty");
        }
        let kept = limit.limiter.len();
        assert!(kept < 2 * CHARGES_BETWEEN_SWEEPS as usize, "{kept} of {}", 10 * CHARGES_BETWEEN_SWEEPS);
    }
}
