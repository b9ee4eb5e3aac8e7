//! What a server means by its own exit statuses. Pure.

use super::profile::Server;
use super::restart::Outcome;
use crate::sys::wait::Exit;

/// What `server` says with this end, where trying again soon is of no use.
///
/// gunicorn: `Arbiter.WORKER_BOOT_ERROR` and `APP_LOAD_ERROR`, in its source.
pub fn hopeless(server: Server, outcome: Outcome) -> Option<&'static str> {
    match (server, outcome) {
        (Server::Gunicorn, Outcome::Exit(Exit::Code(3))) => Some("a worker failed to boot"),
        (Server::Gunicorn, Outcome::Exit(Exit::Code(4))) => Some("the application failed to load"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gunicorns_two_and_nobody_elses() {
        let code = |code| Outcome::Exit(Exit::Code(code));
        assert!(hopeless(Server::Gunicorn, code(3)).is_some());
        assert!(hopeless(Server::Gunicorn, code(4)).is_some());
        for (server, outcome) in [
            (Server::Gunicorn, code(1)),
            (Server::Gunicorn, Outcome::Exit(Exit::Signal(3))),
            (Server::Gunicorn, Outcome::Unstarted(3)),
            (Server::Generic, code(3)),
        ] {
            assert_eq!(hopeless(server, outcome), None);
        }
    }
}
