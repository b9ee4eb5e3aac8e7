//! Which receiver a `-o` names, and where its records wait. Pure.

use super::super::spec::{SpecError, shown};
use bytesize::ByteSize;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Where syslog(3) sends to.
const DEV_LOG: &str = "/dev/log";

/// Where systemd-journald receives its own protocol.
const JOURNAL: &str = "/run/systemd/journal/socket";

/// A queue in memory, and one on disk, where no size is given, in bytes.
pub(crate) const IN_MEMORY: u64 = 8 << 20;
const ON_DISK: u64 = 256 << 20;

/// The least and the most that a queue may hold, in bytes.
const QUEUE: std::ops::RangeInclusive<u64> = (64 << 10)..=(1 << 40);

/// A receiver with its queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Who.
    pub peer: Peer,
    /// Where records wait for it.
    pub queue: Queue,
}

/// A receiver of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// `syslog:` and `syslog+unix:PATH`: a local socket, datagram or stream.
    Local(PathBuf),
    /// `syslog+tcp://HOST:PORT`: RFC 5424 with octet counting (RFC 6587).
    Tcp {
        /// A name or an address, without the brackets of IPv6.
        host: String,
        /// The port.
        port: u16,
    },
    /// `journald:` and `journald:PATH`: the journal's native protocol.
    Journal(PathBuf),
}

/// Where records wait for a receiver.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Queue {
    /// `queue=`: a folder; `None`: in memory.
    pub folder: Option<PathBuf>,
    /// `queue-size=`, in bytes; `None`: the default of its kind.
    pub size: Option<u64>,
    /// How many bytes of what was sent are kept for a receiver that ends; `None`: the default.
    pub kept: Option<u64>,
}

impl Peer {
    /// Its name in messages: of a local one, the socket's path.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Local(path) | Self::Journal(path) => shown(path.as_os_str().as_bytes()),
            Self::Tcp { .. } => self.to_string(),
        }
    }

    /// Reads a destination that names a receiver; `None`: it is another one.
    pub(crate) fn parse(dest: &[u8]) -> Option<Result<Self, SpecError>> {
        if let Some(path) = dest.strip_prefix(b"journald:") {
            return Some(path_or(path, JOURNAL).map(Self::Journal));
        }
        if dest == b"syslog:" {
            return Some(Ok(Self::Local(DEV_LOG.into())));
        }
        let rest = dest.strip_prefix(b"syslog+")?;
        let colon = memchr::memchr(b':', rest)?;
        let (kind, rest) = (&rest[..colon], &rest[colon + 1..]);
        if !kind.iter().all(u8::is_ascii_alphanumeric) {
            return None;
        }
        Some(match kind {
            b"unix" => path_or(rest, "").map(Self::Local),
            b"tcp" => host_and_port(rest),
            other => Err(SpecError::UnknownTransport(shown(other))),
        })
    }
}

fn path_or(path: &[u8], default: &str) -> Result<PathBuf, SpecError> {
    match path {
        b"" if default.is_empty() => Err(SpecError::NoSocket),
        b"" => Ok(default.into()),
        _ if path.contains(&0) => Err(SpecError::Nul(shown(path))),
        _ => Ok(PathBuf::from(OsString::from_vec(path.to_vec()))),
    }
}

/// `//HOST:PORT`, `//[IPV6]:PORT`
fn host_and_port(text: &[u8]) -> Result<Peer, SpecError> {
    let refused = || SpecError::Address(shown(text));
    let text = std::str::from_utf8(text).map_err(|_| refused())?;
    let authority = text.strip_prefix("//").ok_or_else(refused)?;
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let (host, port) = authority.rsplit_once(':').ok_or_else(refused)?;
    let port = port.parse().ok().filter(|port| *port > 0);
    let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let host = match bracketed {
        Some(address) if address.parse::<std::net::Ipv6Addr>().is_ok() => address,
        None if !host.is_empty() && host.chars().all(plain) => host,
        _ => return Err(refused()),
    };
    Ok(Peer::Tcp {
        host: host.to_owned(),
        port: port.ok_or_else(refused)?,
    })
}

impl Queue {
    /// How much it may hold, in bytes.
    pub(crate) fn limit(&self) -> u64 {
        let default = if self.folder.is_some() {
            ON_DISK
        } else {
            IN_MEMORY
        };
        self.size.unwrap_or(default)
    }

    /// Takes one `key=value`; false: it is none of the queue's.
    pub(crate) fn add(&mut self, key: &str, value: &[u8]) -> Result<bool, SpecError> {
        let refused = |key, wanted| SpecError::FilterValue {
            key,
            value: shown(value),
            wanted,
        };
        match key {
            "queue" if value.is_empty() || value.contains(&0) => {
                return Err(refused("queue", "the path of a folder"));
            }
            "queue" => self.folder = Some(PathBuf::from(OsString::from_vec(value.to_vec()))),
            "queue-size" => {
                let size = shown(value).parse::<ByteSize>().ok();
                let size = size.map(|size| size.as_u64()).filter(|n| QUEUE.contains(n));
                let wanted = "a size from 64KiB to 1TiB";
                self.size = Some(size.ok_or_else(|| refused("queue-size", wanted))?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// As it is written on the command line, and always one line.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = |path: &Path| shown(path.as_os_str().as_bytes());
        match self {
            Self::Local(at) if at == Path::new(DEV_LOG) => f.write_str("syslog:"),
            Self::Local(at) => write!(f, "syslog+unix:{}", path(at)),
            Self::Tcp { host, port } if host.contains(':') => {
                write!(f, "syslog+tcp://[{host}]:{port}")
            }
            Self::Tcp { host, port } => write!(f, "syslog+tcp://{host}:{port}"),
            Self::Journal(at) if at == Path::new(JOURNAL) => f.write_str("journald:"),
            Self::Journal(at) => write!(f, "journald:{}", path(at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_receiver() {
        for text in [
            "syslog:",
            "syslog+unix:/run/log",
            "syslog+tcp://localhost:514",
            "syslog+tcp://127.0.0.1:6514",
            "syslog+tcp://[::1]:514",
            "journald:",
            "journald:/tmp/socket",
        ] {
            let peer = Peer::parse(text.as_bytes()).expect("a receiver").unwrap();
            assert_eq!(peer.to_string(), text);
        }
        for text in ["syslog", "syslog+", "syslog+a/b:c", "a/journald:", "-"] {
            assert_eq!(Peer::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn refusals() {
        let address = |text: &str| format!("{text:?}: must be syslog+tcp://HOST:PORT");
        for (text, said) in [
            ("syslog+tcp://host", address("//host")),
            ("syslog+tcp:host:1", address("host:1")),
            ("syslog+tcp://:1", address("//:1")),
            ("syslog+tcp://h:0", address("//h:0")),
            ("syslog+tcp://h:99999", address("//h:99999")),
            ("syslog+tcp://::1:514", address("//::1:514")),
            ("syslog+tcp://[h]:514", address("//[h]:514")),
            ("syslog+tcp://a b:1", address("//a b:1")),
            (
                "syslog+unix:",
                "syslog+unix: needs the path of a socket".to_owned(),
            ),
            (
                "syslog+tls://h:1",
                "syslog+tls: there are syslog+tcp:// and syslog+unix:; TLS is for a collector beside the server".to_owned(),
            ),
        ] {
            let error = Peer::parse(text.as_bytes()).unwrap().unwrap_err();
            assert_eq!(error.to_string(), said);
        }
    }

    #[test]
    fn a_local_receiver_is_named_by_its_path() {
        let label = |text: &[u8]| Peer::parse(text).unwrap().unwrap().label();
        assert_eq!(label(b"syslog:"), "/dev/log");
        assert_eq!(label(b"journald:/a"), "/a");
        assert_eq!(label(b"syslog+tcp://h:1"), "syslog+tcp://h:1");
    }

    #[test]
    fn queues() {
        let mut queue = Queue::default();
        assert_eq!(queue.add("queue", b"/var/q"), Ok(true));
        assert_eq!(queue.add("queue-size", b"1MiB"), Ok(true));
        assert_eq!(queue.add("stream", b"stderr"), Ok(false));
        assert_eq!(queue.folder, Some(PathBuf::from("/var/q")));
        assert_eq!(queue.size, Some(1 << 20));
        for (key, value) in [("queue", ""), ("queue-size", "1KiB"), ("queue-size", "x")] {
            assert!(queue.add(key, value.as_bytes()).is_err(), "{key}={value}");
        }
    }
}
