//! What each server understands by its signals. Pure.
//!
//! Every cell was tried on the real server (gunicorn 27, uWSGI 2.0.21, puma 5.6, unicorn 6.0, Apache 2.4 prefork, nginx 1.22,
//! php-fpm 8.2, PostgreSQL 15) and agrees with its manual. `unbraid.1` prints the same table; `tests/docs.rs` compares the two.

use super::signals::name;
use super::task::Task;
use libc::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGWINCH};

/// A server that this program knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Server {
    /// Any other.
    #[default]
    Generic,
    /// gunicorn.
    Gunicorn,
    /// uWSGI.
    Uwsgi,
    /// puma, with workers.
    Puma,
    /// unicorn.
    Unicorn,
    /// Apache httpd, prefork.
    Apache,
    /// nginx.
    Nginx,
    /// php-fpm.
    PhpFpm,
    /// PostgreSQL.
    Postgres,
}

/// What one server understands. `None`: there is no signal for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// The value of `--server`.
    pub name: &'static str,
    /// To the main process: end when the requests in hand are answered; what TERM to this program means.
    pub stop: i32,
    /// End now; what INT to this program means.
    pub quick: i32,
    /// What QUIT to this program means: QUIT, where the server ends its workers by it.
    pub quit: i32,
    /// Take up changed code or configuration.
    pub reload: Option<i32>,
    /// To a worker: end when its request is answered. The main process then starts another.
    pub worker: Option<i32>,
    /// Open the log files again.
    pub reopen: Option<i32>,
    /// One worker more.
    pub more: Option<i32>,
    /// One worker fewer.
    pub fewer: Option<i32>,
    /// Execute the program anew.
    pub upgrade: Option<i32>,
    /// What stands in the command line of a worker, where the server gives its processes titles: it has other children too.
    pub title: Option<&'static str>,
    /// Whether each worker that ends is replaced; otherwise the server replaces those that it has need of.
    pub replaces: bool,
}

/// The table, in the order of [`Server`].
const TABLE: [Profile; 9] = [
    // What most servers with workers have in common. A main process that does not handle a signal is not sent it.
    Profile {
        name: "generic",
        stop: SIGTERM,
        quick: SIGINT,
        quit: SIGQUIT,
        reload: Some(SIGHUP),
        worker: Some(SIGTERM),
        reopen: Some(SIGUSR1),
        more: Some(SIGTTIN),
        fewer: Some(SIGTTOU),
        upgrade: Some(SIGUSR2),
        title: None,
        replaces: true,
    },
    Profile {
        name: "gunicorn",
        stop: SIGTERM,
        quick: SIGINT,
        quit: SIGQUIT,
        reload: Some(SIGHUP),
        worker: Some(SIGTERM),
        reopen: Some(SIGUSR1),
        more: Some(SIGTTIN),
        fewer: Some(SIGTTOU),
        upgrade: Some(SIGUSR2),
        title: None,
        replaces: true,
    },
    // TERM is a reload unless --die-on-term is given; no signal waits for the requests in hand. A worker does at HUP. What its
    // --master-fifo can do beyond that has no signal.
    Profile {
        name: "uwsgi",
        stop: SIGINT,
        quick: SIGINT,
        quit: SIGQUIT,
        reload: Some(SIGHUP),
        worker: Some(SIGHUP),
        reopen: None,
        more: None,
        fewer: None,
        upgrade: None,
        title: None,
        replaces: true,
    },
    // QUIT dumps core and leaves the workers. HUP opens the logs again only with stdout_redirect; without it, it is a stop. USR1
    // is the phased restart, and a full one with preload_app; USR2 executes puma anew in its own place.
    Profile {
        name: "puma",
        stop: SIGTERM,
        quick: SIGINT,
        quit: SIGINT,
        reload: Some(SIGUSR1),
        worker: Some(SIGTERM),
        reopen: None,
        more: Some(SIGTTIN),
        fewer: Some(SIGTTOU),
        upgrade: Some(SIGUSR2),
        title: Some("puma: cluster worker"),
        replaces: true,
    },
    Profile {
        name: "unicorn",
        stop: SIGQUIT,
        quick: SIGINT,
        quit: SIGQUIT,
        reload: Some(SIGHUP),
        worker: Some(SIGQUIT),
        reopen: Some(SIGUSR1),
        more: Some(SIGTTIN),
        fewer: Some(SIGTTOU),
        upgrade: Some(SIGUSR2),
        title: Some(" worker["),
        replaces: true,
    },
    // QUIT kills the main process alone. The logs are opened again by the graceful restart.
    Profile {
        name: "apache",
        stop: SIGWINCH,
        quick: SIGTERM,
        quit: SIGTERM,
        reload: Some(SIGUSR1),
        worker: Some(SIGUSR1),
        reopen: Some(SIGUSR1),
        more: None,
        fewer: None,
        upgrade: None,
        title: None,
        replaces: false,
    },
    // In the foreground it ignores USR2: it takes a parent that has not changed for the old program.
    Profile {
        name: "nginx",
        stop: SIGQUIT,
        quick: SIGTERM,
        quit: SIGQUIT,
        reload: Some(SIGHUP),
        worker: Some(SIGQUIT),
        reopen: Some(SIGUSR1),
        more: None,
        fewer: None,
        upgrade: None,
        title: Some("nginx: worker process"),
        replaces: true,
    },
    Profile {
        name: "php-fpm",
        stop: SIGQUIT,
        quick: SIGTERM,
        quit: SIGQUIT,
        reload: Some(SIGUSR2),
        worker: Some(SIGQUIT),
        reopen: Some(SIGUSR1),
        more: None,
        fewer: None,
        upgrade: None,
        title: Some("php-fpm: pool"),
        replaces: true,
    },
    // TERM waits until the last client has gone by itself, INT tells the clients to go. A backend belongs to its client.
    Profile {
        name: "postgres",
        stop: SIGINT,
        quick: SIGINT,
        quit: SIGQUIT,
        reload: Some(SIGHUP),
        worker: None,
        reopen: None,
        more: None,
        fewer: None,
        upgrade: None,
        title: None,
        replaces: true,
    },
];

impl Server {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 9] = [
        Self::Generic,
        Self::Gunicorn,
        Self::Uwsgi,
        Self::Puma,
        Self::Unicorn,
        Self::Apache,
        Self::Nginx,
        Self::PhpFpm,
        Self::Postgres,
    ];

    /// What it understands.
    pub fn profile(self) -> &'static Profile {
        &TABLE[self as usize]
    }

    /// The server that `--server` names so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|server| server.profile().name == name)
    }
}

impl Profile {
    /// What `signal`, one of TERM, INT and QUIT that this program was sent, is sent on as.
    pub fn stop_for(&self, signal: i32) -> i32 {
        match signal {
            SIGINT => self.quick,
            SIGQUIT => self.quit,
            _ => self.stop,
        }
    }

    /// The signal to the main process that does `task`, where one does. Several workers more are as many signals.
    pub fn signal(&self, task: Task) -> Option<i32> {
        match task {
            Task::Stop | Task::Restart => Some(self.stop),
            Task::Reload => self.reload,
            Task::Reopen => self.reopen,
            Task::Upgrade => self.upgrade,
            Task::Workers(change) if change < 0 => self.fewer,
            Task::Workers(_) => self.more,
            Task::RestartWorkers | Task::Rotate => None,
        }
    }

    /// The cells of the table, as the manual prints them: the names of signals without `SIG`, or `none`.
    pub fn cells(&self) -> [String; 9] {
        let cell = |signal: Option<i32>| {
            signal.map_or_else(
                || "none".to_owned(),
                |signal| name(signal).trim_start_matches("SIG").to_owned(),
            )
        };
        [
            Some(self.stop),
            Some(self.quick),
            Some(self.quit),
            self.reload,
            self.worker,
            self.reopen,
            self.more,
            self.fewer,
            self.upgrade,
        ]
        .map(cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_leads_to_its_server() {
        for server in Server::ALL {
            assert_eq!(Server::named(server.profile().name), Some(server));
        }
        assert_eq!(Server::named("auto"), None);
    }

    #[test]
    fn the_three_stops_are_what_the_server_takes_them_for() {
        let stops = |server: Server| {
            [SIGTERM, SIGINT, SIGQUIT].map(|signal| server.profile().stop_for(signal))
        };
        assert_eq!(stops(Server::Generic), [SIGTERM, SIGINT, SIGQUIT]);
        assert_eq!(stops(Server::Uwsgi), [SIGINT, SIGINT, SIGQUIT]);
        assert_eq!(stops(Server::Apache), [SIGWINCH, SIGTERM, SIGTERM]);
        assert_eq!(stops(Server::Nginx), [SIGQUIT, SIGTERM, SIGQUIT]);
        assert_eq!(stops(Server::Postgres), [SIGINT, SIGINT, SIGQUIT]);
    }

    #[test]
    fn a_task_has_a_signal_or_none() {
        let (gunicorn, uwsgi) = (Server::Gunicorn.profile(), Server::Uwsgi.profile());
        assert_eq!(gunicorn.signal(Task::Workers(3)), Some(SIGTTIN));
        assert_eq!(gunicorn.signal(Task::Workers(-1)), Some(SIGTTOU));
        assert_eq!(gunicorn.signal(Task::Rotate), None);
        assert_eq!(uwsgi.signal(Task::Stop), Some(SIGINT));
        assert_eq!(uwsgi.signal(Task::Reopen), None);
    }

    #[test]
    fn cells_are_named_as_kill_names_them() {
        assert_eq!(
            Server::PhpFpm.profile().cells(),
            [
                "QUIT", "TERM", "QUIT", "USR2", "QUIT", "USR1", "none", "none", "none"
            ]
        );
    }
}
