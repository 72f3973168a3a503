//! Which hosts a file from the network may make us ask: never closer ones than the user did.
//!
//! A playlist, a manifest or a redirect is written by somebody else, and would otherwise reach services of this machine and of
//! its network that trust whoever can connect to them. Judged by the address that a name stands for, at every hop.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use url::{Host, Url};

use crate::bearer::Bearers;
use crate::clock::Now;

use super::Shared;
use super::error::NetError;
use super::token::masked;

/// Where an address leads; the later, the closer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The internet.
    Public,
    /// A network of one's own: RFC 1918, RFC 4193, RFC 6598 and the like.
    Private,
    /// This machine.
    Loopback,
    /// Link-local (cloud metadata services live there), multicast, unspecified, reserved.
    Special,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "leads to the internet",
            Self::Private => "leads into a private network",
            Self::Loopback => "leads to this machine",
            Self::Special => "leads to a link-local or reserved address",
        })
    }
}

/// What a file, and all that it names, may ask for.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// The URL that the user named; `None` = no limits (`-allow_private`).
    top: Option<Url>,
}

/// A name is looked up again after this time.
const REMEMBERED: Duration = Duration::from_secs(30);

impl Reach {
    /// The reach of a file that the user opened by this URL.
    pub fn of(url: &str) -> Self {
        Self { top: Url::parse(url).ok() }
    }

    /// No limits.
    pub fn anywhere() -> Self {
        Self::default()
    }

    /// Has the user named the host of `url`, listed its origin, or set no limits?
    pub(super) fn is_named(&self, url: &Url, bearers: &Bearers) -> bool {
        self.top.as_ref().is_none_or(|top| url.host() == top.host() || bearers.for_url(url).is_some())
    }

    /// May `url` be asked for? A name that cannot be looked up is left to whoever connects, a proxy perhaps.
    pub(super) async fn judge(&self, shared: &Shared, url: &Url, bearers: &Bearers) -> Result<(), NetError> {
        let Some(top) = self.top.as_ref().filter(|_| !self.is_named(url, bearers)) else { return Ok(()) };
        let closest = |places: Vec<Place>| places.into_iter().max().unwrap_or(Place::Public);
        let place = closest(shared.places.of(url, &shared.clock.now()).await);
        if place == Place::Public {
            return Ok(());
        }
        let from = shared.places.of(top, &shared.clock.now()).await.into_iter().min().unwrap_or(Place::Public);
        if place == from && place != Place::Special {
            return Ok(());
        }
        Err(NetError::OutOfReach { url: masked(url), place, from: masked(top) })
    }
}

/// Where names lead, remembered for a while.
#[derive(Default)]
pub(super) struct Places(Mutex<HashMap<String, (Vec<Place>, Now)>>);

impl Places {
    /// Where the host of `url` is: one for each of its addresses; none if it cannot be looked up.
    pub(super) async fn of(&self, url: &Url, now: &Now) -> Vec<Place> {
        let name = match url.host() {
            Some(Host::Ipv4(address)) => return vec![of_v4(address)],
            Some(Host::Ipv6(address)) => return vec![of_v6(address)],
            Some(Host::Domain(name)) => name.to_owned(),
            None => return Vec::new(),
        };
        {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.retain(|_, (_, at)| now.since(at) < REMEMBERED);
            if let Some((places, _)) = known.get(&name) {
                return places.clone();
            }
        }
        let port = url.port_or_known_default().unwrap_or(80);
        let Ok(addresses) = tokio::net::lookup_host((name.as_str(), port)).await else { return Vec::new() };
        let places: Vec<Place> = addresses.map(|address| of_address(address.ip())).collect();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, (places.clone(), *now));
        places
    }
}

fn of_address(address: IpAddr) -> Place {
    match address {
        IpAddr::V4(address) => of_v4(address),
        IpAddr::V6(address) => of_v6(address),
    }
}

/// The IANA registry of special-purpose addresses (RFC 6890).
fn of_v4(address: Ipv4Addr) -> Place {
    match address.octets() {
        [127, ..] => Place::Loopback,
        [10, ..] | [192, 168, ..] | [172, 16..=31, ..] | [100, 64..=127, ..] | [198, 18..=19, ..] => Place::Private,
        [0 | 224..=255, ..] | [169, 254, ..] | [192, 0, 0, _] => Place::Special,
        _ => Place::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Place {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return of_v4(mapped);
    }
    let v4 = |high: u16, low: u16| of_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Place::Loopback,
        // NAT64 (RFC 6052) and 6to4 (RFC 3056) lead to the IPv4 address inside.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => v4(high, low),
        [0, 0, 0, 0, 0, 0, ..] | [0xff00..=0xffff, ..] | [0xfe80..=0xfebf, ..] => Place::Special,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Place::Private,
        _ => Place::Public,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Media;

    #[test]
    fn addresses_are_told_apart() {
        for (address, place) in [
            ("93.184.216.34", Place::Public),
            ("172.32.0.1", Place::Public),
            ("2606:2800:220:1::1", Place::Public),
            ("10.1.2.3", Place::Private),
            ("172.31.255.255", Place::Private),
            ("192.168.0.1", Place::Private),
            ("100.100.0.1", Place::Private),
            ("fd00::1", Place::Private),
            ("127.0.0.1", Place::Loopback),
            ("127.255.0.9", Place::Loopback),
            ("::1", Place::Loopback),
            ("::ffff:127.0.0.1", Place::Loopback),
            ("64:ff9b::7f00:1", Place::Loopback),
            ("2002:a00:1::", Place::Private),
            ("169.254.169.254", Place::Special),
            ("0.0.0.0", Place::Special),
            ("::", Place::Special),
            ("fe80::1", Place::Special),
            ("224.0.0.1", Place::Special),
            ("255.255.255.255", Place::Special),
        ] {
            assert_eq!(of_address(address.parse().expect("an address")), place, "{address}");
        }
    }

    #[tokio::test]
    async fn nobody_is_led_closer_than_the_user_went() {
        let media = Media::new(tokio::runtime::Handle::current());
        for (top, url, allowed) in [
            ("http://127.0.0.1:1/", "http://127.0.0.1:2/", true),
            ("http://127.0.0.1:1/", "http://localhost:2/", true),
            ("http://127.0.0.1:1/", "http://10.0.0.1/", false),
            ("http://127.0.0.1:1/", "http://93.184.216.34/", true),
            ("http://10.0.0.1/", "http://192.168.7.7:8080/", true),
            ("http://10.0.0.1/", "http://127.0.0.1/", false),
            ("http://10.0.0.1/", "http://169.254.169.254/latest/meta-data", false),
            ("http://169.254.1.1/", "http://169.254.1.1:81/", true),
            ("http://169.254.1.1/", "http://169.254.169.254/", false),
            ("http://93.184.216.34/", "http://localhost/", false),
            ("http://93.184.216.34/", "http://[::ffff:10.0.0.1]/", false),
            ("http://93.184.216.34/", "http://2130706433/", false),
            ("http://93.184.216.34/", "http://nosuch.invalid/", true),
        ] {
            let parsed = Url::parse(url).expect(url);
            let judged = Reach::of(top).judge(&media.0, &parsed, &Bearers::default()).await;
            assert_eq!(judged.is_ok(), allowed, "{top} -> {url}");
            assert!(Reach::anywhere().judge(&media.0, &parsed, &Bearers::default()).await.is_ok());
        }
    }
}
