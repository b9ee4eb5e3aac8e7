//! The value of one option: text → type, with a reason when it cannot be.
//!
//! Each function here makes clap's parser for one kind of value. A reason does not repeat the value: `fault` puts both
//! into one line.

use crate::capture::environment::can_be_listed;
use crate::config::{Capture, ControlSocket, Leftovers};
use crate::output::format::LineTemplate;
use crate::output::rotate::period::Period;
use crate::output::settings::{Compression, WhenFull, WhenSync};
use crate::output::spec::{FORMATS, Format, OutputSpec, SpecError, Style, TimeStyle};
use crate::record::{self, Languages};
use crate::supervise::remote::place::MAX_PATH;
use crate::units::size_text;
use bytesize::ByteSize;
use clap::builder::{OsStringValueParser, PossibleValue, TypedValueParser};
use clap_complete::Shell;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// The longest duration: far beyond any use, and safe to add to any clock.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// `--line-timeout`; `None` is `off`. A type of its own, since clap reads a bare `Option` as "may be absent".
#[derive(Debug, Clone, Copy)]
pub(super) struct LineTimeout(pub(super) Option<Duration>);

/// A value of which `words` are (for completions) all or the common ones, judged by `inner`.
#[derive(Clone)]
struct Worded<P> {
    words: Vec<&'static str>,
    inner: P,
}

impl<P: TypedValueParser> TypedValueParser for Worded<P> {
    type Value = P::Value;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<P::Value, clap::Error> {
        self.inner.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.words.iter().map(PossibleValue::new)))
    }
}

/// A parser of text, from a function that says what is wrong.
pub(super) fn text<T>(
    judge: fn(&str) -> Result<T, String>,
) -> impl TypedValueParser<Value = T> + use<T>
where
    T: Clone + Send + Sync + 'static,
{
    OsStringValueParser::new().try_map(move |value: OsString| {
        let text = value.to_str().ok_or("not UTF-8 text")?;
        judge(text)
    })
}

pub(super) fn worded<T>(
    words: &[&'static str],
    judge: fn(&str) -> Result<T, String>,
) -> impl TypedValueParser<Value = T> + use<T>
where
    T: Clone + Send + Sync + 'static,
{
    Worded {
        words: words.to_vec(),
        inner: text(judge),
    }
}

pub(super) fn capture() -> impl TypedValueParser<Value = Capture> {
    worded(&["auto", "pipes", "none"], |text| match text {
        "auto" => Ok(Capture::Auto),
        "pipes" => Ok(Capture::Pipes),
        "none" => Ok(Capture::None),
        "socket" => Err("not available yet; auto, pipes and none are".to_owned()),
        _ => Err("must be auto, pipes or none".to_owned()),
    })
}

pub(super) fn leftovers() -> impl TypedValueParser<Value = Leftovers> {
    worded(&["stop", "leave"], |text| match text {
        "stop" => Ok(Leftovers::Stop),
        "leave" => Ok(Leftovers::Leave),
        _ => Err("must be stop or leave".to_owned()),
    })
}

pub(super) fn format() -> impl TypedValueParser<Value = Format> {
    let names: Vec<&str> = Format::names().collect();
    worded(&names, |text| {
        Format::from_str(text).map_err(|_| format!("must be one of {FORMATS}"))
    })
}

pub(super) fn compress() -> impl TypedValueParser<Value = Compression> {
    worded(&["gzip", "zstd"], |text| {
        let known = Compression::ALL
            .into_iter()
            .find(|kind| kind.name() == text);
        known.ok_or_else(|| "must be gzip or zstd".to_owned())
    })
}

pub(super) fn when_full() -> impl TypedValueParser<Value = WhenFull> {
    worded(&["block", "drop"], |text| {
        WhenFull::named(text).ok_or_else(|| "must be block or drop".to_owned())
    })
}

pub(super) fn sync() -> impl TypedValueParser<Value = WhenSync> {
    worded(&["never", "rotate"], |text| match text {
        "never" => Ok(WhenSync::Never),
        "rotate" => Ok(WhenSync::Rotate),
        _ => nonzero(text)
            .map(WhenSync::Every)
            .map_err(|reason| format!("{reason}, or never or rotate")),
    })
}

/// One page at least: a file for every few records helps nobody.
pub(super) fn rotate_size() -> impl TypedValueParser<Value = usize> {
    text(|text| size(text, 4 << 10, TIB))
}

pub(super) fn period() -> impl TypedValueParser<Value = Period> {
    text(|text| {
        let length = nonzero(text)?;
        Period::new(length).ok_or_else(|| {
            "must be whole days, or go into a day without a rest, as 1d, 7d, 1h, 15m".to_owned()
        })
    })
}

pub(super) fn keep() -> impl TypedValueParser<Value = usize> {
    text(|text| match text.parse::<u32>() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) if !text.starts_with('+') => Ok(number as usize),
        _ => Err("must be a number of files".to_owned()),
    })
}

pub(super) fn template() -> impl TypedValueParser<Value = LineTemplate> {
    text(|text| LineTemplate::parse(text).map_err(|error| without_value(&error.to_string(), text)))
}

/// A reason without the value in front, which stands in the line already.
fn without_value(reason: &str, value: &str) -> String {
    let value = format!("{value:?}: ");
    reason.strip_prefix(&value).unwrap_or(reason).to_owned()
}

pub(super) fn time() -> impl TypedValueParser<Value = TimeStyle> {
    worded(&["utc", "local", "none"], |text| {
        TimeStyle::from_str(text).map_err(|_| "must be utc, local or none".to_owned())
    })
}

pub(crate) fn shell() -> impl TypedValueParser<Value = Shell> {
    worded(&["bash", "zsh", "fish"], |text| match text {
        "bash" => Ok(Shell::Bash),
        "zsh" => Ok(Shell::Zsh),
        "fish" => Ok(Shell::Fish),
        _ => Err("must be bash, zsh or fish".to_owned()),
    })
}

pub(super) fn records() -> impl TypedValueParser<Value = Languages> {
    let alone = ["auto", "lines"];
    worded(&[&alone, record::languages()].concat(), languages)
}

fn languages(text: &str) -> Result<Languages, String> {
    let known = record::languages();
    match text {
        "auto" => return Ok(Languages::Auto),
        "lines" => return Ok(Languages::Lines),
        _ => {}
    }
    let names: Vec<&str> = text.split(',').map(str::trim).collect();
    match names.iter().find(|name| !known.contains(name)) {
        None => Ok(Languages::Only(
            names.into_iter().map(str::to_owned).collect(),
        )),
        Some(&"auto" | &"lines") => Err("auto and lines stand alone".to_owned()),
        Some(name) => Err(format!(
            "no rules for '{name}'; must be auto, lines or of: {}",
            known.join(", ")
        )),
    }
}

pub(super) fn regex() -> impl TypedValueParser<Value = regex::bytes::Regex> {
    text(|text| {
        if text.is_empty() {
            return Err("empty, so that every line would match".to_owned());
        }
        regex::bytes::Regex::new(text).map_err(|error| {
            // The crate draws the place over several lines; the last one says what is wrong.
            let drawn = error.to_string();
            let last = drawn.lines().last().unwrap_or_default();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        })
    })
}

pub(super) fn duration() -> impl TypedValueParser<Value = Duration> {
    text(span)
}

/// A time of silence: none at all would make the cut of the reads decide what a record is.
pub(super) fn silence() -> impl TypedValueParser<Value = Duration> {
    text(nonzero)
}

pub(super) fn line_timeout() -> impl TypedValueParser<Value = LineTimeout> {
    worded(&["off"], |text| match text {
        "off" => Ok(LineTimeout(None)),
        _ => nonzero(text)
            .map(|span| LineTimeout(Some(span)))
            .map_err(|reason| format!("{reason}, or 'off'")),
    })
}

pub(super) fn nonzero(text: &str) -> Result<Duration, String> {
    match span(text)? {
        Duration::ZERO => Err("must be above 0s".to_owned()),
        span => Ok(span),
    }
}

fn span(text: &str) -> Result<Duration, String> {
    use humantime::DurationError as E;
    const UNITS: &str = "ms, s, m, h or d, as in 500ms or 1m30s";
    match humantime::parse_duration(text) {
        Ok(span) if span > LONGEST => Err("longer than 365d".to_owned()),
        Ok(span) => Ok(span),
        Err(E::Empty) => Err(format!("empty; must be a number with a unit: {UNITS}")),
        Err(E::UnknownUnit { unit, .. }) if unit.is_empty() => {
            Err(format!("needs a unit: {UNITS}"))
        }
        Err(E::UnknownUnit { unit, .. }) => Err(format!("no unit '{unit}'; must be {UNITS}")),
        Err(E::NumberOverflow) => Err("too large a number".to_owned()),
        Err(_) if text.starts_with('-') => Err("negative".to_owned()),
        Err(_) => Err(format!("must be a number with a unit: {UNITS}")),
    }
}

pub(super) fn max_record() -> impl TypedValueParser<Value = usize> {
    text(|text| size(text, 1, GIB))
}

pub(super) fn max_memory() -> impl TypedValueParser<Value = usize> {
    text(|text| size(text, MIB, TIB))
}

fn size(text: &str, least: u64, most: u64) -> Result<usize, String> {
    if text.starts_with('-') {
        return Err("negative".to_owned());
    }
    let whole_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let bytes = match text.parse::<ByteSize>() {
        Ok(size) => size.as_u64(),
        Err(_) if whole_number => u64::MAX,
        Err(_) => {
            return Err(
                "must be a size in bytes or with a unit: KiB, MiB, GiB (kB, MB, GB)".to_owned(),
            );
        }
    };
    if bytes < least {
        Err(format!("must be at least {}", size_text(least)))
    } else if bytes > most {
        Err(format!("must be at most {}", size_text(most)))
    } else {
        usize::try_from(bytes).map_err(|_| "too large for this machine".to_owned())
    }
}

pub(super) fn name() -> impl TypedValueParser<Value = String> {
    text(|text| match text {
        "" => Err("empty".to_owned()),
        _ if text.contains('/') => {
            Err("holds a '/', which cannot be part of a file's name".to_owned())
        }
        _ if text.contains(char::is_control) => Err("holds a control character".to_owned()),
        _ => Ok(text.to_owned()),
    })
}

/// A user or a group; what it names is looked up when all settings are known.
pub(super) fn account() -> impl TypedValueParser<Value = String> {
    text(|text| match text {
        "" => Err("empty".to_owned()),
        _ => Ok(text.to_owned()),
    })
}

/// A path, made absolute: it is used when folders may have changed.
pub(super) fn whole_path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|value: OsString| {
        if value.is_empty() {
            return Err("empty".to_owned());
        }
        std::path::absolute(&value).map_err(|error| crate::cause(&error))
    })
}

/// A file's path, whole, whatever folder is the current one later.
pub(super) fn file_path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|value: OsString| match value.as_bytes() {
        [] => Err("empty".to_owned()),
        [.., b'/'] => Err("names a folder".to_owned()),
        _ => std::path::absolute(&value).map_err(|error| crate::cause(&error)),
    })
}

/// A path for `LD_PRELOAD`, whole: the server may change its folder.
pub(super) fn preload_path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|value: OsString| {
        if value.is_empty() {
            return Err("empty".to_owned());
        }
        let path = std::path::absolute(&value).map_err(|error| crate::cause(&error))?;
        if !can_be_listed(&path) {
            return Err("LD_PRELOAD cannot hold a path with a space or a colon".to_owned());
        }
        Ok(path)
    })
}

/// The path of a socket, or `none`.
pub(super) fn control() -> impl TypedValueParser<Value = ControlSocket> {
    OsStringValueParser::new().try_map(|value: OsString| match value.len() {
        _ if value == "none" => Ok(ControlSocket::None),
        0 => Err("empty; must be a path, or none".to_owned()),
        1..=MAX_PATH => Ok(ControlSocket::At(value.into())),
        length => Err(format!(
            "a path of {length} bytes; a socket's has at most {MAX_PATH}"
        )),
    })
}

/// Judged here, so that the error knows its option; made again when `--format` and `--time` are known.
pub(super) fn output() -> impl TypedValueParser<Value = OsString> {
    OsStringValueParser::new().try_map(|value: OsString| {
        // `-` and `-,stream=stderr` are destinations; any other word with a dash is the next option.
        let text = value.to_string_lossy();
        if text.starts_with('-') && text != "-" && !text.starts_with("-,") {
            return Err("no destination; a path that begins with - is written as ./-".to_owned());
        }
        match OutputSpec::parse(&value, &Style::default()) {
            // Whether there is a template is known later.
            Ok(_) | Err(SpecError::NoTemplate) => Ok(value),
            Err(error) => Err(without_value(&error.to_string(), &value.to_string_lossy())),
        }
    })
}
