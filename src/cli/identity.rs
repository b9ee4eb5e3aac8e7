//! `--user` and `--group`, looked up.

use super::Args;
use super::fault::Fault;
use crate::supervise::identity::{Database, Identity, UserSpec};

/// Who the server shall be; `None`: who unbraid is.
pub(super) fn identity(args: &Args) -> Result<Option<Identity>, Fault> {
    if args.user.is_none() && args.group.is_none() {
        return Ok(None);
    }
    let [passwd, group] = ["/etc/passwd", "/etc/group"].map(text_of);
    let database = Database {
        passwd: &passwd,
        group: &group,
    };
    let alone = args.group.as_deref().map(|name| {
        let found = database.group(name);
        found.map_err(|reason| fault("group", name, reason))
    });
    let alone = alone.transpose()?;
    let Some(text) = args.user.as_deref() else {
        return Ok(alone);
    };
    let refused = |reason: String| fault("user", text, reason);
    let mut spec = UserSpec::parse(text).map_err(|reason| refused(reason.to_owned()))?;
    if spec.group.is_some() && args.group.is_some() {
        return Err(refused("names a group, and so does --group".to_owned()));
    }
    spec.group = spec.group.or_else(|| args.group.clone());
    database.user(&spec).map(Some).map_err(refused)
}

fn fault(key: &'static str, value: &str, reason: String) -> Fault {
    Fault {
        key,
        value: value.to_owned(),
        reason,
    }
}

/// A file that is not there, as in an image of one program alone, has no entries: numbers still serve.
fn text_of(path: &str) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
