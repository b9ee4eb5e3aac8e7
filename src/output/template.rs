//! Paths with fields: `logs/{name}.{pid}.log`; and how any text with fields is split. Pure.

use super::Origin;
use super::spec::{Piece, SpecError, Template, shown};
use std::io::Write;

/// Splits a path into texts and fields. `{{` and `}}` are braces.
pub(super) fn parse(path: &[u8]) -> Result<Vec<Piece>, SpecError> {
    let lossy = || String::from_utf8_lossy(path).into_owned();
    split(path, Piece::Text, field).map_err(|brace| match brace {
        Brace::Unclosed => SpecError::Unclosed(lossy()),
        Brace::Unopened => SpecError::Unopened(lossy()),
        Brace::Unknown(field) => SpecError::UnknownField {
            text: lossy(),
            field: shown(&field),
            fields: FIELDS,
        },
    })
}

/// The fields of a path, for messages.
const FIELDS: &str = "{pid}, {slot}, {stream} and {name}";

/// What is wrong with the braces of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Brace {
    Unclosed,
    Unopened,
    /// What stands between them.
    Unknown(Vec<u8>),
}

/// Splits a template of any kind: `text` makes a piece of a text, `field` one of the name between braces.
pub(super) fn split<T>(
    template: &[u8],
    text: impl Fn(Vec<u8>) -> T,
    mut field: impl FnMut(&[u8]) -> Option<T>,
) -> Result<Vec<T>, Brace> {
    let mut pieces = Vec::new();
    let mut literal = Vec::new();
    let mut rest = template;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'{' | b'}' if after.first() == Some(&first) => {
                literal.push(first);
                rest = &after[1..];
            }
            b'{' => {
                let end = memchr::memchr(b'}', after).ok_or(Brace::Unclosed)?;
                let name = &after[..end];
                let piece = field(name).ok_or_else(|| Brace::Unknown(name.to_vec()))?;
                if !literal.is_empty() {
                    pieces.push(text(std::mem::take(&mut literal)));
                }
                pieces.push(piece);
                rest = &after[end + 1..];
            }
            b'}' => return Err(Brace::Unopened),
            other => literal.push(other),
        }
    }
    if !literal.is_empty() {
        pieces.push(text(literal));
    }
    Ok(pieces)
}

fn field(name: &[u8]) -> Option<Piece> {
    match name {
        b"pid" => Some(Piece::Pid),
        b"slot" => Some(Piece::Slot),
        b"stream" => Some(Piece::Stream),
        b"name" => Some(Piece::Name),
        _ => None,
    }
}

impl Template {
    /// Appends the path for one origin to `path`. `name` is [`file_name`] of `--name`.
    pub fn expand(&self, name: &[u8], origin: &Origin, path: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => path.extend_from_slice(text),
                // Writing to a Vec cannot fail.
                Piece::Pid => drop(write!(path, "{}", origin.pid)),
                Piece::Slot => drop(write!(path, "{}", origin.slot)),
                Piece::Stream => path.extend_from_slice(origin.stream.name().as_bytes()),
                Piece::Name => path.extend_from_slice(name),
            }
        }
    }

    /// Whether the path changes with the process ID.
    pub fn has_pid(&self) -> bool {
        self.pieces.contains(&Piece::Pid)
    }

    /// Whether the path changes with the slot.
    pub fn has_slot(&self) -> bool {
        self.pieces.contains(&Piece::Slot)
    }

    /// The text before the first field.
    pub fn fixed_start(&self) -> &[u8] {
        match self.pieces.first() {
            Some(Piece::Text(text)) => text,
            _ => b"",
        }
    }

    /// The path as it was written, with its fields and doubled braces.
    pub fn source(&self) -> Vec<u8> {
        let mut source = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => {
                    for &byte in text {
                        source.push(byte);
                        if matches!(byte, b'{' | b'}') {
                            source.push(byte);
                        }
                    }
                }
                Piece::Pid => source.extend_from_slice(b"{pid}"),
                Piece::Slot => source.extend_from_slice(b"{slot}"),
                Piece::Stream => source.extend_from_slice(b"{stream}"),
                Piece::Name => source.extend_from_slice(b"{name}"),
            }
        }
        source
    }
}

/// What `{name}` becomes: one component of a path, whatever `--name` holds.
pub fn file_name(name: &str) -> Vec<u8> {
    match name {
        "" | "." => b"_".to_vec(),
        ".." => b"__".to_vec(),
        _ => name
            .bytes()
            .map(|b| if matches!(b, b'/' | 0) { b'_' } else { b })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Stream;

    const ORIGIN: Origin = Origin {
        pid: 1234,
        slot: 3,
        stream: Stream::Stderr,
        shared: false,
        source: 9,
    };

    #[test]
    fn expansion() {
        for (template, path) in [
            ("{pid}", "1234"),
            ("logs/{name}.{slot}.{stream}", "logs/gunicorn.3.stderr"),
            ("{{{pid}}}", "{1234}"),
            ("{{pid}}", "{pid}"),
            ("a{pid}{slot}b", "a12343b"),
        ] {
            let template = Template {
                pieces: parse(template.as_bytes()).unwrap(),
            };
            let mut out = Vec::new();
            template.expand(b"gunicorn", &ORIGIN, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), path);
        }
    }

    #[test]
    fn a_name_is_one_component() {
        for (name, file) in [
            ("gunicorn", "gunicorn"),
            ("a/b\0c", "a_b_c"),
            ("../x", ".._x"),
            ("..", "__"),
            (".", "_"),
            ("", "_"),
            ("ü", "ü"),
        ] {
            assert_eq!(file_name(name), file.as_bytes(), "{name:?}");
        }
    }

    #[test]
    fn what_a_template_changes_with() {
        for (text, pid, slot, start) in [
            ("a/{pid}", true, false, "a/"),
            ("{slot}/{name}", false, true, ""),
        ] {
            let template = Template {
                pieces: parse(text.as_bytes()).unwrap(),
            };
            assert_eq!((template.has_pid(), template.has_slot()), (pid, slot));
            assert_eq!(template.fixed_start(), start.as_bytes());
            assert_eq!(template.source(), text.as_bytes());
        }
    }
}
