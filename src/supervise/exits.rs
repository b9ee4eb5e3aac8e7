//! What a server means by its own exit statuses. Pure.

use super::restart::Outcome;
use crate::sys::wait::Exit;

/// What the server named `name` (COMMAND's file name) says with this end, where trying again soon is of no use.
///
/// gunicorn: `Arbiter.WORKER_BOOT_ERROR` and `APP_LOAD_ERROR`, in its source.
pub fn hopeless(name: &str, outcome: Outcome) -> Option<&'static str> {
    match (name, outcome) {
        ("gunicorn", Outcome::Exit(Exit::Code(3))) => Some("a worker failed to boot"),
        ("gunicorn", Outcome::Exit(Exit::Code(4))) => Some("the application failed to load"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gunicorns_two_and_nobody_elses() {
        let code = |code| Outcome::Exit(Exit::Code(code));
        assert!(hopeless("gunicorn", code(3)).is_some());
        assert!(hopeless("gunicorn", code(4)).is_some());
        for (name, outcome) in [
            ("gunicorn", code(1)),
            ("gunicorn", Outcome::Exit(Exit::Signal(3))),
            ("gunicorn", Outcome::Unstarted(3)),
            ("sh", code(3)),
        ] {
            assert_eq!(hopeless(name, outcome), None);
        }
    }
}
