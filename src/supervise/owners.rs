//! To which instance a process belongs. Pure, but for what it is given to ask.

use super::tree::Process;

/// What is known of the instances, and what can be asked about a process.
pub struct Facts<'a> {
    /// The instance of a process that is known by its PID: a main process, or one that registered.
    pub known: &'a dyn Fn(i32) -> Option<usize>,
    /// The instance whose process group this is.
    pub group: &'a dyn Fn(i32) -> Option<usize>,
    /// `UNBRAID_INSTANCE` in the environment that the process was executed with.
    pub environment: &'a dyn Fn(i32) -> Option<usize>,
    /// The process, where it lives.
    pub process: &'a dyn Fn(i32) -> Option<Process>,
}

/// The instance of `pid`: that of the nearest ancestor that is known, since a process may have left everything else
/// behind; else of its process group; else as its environment says. A process that has neither is nobody's.
pub fn owner(pid: i32, facts: &Facts<'_>) -> Option<usize> {
    let mut at = pid;
    // A chain of parents longer than this is a loop, made by processes that came and went while they were looked at.
    for _ in 0..DEEPEST {
        if let Some(instance) = (facts.known)(at) {
            return Some(instance);
        }
        match (facts.process)(at) {
            Some(process) if process.parent > 1 => at = process.parent,
            _ => break,
        }
    }
    let group = (facts.process)(pid).and_then(|process| (facts.group)(process.group));
    group.or_else(|| (facts.environment)(pid))
}

const DEEPEST: usize = 4096;

/// The value of `UNBRAID_INSTANCE` in what /proc/PID/environ holds.
pub fn instance_in(environment: &[u8]) -> Option<usize> {
    let value = environment
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(b"UNBRAID_INSTANCE="))?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PID, parent, group.
    const PROCESSES: [(i32, i32, i32); 6] = [
        (10, 5, 10),
        (11, 10, 10),
        (12, 11, 12),
        (20, 5, 99),
        (21, 5, 30),
        (40, 41, 40),
    ];

    fn process(pid: i32) -> Option<Process> {
        let found = PROCESSES.iter().find(|(known, ..)| *known == pid);
        found.map(|(pid, parent, group)| Process {
            pid: *pid,
            parent: *parent,
            group: *group,
            name: "p".into(),
            zombie: false,
        })
    }

    fn owner_of(pid: i32) -> Option<usize> {
        owner(
            pid,
            &Facts {
                known: &|pid| (pid == 10).then_some(0),
                group: &|group| (group == 99).then_some(1),
                environment: &|pid| (pid == 21).then_some(2),
                process: &process,
            },
        )
    }

    #[test]
    fn by_its_ancestors_then_its_group_then_its_environment() {
        for (pid, owner) in [
            (10, Some(0)),
            (12, Some(0)),
            (20, Some(1)),
            (21, Some(2)),
            (40, None),
            (99, None),
        ] {
            assert_eq!(owner_of(pid), owner, "{pid}");
        }
    }

    #[test]
    fn a_loop_of_parents_ends() {
        let looped = |pid| {
            process(10).map(|p| Process {
                pid,
                parent: 13 - pid % 2,
                ..p
            })
        };
        let facts = Facts {
            known: &|_| None,
            group: &|_| None,
            environment: &|_| Some(3),
            process: &looped,
        };
        assert_eq!(owner(12, &facts), Some(3));
    }

    #[test]
    fn the_variable_is_found_among_others() {
        let text = b"A=1\0UNBRAID_INSTANCES=4\0UNBRAID_INSTANCE=3\0";
        assert_eq!(instance_in(text), Some(3));
        assert_eq!(
            instance_in(b"XUNBRAID_INSTANCE=3\0UNBRAID_INSTANCE=x"),
            None
        );
    }
}
