//! What can be asked of a server by name: by `--signal FROM=NAME` and by `unbraidctl NAME`. Pure.
//!
//! What a task means to the server in hand is the profile's to say.

use std::fmt;

/// A task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// End the server, and with it unbraid; requests in hand are finished.
    Stop,
    /// End the server and start it anew, without delay.
    Restart,
    /// Take up changed code or configuration, without a gap.
    Reload,
    /// Replace the workers one after another.
    RestartWorkers,
    /// Open the logs again: unbraid's, and the server's own.
    Reopen,
    /// Rotate unbraid's logs.
    Rotate,
    /// More workers, or fewer, by this many.
    Workers(i32),
    /// Execute the server's program anew beside the old one.
    Upgrade,
}

/// The tasks that have no argument, with their names.
pub const NAMED: [(&str, Task); 7] = [
    ("stop", Task::Stop),
    ("restart", Task::Restart),
    ("reload", Task::Reload),
    ("restart-workers", Task::RestartWorkers),
    ("reopen", Task::Reopen),
    ("rotate", Task::Rotate),
    ("upgrade", Task::Upgrade),
];

impl Task {
    /// The task of this name; none for a name that needs an argument.
    pub fn named(name: &str) -> Option<Self> {
        let found = NAMED.iter().find(|(known, _)| *known == name);
        found.map(|(_, task)| *task)
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workers(change) => write!(f, "workers {change:+}"),
            named => {
                let found = NAMED.iter().find(|(_, task)| task == named);
                f.write_str(found.map_or("", |(name, _)| name))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_its_task_and_back() {
        for (name, task) in NAMED {
            assert_eq!(Task::named(name), Some(task));
            assert_eq!(task.to_string(), name);
        }
        assert_eq!(Task::Workers(-2).to_string(), "workers -2");
        assert_eq!(Task::named("workers"), None);
    }
}
