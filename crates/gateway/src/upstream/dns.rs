//! Names to addresses, remembered for half a minute.
//!
//! The system's resolver is asked, so hosts files, search domains and its own caches hold. The address
//! that worked last comes first. The cache has a bound; it never answers with an address that is older
//! than its time.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

const KEPT_FOR: Duration = Duration::from_secs(30);
const NAMES_MAX: usize = 512;
const ADDRESSES_MAX: usize = 16;

#[derive(Default)]
pub(super) struct Resolver {
    known: Mutex<HashMap<(String, u16), Known>>,
}

struct Known {
    addresses: Vec<SocketAddr>,
    until: Instant,
}

impl Resolver {
    /// The addresses of `host`, at least one, in the order in which to try them.
    pub(super) async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let name = (host.to_owned(), port);
        if let Some(known) = self.known.lock().get(&name)
            && known.until > Instant::now()
        {
            return Ok(known.addresses.clone());
        }
        let found = tokio::net::lookup_host((host, port)).await?;
        let addresses = alternate(found.take(ADDRESSES_MAX));
        if addresses.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the name has no address",
            ));
        }
        self.remember(name, addresses.clone());
        Ok(addresses)
    }

    /// Puts the address that answered first for the next time.
    pub(super) fn worked(&self, host: &str, address: SocketAddr) {
        let mut known = self.known.lock();
        if let Some(known) = known.get_mut(&(host.to_owned(), address.port()))
            && let Some(place) = known.addresses.iter().position(|other| *other == address)
            && let Some(before) = known.addresses.get_mut(..=place)
        {
            before.rotate_right(1);
        }
    }

    /// Forgets a name whose addresses do not answer: they may have moved.
    pub(super) fn failed(&self, host: &str, port: u16) {
        self.known.lock().remove(&(host.to_owned(), port));
    }

    fn remember(&self, name: (String, u16), addresses: Vec<SocketAddr>) {
        let now = Instant::now();
        let mut known = self.known.lock();
        if known.len() >= NAMES_MAX {
            known.retain(|_, known| known.until > now);
        }
        if known.len() < NAMES_MAX {
            let until = now + KEPT_FOR;
            known.insert(name, Known { addresses, until });
        }
    }
}

/// Families in turn, starting with the first found, so that a dead family costs one attempt (RFC 8305
/// section 4).
fn alternate(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let all: Vec<_> = found.collect();
    let Some(first) = all.first() else { return all };
    let first_is_v4 = first.is_ipv4();
    let (first, second): (Vec<_>, Vec<_>) = all
        .iter()
        .partition(|address| address.is_ipv4() == first_is_v4);
    let mut second = second.into_iter();
    let mut order = Vec::with_capacity(all.len());
    for address in first {
        order.push(address);
        order.extend(second.next());
    }
    order.extend(second);
    order
}

#[cfg(test)]
mod tests {
    use super::{Resolver, alternate};

    #[test]
    fn families_take_turns_in_the_order_found() {
        let found =
            ["[::1]:1", "[::2]:1", "1.1.1.1:1", "[::3]:1"].map(|text| text.parse().unwrap());
        let order = alternate(found.into_iter());
        let order: Vec<_> = order.iter().map(ToString::to_string).collect();
        assert_eq!(order, ["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"]);
    }

    #[test]
    fn the_address_that_worked_comes_first_and_a_failed_name_is_forgotten() {
        let resolver = Resolver::default();
        let addresses = ["1.1.1.1:1", "2.2.2.2:1", "3.3.3.3:1"].map(|text| text.parse().unwrap());
        let name = ("name".to_owned(), 1);
        resolver.remember(name.clone(), addresses.to_vec());
        resolver.worked("name", addresses[2]);
        let order = resolver.known.lock().get(&name).unwrap().addresses.clone();
        assert_eq!(order, [addresses[2], addresses[0], addresses[1]]);
        resolver.failed("name", 1);
        assert!(resolver.known.lock().is_empty());
    }
}
