//! Which addresses may be dialled.
//!
//! A host's name says nothing about where it leads: it can resolve to the cloud's metadata service, to a database on
//! the private network, to this machine. So the decision is made about the address that a socket is about to connect
//! to. Only addresses of the public internet are admitted; an environment on loopback (someone's own machine) may call
//! itself and its private network too. What can't be told apart is refused.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::Failure;

/// The rule of one environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// Whether the environment's public URL is on loopback, which admits loopback and private addresses.
    pub loopback_environment: bool,
}

impl Guard {
    /// Whether a socket may connect to `address`.
    pub fn admits(&self, address: IpAddr) -> bool {
        match reach(address) {
            Reach::Public => true,
            Reach::Local => self.loopback_environment,
            Reach::Nowhere => false,
        }
    }

    /// Judges what a URL alone tells: `https`, or `http` to loopback in a loopback environment; and the address, where
    /// the host is one, because it never reaches the resolver. A name is judged when it has been resolved.
    ///
    /// # Errors
    /// [`Failure::NotSent`] for a URL that is none of these, [`Failure::Forbidden`] for an address that is not admitted.
    pub fn check(&self, url: &Url) -> Result<(), Failure> {
        let host = url.host().ok_or(Failure::NotSent { reason: "no host" })?;
        match url.scheme() {
            "https" => {}
            "http" if self.loopback_environment && is_loopback(&host) => {}
            _ => return Err(Failure::NotSent { reason: "not https" }),
        }
        let admitted = match host {
            Host::Ipv4(address) => self.admits(address.into()),
            Host::Ipv6(address) => self.admits(address.into()),
            Host::Domain(name) => !is_localhost(name) || self.loopback_environment,
        };
        if admitted { Ok(()) } else { Err(Failure::Forbidden) }
    }
}

/// Whether `host` is this machine, whatever a name server says.
pub fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => is_localhost(name),
    }
}

/// Whether a URL names this machine.
pub fn is_loopback_host(url: &Url) -> bool {
    url.host().is_some_and(|host| is_loopback(&host))
}

/// Whether `name` is `localhost` or below it: reserved for loopback and never looked up (RFC 6761 §6.3).
pub(super) fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or(name);
    last.eq_ignore_ascii_case("localhost")
}

/// How far an address leads.
enum Reach {
    /// To the internet.
    Public,
    /// To this machine or its private network.
    Local,
    /// To nothing that a provider can be.
    Nowhere,
}

fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => match embedded_v4(address) {
            Some(inner) => reach_v4(inner),
            None => reach_v6(address),
        },
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    let within = |&(network, length): &(Ipv4Addr, u32)| (address.to_bits() ^ network.to_bits()) >> (32 - length) == 0;
    if LOCAL_V4.iter().any(within) {
        Reach::Local
    } else if NOWHERE_V4.iter().any(within) {
        Reach::Nowhere
    } else {
        Reach::Public
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    let within = |&(network, length): &(Ipv6Addr, u32)| (address.to_bits() ^ network.to_bits()) >> (128 - length) == 0;
    if METADATA_V6.contains(&address) {
        Reach::Nowhere
    } else if LOCAL_V6.iter().any(within) {
        Reach::Local
    } else if within(&GLOBAL_V6) && !NOWHERE_V6.iter().any(within) {
        Reach::Public
    } else {
        Reach::Nowhere
    }
}

/// The IPv4 address that an IPv6 address is a way of writing, or a way of reaching.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff] => v4(g, h),      // mapped, RFC 4291 §2.5.5.2
        [0x64, 0xff9b, 0, 0, 0, 0] => v4(g, h),   // NAT64, RFC 6052 §2.1
        [0x2002, high, low, ..] => v4(high, low), // 6to4, RFC 3056 §2
        _ => None,
    }
}

/// Loopback (RFC 1122 §3.2.1.3) and private networks (RFC 1918).
const LOCAL_V4: [(Ipv4Addr, u32); 4] = [
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
];

/// IANA's special-purpose registry (RFC 6890), without [`LOCAL_V4`], and the one metadata service outside it.
const NOWHERE_V4: [(Ipv4Addr, u32); 12] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),        // this network
    (Ipv4Addr::new(100, 64, 0, 0), 10),    // carrier-grade NAT, Alibaba's metadata
    (Ipv4Addr::new(168, 63, 129, 16), 32), // Azure's platform
    (Ipv4Addr::new(169, 254, 0, 0), 16),   // link-local, most clouds' metadata
    (Ipv4Addr::new(192, 0, 0, 0), 24),     // protocol assignments, Oracle's metadata
    (Ipv4Addr::new(192, 0, 2, 0), 24),     // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),   // 6to4 relays
    (Ipv4Addr::new(198, 18, 0, 0), 15),    // benchmarking
    (Ipv4Addr::new(198, 51, 100, 0), 24),  // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),   // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),      // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),      // reserved, broadcast
];

/// Loopback (RFC 4291 §2.5.3) and unique local addresses (RFC 4193).
const LOCAL_V6: [(Ipv6Addr, u32); 2] = [(Ipv6Addr::LOCALHOST, 128), (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7)];

/// All that IANA has given out for the internet (RFC 4291 §2.4): link-local, site-local and multicast lie outside.
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// What lies within [`GLOBAL_V6`] and leads nowhere.
const NOWHERE_V6: [(Ipv6Addr, u32); 3] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments: Teredo, benchmarking, ORCHID
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// Metadata services among the unique local addresses: AWS's and Google's.
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PUBLIC: Guard = Guard { loopback_environment: false };
    const LOOPBACK: Guard = Guard { loopback_environment: true };

    fn check(guard: Guard, url: &str) -> Result<(), Failure> {
        match Url::parse(url) {
            Ok(url) => guard.check(&url),
            Err(_) => Err(Failure::NotSent { reason: "no URL" }),
        }
    }

    // A48: written as anything that a URL parser reads as an address.
    #[test]
    fn no_spelling_of_a_loopback_or_private_address_is_admitted() {
        let hosts = "
            127.0.0.1 127.1 127.0.1 127.255.255.254 2130706433 0x7f000001 0x7f.1 0177.0.0.1 017700000001 127.0.0.1.
            %31%32%37.0.0.1 127\u{3002}0\u{3002}0\u{3002}1 \u{ff11}\u{ff12}\u{ff17}.0.0.1
            \u{2460}\u{2461}\u{2466}.\u{24ea}.\u{24ea}.\u{2460} 127.0.0.0x 10.0.0.1 10.255.255.255 167772161 0xa.0.0.1
            012.0.0.1 172.16.0.1 172.31.255.255 192.168.0.1 3232235521 0xc0a80001 [::1] [0:0:0:0:0:0:0:1]
            [::ffff:127.0.0.1] [::ffff:7f00:1] [::ffff:10.0.0.1] [64:ff9b::127.0.0.1] [64:ff9b::a00:1] [2002:7f00:1::]
            [2002:c0a8:1::1] [fc00::1] [fdff:ffff::1] localhost LOCALHOST localhost. app.localhost a.b.localhost.
            \u{2113}ocalhost %6cocalhost
        ";
        for host in hosts.split_whitespace() {
            assert_eq!(check(PUBLIC, &format!("https://{host}/")), Err(Failure::Forbidden), "{host}");
            assert_eq!(check(LOOPBACK, &format!("https://{host}/")), Ok(()), "{host}");
        }
    }

    // A48: not even an environment on loopback has a provider there.
    #[test]
    fn metadata_reserved_and_multicast_addresses_are_never_admitted() {
        let hosts = "
            169.254.169.254 2852039166 0xa9fea9fe 0251.0376.0251.0376 169.254.1.1 100.64.0.1 100.100.100.200
            100.127.255.255 0.0.0.0 0 0.1.2.3 192.0.0.192 192.0.2.1 192.88.99.1 198.18.0.1 198.19.255.255 198.51.100.1
            203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 168.63.129.16 [::] [::127.0.0.1]
            [::ffff:169.254.169.254] [64:ff9b::a9fe:a9fe] [64:ff9b:1::1] [100::1] [2001::1] [2001:2::1] [2001:20::1]
            [2001:db8::1] [2002:a9fe:a9fe::] [3fff::1] [fd00:ec2::254] [fd20:ce::254] [fe80::1] [febf::1] [fec0::1]
            [ff02::1] [4000::1]
        ";
        for host in hosts.split_whitespace() {
            for guard in [PUBLIC, LOOPBACK] {
                assert_eq!(check(guard, &format!("https://{host}/")), Err(Failure::Forbidden), "{host}");
            }
        }
    }

    #[test]
    fn hosts_that_no_parser_agrees_on_are_no_urls() {
        for host in ["256.0.0.1", "1.2.3.4.5", "0x100000000", "[::1%25lo]", "[::1", "", "a b", "1.2.3.09"] {
            assert!(check(LOOPBACK, &format!("https://{host}/")).is_err(), "{host}");
        }
    }

    #[test]
    fn public_addresses_and_names_are_admitted() {
        let hosts = "
            8.8.8.8 1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 172.15.255.255
            172.32.0.0 192.167.255.255 192.169.0.0 223.255.255.255 [2606:4700::1111] [2001:4860:4860::8888]
            [2001:200::1] [::ffff:8.8.8.8] [64:ff9b::808:808] [2002:808:808::1] gmail.googleapis.com
            localhost.example.com notlocalhost
        ";
        for host in hosts.split_whitespace() {
            for guard in [PUBLIC, LOOPBACK] {
                assert_eq!(check(guard, &format!("https://{host}/")), Ok(()), "{host}");
            }
        }
    }

    // A45
    #[test]
    fn plain_http_reaches_loopback_alone_and_only_from_loopback() {
        for host in ["127.0.0.1:80", "[::1]:80", "localhost", "app.localhost"] {
            assert_eq!(check(LOOPBACK, &format!("http://{host}/")), Ok(()), "{host}");
        }
        let not_https = Err(Failure::NotSent { reason: "not https" });
        assert_eq!(check(PUBLIC, "http://127.0.0.1/"), not_https);
        for url in ["http://api.test/", "http://10.0.0.1/", "http://8.8.8.8/", "ftp://127.0.0.1/", "ws://localhost/"] {
            assert_eq!(check(LOOPBACK, url), not_https, "{url}");
        }
        assert_eq!(check(LOOPBACK, "data:text/plain,x"), Err(Failure::NotSent { reason: "no host" }));
    }

    proptest! {
        #[test]
        fn a_mapped_address_is_judged_as_the_one_it_maps(bits: u32, loopback_environment: bool) {
            let guard = Guard { loopback_environment };
            let v4 = Ipv4Addr::from_bits(bits);
            prop_assert_eq!(guard.admits(v4.into()), guard.admits(v4.to_ipv6_mapped().into()));
        }

        #[test]
        fn what_is_public_is_so_by_the_standard_library_too(bits: u32) {
            let v4 = Ipv4Addr::from_bits(bits);
            let special = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
                || v4.is_documentation() || v4.is_broadcast() || v4.is_unspecified();
            prop_assert!(!(special && PUBLIC.admits(v4.into())));
        }

        #[test]
        fn only_global_unicast_is_public(bits: u128) {
            let v6 = Ipv6Addr::from_bits(bits);
            if embedded_v4(v6).is_none() && PUBLIC.admits(v6.into()) {
                prop_assert_eq!(bits >> 125, 1);
            }
        }
    }
}
