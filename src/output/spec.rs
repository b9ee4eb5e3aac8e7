//! What `-o [FORMAT:]DEST[,FILTER…]` means. Pure.

pub use super::refusal::SpecError;

use super::format::LineTemplate;
use super::network::{Peer, Queue, Remote};
use super::settings::WhenFull;
use super::template;
use super::{Origin, Stream};
use crate::record::{Kind, Record};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::str::FromStr;

/// One `-o`, parsed and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputSpec {
    /// How records are written there.
    pub style: Style,
    /// Where.
    pub target: Target,
    /// Which records go there.
    pub filter: Filter,
    /// `when-full=`, where this destination has its own.
    pub when_full: Option<WhenFull>,
}

/// How records are written. Its default is raw, with times in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Style {
    /// `--format`, or the word before the destination.
    pub format: Format,
    /// `--time`.
    pub time: TimeStyle,
    /// `--template`; there where the format is [`Format::Template`].
    pub template: Option<LineTemplate>,
}

/// In this format, with times in UTC.
impl From<Format> for Style {
    fn from(format: Format) -> Self {
        Self {
            format,
            ..Self::default()
        }
    }
}

/// `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// The process's own bytes.
    #[default]
    Raw,
    /// Time, PID and stream before each line.
    Prefix,
    /// One JSON object a line.
    Json,
    /// `key=value` pairs, one record a line.
    Logfmt,
    /// A container's log, as the kubelet reads it.
    Cri,
    /// RFC 5424.
    Syslog,
    /// OpenTelemetry's JSON, one record a line.
    Otlp,
    /// The user's own columns.
    Template,
}

/// `--time`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeStyle {
    /// RFC 3339 with `Z`.
    #[default]
    Utc,
    /// RFC 3339 with the local offset.
    Local,
    /// No time.
    None,
}

/// DEST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// unbraid's own standard output.
    Stdout,
    /// unbraid's own standard error.
    Stderr,
    /// One file (regular, FIFO, device), opened at start.
    File(PathBuf),
    /// A file for each distinct expansion, opened at its first record.
    Template(Template),
    /// A receiver of records, in its own form.
    Network(Remote),
}

/// A path with fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// In order. At least one is a field.
    pub pieces: Vec<Piece>,
}

/// A piece of a path with fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it stands (bytes of a path).
    Text(Vec<u8>),
    /// `{pid}`
    Pid,
    /// `{slot}`
    Slot,
    /// `{stream}`
    Stream,
    /// `{name}`
    Name,
}

/// Which records a destination takes; every condition given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// `stream=`. Several `stream=` are alternatives; empty: all streams.
    pub streams: Vec<Stream>,
    /// `kind=traceback` (`Some(true)`) or `kind=line` (`Some(false)`).
    pub traceback: Option<bool>,
    /// `slot=`. Several are alternatives; empty: all slots.
    pub slots: Vec<u32>,
}

/// The formats, for error messages.
pub(crate) const FORMATS: &str = "raw, prefix, json, logfmt, cri, syslog, otlp and template";

/// Each format with its name.
const NAMES: [(&str, Format); 8] = [
    ("raw", Format::Raw),
    ("prefix", Format::Prefix),
    ("json", Format::Json),
    ("logfmt", Format::Logfmt),
    ("cri", Format::Cri),
    ("syslog", Format::Syslog),
    ("otlp", Format::Otlp),
    ("template", Format::Template),
];

impl Format {
    /// The names of all formats.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }
}

impl FromStr for Format {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let known = NAMES.iter().find(|(name, _)| *name == text);
        known
            .map(|(_, format)| *format)
            .ok_or_else(|| SpecError::UnknownFormat(text.to_owned()))
    }
}

/// As it is written on the command line.
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = NAMES.iter().find(|(_, format)| format == self);
        f.write_str(known.map_or("", |(name, _)| name))
    }
}

/// As it is written on the command line.
impl fmt::Display for TimeStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Utc => "utc",
            Self::Local => "local",
            Self::None => "none",
        })
    }
}

impl FromStr for TimeStyle {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        match text {
            "utc" => Ok(Self::Utc),
            "local" => Ok(Self::Local),
            "none" => Ok(Self::None),
            other => Err(SpecError::UnknownTime(other.to_owned())),
        }
    }
}

impl OutputSpec {
    /// Parses `[FORMAT:]DEST[,FILTER…]`; `default` holds `--format`, `--time` and `--template`.
    ///
    /// A word before the first colon is a format when it consists of `a-z`, `0-9` and `-` only. The text after a comma is
    /// a filter when it begins with a word of `a-z` and `-` and `=` and nothing but filters follows; any other comma belongs to
    /// the path.
    pub fn parse(text: &OsStr, default: &Style) -> Result<OutputSpec, SpecError> {
        let bytes = text.as_bytes();
        let (dest, words) = split_words(bytes);
        let (filter, queue, when_full) = sort_words(&words)?;
        let (format, dest) = match Peer::parse(dest) {
            Some(_) => (None, dest),
            None => split_format(dest)?,
        };
        let target = match Peer::parse(dest) {
            Some(peer) => {
                let peer = peer?;
                if format.is_some() {
                    return Err(SpecError::FormatFixed(peer.to_string()));
                }
                Target::Network(Remote { peer, queue })
            }
            None if queue != Queue::default() => {
                let key = if queue.folder.is_some() {
                    "queue"
                } else {
                    "queue-size"
                };
                return Err(SpecError::NoQueue(key.to_owned()));
            }
            None if dest.is_empty() => return Err(SpecError::Empty(lossy(bytes))),
            None => parse_target(dest)?,
        };
        let style = Style {
            format: format.unwrap_or(default.format),
            ..default.clone()
        };
        let own_form = matches!(target, Target::Network(_));
        if style.format == Format::Template && style.template.is_none() && !own_form {
            return Err(SpecError::NoTemplate);
        }
        Ok(OutputSpec {
            style,
            target,
            filter,
            when_full,
        })
    }

    /// Whether it writes to a path of its own, so that there may be something to rotate.
    pub fn has_path(&self) -> bool {
        matches!(self.target, Target::File(_) | Target::Template(_))
    }
}

/// Takes `FORMAT:` off the front.
fn split_format(text: &[u8]) -> Result<(Option<Format>, &[u8]), SpecError> {
    let Some(colon) = memchr::memchr(b':', text) else {
        return Ok((None, text));
    };
    let (word, rest) = (&text[..colon], &text[colon + 1..]);
    let bare = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    if word.is_empty() || !word.iter().all(bare) {
        return Ok((None, text));
    }
    match lossy(word).parse() {
        Ok(format) => Ok((Some(format), rest)),
        Err(SpecError::UnknownFormat(word)) => Err(SpecError::UnknownPrefix(word)),
        Err(other) => Err(other),
    }
}

/// Takes `,key=value` off the end, as often as there is one.
fn split_words(text: &[u8]) -> (&[u8], Vec<(String, &[u8])>) {
    let mut dest = text;
    let mut found = Vec::new();
    while let Some(comma) = memchr::memrchr(b',', dest) {
        let Some((key, value)) = as_word(&dest[comma + 1..]) else {
            break;
        };
        found.push((lossy(key), value));
        dest = &dest[..comma];
    }
    found.reverse();
    (dest, found)
}

/// `key=value`, where the key is a word of `a-z` and `-`.
fn as_word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = memchr::memchr(b'=', text)?;
    let key = &text[..equals];
    let letter = |b: &u8| b.is_ascii_lowercase() || *b == b'-';
    let word = !key.is_empty() && key.iter().all(letter);
    word.then_some((key, &text[equals + 1..]))
}

/// Which words are filters, and which are about a queue or about what is done when it is full.
fn sort_words(words: &[(String, &[u8])]) -> Result<(Filter, Queue, Option<WhenFull>), SpecError> {
    let (mut filter, mut queue, mut when_full) = (Filter::default(), Queue::default(), None);
    for (at, (key, value)) in words.iter().enumerate() {
        let alternatives = matches!(key.as_str(), "stream" | "slot");
        if !alternatives && words[..at].iter().any(|(before, _)| before == key) {
            return Err(SpecError::Twice(key.clone()));
        }
        match key.as_str() {
            "when-full" => when_full = Some(parse_when_full(&lossy(value))?),
            _ if queue.add(key, value)? => {}
            _ => filter.add(key, &lossy(value))?,
        }
    }
    Ok((filter, queue, when_full))
}

fn parse_when_full(value: &str) -> Result<WhenFull, SpecError> {
    WhenFull::named(value).ok_or_else(|| SpecError::FilterValue {
        key: "when-full",
        value: value.to_owned(),
        wanted: "there are block and drop",
    })
}

fn parse_target(dest: &[u8]) -> Result<Target, SpecError> {
    match dest {
        b"-" | b"stdout" => return Ok(Target::Stdout),
        b"stderr" => return Ok(Target::Stderr),
        _ if dest.contains(&0) => return Err(SpecError::Nul(lossy(dest))),
        _ => {}
    }
    let pieces = template::parse(dest)?;
    let mut literal = Vec::new();
    for piece in &pieces {
        let Piece::Text(text) = piece else {
            return Ok(Target::Template(Template { pieces }));
        };
        literal.extend_from_slice(text);
    }
    Ok(Target::File(PathBuf::from(OsString::from_vec(literal))))
}

impl Filter {
    /// Adds one `key=value`.
    fn add(&mut self, key: &str, value: &str) -> Result<(), SpecError> {
        let refused = |key, wanted| SpecError::FilterValue {
            key,
            value: value.to_owned(),
            wanted,
        };
        match key {
            "stream" => self.streams.push(match value {
                "stdout" => Stream::Stdout,
                "stderr" => Stream::Stderr,
                "unbraid" => Stream::Unbraid,
                _ => return Err(refused("stream", "there are stdout, stderr and unbraid")),
            }),
            "kind" => {
                self.traceback = Some(match value {
                    "traceback" => true,
                    "line" => false,
                    _ => return Err(refused("kind", "there are traceback and line")),
                });
            }
            "slot" => {
                let digits = value.bytes().all(|b| b.is_ascii_digit());
                let slot = value.parse().ok().filter(|_| digits);
                self.slots
                    .push(slot.ok_or_else(|| refused("slot", "a slot is a number from 0"))?);
            }
            other => return Err(SpecError::UnknownFilter(format!("{other}="))),
        }
        Ok(())
    }

    /// Whether the destination takes this record.
    pub fn takes(&self, origin: &Origin, record: &Record<'_>) -> bool {
        let traceback = matches!(record.kind, Kind::Traceback(_));
        (self.streams.is_empty() || self.streams.contains(&origin.stream))
            && self.traceback.is_none_or(|wanted| wanted == traceback)
            && (self.slots.is_empty() || self.slots.contains(&origin.slot))
    }
}

/// As a user would write it, and always one line.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::Stderr => f.write_str("stderr"),
            Self::File(path) => f.write_str(&shown(path.as_os_str().as_bytes())),
            Self::Template(template) => f.write_str(&shown(&template.source())),
            Self::Network(remote) => remote.peer.fmt(f),
        }
    }
}

/// Bytes of a path as text for a message: control characters escaped, so that it stays one line.
pub(crate) fn shown(path: &[u8]) -> String {
    let mut text = String::new();
    for c in lossy(path).chars() {
        if c.is_control() {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<OutputSpec, SpecError> {
        OutputSpec::parse(OsStr::new(text), &Style::default())
    }

    fn file(path: &str) -> Target {
        Target::File(PathBuf::from(path))
    }

    #[test]
    fn targets() {
        for (text, format, target) in [
            ("-", Format::Raw, Target::Stdout),
            ("stdout", Format::Raw, Target::Stdout),
            ("stderr", Format::Raw, Target::Stderr),
            ("./stderr", Format::Raw, file("./stderr")),
            ("json:-", Format::Json, Target::Stdout),
            ("prefix:stderr", Format::Prefix, Target::Stderr),
            ("raw:app.log", Format::Raw, file("app.log")),
            ("./json:app.log", Format::Raw, file("./json:app.log")),
            ("/a:b/c.log", Format::Raw, file("/a:b/c.log")),
            ("App:x", Format::Raw, file("App:x")),
            (":x", Format::Raw, file(":x")),
            ("json:a:b", Format::Json, file("a:b")),
            ("a,b.log", Format::Raw, file("a,b.log")),
            ("a,B=c", Format::Raw, file("a,B=c")),
            ("a,=c", Format::Raw, file("a,=c")),
            ("a,x=1,b.log", Format::Raw, file("a,x=1,b.log")),
            ("{{x}}.log", Format::Raw, file("{x}.log")),
        ] {
            let spec = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!((spec.style.format, spec.target), (format, target), "{text}");
            assert_eq!(spec.filter, Filter::default(), "{text}");
        }
    }

    #[test]
    fn receivers_have_a_form_of_their_own_and_a_queue() {
        let text = "syslog+tcp://[::1]:514,stream=stderr,queue=/var/q,queue-size=1MiB";
        let spec = parse(text).unwrap();
        let queue = Queue {
            folder: Some(PathBuf::from("/var/q")),
            size: Some(1 << 20),
            kept: None,
        };
        let peer = Peer::Tcp {
            host: "::1".to_owned(),
            port: 514,
        };
        assert_eq!(spec.target, Target::Network(Remote { peer, queue }));
        assert_eq!(spec.target.to_string(), "syslog+tcp://[::1]:514");
        assert_eq!(spec.filter.streams, [Stream::Stderr]);
        for (text, target, format) in [
            ("syslog:", "syslog:", Format::Raw),
            ("syslog:,slot=1", "syslog:", Format::Raw),
            ("syslog:app.log", "app.log", Format::Syslog),
            ("syslog:-", "stdout", Format::Syslog),
            ("./syslog:", "./syslog:", Format::Raw),
            ("journald:", "journald:", Format::Raw),
        ] {
            let spec = parse(text).unwrap();
            let found = (spec.target.to_string(), spec.style.format);
            assert_eq!(found, (target.to_owned(), format), "{text}");
        }
        let template = Style {
            format: Format::Template,
            ..Style::default()
        };
        assert!(OutputSpec::parse(OsStr::new("journald:"), &template).is_ok());
    }

    #[test]
    fn the_default_format_and_time_are_kept() {
        let style = Style {
            format: Format::Json,
            time: TimeStyle::None,
            template: None,
        };
        let spec = OutputSpec::parse(OsStr::new("x"), &style).unwrap();
        assert_eq!(spec.style, style);
    }

    #[test]
    fn a_path_need_not_be_utf8() {
        let spec = OutputSpec::parse(OsStr::from_bytes(b"a\xff"), &Style::default());
        assert_eq!(
            spec.unwrap().target,
            Target::File(PathBuf::from(OsStr::from_bytes(b"a\xff")))
        );
    }

    #[test]
    fn filters() {
        let spec = parse("a,b,stream=stderr,kind=traceback,slot=3,stream=unbraid,slot=0").unwrap();
        assert_eq!(spec.target, file("a,b"));
        assert_eq!(spec.filter.streams, [Stream::Stderr, Stream::Unbraid]);
        assert_eq!(spec.filter.traceback, Some(true));
        assert_eq!(spec.filter.slots, [3, 0]);
        assert_eq!(parse("-,kind=line").unwrap().filter.traceback, Some(false));
        assert_eq!(spec.when_full, None);
        let spec = parse("a,when-full=drop,slot=1").unwrap();
        assert_eq!(
            (spec.when_full, spec.filter.slots),
            (Some(WhenFull::Drop), vec![1])
        );
    }

    #[test]
    fn refusals_are_one_line_and_say_why() {
        for (text, said) in [
            (
                "",
                r#"no destination in "": give -, stdout, stderr or a path"#,
            ),
            (
                "json:",
                r#"no destination in "json:": give -, stdout, stderr or a path"#,
            ),
            (
                ",stream=stderr",
                r#"no destination in ",stream=stderr": give -, stdout, stderr or a path"#,
            ),
            (
                "xml:a",
                r#"unknown format "xml": there are raw, prefix, json, logfmt, cri, syslog, otlp and template; for a path that begins so, write ./xml:…"#,
            ),
            (
                "2026-11:a",
                r#"unknown format "2026-11": there are raw, prefix, json, logfmt, cri, syslog, otlp and template; for a path that begins so, write ./2026-11:…"#,
            ),
            (
                "template:a",
                r#"format "template": give the template with --template '{time} {pid} {line}'"#,
            ),
            (
                "a,strem=stderr",
                r#"unknown filter "strem=": there are stream=, kind=, slot= and when-full=, for syslog: and journald: also queue= and queue-size="#,
            ),
            (
                "a,stream=err",
                r#"stream="err": there are stdout, stderr and unbraid"#,
            ),
            ("a,kind=", r#"kind="": there are traceback and line"#),
            ("a,kind=line,kind=line", "kind= is given twice"),
            ("syslog:,queue=/a,queue=/b", "queue= is given twice"),
            (
                "a,when-full=wait",
                r#"when-full="wait": there are block and drop"#,
            ),
            (
                "a,when-full=drop,when-full=drop",
                "when-full= is given twice",
            ),
            ("a,slot=+1", r#"slot="+1": a slot is a number from 0"#),
            ("a,slot=-1", r#"slot="-1": a slot is a number from 0"#),
            ("a,slot=", r#"slot="": a slot is a number from 0"#),
            (
                "a,slot=4294967296",
                r#"slot="4294967296": a slot is a number from 0"#,
            ),
            ("a{", r#""a{": a { is not closed; write {{ for a brace"#),
            (
                "a{pid",
                r#""a{pid": a { is not closed; write {{ for a brace"#,
            ),
            ("a}b", r#""a}b": a } closes nothing; write }} for a brace"#),
            (
                "a{}",
                r#""a{}": unknown field {}: there are {pid}, {slot}, {stream} and {name}"#,
            ),
            (
                "a{PID}",
                r#""a{PID}": unknown field {PID}: there are {pid}, {slot}, {stream} and {name}"#,
            ),
            (
                "json:syslog+tcp://h:1",
                "syslog+tcp://h:1 has a form of its own: give no format before it",
            ),
            (
                "raw:journald:",
                "journald: has a form of its own: give no format before it",
            ),
            ("syslog+tcp://h", r#""//h": must be syslog+tcp://HOST:PORT"#),
            (
                "a,queue=b",
                "queue= is for syslog: and journald: destinations",
            ),
            (
                "a,queue-size=1MiB",
                "queue-size= is for syslog: and journald: destinations",
            ),
            ("syslog:,queue=", r#"queue="": the path of a folder"#),
            ("a\0b", r#"the path "a\0b" holds a NUL byte"#),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert_eq!(error, said, "{text}");
            assert!(!error.contains('\n'), "{text}");
        }
        let error = parse("a{x\ny}").unwrap_err().to_string();
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn words() {
        for name in Format::names() {
            assert!(FORMATS.contains(name));
            assert_eq!(name.parse::<Format>().unwrap().to_string(), name);
        }
        assert_eq!(
            "Json".parse::<Format>(),
            Err(SpecError::UnknownFormat("Json".into()))
        );
        assert_eq!("local".parse(), Ok(TimeStyle::Local));
        assert_eq!(
            "".parse::<TimeStyle>(),
            Err(SpecError::UnknownTime(String::new()))
        );
    }

    #[test]
    fn shown_as_written_and_as_one_line() {
        for (text, said) in [
            ("-", "stdout"),
            ("a/{pid}-{{x}}.{stream}", "a/{pid}-{{x}}.{stream}"),
            ("a\nb", "a\\nb"),
        ] {
            assert_eq!(parse(text).unwrap().target.to_string(), said);
        }
    }

    #[test]
    fn every_condition_of_a_filter_must_hold() {
        use crate::record::{Part, Trace};
        let origin = |stream, slot| Origin {
            pid: 7,
            slot,
            stream,
            shared: false,
            source: 1,
        };
        let record = |kind| Record {
            bytes: b"x\n",
            wall_us: 0,
            kind,
            part: None::<Part>,
        };
        let line = record(Kind::Line);
        let traceback = record(Kind::Traceback(Trace {
            lang: "python",
            exception_type: None,
            exception_message: None,
            file: None,
            line: None,
            function: None,
        }));
        for (text, origin, record, takes) in [
            ("-", origin(Stream::Stdout, 0), &line, true),
            ("-,stream=stderr", origin(Stream::Stdout, 0), &line, false),
            (
                "-,stream=stderr,stream=stdout",
                origin(Stream::Stdout, 0),
                &line,
                true,
            ),
            ("-,kind=traceback", origin(Stream::Stderr, 0), &line, false),
            (
                "-,kind=traceback",
                origin(Stream::Stderr, 0),
                &traceback,
                true,
            ),
            ("-,kind=line", origin(Stream::Stderr, 0), &traceback, false),
            ("-,slot=2,slot=3", origin(Stream::Stderr, 3), &line, true),
            ("-,slot=2,slot=3", origin(Stream::Stderr, 4), &line, false),
            (
                "-,slot=3,stream=stdout",
                origin(Stream::Stderr, 3),
                &line,
                false,
            ),
        ] {
            assert_eq!(
                parse(text).unwrap().filter.takes(&origin, record),
                takes,
                "{text}"
            );
        }
    }
}
