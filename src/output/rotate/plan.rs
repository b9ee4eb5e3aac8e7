//! What is to be done to old files: packed, finished, removed. Pure.
//!
//! A plan is made from what lies in the folders, never from what was done before, so that work that was cut short, by an
//! error or by the program's death, is taken up where it stopped. Of one old file there may be seen:
//!
//! | plain | packed | partial | what it is | step |
//! |---|---|---|---|---|
//! | yes | – | – | not packed yet | `Pack`, where that is asked for |
//! | yes | – | yes | packing was cut short, or is going on | `Pack`, which tells the two apart; else `Discard` |
//! | yes | yes | – | packed; the plain file was to be removed | `Finish` |
//! | – | yes | – | done | – |
//! | any | yes | yes | complete, under both names | `Discard` |
//! | – | – | yes | its original was taken away | `Discard` |

use super::names::{Form, Stamp};
use crate::output::Stream;
use crate::output::settings::{Compression, Rotation};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One file as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it lies.
    pub path: PathBuf,
    /// What it is.
    pub what: What,
    /// Whose old files are counted together.
    pub group: Group,
    /// Its last write, in µs since 1970.
    pub modified: u64,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Moved aside at this time, from this path.
    Archive(PathBuf, Stamp, Form),
    /// The log of a process that has ended: written to no more, and so an old file by itself.
    Left,
    /// The log of a slot, of which nobody knows here whether it is used.
    Slot,
}

/// Old files are counted for each log. The logs of one template that differ only in the process ID count as one: there would
/// never be a second old file of most of them.
pub type Group = (Option<u32>, Option<Stream>);

/// One thing to do. Each can be done again after it failed half-way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Write `from` packed to `partial`, give it the name `to`, and remove `from`.
    Pack {
        /// The plain file.
        from: PathBuf,
        /// The name while it is not complete.
        partial: PathBuf,
        /// The name when it is.
        to: PathBuf,
        /// How.
        kind: Compression,
    },
    /// `packed` was complete: remove `plain`, once it is known to hold the same.
    Finish {
        /// The plain file.
        plain: PathBuf,
        /// The packed file.
        packed: PathBuf,
        /// How it is packed.
        kind: Compression,
    },
    /// Remove a packed file that is not complete, unless somebody is writing it.
    Discard(PathBuf),
    /// Remove an old file.
    Remove(PathBuf),
    /// Remove the log of a process or a slot, unless somebody has it open for writing.
    RemoveUnused(PathBuf),
}

/// What to do now, and when to look again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// In this order: what makes room comes first, then the oldest.
    pub steps: Vec<Step>,
    /// When the next file is too old (µs since 1970), if nothing else happens before.
    pub next: Option<u64>,
}

/// One old file, under all its names.
#[derive(Debug, Default)]
struct Old {
    forms: Vec<(Form, PathBuf)>,
    left: Option<PathBuf>,
}

/// When an old file is from, and which it is; the order in which they are removed.
type Age = (u64, u16, PathBuf);

/// Decides what is to be done at `now` (µs since 1970).
pub fn plan(entries: &[Entry], rules: &Rotation, now: u64) -> Plan {
    let mut groups: BTreeMap<GroupKey, BTreeMap<Age, Old>> = BTreeMap::new();
    let mut plan = Plan::default();
    for entry in entries {
        match &entry.what {
            What::Archive(live, stamp, form) => {
                let age = (stamp.micros, stamp.counter, live.clone());
                let group = groups.entry(key(entry.group)).or_default();
                let old = group.entry(age).or_default();
                old.forms.push((*form, entry.path.clone()));
            }
            What::Left => {
                let age = (entry.modified, 0, entry.path.clone());
                let group = groups.entry(key(entry.group)).or_default();
                group.entry(age).or_default().left = Some(entry.path.clone());
            }
            What::Slot => {
                if plan.is_over(entry.modified, rules, now) {
                    plan.steps.push(Step::RemoveUnused(entry.path.clone()));
                }
            }
        }
    }
    let mut later = Vec::new();
    for group in groups.into_values() {
        let too_many = rules
            .keep
            .map_or(0, |keep| group.len().saturating_sub(keep));
        for (number, (age, old)) in group.into_iter().enumerate() {
            if number < too_many || plan.is_over(age.0, rules, now) {
                plan.remove(old);
            } else {
                later.extend(pack(&old, rules.compress));
            }
        }
    }
    plan.steps.extend(later);
    plan
}

/// [`Group`] with an order.
type GroupKey = (Option<u32>, Option<&'static str>);

fn key((slot, stream): Group) -> GroupKey {
    (slot, stream.map(Stream::name))
}

impl Plan {
    /// Whether a file from `time` has been kept long enough; if not, notes when.
    fn is_over(&mut self, time: u64, rules: &Rotation, now: u64) -> bool {
        let Some(keep_for) = rules.keep_for else {
            return false;
        };
        let end = time.saturating_add(keep_for.as_micros() as u64);
        if end > now {
            self.next = Some(self.next.map_or(end, |next| next.min(end)));
        }
        end <= now
    }

    fn remove(&mut self, old: Old) {
        let forms = old.forms.into_iter().map(|(form, path)| match form {
            Form::Partial(_) => Step::Discard(path),
            Form::Plain | Form::Packed(_) => Step::Remove(path),
        });
        self.steps.extend(forms);
        self.steps.extend(old.left.map(Step::RemoveUnused));
    }
}

/// The steps for an old file that is kept: see the table above.
fn pack(old: &Old, compress: Option<Compression>) -> Vec<Step> {
    let mut steps = Vec::new();
    let of = |wanted: fn(Form) -> bool| old.forms.iter().find(|(form, _)| wanted(*form));
    let plain = of(|form| form == Form::Plain).map(|(_, path)| path);
    let packed = of(|form| matches!(form, Form::Packed(_)));
    let kind = compress.filter(|_| plain.is_some() && packed.is_none());
    for (form, path) in &old.forms {
        // Packing in the same way deals with what is left of the last try.
        if let Form::Partial(of) = form
            && kind != Some(*of)
        {
            steps.push(Step::Discard(path.clone()));
        }
    }
    match (plain, packed) {
        (Some(plain), Some((Form::Packed(kind), packed))) => steps.push(Step::Finish {
            plain: plain.clone(),
            packed: packed.clone(),
            kind: *kind,
        }),
        (Some(from), None) => steps.extend(kind.map(|kind| pack_step(from.clone(), kind))),
        _ => {}
    }
    steps
}

fn pack_step(from: PathBuf, kind: Compression) -> Step {
    let with = |more: &str| {
        let mut path = from.clone().into_os_string();
        path.push(kind.suffix());
        path.push(more);
        PathBuf::from(path)
    };
    Step::Pack {
        partial: with(super::names::PARTIAL),
        to: with(""),
        from,
        kind,
    }
}

#[cfg(test)]
mod tests;
