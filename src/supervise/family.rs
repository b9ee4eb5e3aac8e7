//! Which process is the main one, over an upgrade. Pure.
//!
//! gunicorn, unicorn and nginx answer USR2 by forking, and the child executes the same program anew; later the old main process
//! is told to end. The new one then takes its place. Everything else is a death: a killed gunicorn leaves workers that live on for seconds,
//! and they are no upgrade.

/// The signal by which servers upgrade themselves.
const UPGRADE: i32 = libc::SIGUSR2;

/// The main process, and the one that may follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    main: i32,
    /// An upgrade signal was forwarded to `main`.
    upgrading: bool,
    /// Processes that may be the new main one, in the order of their coming: the main process may run helpers of the same
    /// executable too, and those end before it.
    heirs: Vec<i32>,
}

/// What the end of a process means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The server's.
    Server,
    /// The main process ended and was followed by this one.
    Followed(i32),
    /// Some other process's.
    Other,
}

impl Family {
    /// A server whose main process is `main`.
    pub fn new(main: i32) -> Self {
        Self {
            main,
            upgrading: false,
            heirs: Vec::new(),
        }
    }

    /// The main process.
    pub fn main(&self) -> i32 {
        self.main
    }

    /// `signal` was forwarded to the main process.
    pub fn forwarded(&mut self, signal: i32) {
        self.upgrading |= signal == UPGRADE;
    }

    /// `pid` registered by exec, its parent was `parent`; `same_executable`: it runs what the main process runs. Returns
    /// whether it is now the one that will follow.
    pub fn executed(
        &mut self,
        pid: i32,
        parent: i32,
        same_executable: impl FnOnce() -> bool,
    ) -> bool {
        let follows =
            self.upgrading && pid != self.main && parent == self.main && same_executable();
        if follows {
            self.heirs.push(pid);
        }
        follows
    }

    /// `pid` has ended.
    pub fn ended(&mut self, pid: i32) -> End {
        self.heirs.retain(|heir| *heir != pid);
        if pid != self.main {
            return End::Other;
        }
        let Some(&heir) = self.heirs.first() else {
            return End::Server;
        };
        *self = Self::new(heir);
        End::Followed(heir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upgrade_is_followed_once_the_old_main_process_ends() {
        let mut family = Family::new(10);
        family.forwarded(UPGRADE);
        assert!(family.executed(20, 10, || true));
        assert_eq!(family.main(), 10);
        assert_eq!(family.ended(10), End::Followed(20));
        assert_eq!(family.main(), 20);
        assert_eq!(family.ended(20), End::Server);
    }

    #[test]
    fn what_is_no_upgrade_is_a_death() {
        let cases: [(&str, i32, i32, bool); 3] = [
            ("no signal", 0, 10, true),
            ("another's child", UPGRADE, 11, true),
            ("another program", UPGRADE, 10, false),
        ];
        for (name, signal, parent, same) in cases {
            let mut family = Family::new(10);
            family.forwarded(signal);
            assert!(!family.executed(20, parent, || same), "{name}");
            assert_eq!(family.ended(10), End::Server, "{name}");
        }
    }

    #[test]
    fn a_helper_of_the_main_process_does_not_take_the_place_of_the_heir() {
        let mut family = Family::new(10);
        family.forwarded(UPGRADE);
        family.executed(20, 10, || true);
        family.executed(21, 10, || true);
        assert_eq!(family.ended(21), End::Other);
        assert_eq!(family.ended(10), End::Followed(20));
    }

    #[test]
    fn an_heir_that_dies_first_follows_nobody() {
        let mut family = Family::new(10);
        family.forwarded(UPGRADE);
        family.executed(20, 10, || true);
        assert_eq!(family.ended(20), End::Other);
        assert_eq!(family.ended(10), End::Server);
    }
}
