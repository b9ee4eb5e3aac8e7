//! Which files are one destination's: its template, read backwards. Pure.
//!
//! A name belongs to it only where the template could have made exactly that name, or an old file's name from it.

use super::names::{self, Form, Stamp};
use crate::output::Stream;
use crate::output::spec::{Piece, Template};
use std::path::{Component, Path};

/// The paths that a destination may write to, component by component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// Folders, then the file's name. Never empty.
    components: Vec<Vec<Piece>>,
    /// Whether the path begins at the root.
    absolute: bool,
}

/// What a path says about its record's origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fields {
    /// `{pid}`
    pub pid: Option<i32>,
    /// `{slot}`
    pub slot: Option<u32>,
    /// `{stream}`
    pub stream: Option<Stream>,
}

/// What lies in the last folder under a name of this family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// All that the path may say; more than one where two numbers stand side by side.
    pub fields: Vec<Fields>,
    /// `None`: a log itself; otherwise an old file.
    pub archive: Option<(Stamp, Form)>,
    /// The log's own file name.
    pub live: Vec<u8>,
}

impl Family {
    /// The family of a template; `name` is what `{name}` becomes.
    pub fn of_template(template: &Template, name: &[u8]) -> Self {
        let mut bytes_seen = false;
        let mut absolute = false;
        let mut components: Vec<Vec<Piece>> = vec![Vec::new()];
        for piece in &template.pieces {
            let text = match piece {
                Piece::Text(text) => text.as_slice(),
                Piece::Name => name,
                Piece::Pid | Piece::Slot | Piece::Stream => {
                    last(&mut components).push(piece.clone());
                    bytes_seen = true;
                    continue;
                }
            };
            for &byte in text {
                if byte == b'/' {
                    absolute |= !bytes_seen;
                    components.push(Vec::new());
                } else {
                    push_byte(last(&mut components), byte);
                }
                bytes_seen = true;
            }
        }
        let dot = [Piece::Text(b".".to_vec())];
        components.retain(|pieces| !pieces.is_empty() && pieces[..] != dot);
        Self {
            components,
            absolute,
        }
    }

    /// The family of a path without fields.
    pub fn of_path(path: &Path) -> Self {
        use std::os::unix::ffi::OsStrExt;
        let components = path.components().filter_map(|component| match component {
            Component::Normal(name) => Some(vec![Piece::Text(name.as_bytes().to_vec())]),
            Component::ParentDir => Some(vec![Piece::Text(b"..".to_vec())]),
            _ => None,
        });
        Self {
            components: components.collect(),
            absolute: path.is_absolute(),
        }
    }

    /// Whether the paths begin at the root.
    pub fn is_absolute(&self) -> bool {
        self.absolute
    }

    /// How many folders a path has before its file name.
    pub fn folders(&self) -> usize {
        self.components.len().saturating_sub(1)
    }

    /// The name of the folder at this place, where it is the same for all paths.
    pub fn fixed_folder(&self, place: usize) -> Option<&[u8]> {
        match &self.components[place][..] {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// What a folder's name adds to what the folders before say; nothing: the template makes no such name.
    pub fn folder(&self, place: usize, name: &[u8], before: &[Fields]) -> Vec<Fields> {
        self.matches(place, name, before)
    }

    /// What lies under `name` in a folder that `before` was read from.
    pub fn file(&self, name: &[u8], before: &[Fields]) -> Option<Found> {
        let place = self.components.len().checked_sub(1)?;
        let (live, archive) = match names::parse(name) {
            Some((live, stamp, form)) if !self.matches(place, live, before).is_empty() => {
                (live, Some((stamp, form)))
            }
            _ => (name, None),
        };
        let fields = self.matches(place, live, before);
        let live = live.to_vec();
        (!fields.is_empty()).then_some(Found {
            fields,
            archive,
            live,
        })
    }

    /// Whether a file is a process's alone: the path changes with the process ID.
    pub fn has_pid(&self) -> bool {
        self.components.iter().flatten().any(|p| *p == Piece::Pid)
    }

    /// Whether the path changes with the slot.
    pub fn has_slot(&self) -> bool {
        self.components.iter().flatten().any(|p| *p == Piece::Slot)
    }

    fn matches(&self, place: usize, name: &[u8], before: &[Fields]) -> Vec<Fields> {
        let mut found = Vec::new();
        for fields in before {
            match_pieces(&self.components[place], name, *fields, &mut found);
        }
        found
    }
}

fn last(components: &mut Vec<Vec<Piece>>) -> &mut Vec<Piece> {
    if components.is_empty() {
        components.push(Vec::new());
    }
    let last = components.len() - 1;
    &mut components[last]
}

fn push_byte(pieces: &mut Vec<Piece>, byte: u8) {
    if let Some(Piece::Text(text)) = pieces.last_mut() {
        text.push(byte);
    } else {
        pieces.push(Piece::Text(vec![byte]));
    }
}

/// All ways in which `pieces` make `text`. A field that comes twice says the same twice.
fn match_pieces(pieces: &[Piece], text: &[u8], fields: Fields, found: &mut Vec<Fields>) {
    let Some((piece, rest)) = pieces.split_first() else {
        if text.is_empty() && !found.contains(&fields) {
            found.push(fields);
        }
        return;
    };
    match piece {
        Piece::Text(wanted) => {
            if let Some(after) = text.strip_prefix(wanted.as_slice()) {
                match_pieces(rest, after, fields, found);
            }
        }
        Piece::Stream => {
            for stream in [Stream::Stdout, Stream::Stderr, Stream::Unbraid] {
                let agrees = fields.stream.is_none_or(|known| known == stream);
                if let Some(after) = text
                    .strip_prefix(stream.name().as_bytes())
                    .filter(|_| agrees)
                {
                    let stream = Some(stream);
                    match_pieces(rest, after, Fields { stream, ..fields }, found);
                }
            }
        }
        Piece::Pid => {
            for (number, after) in numbers(text) {
                let pid = i32::try_from(number).ok().filter(|pid| *pid > 0);
                if pid.is_some() && fields.pid.is_none_or(|known| Some(known) == pid) {
                    match_pieces(rest, after, Fields { pid, ..fields }, found);
                }
            }
        }
        Piece::Slot => {
            for (slot, after) in numbers(text) {
                if fields.slot.is_none_or(|known| known == slot) {
                    let slot = Some(slot);
                    match_pieces(rest, after, Fields { slot, ..fields }, found);
                }
            }
        }
        // Became text when the family was made.
        Piece::Name => {}
    }
}

/// Every number that `text` may begin with, as one is written: no sign, no zero in front.
fn numbers(text: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let most = if text.first() == Some(&b'0') {
        digits.min(1)
    } else {
        digits.min(10)
    };
    (1..=most).filter_map(move |len| {
        let number = std::str::from_utf8(&text[..len]).ok()?.parse().ok()?;
        Some((number, &text[len..]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Origin;
    use crate::output::spec::{OutputSpec, Style, Target};
    use proptest::prelude::*;
    use std::ffi::OsStr;

    const NONE: [Fields; 1] = [Fields {
        pid: None,
        slot: None,
        stream: None,
    }];

    fn template(text: &str) -> Template {
        let spec = OutputSpec::parse(OsStr::new(text), &Style::default()).unwrap();
        match spec.target {
            Target::Template(template) => template,
            other => panic!("{other:?}"),
        }
    }

    fn family(text: &str) -> Family {
        Family::of_template(&template(text), b"app")
    }

    fn found(text: &str, name: &str) -> Vec<(Option<i32>, Option<u32>)> {
        let found = family(text).file(name.as_bytes(), &NONE);
        let fields = found.map(|found| found.fields).unwrap_or_default();
        fields.iter().map(|f| (f.pid, f.slot)).collect()
    }

    #[test]
    fn a_template_is_read_backwards() {
        for (text, name, pid, slot) in [
            ("{pid}", "1234", Some(1234), None),
            ("w-{slot}.log", "w-0.log", None, Some(0)),
            ("{name}.{pid}.{slot}", "app.7.12", Some(7), Some(12)),
            ("{{x}}{pid}", "{x}9", Some(9), None),
            ("{pid}-{pid}", "5-5", Some(5), None),
        ] {
            assert_eq!(found(text, name), [(pid, slot)], "{text} {name}");
        }
        assert_eq!(
            found("{pid}{slot}", "123"),
            [(Some(1), Some(23)), (Some(12), Some(3))]
        );
    }

    #[test]
    fn what_it_could_not_have_made_is_not_its_own() {
        for (text, name) in [
            ("w-{slot}.log", "w-.log"),
            ("w-{slot}.log", "w-01.log"),
            ("w-{slot}.log", "w-1.log.1"),
            ("w-{slot}.log", "w-1.log.gz"),
            ("w-{slot}.log", "xw-1.log"),
            ("w-{slot}.log", "w-4294967296.log"),
            ("w-{slot}.log", "w-1.log.2026-11-23T10-00-00.1Z"),
            ("w-{slot}.log", "w-1.log.bak.2026-11-23T10-00-00.123456Z"),
            ("{pid}.log", "0.log"),
            ("{pid}.log", "2147483648.log"),
            ("{pid}.log", "+1.log"),
            ("{pid}-{pid}", "5-6"),
            ("{name}.{pid}", "other.7"),
            ("{stream}{slot}", "stdin1"),
        ] {
            assert_eq!(found(text, name), [], "{text} {name}");
        }
    }

    #[test]
    fn old_files_belong_to_their_log() {
        let family = family("w-{slot}.log");
        let found = family
            .file(b"w-3.log.2026-11-23T10-00-00.123456Z_002.zst", &NONE)
            .unwrap();
        assert_eq!(found.live, b"w-3.log");
        assert_eq!(found.fields[0].slot, Some(3));
        assert_eq!(found.archive.unwrap().0.counter, 2);
        let fixed = Family::of_path(Path::new("/var/log/a{pid}"));
        assert!(fixed.is_absolute() && fixed.folders() == 2);
        assert!(fixed.file(b"a{pid}", &NONE).unwrap().archive.is_none());
        assert!(
            fixed
                .file(b"a{pid}.2026-11-23T10-00-00.123456Z", &NONE)
                .unwrap()
                .archive
                .is_some()
        );
        assert_eq!(fixed.file(b"b.2026-11-23T10-00-00.123456Z", &NONE), None);
    }

    #[test]
    fn fields_may_stand_in_folders() {
        let family = family("logs/./{name}/{pid}//out-{pid}.{stream}");
        assert!(!family.is_absolute());
        assert_eq!(family.folders(), 3);
        assert_eq!(family.fixed_folder(0), Some(&b"logs"[..]));
        assert_eq!(family.fixed_folder(1), Some(&b"app"[..]));
        assert_eq!(family.fixed_folder(2), None);
        let inner = family.folder(2, b"77", &NONE);
        assert_eq!(inner[0].pid, Some(77));
        assert!(family.file(b"out-77.stderr", &inner).is_some());
        assert!(family.file(b"out-78.stderr", &inner).is_none());
        assert!(family.folder(2, b"x", &NONE).is_empty());
        assert!(super::Family::of_template(&template("/{pid}"), b"x").is_absolute());
    }

    proptest! {
        /// Whatever a template makes is found again with its own fields.
        #[test]
        fn what_it_makes_is_its_own(which in 0..6usize, pid in 1..i32::MAX, slot: u32) {
            let text = ["{pid}", "{slot}-{pid}", "{pid}{slot}.log", "{name}{slot}{stream}", "a{stream}b{pid}", "{slot}{slot}"][which];
            let template = template(text);
            let origin = Origin { pid, slot, stream: Stream::Stderr, shared: false, source: 0 };
            let mut path = Vec::new();
            template.expand(b"app", &origin, &mut path);
            let family = Family::of_template(&template, b"app");
            let found = family.file(&path, &NONE).unwrap();
            prop_assert!(found.fields.iter().any(|f| f.pid.is_none_or(|p| p == pid) && f.slot.is_none_or(|s| s == slot)));
        }
    }
}
