//! The environment and the config file: settings below the command line.

use super::fault::{self, Fault};
use super::{ONLY_TYPED, UsageError, command, matched};
use clap::ArgMatches;
use clap::parser::ValueSource;
use nix::errno::Errno;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// One setting of the environment or the file, good by itself.
#[derive(Debug)]
struct Setting {
    /// The option's long name.
    key: String,
    /// `--key=value`, several for a list; none for a boolean that is false.
    args: Vec<OsString>,
    /// Where it was made, as an error names it.
    place: String,
}

/// Both layers, the higher one first.
#[derive(Debug)]
pub(super) struct Layers {
    settings: Vec<Setting>,
}

/// What one of clap's options takes.
struct Known {
    key: String,
    takes_value: bool,
    repeats: bool,
}

impl Layers {
    /// Reads the environment, and the file that `typed` or else the environment names.
    pub(super) fn read(
        typed: Option<&Path>,
        env: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, UsageError> {
        let known = known();
        let mut settings = from_environment(&known, env)?;
        let named = match typed {
            Some(path) => Some(("--config".to_owned(), path.into())),
            None => variable(env, "config"),
        };
        if let Some((place, path)) = named {
            let path = Path::new(&path);
            let text = file_text(path).map_err(|reason| {
                fault::refused(&format!(
                    "{place}: cannot read {}: {reason}",
                    path.display()
                ))
            })?;
            settings.extend(from_file(&known, path, &text)?);
        }
        Ok(Self { settings })
    }

    /// Only what the command line, and for the file the environment, left open.
    pub(super) fn left_open_by(self, typed: &ArgMatches) -> Self {
        let mut settings: Vec<Setting> = Vec::new();
        for setting in self.settings {
            let id = setting.key.replace('-', "_");
            let taken = typed.value_source(&id) == Some(ValueSource::CommandLine);
            if !taken && settings.iter().all(|above| above.key != setting.key) {
                settings.push(setting);
            }
        }
        Self { settings }
    }

    /// The arguments that say the same. The lower layer stands first, so that `quiet` in the file yields to
    /// `UNBRAID_VERBOSE`.
    pub(super) fn args(&self) -> impl Iterator<Item = OsString> {
        self.settings
            .iter()
            .rev()
            .flat_map(|setting| setting.args.iter().cloned())
    }

    /// Puts a fault that shows only when all settings are known to the place where its setting was made.
    pub(super) fn blame(&self, fault: &Fault) -> UsageError {
        match self
            .settings
            .iter()
            .find(|setting| setting.key == fault.key)
        {
            Some(setting) => fault.at(&setting.place),
            None => fault.at(&format!("--{}", fault.key)),
        }
    }
}

fn known() -> Vec<Known> {
    let command = command();
    let options = command.get_arguments().filter_map(|arg| {
        let key = arg.get_long()?.to_owned();
        Some(Known {
            key,
            takes_value: arg.get_action().takes_values(),
            repeats: matches!(arg.get_action(), clap::ArgAction::Append),
        })
    });
    options
        .filter(|option| !ONLY_TYPED.contains(&option.key.as_str()))
        .collect()
}

/// The variable for `key`, and its value unless it is empty: compose files make empty ones of what is not set.
fn variable(env: &dyn Fn(&str) -> Option<OsString>, key: &str) -> Option<(String, OsString)> {
    let name = format!("UNBRAID_{}", key.replace('-', "_").to_ascii_uppercase());
    let value = env(&name).filter(|value| !value.is_empty())?;
    Some((name, value))
}

fn from_environment(
    known: &[Known],
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Vec<Setting>, UsageError> {
    let mut settings = Vec::new();
    for option in known {
        let Some((place, value)) = variable(env, &option.key) else {
            continue;
        };
        let args = if !option.takes_value {
            flag(&option.key, truth(&value, &place)?)
        } else if option.repeats {
            let lines = value
                .as_bytes()
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty());
            lines
                .map(|line| with_value(&option.key, OsStr::from_bytes(line)))
                .collect()
        } else {
            vec![with_value(&option.key, &value)]
        };
        settings.push(judged(&option.key, args, place)?);
    }
    not_both(&settings)?;
    Ok(settings)
}

fn truth(value: &OsStr, place: &str) -> Result<bool, UsageError> {
    let text = value.to_string_lossy().to_ascii_lowercase();
    match text.as_str() {
        "1" | "true" | "yes" => Ok(true),
        "0" | "false" | "no" => Ok(false),
        _ => Err(fault::refused(&format!(
            "{place} '{text}': must be 1, true, yes, 0, false or no"
        ))),
    }
}

fn file_text(path: &Path) -> Result<String, &'static str> {
    // The system's own words; Rust's would add `(os error 2)`.
    let bytes = std::fs::read(path).map_err(|error| {
        let number = error.raw_os_error();
        number.map_or("no such path", |number| Errno::from_raw(number).desc())
    })?;
    String::from_utf8(bytes).map_err(|_| "not UTF-8 text")
}

/// Every setting of the file is judged, also one that a higher layer replaces: a file is right or wrong by itself.
fn from_file(known: &[Known], path: &Path, text: &str) -> Result<Vec<Setting>, UsageError> {
    let file = path.display();
    let place = |at: usize| {
        let line = text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        format!("{file}, line {line}")
    };
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        fault::refused(&format!("{}: {}", place(at), error.message()))
    })?;
    let mut entries: Vec<_> = table.get_ref().iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut settings = Vec::new();
    for (key, value) in entries {
        let place = place(key.span().start);
        let option = known
            .iter()
            .find(|option| option.key == key.get_ref().as_ref())
            .ok_or_else(|| unknown(key.get_ref(), &place))?;
        let args = file_args(option, value.get_ref())
            .map_err(|reason| fault::refused(&format!("{place}: {}: {reason}", option.key)))?;
        settings.push(judged(
            &option.key,
            args,
            format!("{place}: {}", option.key),
        )?);
    }
    not_both(&settings)?;
    Ok(settings)
}

/// The arguments for a value of the file, or what it should have been.
fn file_args(option: &Known, value: &DeValue<'_>) -> Result<Vec<OsString>, String> {
    let one = |text: &str| vec![with_value(&option.key, OsStr::new(text))];
    match value {
        DeValue::Boolean(value) if !option.takes_value => Ok(flag(&option.key, *value)),
        DeValue::String(text) if option.takes_value => Ok(one(text)),
        DeValue::Integer(number) if option.takes_value && !option.repeats => {
            Ok(one(number.as_str()))
        }
        DeValue::Array(values) if option.repeats => values
            .iter()
            .map(|value| match value.get_ref() {
                DeValue::String(text) => Ok(with_value(&option.key, OsStr::new(text.as_ref()))),
                other => Err(format!(
                    "must be an array of strings, not of {}s",
                    other.type_str()
                )),
            })
            .collect(),
        other => {
            let wanted = match (option.takes_value, option.repeats) {
                (false, _) => "a boolean",
                (true, false) => "a string or an integer",
                (true, true) => "a string or an array of strings",
            };
            Err(format!(
                "must be {wanted}, not {}",
                with_article(other.type_str())
            ))
        }
    }
}

fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'i', 'o']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {noun}")
}

/// The error for a key that is no setting. clap knows which option is spelled alike.
fn unknown(key: &str, place: &str) -> UsageError {
    if ONLY_TYPED.contains(&key) {
        return fault::refused(&format!("{place}: {key}: cannot be set in a config file"));
    }
    let typed = with_value(key, OsStr::new(""));
    let tried = command().try_get_matches_from([OsString::from("unbraid"), typed]);
    let similar = tried.err().and_then(|error| {
        Some(
            fault::suggestion(&error)?
                .trim_start_matches('-')
                .to_owned(),
        )
    });
    let tip = similar
        .map(|similar| format!("; did you mean {similar}?"))
        .unwrap_or_default();
    fault::refused(&format!("{place}: {key}: unknown key{tip}"))
}

/// A setting that clap accepts by itself.
fn judged(key: &str, args: Vec<OsString>, place: String) -> Result<Setting, UsageError> {
    match matched(args.iter().cloned()) {
        Ok(_) => Ok(Setting {
            key: key.to_owned(),
            args,
            place,
        }),
        Err(error) => Err(match fault::bad_value(&error) {
            Some((_, fault)) => fault.at(&place),
            None => fault::refused(&format!("{place}: {}", fault::described(&error))),
        }),
    }
}

/// On the command line the later of the two wins; here neither is later.
fn not_both(layer: &[Setting]) -> Result<(), UsageError> {
    let on = |key: &str| {
        layer
            .iter()
            .find(|setting| setting.key == key && !setting.args.is_empty())
    };
    match (on("quiet"), on("verbose")) {
        (Some(quiet), Some(verbose)) => Err(fault::refused(&format!(
            "{}: excludes the other, {}",
            quiet.place, verbose.place
        ))),
        _ => Ok(()),
    }
}

fn flag(key: &str, on: bool) -> Vec<OsString> {
    if on {
        vec![OsString::from(format!("--{key}"))]
    } else {
        Vec::new()
    }
}

fn with_value(key: &str, value: &OsStr) -> OsString {
    let mut arg = OsString::from(format!("--{key}="));
    arg.push(value);
    arg
}
