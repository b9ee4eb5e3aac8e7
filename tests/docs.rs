//! The documents name every option, and no option that does not exist.

use clap::{Arg, ArgAction, Command};
use clap_complete::Shell;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use unbraid::supervise::profile::Server;

const MAN: &str = include_str!("../man/unbraid.1");
const CTL_MAN: &str = include_str!("../man/unbraidctl.1");
const README: &str = include_str!("../README.md");
const CHANGELOG: &str = include_str!("../CHANGELOG.md");

/// Options of other programs that the README's commands use.
const FOREIGN: [&str; 8] = [
    "tmpfs",
    "path",
    "release",
    "target",
    "from",
    "no-cache-dir",
    "init",
    "help",
];

/// What the longest option leaves of a line of 100 columns for its help and its default.
const HELP_WIDTH: usize = 65;

fn command() -> Command {
    let mut command = unbraid::cli::command();
    command.build();
    command
}

fn options(command: &Command) -> impl Iterator<Item = (&Arg, &str)> {
    command
        .get_arguments()
        .filter_map(|arg| Some((arg, arg.get_long()?)))
}

/// roff's escaped dashes as plain ones, and mdoc's `Fl -name` as `--name`.
fn plain(man: &str) -> String {
    man.replace("\\-", "-").replace("Fl -", "Fl --")
}

fn man() -> String {
    plain(MAN)
}

/// unbraidctl's options, wherever they stand: name, letter, help.
fn ctl_options() -> BTreeMap<String, (Option<char>, String)> {
    let mut command = unbraid::ctl::command();
    command.build();
    let everywhere = std::iter::once(&command).chain(command.get_subcommands());
    let all = everywhere.flat_map(|command| options(command).collect::<Vec<_>>());
    all.map(|(arg, name)| {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        (name.to_owned(), (arg.get_short(), help))
    })
    .collect()
}

/// The names after two dashes in `text`.
fn named(text: &str) -> BTreeSet<&str> {
    let option = Regex::new(r"(?:^|[^-\w])--([a-z][a-z-]*[a-z])").expect("a constant");
    let found = option.captures_iter(text);
    found
        .filter_map(|option| Some(option.get(1)?.as_str()))
        .collect()
}

/// The rows of the README's table of options.
fn rows() -> Vec<&'static str> {
    let table = README
        .split_once("\n## Options\n")
        .expect("a chapter on options")
        .1;
    table
        .lines()
        .take_while(|line| !line.starts_with("## "))
        .filter(|line| line.starts_with("| `-"))
        .collect()
}

fn default_of(arg: &Arg) -> Option<&str> {
    let shown = arg.get_action().takes_values() && !matches!(arg.get_action(), ArgAction::Append);
    let default = arg.get_default_values().first()?.to_str()?;
    shown.then_some(default)
}

#[test]
fn every_option_has_help() {
    let command = command();
    for (arg, name) in options(&command) {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let default = default_of(arg).map_or(0, |default| format!(" [default: {default}]").len());
        let width = help.len() + default;
        assert!(
            !help.is_empty() && width <= HELP_WIDTH,
            "--{name}: {width} bytes of help"
        );
        assert!(
            !help.ends_with('.') && !help.contains('\n'),
            "--{name}: help is not one short line"
        );
        assert!(
            arg.get_help_heading().is_some(),
            "--{name} stands under no heading"
        );
    }
}

#[test]
fn the_manual_page_has_every_option_and_no_other() {
    let (command, man) = (command(), man());
    let items: String = man
        .lines()
        .filter(|line| line.starts_with(".It Fl "))
        .collect::<Vec<_>>()
        .join("\n");
    let (items, anywhere) = (named(&items), named(&man));
    let known: BTreeSet<&str> = options(&command).map(|(_, name)| name).collect();
    assert_eq!(items, known, "items of unbraid.1 beside the options");
    let strange: Vec<_> = anywhere.difference(&known).collect();
    assert!(strange.is_empty(), "unbraid.1 names {strange:?}");
    for (arg, name) in options(&command) {
        if let Some(short) = arg.get_short() {
            assert!(
                man.contains(&format!(".It Fl {short}")),
                "unbraid.1: -{short} of --{name}"
            );
        }
    }
}

#[test]
fn the_manual_page_has_every_default() {
    let (command, man) = (command(), man());
    for (arg, name) in options(&command) {
        let Some(default) = default_of(arg) else {
            continue;
        };
        let item = man
            .split("\n.It Fl ")
            .find(|item| {
                item.lines()
                    .next()
                    .is_some_and(|head| named(head).contains(name))
            })
            .and_then(|item| item.split("\n.El").next())
            .expect("an item");
        let words: Vec<&str> = item
            .split(|c: char| c.is_whitespace() || c == ',')
            .collect();
        let told = words
            .iter()
            .any(|word| word.trim_end_matches('.') == default);
        assert!(
            told && item.to_lowercase().contains("default"),
            "unbraid.1: --{name} without its default {default}"
        );
    }
}

#[test]
fn the_readme_has_every_option_and_no_other() {
    let command = command();
    let known: BTreeSet<&str> = options(&command).map(|(_, name)| name).collect();
    let rows = rows();
    let table = rows.join("\n");
    assert_eq!(
        named(&table),
        known,
        "rows of the README beside the options"
    );
    let of_ctl = ctl_options();
    let strange: Vec<_> = named(README)
        .into_iter()
        .filter(|name| {
            !known.contains(name) && !FOREIGN.contains(name) && !of_ctl.contains_key(*name)
        })
        .collect();
    assert!(strange.is_empty(), "README.md names {strange:?}");
    for (arg, name) in options(&command) {
        let row = rows
            .iter()
            .find(|row| named(row).contains(name))
            .expect("a row");
        if let Some(default) = default_of(arg) {
            assert!(
                row.ends_with(&format!("| `{default}` |")),
                "README.md: --{name} is not by default {default}: {row}"
            );
        }
        if let Some(short) = arg.get_short() {
            assert!(
                row.contains(&format!("`-{short}`")),
                "README.md: -{short} of --{name}"
            );
        }
    }
}

#[test]
fn the_documents_have_every_language() {
    let man = man();
    for language in unbraid::record::languages() {
        assert!(
            man.contains(&format!(".Cm {language}")),
            "unbraid.1: {language}"
        );
        assert!(
            README.contains(&format!("`{language}`")),
            "README.md: {language}"
        );
    }
}

#[test]
fn the_manual_page_prints_the_table_of_servers() {
    let man = man();
    let chapter = man.split_once("\n.Sh SERVERS\n").expect("a chapter").1;
    let table = chapter.split("\n.El").next().expect("a table");
    let rows = table.lines().filter_map(|line| line.strip_prefix(".It "));
    let rows: Vec<Vec<&str>> = rows
        .skip(1)
        .map(|row| row.split(" Ta ").collect())
        .collect();
    let expected = Server::ALL.map(|server| {
        let profile = server.profile();
        let name = std::iter::once(profile.name.to_owned());
        name.chain(profile.cells()).collect::<Vec<_>>()
    });
    assert_eq!(rows, expected);
    for server in Server::ALL {
        let name = server.profile().name;
        assert!(man.contains(&format!(".Cm {name}")), "unbraid.1: {name}");
        assert!(README.contains(&format!("`{name}`")), "README.md: {name}");
    }
}

#[test]
fn the_changelog_has_every_option() {
    let command = command();
    let told = named(CHANGELOG);
    for (_, name) in options(&command) {
        assert!(told.contains(name), "CHANGELOG.md: --{name}");
    }
}

#[test]
fn the_completions_have_every_option() {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut unbraid::cli::command(), "unbraid", &mut text);
        let text = String::from_utf8(text).unwrap();
        for (_, name) in options(&command()) {
            let there = match shell {
                Shell::Fish => text.contains(&format!(" -l {name} ")),
                _ => named(&text).contains(name),
            };
            assert!(there, "completions for {shell}: --{name}");
        }
    }
}

#[test]
fn unbraidctl_has_help_for_all_and_its_page_has_every_option_and_command() {
    let (known, man) = (ctl_options(), plain(CTL_MAN));
    let items = man.lines().filter(|line| line.starts_with(".It Fl "));
    let items = items.collect::<Vec<_>>().join("\n");
    let names: BTreeSet<&str> = known.keys().map(String::as_str).collect();
    assert_eq!(named(&items), names, "items of unbraidctl.1");
    for (name, (short, help)) in &known {
        assert!(
            !help.is_empty() && !help.contains('\n') && !help.ends_with('.'),
            "--{name}: {help}"
        );
        assert!(
            man.contains(&format!(".\\\" --{name}\n")),
            "unbraidctl.1: --{name} as it is typed"
        );
        if let Some(short) = short {
            assert!(
                man.contains(&format!(".It Fl {short} ")),
                "unbraidctl.1: -{short} of --{name}"
            );
        }
    }
    let command = unbraid::ctl::command();
    for command in command.get_subcommands() {
        let name = command.get_name();
        assert!(command.get_about().is_some(), "{name} has no help");
        assert!(
            man.lines()
                .any(|line| line.starts_with(&format!(".It Cm {name}"))),
            "unbraidctl.1: {name}"
        );
        assert!(
            CHANGELOG.contains(&format!("`{name}`")),
            "CHANGELOG.md: {name}"
        );
    }
}

#[test]
fn the_completions_of_unbraidctl_have_every_option_and_command() {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut unbraid::ctl::command(), "unbraidctl", &mut text);
        let text = String::from_utf8(text).unwrap();
        let command = unbraid::ctl::command();
        let commands = command
            .get_subcommands()
            .map(|command| command.get_name().to_owned());
        let words = ctl_options().into_keys().chain(commands);
        for word in words {
            assert!(text.contains(&word), "completions for {shell}: {word}");
        }
    }
}
