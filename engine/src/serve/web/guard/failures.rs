//! Wrong tokens, counted by the address that they came from.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

/// Wrong tokens from one address that are answered, until [`WINDOW`] has passed since the first of them.
const MAX: u32 = 10;

const WINDOW: TimeDelta = TimeDelta::minutes(1);

/// Addresses that are remembered. When there are more, those whose window is over are forgotten, and then all.
const ADDRESSES: usize = 10_000;

/// Who failed, and how often.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<HashMap<IpAddr, (DateTime<Utc>, u32)>>);

impl Failures {
    /// Seconds until a token from `address` is looked at again; none when it is looked at.
    pub(super) fn wait(&self, address: IpAddr, now: DateTime<Utc>) -> Option<u64> {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, failures) = counted.get(&network(address))?;
        let left = *since + WINDOW - now;
        let is_over = left <= TimeDelta::zero();
        (!is_over && *failures >= MAX).then(|| u64::try_from(left.num_seconds()).unwrap_or(0) + 1)
    }

    /// One more.
    pub(super) fn note(&self, address: IpAddr, now: DateTime<Utc>) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= ADDRESSES {
            counted.retain(|_, (since, _)| *since + WINDOW > now);
        }
        if counted.len() >= ADDRESSES {
            counted.clear();
        }
        let (since, failures) = counted.entry(network(address)).or_insert((now, 0));
        if *since + WINDOW <= now {
            (*since, *failures) = (now, 0);
        }
        *failures += 1;
        if *failures == MAX {
            tracing::warn!(%address, failures = MAX, "too many wrong tokens; others from there are not looked at for a while");
        }
    }
}

/// Who has one address of version 6 has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
        canonical => canonical,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_wrong_tokens_close_an_address_for_a_while() {
        let failures = Failures::default();
        let now = DateTime::UNIX_EPOCH;
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for _ in 0..MAX {
            assert_eq!(failures.wait(one, now), None);
            failures.note(one, now);
        }
        assert_eq!(failures.wait(one, now), Some(61));
        assert_eq!(failures.wait(other, now), None);
        assert_eq!(failures.wait(one, now + WINDOW), None);
        failures.note(one, now + WINDOW);
        assert_eq!(failures.wait(one, now + WINDOW), None);
    }

    #[test]
    fn addresses_of_one_network_are_one_and_memory_is_bounded() {
        let failures = Failures::default();
        let now = DateTime::UNIX_EPOCH;
        for host in 0..u128::from(MAX) {
            failures.note(IpAddr::V6((0x2001_0db8 << 96 | host).into()), now);
        }
        assert!(failures.wait("2001:db8::ffff".parse().unwrap(), now).is_some());
        assert!(failures.wait("2001:db8:0:1::1".parse().unwrap(), now).is_none());
        for host in 0..ADDRESSES as u32 * 2 {
            failures.note(IpAddr::V4(host.into()), now);
        }
        assert!(failures.0.lock().unwrap().len() <= ADDRESSES);
    }
}
