//! Where a PostgreSQL store is: a URL as every client of PostgreSQL takes it, and what may not be meant by one.
//!
//! To a server elsewhere than on this machine the way is TLS, with a certificate that is verified, unless the URL says
//! `sslmode=disable`: without it, a password and everybody's sealed rows would be at the mercy of the network.
//! `require` and `verify-ca` verify in full, too: what they leave out in libpq is what they are misunderstood about.

use std::{fmt, net::IpAddr, path::PathBuf, time::Duration};

use tokio_postgres::{
    Config,
    config::{ChannelBinding, Host, SslMode, TargetSessionAttrs},
};
use url::form_urlencoded;

use crate::{Error, Result};

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long what was sent may stay unconfirmed by the other machine before the connection counts as lost.
const UNCONFIRMED: Duration = Duration::from_secs(10);
/// How long a connection is silent before the system asks whether the other machine is there.
const IDLE: Duration = Duration::from_secs(30);

/// The schema that holds the tables, so that `accounts` and `connections` of an app's own stand beside them.
const SCHEMA: &str = "onbehalf";
/// How many connections a process has at most, unless the URL says so.
const POOL_SIZE: usize = 10;

/// The address of a PostgreSQL store, read from its URL.
#[derive(Clone)]
pub struct Address {
    pub(super) config: Box<Config>,
    /// The tables' schema: lower-case letters, digits and `_`.
    pub(super) schema: String,
    pub(super) pool_size: usize,
    /// A file of certificates that are trusted in place of Mozilla's.
    pub(super) root_certificates: Option<PathBuf>,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.shown()).finish()
    }
}

/// What the query of a URL says that is ours to understand.
#[derive(Default)]
struct Parameters {
    sslmode: Option<String>,
    sslrootcert: Option<PathBuf>,
    schema: Option<String>,
    pool_size: Option<usize>,
}

impl Address {
    /// Reads `postgres://user:password@host:5432/database`. Several hosts, with commas between, are tried for the one
    /// that takes writes.
    ///
    /// Of parameters it takes `sslmode` (`disable`, `require`, `verify-full`), `sslrootcert` (a PEM file), `schema`
    /// (`onbehalf`), `pool_size` (10), and what tokio-postgres knows beside them.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, which quotes nothing of the URL's beginning.
    pub fn parse(url: &str) -> Result<Self> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (parameters, rest) = parameters(query)?;
        let base = if rest.is_empty() { base.to_owned() } else { format!("{base}?{rest}") };
        let mut config: Config = base.parse().map_err(|_| {
            refused("must be a URL such as `postgres://user:password@host:5432/database`, with what is special in the password percent-encoded")
        })?;
        if config.get_user().is_none() {
            return Err(refused("must name the user in its URL: `postgres://user:password@host/database`"));
        }
        if config.get_hosts().is_empty() {
            return Err(refused("must name the host in its URL: `postgres://user:password@host/database`"));
        }
        if config.get_dbname().is_none() {
            return Err(refused("must name the database in its URL: `postgres://user:password@host/database`"));
        }
        config.ssl_mode(ssl_mode(parameters.sslmode.as_deref(), config.get_hosts().iter().all(is_local))?);
        // Leases and tokens are read where they are written (F43).
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        // Our TLS binds no channel: the certificate is verified.
        config.channel_binding(ChannelBinding::Disable);
        config.connect_timeout(CONNECT).tcp_user_timeout(UNCONFIRMED).keepalives_idle(IDLE);
        if config.get_application_name().is_none() {
            config.application_name("onbehalf");
        }
        Ok(Self {
            config: Box::new(config),
            schema: parameters.schema.unwrap_or_else(|| SCHEMA.into()),
            pool_size: parameters.pool_size.unwrap_or(POOL_SIZE),
            root_certificates: parameters.sslrootcert,
        })
    }

    /// Whether a store is named by a URL of this kind.
    pub fn is_one(store: &str) -> bool {
        store.starts_with("postgres://") || store.starts_with("postgresql://")
    }

    /// The database and the schema, as a name for files: two stores that one folder serves do not mix.
    pub fn file_name(&self) -> String {
        let safe = |letter: char| if letter.is_ascii_alphanumeric() || letter == '_' { letter } else { '-' };
        let database: String = self.config.get_dbname().unwrap_or_default().chars().map(safe).collect();
        format!("{database}.{}", self.schema)
    }

    /// What errors say of it: neither user nor password.
    pub(super) fn shown(&self) -> String {
        let host = |host: &Host| match host {
            Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            Host::Unix(folder) => folder.display().to_string(),
        };
        let hosts: Vec<_> = self.config.get_hosts().iter().map(host).collect();
        format!("postgres://{}/{}", hosts.join(","), self.config.get_dbname().unwrap_or_default())
    }
}

/// Takes our parameters out of a URL's query, and hands the others on.
fn parameters(query: &str) -> Result<(Parameters, String)> {
    let mut ours = Parameters::default();
    let mut others = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "sslmode" => ours.sslmode = Some(value.into_owned()),
            "sslrootcert" => ours.sslrootcert = Some(value.into_owned().into()),
            "schema" if is_schema(&value) => ours.schema = Some(value.into_owned()),
            "schema" => return Err(refused("must name a `schema` of at most 63 lower-case letters, digits and `_`")),
            "pool_size" => {
                let size = value.parse().ok().filter(|size| (2..=100).contains(size));
                ours.pool_size = Some(size.ok_or_else(|| refused("must have a `pool_size` from 2 to 100"))?);
            }
            _ => {
                others.append_pair(&name, &value);
            }
        }
    }
    // PostgreSQL's URLs know no `+` for a space.
    Ok((ours, others.finish().replace('+', "%20")))
}

fn is_schema(name: &str) -> bool {
    let plain = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'_';
    (1..=63).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with("pg_")
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

fn ssl_mode(asked: Option<&str>, all_local: bool) -> Result<SslMode> {
    match asked {
        Some("disable") => Ok(SslMode::Disable),
        None if all_local => Ok(SslMode::Disable),
        None | Some("require" | "verify-ca" | "verify-full") => Ok(SslMode::Require),
        Some(_) => Err(refused(
            "must have an `sslmode` of `verify-full`, or `disable` where the network is trusted: the others leave it to the network whether there is TLS",
        )),
    }
}

fn refused(problem: &str) -> Error {
    Error::invalid("store", problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> Result<SslMode> {
        Address::parse(url).map(|address| address.config.get_ssl_mode())
    }

    #[test]
    fn a_server_elsewhere_is_reached_by_tls_unless_the_url_says_otherwise() {
        assert_eq!(mode("postgres://u:p@db.example/app").unwrap(), SslMode::Require);
        assert_eq!(mode("postgres://u:p@127.0.0.1,db.example/app").unwrap(), SslMode::Require);
        assert_eq!(mode("postgresql://u:p@10.0.0.7/app?sslmode=require").unwrap(), SslMode::Require);
        assert_eq!(mode("postgres://u:p@db.example/app?sslmode=disable").unwrap(), SslMode::Disable);
        for local in ["localhost", "127.0.0.1", "[::1]", "%2Frun%2Fpostgresql"] {
            assert_eq!(mode(&format!("postgres://u:p@{local}:5432/app")).unwrap(), SslMode::Disable, "{local}");
        }
        assert_eq!(mode("postgres://u:p@localhost/app?sslmode=verify-full").unwrap(), SslMode::Require);
        for refused in ["prefer", "allow", "", "Disable"] {
            assert!(mode(&format!("postgres://u:p@localhost/app?sslmode={refused}")).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_url_that_leaves_something_open_is_refused_and_not_quoted() {
        for url in [
            "postgres://",
            "postgres:///app",
            "postgres://host/app",
            "postgres://u:CANARY@host",
            "postgres://u:CANARY@host:port/app",
            "postgres://u:CANARY@host/app?schema=A",
            "postgres://u:CANARY@host/app?schema=a;drop",
            "postgres://u:CANARY@host/app?schema=pg_x",
            "postgres://u:CANARY@host/app?pool_size=1",
            "postgres://u:CANARY@host/app?unknown=1",
        ] {
            let error = Address::parse(url).unwrap_err();
            assert_eq!(error.code(), "INVALID_ARGUMENT", "{url}");
            assert!(!error.to_string().contains("CANARY"), "{error}");
        }
    }

    // A61.
    #[test]
    fn an_address_shows_neither_user_nor_password() {
        let address = Address::parse("postgres://CANARY1:CANARY2@h1:1,h2:2/app?schema=mine&pool_size=3").unwrap();
        assert_eq!(format!("{address:?}"), "Address(\"postgres://h1,h2/app\")");
        assert_eq!((address.schema.as_str(), address.pool_size), ("mine", 3));
        assert_eq!(address.file_name(), "app.mine");
    }
}
