//! What is wrong with the options, in one line.

use super::UsageError;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::error::Error as _;

/// A setting that cannot be accepted, wherever it was made.
#[derive(Debug)]
pub(super) struct Fault {
    /// The option's long name.
    pub(super) key: &'static str,
    /// Its value as text.
    pub(super) value: String,
    /// What is wrong with it.
    pub(super) reason: String,
}

impl Fault {
    /// The fault, as made at `place` (`--name`, `UNBRAID_NAME`, a line of the config file).
    pub(super) fn at(&self, place: &str) -> UsageError {
        refused(&format!("{place} '{}': {}", self.value, self.reason))
    }
}

/// The error for `text`, which becomes one line.
pub(super) fn refused(text: &str) -> UsageError {
    UsageError {
        status: 2,
        text: format!("unbraid: {}\n", one_line(text)),
        to_stdout: false,
    }
}

/// What clap has to say: help and version as they are, an error in one line.
#[allow(
    clippy::needless_pass_by_value,
    reason = "the shape that map_err wants"
)]
pub(super) fn usage(error: clap::Error) -> UsageError {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => UsageError {
            status: 0,
            text: error.render().to_string(),
            to_stdout: true,
        },
        _ => match bad_value(&error) {
            Some((option, fault)) => fault.at(&option),
            None => refused(&described(&error)),
        },
    }
}

/// The option (`--name`) and the fault, when a value parser refused a value.
pub(super) fn bad_value(error: &clap::Error) -> Option<(String, Fault)> {
    let reason = error.source()?.to_string();
    let option = text(error, ContextKind::InvalidArg)?
        .split([' ', '='])
        .next()?;
    let value = text(error, ContextKind::InvalidValue)?.to_owned();
    let fault = Fault {
        key: "",
        value,
        reason,
    };
    Some((option.to_owned(), fault))
}

/// Every other error, in one line, with the likely name where there is one.
pub(super) fn described(error: &clap::Error) -> String {
    let named =
        |kind| text(error, kind).map(|shown| shown.split([' ', '=']).next().unwrap_or(shown));
    let invalid = named(ContextKind::InvalidArg).unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let tip = suggestion(error).map(|similar| format!("; did you mean '{similar}'?"));
            format!("unknown option '{invalid}'{}", tip.unwrap_or_default())
        }
        ErrorKind::ArgumentConflict => {
            let other = named(ContextKind::PriorArg).unwrap_or("another option");
            format!(
                "{invalid} cannot be used with {}",
                other.trim_matches(['[', ']', '.'])
            )
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = text(error, ContextKind::InvalidArg).unwrap_or_default();
            format!("{missing} is missing")
        }
        ErrorKind::InvalidSubcommand => {
            let invalid = text(error, ContextKind::InvalidSubcommand).unwrap_or_default();
            let similar = text(error, ContextKind::SuggestedSubcommand);
            let tip = similar.map(|similar| format!("; did you mean '{similar}'?"));
            format!("unknown command '{invalid}'{}", tip.unwrap_or_default())
        }
        ErrorKind::InvalidValue => format!("{invalid}: needs a value"),
        ErrorKind::TooManyValues => {
            let value = text(error, ContextKind::InvalidValue).unwrap_or_default();
            format!("{invalid} '{value}': takes no value")
        }
        _ => {
            let rendered = error.render().to_string();
            let first = rendered.lines().next().unwrap_or_default();
            first.strip_prefix("error: ").unwrap_or(first).to_owned()
        }
    }
}

/// The option that clap thinks was meant.
pub(super) fn suggestion(error: &clap::Error) -> Option<&str> {
    text(error, ContextKind::SuggestedArg)
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text),
        ContextValue::Strings(texts) => texts.first().map(String::as_str),
        _ => None,
    }
}

/// `text` without control characters: a value that holds a newline must not make two lines of one error.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}
