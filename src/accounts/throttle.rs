//! Slows down guessing: per account and per address, without locking anybody out for good.

use crate::domain::Timestamp;
use std::{collections::HashMap, net::IpAddr, time::Duration};

/// Wrong tries that cost nothing: people mistype.
const FREE: u32 = 5;
/// The first wait; it doubles with every further wrong try.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The longest wait for one account: a stranger must not be able to lock its owner out for long.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// The longest wait for one address.
const MAX_ADDRESS_WAIT: Duration = Duration::from_secs(900);
/// After this long without a wrong try everything is forgotten.
const FORGET: Duration = Duration::from_secs(3600);
/// Most keys remembered; the oldest go first, so memory stays small under attack.
const KEYS: usize = 10_000;

#[derive(Clone, Copy, Debug)]
struct Tries {
    count: u32,
    last: Timestamp,
}

impl Tries {
    fn wait(&self, longest: Duration, now: Timestamp) -> Option<Duration> {
        let over = self.count.checked_sub(FREE)?;
        let wait = FIRST_WAIT.saturating_mul(1 << over.min(16)).min(longest);
        wait.checked_sub(now.since(self.last)).filter(|w| !w.is_zero())
    }
}

/// Wrong tries so far. In memory only: a restart forgets, and restarting takes longer than waiting.
#[derive(Debug, Default)]
pub struct Throttle {
    accounts: HashMap<String, Tries>,
    addresses: HashMap<IpAddr, Tries>,
}

impl Throttle {
    /// How long this account or address has to wait before its next try counts.
    pub fn wait(&self, account: &str, addr: Option<IpAddr>, now: Timestamp) -> Option<Duration> {
        let account = self.accounts.get(&key(account)).and_then(|t| t.wait(MAX_WAIT, now));
        let addr = addr.and_then(|a| self.addresses.get(&network(a)));
        account.max(addr.and_then(|t| t.wait(MAX_ADDRESS_WAIT, now)))
    }

    /// A wrong try.
    pub fn failed(&mut self, account: &str, addr: Option<IpAddr>, now: Timestamp) {
        note(&mut self.accounts, key(account), now);
        if let Some(addr) = addr {
            note(&mut self.addresses, network(addr), now);
        }
    }

    /// A good try: the account starts afresh; the address does not, or an attacker with one
    /// account of their own could guess at the others.
    pub fn succeeded(&mut self, account: &str, addr: Option<IpAddr>) {
        self.accounts.remove(&key(account));
        if let Some(tries) = addr.and_then(|a| self.addresses.get_mut(&network(a))) {
            tries.count = tries.count.saturating_sub(1);
        }
    }
}

fn key(account: &str) -> String {
    account.chars().take(64).flat_map(char::to_lowercase).collect()
}

/// A whole /64 belongs to one customer, so it counts as one address.
fn network(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & (u128::MAX << 64)).into()),
        v4 => v4,
    }
}

fn note<K: std::hash::Hash + Eq + Clone>(tries: &mut HashMap<K, Tries>, key: K, now: Timestamp) {
    if tries.len() >= KEYS && !tries.contains_key(&key) {
        tries.retain(|_, t| now.since(t.last) < FORGET);
        if tries.len() >= KEYS {
            let oldest = tries.iter().min_by_key(|(_, t)| t.last).map(|(k, _)| k.clone());
            oldest.and_then(|k| tries.remove(&k));
        }
    }
    let entry = tries.entry(key).or_insert(Tries { count: 0, last: now });
    let count = if now.since(entry.last) >= FORGET { 0 } else { entry.count };
    *entry = Tries { count: count.saturating_add(1), last: now };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn the_wait_grows_and_ends() {
        let mut throttle = Throttle::default();
        let addr = Some(IpAddr::from([192, 0, 2, 1]));
        for i in 0..i64::from(FREE) - 1 {
            throttle.failed("ann", None, at(i));
            assert_eq!(throttle.wait("ann", None, at(i)), None, "mistyping is free");
        }
        throttle.failed("ANN", None, at(10));
        assert_eq!(throttle.wait("ann", None, at(10)), Some(FIRST_WAIT));
        assert_eq!(throttle.wait("ann", None, at(12)), None);
        for _ in 0..40 {
            throttle.failed("ann", addr, at(20));
        }
        assert_eq!(throttle.wait("ann", None, at(20)), Some(MAX_WAIT), "never locked out for long");
        assert_eq!(throttle.wait("bo", addr, at(20)), Some(MAX_ADDRESS_WAIT));
    }

    #[test]
    fn signing_in_clears_the_account_and_not_the_address() {
        let mut throttle = Throttle::default();
        let addr = Some(IpAddr::from([192, 0, 2, 1]));
        for _ in 0..20 {
            throttle.failed("ann", addr, at(0));
        }
        throttle.succeeded("ann", addr);
        assert_eq!(throttle.wait("ann", None, at(0)), None);
        assert!(throttle.wait("ann", addr, at(0)).is_some());
    }

    #[test]
    fn a_flood_of_names_does_not_grow_the_memory() {
        let mut throttle = Throttle::default();
        for i in 0..(KEYS as i64 + 500) {
            throttle.failed(&format!("u{i}"), None, at(i / 1000));
        }
        assert!(throttle.accounts.len() <= KEYS);
    }
}
