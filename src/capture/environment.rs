//! The environment that the server is given. Pure.

use super::wire;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// What capture adds to the environment.
#[derive(Debug, Clone, Copy)]
pub struct Preload<'a> {
    /// The object.
    pub object: &'a Path,
    /// The value of [`wire::VARIABLE`].
    pub socket: &'a str,
}

/// How far the server's environment differs from ours.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// Not at all: with `--capture none` an outer unbraid's capture goes on.
    Keep,
    /// An outer unbraid's object is taken out: it would move this one's pipes away.
    Strip,
    /// The same, and this one's object is put in.
    Add(Preload<'a>),
}

/// The server's environment, `NAME=value`, made from ours.
///
/// `LD_PRELOAD` is extended, never replaced: the objects in it (jemalloc's, say) stay, behind ours.
pub fn for_server(
    ours: impl Iterator<Item = (OsString, OsString)>,
    change: Change<'_>,
    unbuffered: bool,
) -> Vec<CString> {
    let mut variables: Vec<(OsString, OsString)> = ours.collect();
    let strip = !matches!(change, Change::Keep);
    let mut others = OsString::new();
    variables.retain(|(name, value)| {
        if strip && name == "LD_PRELOAD" {
            others = without_ours(value);
        }
        !(strip && (name == "LD_PRELOAD" || name == wire::VARIABLE))
    });
    if let Change::Add(preload) = change {
        let mut list = preload.object.as_os_str().to_owned();
        if !others.is_empty() {
            list.push(":");
            list.push(&others);
        }
        variables.push(("LD_PRELOAD".into(), list));
        variables.push((wire::VARIABLE.into(), preload.socket.into()));
    } else if !others.is_empty() {
        variables.push(("LD_PRELOAD".into(), others));
    }
    if unbuffered && !variables.iter().any(|(name, _)| name == "PYTHONUNBUFFERED") {
        variables.push(("PYTHONUNBUFFERED".into(), "1".into()));
    }
    variables
        .into_iter()
        .filter_map(|(name, value)| entry(name, &value))
        .collect()
}

/// Whether `LD_PRELOAD` can hold this path. glibc takes spaces and colons for separators (ld.so(8)), musl all white space.
pub fn can_be_listed(path: &Path) -> bool {
    let mut bytes = path.as_os_str().as_bytes().iter();
    !bytes.any(|byte| *byte == b':' || byte.is_ascii_whitespace())
}

/// The list without an earlier unbraid's object. Its entries are separated by blanks or colons (ld.so(8)).
fn without_ours(list: &OsStr) -> OsString {
    let entries = list.as_bytes().split(|b| matches!(b, b' ' | b':'));
    let others: Vec<&[u8]> = entries.filter(|e| !e.is_empty() && !is_object(e)).collect();
    OsString::from_vec(others.join(&b':'))
}

fn is_object(path: &[u8]) -> bool {
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or(path);
    name.starts_with(b"unbraid-preload") && name.ends_with(b".so")
}

fn entry(name: OsString, value: &OsStr) -> Option<CString> {
    let mut text = name.into_vec();
    text.push(b'=');
    text.extend_from_slice(value.as_bytes());
    // What came out of an environment holds no NUL.
    CString::new(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(ours: &[(&str, &str)], change: Change<'_>, unbuffered: bool) -> Vec<String> {
        let ours = ours
            .iter()
            .map(|(n, v)| (OsString::from(n), OsString::from(v)));
        let strings = for_server(ours, change, unbuffered);
        strings
            .into_iter()
            .map(|s| s.into_string().unwrap())
            .collect()
    }

    fn add() -> Change<'static> {
        Change::Add(Preload {
            object: Path::new("/run/u/unbraid-preload-1.so"),
            socket: "1:n:t",
        })
    }

    const OURS: &str = "LD_PRELOAD=/run/u/unbraid-preload-1.so";
    const SOCKET: &str = "UNBRAID_PRELOAD_SOCKET=1:n:t";

    #[test]
    fn the_object_is_added_and_all_else_stays() {
        assert_eq!(
            made(&[("A", "b=c"), ("E", "")], add(), false),
            ["A=b=c", "E=", OURS, SOCKET]
        );
    }

    #[test]
    fn other_objects_stay_and_an_earlier_unbraids_is_replaced() {
        let before = [
            (
                "LD_PRELOAD",
                "/a/unbraid-preload-0.so /usr/lib/libjemalloc.so.2:/b/x.so",
            ),
            ("UNBRAID_PRELOAD_SOCKET", "1:outer:t"),
        ];
        let list = format!("{OURS}:/usr/lib/libjemalloc.so.2:/b/x.so");
        assert_eq!(made(&before, add(), false), [list.as_str(), SOCKET]);
        assert_eq!(
            made(&before, Change::Strip, false),
            ["LD_PRELOAD=/usr/lib/libjemalloc.so.2:/b/x.so"]
        );
        assert_eq!(made(&before, Change::Keep, false).len(), 2);
    }

    #[test]
    fn unbuffered_does_not_overrule_the_user() {
        assert_eq!(made(&[], Change::Keep, true), ["PYTHONUNBUFFERED=1"]);
        assert_eq!(
            made(&[("PYTHONUNBUFFERED", "")], Change::Keep, true),
            ["PYTHONUNBUFFERED="]
        );
    }
}
