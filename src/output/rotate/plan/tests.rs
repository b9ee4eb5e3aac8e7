//! Every state that a death may leave, and every rule.

use super::*;
use std::path::Path;
use std::time::Duration;

const DAY: u64 = 86_400_000_000;
const NOW: u64 = 100 * DAY;

fn stamp(micros: u64) -> Stamp {
    Stamp { micros, counter: 0 }
}

fn archive(live: &str, micros: u64, form: Form) -> Entry {
    let name = super::super::names::archive(live.as_bytes(), stamp(micros), form);
    Entry {
        path: PathBuf::from(String::from_utf8(name).unwrap()),
        what: What::Archive(live.into(), stamp(micros), form),
        group: (None, None),
        modified: 0,
    }
}

fn left(name: &str, modified: u64) -> Entry {
    Entry {
        path: name.into(),
        what: What::Left,
        group: (None, None),
        modified,
    }
}

fn rules(keep: Option<usize>, days: Option<u64>, compress: Option<Compression>) -> Rotation {
    Rotation {
        keep,
        keep_for: days.map(|days| Duration::from_micros(days * DAY)),
        compress,
        ..Rotation::default()
    }
}

fn path(entry: &Entry) -> PathBuf {
    entry.path.clone()
}

#[test]
fn the_oldest_go_first_however_they_are_listed() {
    let files: Vec<Entry> = [3, 1, 4, 2, 5]
        .map(|day| archive("a", day * DAY, Form::Plain))
        .into();
    let by_day = |day: u64| path(&archive("a", day * DAY, Form::Plain));
    for keep in 1..=6 {
        let plan = plan(&files, &rules(Some(keep), None, None), NOW);
        let gone: Vec<Step> = (1..=5 - keep.min(5) as u64)
            .map(|day| Step::Remove(by_day(day)))
            .collect();
        assert_eq!(plan.steps, gone, "{keep}");
        assert_eq!(plan.next, None);
    }
}

#[test]
fn what_is_too_old_goes_and_the_next_is_known() {
    let files = [10, 93, 94, 99].map(|day| archive("a", day * DAY, Form::Plain));
    let plan = plan(&files, &rules(None, Some(7), None), NOW);
    assert_eq!(
        plan.steps,
        [Step::Remove(path(&files[0])), Step::Remove(path(&files[1]))]
    );
    assert_eq!(plan.next, Some(101 * DAY));
    // A name from the future is kept.
    let future = [archive("a", 200 * DAY, Form::Plain)];
    assert_eq!(
        super::plan(&future, &rules(None, Some(7), None), NOW).steps,
        []
    );
}

#[test]
fn each_log_has_its_own_count() {
    let mut files = Vec::new();
    for slot in [0, 1] {
        for day in [1, 2] {
            let mut file = archive(&format!("w{slot}"), day * DAY, Form::Plain);
            file.group = (Some(slot), None);
            files.push(file);
        }
    }
    let plan = plan(&files, &rules(Some(1), None, None), NOW);
    assert_eq!(
        plan.steps,
        [Step::Remove(path(&files[0])), Step::Remove(path(&files[2]))]
    );
}

#[test]
fn logs_of_dead_processes_count_as_old_files() {
    let files = [
        left("11", 5 * DAY),
        left("12", 7 * DAY),
        archive("12", 6 * DAY, Form::Packed(Compression::Gzip)),
        left("13", 9 * DAY),
    ];
    let both = [
        Step::RemoveUnused("11".into()),
        Step::Remove(path(&files[2])),
    ];
    assert_eq!(plan(&files, &rules(Some(2), None, None), NOW).steps, both);
    let old = plan(&files, &rules(None, Some(93), Some(Compression::Gzip)), NOW);
    // 7 + 93 is today.
    assert_eq!(old.steps.len(), 3);
    // They are not packed: another process may have their name again.
    assert_eq!(
        plan(&files, &rules(None, None, Some(Compression::Gzip)), NOW).steps,
        []
    );
}

#[test]
fn the_log_of_a_slot_goes_by_time_alone() {
    let slot = Entry {
        what: What::Slot,
        ..left("w3", 90 * DAY)
    };
    let files = [slot];
    assert_eq!(plan(&files, &rules(Some(1), None, None), NOW).steps, []);
    let kept = plan(&files, &rules(None, Some(11), None), NOW);
    assert_eq!((kept.steps, kept.next), (vec![], Some(101 * DAY)));
    let gone = plan(&files, &rules(None, Some(10), None), NOW).steps;
    assert_eq!(gone, [Step::RemoveUnused("w3".into())]);
}

#[test]
fn what_makes_room_comes_first() {
    let mut files = vec![
        archive("a", DAY, Form::Plain),
        archive("a", 2 * DAY, Form::Plain),
    ];
    for file in [
        archive("b", 3 * DAY, Form::Plain),
        archive("b", 4 * DAY, Form::Plain),
    ] {
        files.push(Entry {
            group: (Some(1), None),
            ..file
        });
    }
    let steps = plan(&files, &rules(Some(1), None, Some(Compression::Zstd)), NOW).steps;
    let kinds: Vec<bool> = steps.iter().map(|s| matches!(s, Step::Remove(_))).collect();
    assert_eq!(kinds, [true, true, false, false]);
    let Step::Pack {
        from, partial, to, ..
    } = &steps[2]
    else {
        panic!("{steps:?}")
    };
    assert_eq!(*from, path(&files[1]));
    assert_eq!(to, Path::new(&format!("{}.zst", from.display())));
    assert_eq!(
        partial,
        Path::new(&format!("{}.zst.partial", from.display()))
    );
    let of = super::super::names::parse(partial.to_str().unwrap().as_bytes()).unwrap();
    assert_eq!(of.2, Form::Partial(Compression::Zstd));
}

/// One old file on a disk: each form is there or not; a partial one may be complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Disk {
    plain: bool,
    gzip: [Packed; 2],
    zstd: [Packed; 2],
}

/// A packed file: not there, cut short, or complete. `[partial, packed]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packed {
    None,
    Half,
    Whole,
}

impl Disk {
    fn copies(&mut self, kind: Compression) -> &mut [Packed; 2] {
        match kind {
            Compression::Gzip => &mut self.gzip,
            Compression::Zstd => &mut self.zstd,
        }
    }

    fn entries(mut self) -> Vec<Entry> {
        let mut entries = Vec::new();
        if self.plain {
            entries.push(archive("a", DAY, Form::Plain));
        }
        for kind in Compression::ALL {
            let [partial, packed] = *self.copies(kind);
            if partial != Packed::None {
                entries.push(archive("a", DAY, Form::Partial(kind)));
            }
            if packed != Packed::None {
                entries.push(archive("a", DAY, Form::Packed(kind)));
            }
        }
        entries
    }

    fn has_records(self) -> bool {
        self.plain || self.gzip[1] == Packed::Whole || self.zstd[1] == Packed::Whole
    }

    /// The states after each change that a step makes, in the order in which `steps` makes them.
    fn after(self, step: &Step) -> Vec<Disk> {
        let mut disk = self;
        let mut states = Vec::new();
        let form = |path: &Path| {
            let name = path.to_str().unwrap().as_bytes();
            super::super::names::parse(name).unwrap().2
        };
        match step {
            Step::Pack { kind, .. } => {
                assert!(
                    disk.plain && disk.copies(*kind)[1] == Packed::None,
                    "{disk:?}"
                );
                for [partial, packed] in [
                    [Packed::None, Packed::None],
                    [Packed::Half, Packed::None],
                    [Packed::Whole, Packed::None],
                    [Packed::Whole, Packed::Whole],
                    [Packed::None, Packed::Whole],
                ] {
                    *disk.copies(*kind) = [partial, packed];
                    states.push(disk);
                }
                disk.plain = false;
            }
            Step::Finish { .. } => disk.plain = false,
            Step::Discard(path) | Step::Remove(path) | Step::RemoveUnused(path) => match form(path)
            {
                Form::Plain => disk.plain = false,
                Form::Partial(kind) => disk.copies(kind)[0] = Packed::None,
                Form::Packed(kind) => disk.copies(kind)[1] = Packed::None,
            },
        }
        states.push(disk);
        states
    }
}

/// From `disk`, with so many deaths, each after any change: records are always there, and it always ends.
fn all_ways(disk: Disk, rules: &Rotation, deaths: usize, depth: usize) {
    assert!(depth < 12, "no end: {disk:?}");
    let steps = plan(&disk.entries(), rules, NOW).steps;
    let Some(step) = steps.first() else {
        assert!(
            disk.gzip[0] == Packed::None && disk.zstd[0] == Packed::None,
            "{disk:?}"
        );
        let packed = [disk.gzip[1], disk.zstd[1]].contains(&Packed::Whole);
        assert!(!(packed && disk.plain), "{disk:?}");
        assert!(packed || rules.compress.is_none(), "{disk:?}");
        return;
    };
    let states = disk.after(step);
    for (number, &state) in states.iter().enumerate() {
        assert!(state.has_records(), "{disk:?} {step:?} {state:?}");
        let died = number + 1 < states.len();
        if !died || deaths > 0 {
            all_ways(state, rules, deaths - usize::from(died), depth + 1);
        }
    }
}

#[test]
fn after_any_death_the_work_is_taken_up_and_nothing_is_lost() {
    use Packed::{Half, None, Whole};
    for compress in [
        Option::None,
        Some(Compression::Gzip),
        Some(Compression::Zstd),
    ] {
        let rules = rules(Some(1), Option::None, compress);
        for gzip in [
            [None, None],
            [Half, None],
            [Whole, None],
            [Whole, Whole],
            [None, Whole],
        ] {
            for zstd in [[None, None], [Half, None], [Whole, None], [None, Whole]] {
                for plain in [true, false] {
                    let disk = Disk { plain, gzip, zstd };
                    if disk.has_records() {
                        all_ways(disk, &rules, 3, 0);
                    }
                }
            }
        }
    }
}

#[test]
fn a_removal_takes_all_forms() {
    use Packed::{Half, None, Whole};
    let disk = Disk {
        plain: true,
        gzip: [Half, None],
        zstd: [None, Whole],
    };
    let mut files = disk.entries();
    files.push(archive("a", 2 * DAY, Form::Plain));
    let steps = plan(&files, &rules(Some(1), Option::None, Option::None), NOW).steps;
    let end = steps
        .iter()
        .fold(disk, |disk, step| *disk.after(step).last().unwrap());
    assert!(!end.has_records() && end.gzip == [None, None], "{steps:?}");
}
