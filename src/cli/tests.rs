//! Tables: arguments, environment and file in, settings or one line out.

use super::parse;
use crate::config::{Action, Capture, Config, ControlSocket, Leftovers, Verbosity};
use crate::output::Stream;
use crate::output::rotate::period::Period;
use crate::output::spec::{Filter, Format, OutputSpec, Style, Target, TimeStyle};
use crate::record::{self, Languages};
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

type Env<'a> = &'a [(&'a str, &'a str)];

fn outcome(args: &[&str], env: Env<'_>) -> Result<Action, super::UsageError> {
    let words = std::iter::once(&"unbraid").chain(args).map(OsString::from);
    parse(words, &|name| {
        env.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| OsString::from(value))
    })
}

fn config(args: &[&str], env: Env<'_>) -> Config {
    match outcome(args, env) {
        Ok(Action::Run(config)) => config,
        other => panic!("{args:?} {env:?}: {other:?}"),
    }
}

/// The one line of an error, without its newline.
fn refusal(args: &[&str], env: Env<'_>) -> String {
    let error = outcome(args, env).expect_err(&format!("{args:?} {env:?}"));
    assert_eq!((error.status, error.to_stdout), (2, false), "{args:?}");
    let line = error
        .text
        .strip_suffix('\n')
        .expect("a newline at the end")
        .to_owned();
    assert!(
        line.starts_with("unbraid: ") && !line.contains('\n'),
        "{line}"
    );
    line
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn with_file(text: &str, args: &[&str], env: Env<'_>) -> Config {
    let file = file(text);
    let option = format!("--config={}", file.path().display());
    config(&[&[option.as_str()], args].concat(), env)
}

/// The refusal of a file, with `FILE` for its name.
fn file_refusal(text: &str) -> String {
    let file = file(text);
    let path = file.path().to_str().unwrap();
    refusal(&["--config", path, "true"], &[]).replace(path, "FILE")
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn clap_finds_no_contradiction() {
    super::command().debug_assert();
}

#[test]
fn defaults() {
    let config = config(&["/usr/bin/gunicorn", "app:app"], &[]);
    assert_eq!(config.command, ["/usr/bin/gunicorn", "app:app"]);
    assert_eq!(config.name, "gunicorn");
    assert_eq!((config.capture, config.preload), (Capture::Auto, None));
    assert_eq!(config.records.languages, Languages::Auto);
    assert!(config.records.record_start.is_none());
    assert_eq!(config.records.record_timeout, seconds(1));
    assert_eq!(config.records.line_timeout, None);
    assert_eq!(
        (config.records.max_record, config.max_memory),
        (1 << 20, 64 << 20)
    );
    assert!(!config.unbuffered);
    assert_eq!(config.stop_signal, None);
    assert_eq!(config.control, ControlSocket::Default);
    assert_eq!(
        (config.stop_timeout, config.drain_timeout),
        (seconds(90), seconds(5))
    );
    assert_eq!(
        (config.leftovers, config.verbosity),
        (Leftovers::Stop, Verbosity::Normal)
    );
}

#[test]
fn without_output_each_stream_goes_where_it_went() {
    let config = config(&["--format", "json", "--time", "none", "true"], &[]);
    let spec = |target, streams: &[Stream]| OutputSpec {
        style: Style {
            format: Format::Json,
            time: TimeStyle::None,
            template: None,
        },
        target,
        filter: Filter {
            streams: streams.to_vec(),
            ..Filter::default()
        },
        when_full: None,
    };
    let stderr = spec(Target::Stderr, &[Stream::Stderr, Stream::Unbraid]);
    assert_eq!(
        config.outputs,
        [spec(Target::Stdout, &[Stream::Stdout]), stderr]
    );
}

#[test]
fn options_end_at_command() {
    let cases: [(&[&str], &[&str]); 5] = [
        (
            &["gunicorn", "-w", "8", "--help"],
            &["gunicorn", "-w", "8", "--help"],
        ),
        (&["-q", "--", "gunicorn", "-q"], &["gunicorn", "-q"]),
        (&["sh", "-c", "x", "--", "y"], &["sh", "-c", "x", "--", "y"]),
        (&["--", "-odd-", "--version"], &["-odd-", "--version"]),
        (&["true", "", "--check"], &["true", "", "--check"]),
    ];
    for (args, command) in cases {
        assert_eq!(config(args, &[]).command, command, "{args:?}");
    }
}

#[test]
fn bytes_that_are_not_utf8_pass() {
    let odd = OsStr::from_bytes(b"\xff\xfe");
    let mut output = OsString::from("-o/tmp/");
    output.push(odd);
    let words = [
        OsStr::new("unbraid"),
        &output,
        OsStr::new("/bin/ech\u{f6}"),
        odd,
    ];
    let Ok(Action::Run(config)) = parse(words.map(OsStr::to_owned), &|_| None) else {
        panic!()
    };
    assert_eq!(config.command[1], odd);
    let expected = PathBuf::from(OsStr::from_bytes(b"/tmp/\xff\xfe"));
    assert_eq!(config.outputs[0].target, Target::File(expected.clone()));
    let env = |name: &str| (name == "UNBRAID_OUTPUT").then(|| expected.clone().into_os_string());
    let Ok(Action::Run(config)) = parse(["unbraid", "true"].map(OsString::from), &env) else {
        panic!()
    };
    assert_eq!(config.outputs[0].target, Target::File(expected));
}

#[test]
fn name_is_the_file_name_of_command() {
    for (args, name) in [
        (&["gunicorn"][..], "gunicorn"),
        (&["./bin/serve.sh", "a/b"], "serve.sh"),
        (&["/"], "_"),
        (&["--name", "shop", "gunicorn"], "shop"),
    ] {
        assert_eq!(config(args, &[]).name, name, "{args:?}");
    }
}

#[test]
fn sizes() {
    for (text, bytes) in [
        ("1", 1),
        ("4096", 4096),
        ("4KiB", 4096),
        ("4kB", 4000),
        ("1.5MiB", 3 << 19),
        ("2 MiB", 2 << 20),
        ("1GiB", 1 << 30),
    ] {
        let config = config(&["--max-record", text, "--max-memory=2GiB", "true"], &[]);
        assert_eq!(config.records.max_record, bytes, "{text}");
    }
}

#[test]
fn the_default_record_fits_a_small_memory() {
    assert_eq!(
        config(&["--max-memory", "1MiB", "true"], &[])
            .records
            .max_record,
        1 << 19
    );
    let line = refusal(&["--max-record=1MiB", "--max-memory=1MiB", "true"], &[]);
    assert_eq!(
        line,
        "unbraid: --max-record '1MiB': must be below --max-memory, which is 1MiB"
    );
    let line = refusal(
        &["--max-memory=1MiB", "true"],
        &[("UNBRAID_MAX_RECORD", "2097152")],
    );
    assert_eq!(
        line,
        "unbraid: UNBRAID_MAX_RECORD '2MiB': must be below --max-memory, which is 1MiB"
    );
}

#[test]
fn durations() {
    for (text, span) in [
        ("0s", Duration::ZERO),
        ("0", Duration::ZERO),
        ("500ms", Duration::from_millis(500)),
        ("1m30s", seconds(90)),
        ("1m 30s", seconds(90)),
        ("365d", seconds(365 * 86_400)),
    ] {
        assert_eq!(
            config(&["--stop-timeout", text, "true"], &[]).stop_timeout,
            span,
            "{text}"
        );
    }
    let lines = |text: &str| {
        config(&["--line-timeout", text, "true"], &[])
            .records
            .line_timeout
    };
    assert_eq!((lines("off"), lines("2s")), (None, Some(seconds(2))));
}

#[test]
fn signals() {
    for (text, number) in [
        ("TERM", 15),
        ("SIGTERM", 15),
        ("sigquit", 3),
        ("Winch", 28),
        ("15", 15),
        ("37", 37),
    ] {
        assert_eq!(
            config(&["--stop-signal", text, "true"], &[]).stop_signal,
            Some(number),
            "{text}"
        );
    }
}

#[test]
fn languages_and_record_starts() {
    let languages = |text: &str| config(&["--records", text, "true"], &[]).records.languages;
    assert_eq!(languages("auto"), Languages::Auto);
    assert_eq!(languages("lines"), Languages::Lines);
    assert_eq!(
        languages("python"),
        Languages::Only(vec!["python".to_owned()])
    );
    let start = config(&["--record-start", r"^\d+ ", "true"], &[])
        .records
        .record_start
        .unwrap();
    assert!(start.is_match(b"17 x\xff") && !start.is_match(b"x"));
}

#[test]
fn a_queue_in_memory_is_a_part_of_all_memory() {
    let size = |args: &[&str]| match &config(&[args, &["true"]].concat(), &[]).outputs[0].target {
        Target::Network(remote) => remote.queue.size,
        other => panic!("{other:?}"),
    };
    let memory = "--max-memory=16MiB";
    assert_eq!(size(&["-o=syslog:"]), Some(8 << 20));
    assert_eq!(size(&[memory, "-o=syslog:"]), Some(2 << 20));
    assert_eq!(size(&["-o=syslog:,queue=/q"]), None);
    assert_eq!(size(&[memory, "-o=syslog:", "-o=journald:"]), Some(1 << 20));
    assert_eq!(size(&[memory, "-o=syslog:,queue-size=2MiB"]), Some(2 << 20));
    let on_disk = "-o=syslog:,queue-size=1GiB,queue=/q";
    assert_eq!(size(&[memory, on_disk]), Some(1 << 30));
    assert_eq!(
        refusal(&[memory, "-o=syslog:,queue-size=3MiB", "true"], &[]),
        "unbraid: --output 'syslog:,queue-size=3MiB': queues in memory must together be at most an eighth of --max-memory, which is 16MiB: 2MiB for each; queue= puts one on disk"
    );
    let disk = "-o=syslog:,queue-size=2MiB,queue=/q";
    let beside_one_on_disk = "-o=journald:,queue-size=2MiB";
    assert_eq!(size(&[memory, disk, beside_one_on_disk]), Some(2 << 20));
}

#[test]
fn a_template_is_the_format_where_none_is_given() {
    let formats = |args: &[&str]| {
        let outputs = config(&[args, &["true"]].concat(), &[]).outputs;
        let format = |spec: OutputSpec| (spec.style.format, spec.style.template.is_some());
        outputs.into_iter().map(format).collect::<Vec<_>>()
    };
    let template = "--template={line}";
    assert_eq!(formats(&[template, "-o=a"]), [(Format::Template, true)]);
    assert_eq!(
        formats(&[template, "--format=cri", "-o=a", "-o=template:b"]),
        [(Format::Cri, true), (Format::Template, true)]
    );
    assert_eq!(formats(&[template])[0], (Format::Template, true));
}

#[test]
fn of_quiet_and_verbose_the_later_wins() {
    use Verbosity::{Normal, Quiet, Verbose};
    let cases: [(&[&str], Env<'_>, Verbosity); 6] = [
        (&["-q", "true"], &[], Quiet),
        (&["-qv", "true"], &[], Verbose),
        (&["-q", "-q", "true"], &[], Quiet),
        (&["-v", "true"], &[("UNBRAID_QUIET", "yes")], Verbose),
        (&["true"], &[("UNBRAID_VERBOSE", "1")], Verbose),
        (&["true"], &[("UNBRAID_QUIET", "0")], Normal),
    ];
    for (args, env, verbosity) in cases {
        assert_eq!(config(args, env).verbosity, verbosity, "{args:?} {env:?}");
    }
    assert_eq!(
        with_file("quiet = true", &["true"], &[("UNBRAID_VERBOSE", "1")]).verbosity,
        Verbose
    );
    assert_eq!(
        with_file("verbose = true", &["true"], &[("UNBRAID_VERBOSE", "no")]).verbosity,
        Normal
    );
}

#[test]
fn the_command_line_wins_then_the_environment_then_the_file() {
    let text = "stop-timeout = '1s'\ndrain-timeout = '1s'\nleftovers = 'leave'\noutput = ['/tmp/file', '-']";
    let env: Env<'_> = &[
        ("UNBRAID_STOP_TIMEOUT", "2s"),
        ("UNBRAID_DRAIN_TIMEOUT", "2s"),
    ];
    let config = with_file(text, &["--stop-timeout=3s", "true"], env);
    assert_eq!(config.stop_timeout, seconds(3));
    assert_eq!(config.drain_timeout, seconds(2));
    assert_eq!(config.leftovers, Leftovers::Leave);
    assert_eq!(config.outputs.len(), 2);
    let targets = |config: Config| {
        config
            .outputs
            .into_iter()
            .map(|spec| spec.target)
            .collect::<Vec<_>>()
    };
    let path = |text: &str| Target::File(PathBuf::from(text));
    let env: Env<'_> = &[("UNBRAID_OUTPUT", "/tmp/a\n\n/tmp/b\n")];
    assert_eq!(
        targets(with_file(text, &["true"], env)),
        [path("/tmp/a"), path("/tmp/b")]
    );
    assert_eq!(
        targets(with_file(text, &["-o", "/tmp/c", "true"], env)),
        [path("/tmp/c")]
    );
}

#[test]
fn every_setting_can_stand_in_the_environment_and_in_the_file() {
    let values = [
        ("output", "json:/tmp/x"),
        ("format", "prefix"),
        ("template", "{line}"),
        ("time", "local"),
        ("name", "shop"),
        ("capture", "none"),
        ("preload", "/usr/lib/x.so"),
        ("records", "lines"),
        ("record-start", "^x"),
        ("record-timeout", "2s"),
        ("line-timeout", "3s"),
        ("max-record", "2MiB"),
        ("max-memory", "32MiB"),
        ("rotate-size", "1MiB"),
        ("rotate-every", "1d"),
        ("keep", "3"),
        ("keep-for", "7d"),
        ("compress", "gzip"),
        ("lock", "true"),
        ("when-full", "drop"),
        ("sync", "rotate"),
        ("unbuffered", "true"),
        ("stop-signal", "QUIT"),
        ("stop-timeout", "4s"),
        ("drain-timeout", "6s"),
        ("leftovers", "leave"),
        ("signal", "HUP=reload"),
        ("restart", "always"),
        ("restart-delay", "7s"),
        ("restart-max-delay", "8m"),
        ("restart-limit", "5/10m"),
        ("exit-codes", "143,TERM"),
        ("instances", "4"),
        ("server-pid-file", "/run/x.pid"),
        ("user", "root"),
        ("group", "root"),
        ("chdir", "/tmp"),
        ("pid-file", "/tmp/shop.pid"),
        ("server", "uwsgi"),
        ("rolling", "3"),
        ("rolling-wait", "9s"),
        ("control", "/tmp/u.sock"),
        ("quiet", "true"),
        ("verbose", "true"),
    ];
    let options = super::command();
    let settings = options.get_arguments().filter_map(clap::Arg::get_long);
    let settings: Vec<&str> = settings
        .filter(|name| !super::ONLY_TYPED.contains(name))
        .collect();
    assert!(
        settings
            .iter()
            .all(|name| values.iter().any(|(key, _)| key == name)),
        "{settings:?}"
    );
    let plain = format!("{:?}", config(&["true"], &[]));
    for (key, value) in values {
        let variable = format!("UNBRAID_{}", key.to_uppercase().replace('-', "_"));
        let by_env = format!("{:?}", config(&["true"], &[(&variable, value)]));
        let quoted = if value == "true" {
            value.to_owned()
        } else {
            format!("'{value}'")
        };
        let by_file = format!(
            "{:?}",
            with_file(&format!("{key} = {quoted}"), &["true"], &[])
        );
        assert_ne!(by_env, plain, "{key}");
        assert_eq!(by_env, by_file, "{key}");
    }
}

#[test]
fn the_environment_names_the_file() {
    let file = file("# a comment\nname = \"shop\"\nstop-signal = 3\n");
    let config = config(
        &["true"],
        &[("UNBRAID_CONFIG", file.path().to_str().unwrap())],
    );
    assert_eq!(
        (config.name.as_str(), config.stop_signal),
        ("shop", Some(3))
    );
}

#[test]
fn empty_variables_and_strangers_are_as_good_as_none() {
    let env: Env<'_> = &[
        ("UNBRAID_OUTPUT", ""),
        ("UNBRAID_QUIET", ""),
        ("UNBRAID_CONFIG", ""),
        ("UNBRAID_PRELOAD_SOCKET", "x"),
        ("UNBRAID_CHECK", "1"),
        ("UNBRAID_COMMAND", "x"),
    ];
    assert_eq!(config(&["true"], env).verbosity, Verbosity::Normal);
}

#[test]
fn errands() {
    let Ok(Action::Check(checked)) = outcome(&["--check", "-q", "true"], &[]) else {
        panic!()
    };
    assert_eq!(
        (checked.command.len(), checked.verbosity),
        (1, Verbosity::Quiet)
    );
    let bad_env: Env<'_> = &[("UNBRAID_FORMAT", "no such")];
    let Ok(Action::InstallPreload(path)) = outcome(&["--install-preload", "/x/y.so"], bad_env)
    else {
        panic!()
    };
    assert_eq!(path, Path::new("/x/y.so"));
    for shell in ["bash", "zsh", "fish"] {
        let Ok(Action::Print(text)) = outcome(&["--completions", shell], bad_env) else {
            panic!()
        };
        assert!(
            String::from_utf8(text).unwrap().contains("stop-timeout"),
            "{shell}"
        );
    }
}

#[test]
fn help_and_version_go_to_stdout() {
    for (option, part) in [
        ("-h", "Usage: unbraid [OPTIONS]"),
        ("--help", "Supervision:"),
        ("-V", "unbraid 0."),
        ("--version", "unbraid 0."),
    ] {
        let shown = outcome(&[option], &[]).unwrap_err();
        assert_eq!((shown.status, shown.to_stdout), (0, true));
        assert!(shown.text.contains(part), "{}", shown.text);
    }
}

#[test]
fn a_relative_preload_path_becomes_whole() {
    let preload = config(&["--preload", "x.so", "true"], &[]).preload.unwrap();
    assert!(preload.is_absolute() && preload.ends_with("x.so"));
}

#[test]
fn refusals_on_the_command_line() {
    let cases: &[(&[&str], &str)] = &[
        (
            &[],
            "no COMMAND; usage: unbraid [OPTIONS] [--] COMMAND [ARG]...",
        ),
        (
            &["--"],
            "no COMMAND; usage: unbraid [OPTIONS] [--] COMMAND [ARG]...",
        ),
        (
            &["--check"],
            "no COMMAND; usage: unbraid [OPTIONS] [--] COMMAND [ARG]...",
        ),
        (&[""], "COMMAND is empty"),
        (&["--", "", "x"], "COMMAND is empty"),
        (&["--foo", "x"], "unknown option '--foo'"),
        (&["-x", "y"], "unknown option '-x'"),
        (&["--numprocs=4", "x"], "unknown option '--numprocs'"),
        (
            &["--stop-timout", "5s", "x"],
            "unknown option '--stop-timout'; did you mean '--stop-timeout'?",
        ),
        (&["--name"], "--name: needs a value"),
        (&["--quiet=yes", "x"], "--quiet 'yes': takes no value"),
        (
            &["--check", "--completions", "bash"],
            "--check cannot be used with --completions",
        ),
        (
            &["--install-preload", "/x", "true"],
            "--install-preload cannot be used with COMMAND",
        ),
        (
            &["--install-preload", "/x", "--check"],
            "--install-preload cannot be used with --check",
        ),
        (
            &["--completions", "tcsh"],
            "--completions 'tcsh': must be bash, zsh or fish",
        ),
    ];
    for (args, line) in cases {
        assert_eq!(refusal(args, &[]), format!("unbraid: {line}"), "{args:?}");
    }
}

/// Each value is refused in the same words on the command line and in the environment.
fn refused(cases: &[(&str, &str, &str)]) {
    for (option, value, reason) in cases {
        let shown = value.replace('\n', "\\n").replace('\t', "\\t");
        let joined = format!("--{option}={value}");
        assert_eq!(
            refusal(&[&joined, "x"], &[]),
            format!("unbraid: --{option} '{shown}': {reason}")
        );
        if !value.is_empty() {
            let variable = format!("UNBRAID_{}", option.to_uppercase().replace('-', "_"));
            let line = refusal(&["x"], &[(&variable, value)]);
            assert_eq!(line, format!("unbraid: {variable} '{shown}': {reason}"));
        }
    }
}

#[test]
fn refusals_of_words() {
    let signal = "must be a signal's name, with or without SIG, or its number";
    let known = record::languages().join(", ");
    let no_rules = |name| format!("no rules for '{name}'; must be auto, lines or of: {known}");
    refused(&[
        (
            "capture",
            "socket",
            "not available yet; auto, pipes and none are",
        ),
        ("capture", "Pipes", "must be auto, pipes or none"),
        ("capture", "", "must be auto, pipes or none"),
        ("capture", "a\nb", "must be auto, pipes or none"),
        (
            "format",
            "xml",
            "must be one of raw, prefix, json, logfmt, cri, syslog, otlp and template",
        ),
        (
            "format",
            "template",
            "format \"template\": give the template with --template '{time} {pid} {line}'",
        ),
        (
            "template",
            "{pid}",
            "must have one {line} (the columns on each line) or one {record} (the columns once)",
        ),
        (
            "template",
            "{line",
            "a { is not closed; write {{ for a brace",
        ),
        ("time", "gmt", "must be utc, local or none"),
        ("leftovers", "kill", "must be stop or leave"),
        ("control", "", "empty; must be a path, or none"),
        (
            "control",
            &"x".repeat(108),
            "a path of 108 bytes; a socket's has at most 107",
        ),
        ("records", "cobol", &no_rules("cobol")),
        ("records", "python,", &no_rules("")),
        ("records", "python,lines", "auto and lines stand alone"),
        ("record-start", "(", "unclosed group"),
        (
            "record-start",
            "(?=x)",
            "look-around, including look-ahead and look-behind, is not supported",
        ),
        ("record-start", "", "empty, so that every line would match"),
        ("stop-signal", "FOO", signal),
        ("stop-signal", "0", &format!("no such signal; {signal}")),
        ("stop-signal", "33", &format!("no such signal; {signal}")),
        ("stop-signal", "-9", &format!("no such signal; {signal}")),
        ("name", "", "empty"),
        (
            "name",
            "a/b",
            "holds a '/', which cannot be part of a file's name",
        ),
        ("name", "a\tb", "holds a control character"),
        (
            "preload",
            "/a b.so",
            "LD_PRELOAD cannot hold a path with a space or a colon",
        ),
        ("preload", "", "empty"),
    ]);
}

#[test]
fn refusals_of_durations_and_sizes() {
    let units = "ms, s, m, h or d, as in 500ms or 1m30s";
    let size = "must be a size in bytes or with a unit: KiB, MiB, GiB (kB, MB, GB)";
    refused(&[
        ("record-timeout", "0s", "must be above 0s"),
        ("line-timeout", "0ms", "must be above 0s, or 'off'"),
        ("stop-timeout", "5", &format!("needs a unit: {units}")),
        (
            "stop-timeout",
            "",
            &format!("empty; must be a number with a unit: {units}"),
        ),
        (
            "stop-timeout",
            "soon",
            &format!("must be a number with a unit: {units}"),
        ),
        (
            "stop-timeout",
            "5parsecs",
            &format!("no unit 'parsecs'; must be {units}"),
        ),
        ("stop-timeout", "-5s", "negative"),
        ("stop-timeout", "366d", "longer than 365d"),
        (
            "stop-timeout",
            "99999999999999999999s",
            "too large a number",
        ),
        ("max-record", "0", "must be at least 1B"),
        ("max-record", "-1", "negative"),
        ("max-record", "2GiB", "must be at most 1GiB"),
        (
            "max-record",
            "64MiB",
            "must be below --max-memory, which is 64MiB",
        ),
        ("max-record", "big", size),
        ("max-record", "", size),
        ("max-memory", "1023KiB", "must be at least 1MiB"),
        ("max-memory", "99999999999EiB", "must be at most 1TiB"),
        ("max-memory", "18446744073709551616", "must be at most 1TiB"),
    ]);
}

#[test]
fn a_destination_is_refused_where_it_was_named() {
    assert!(
        refusal(&["-o", "a{nofield}", "x"], &[]).starts_with("unbraid: --output 'a{nofield}': ")
    );
    let line = refusal(&["x"], &[("UNBRAID_OUTPUT", "-\na{nofield}")]);
    assert!(
        line.starts_with("unbraid: UNBRAID_OUTPUT 'a{nofield}': "),
        "{line}"
    );
    let line = file_refusal("quiet = true\noutput = ['-', 'a{nofield}']");
    assert!(
        line.starts_with("unbraid: FILE, line 2: output 'a{nofield}': "),
        "{line}"
    );
}

#[test]
fn refusals_of_booleans_in_the_environment() {
    let line = refusal(&["x"], &[("UNBRAID_QUIET", "maybe")]);
    assert_eq!(
        line,
        "unbraid: UNBRAID_QUIET 'maybe': must be 1, true, yes, 0, false or no"
    );
    let line = refusal(&["x"], &[("UNBRAID_QUIET", "1"), ("UNBRAID_VERBOSE", "1")]);
    assert_eq!(
        line,
        "unbraid: UNBRAID_QUIET: excludes the other, UNBRAID_VERBOSE"
    );
}

#[test]
fn refusals_of_the_file() {
    for (text, line) in [
        (
            "stop-timeout = 5",
            "line 1: stop-timeout '5': needs a unit: ms, s, m, h or d, as in 500ms or 1m30s",
        ),
        (
            "\n\nnmae = 'x'",
            "line 3: nmae: unknown key; did you mean name?",
        ),
        ("zzz = 1", "line 1: zzz: unknown key"),
        ("command = 'x'", "line 1: command: unknown key"),
        (
            "check = true",
            "line 1: check: cannot be set in a config file",
        ),
        (
            "config = 'x'",
            "line 1: config: cannot be set in a config file",
        ),
        (
            "quiet = 'true'",
            "line 1: quiet: must be a boolean, not a string",
        ),
        (
            "quiet = 1",
            "line 1: quiet: must be a boolean, not an integer",
        ),
        (
            "format = true",
            "line 1: format: must be a string or an integer, not a boolean",
        ),
        (
            "format = ['raw']",
            "line 1: format: must be a string or an integer, not an array",
        ),
        (
            "max-record = 1.5",
            "line 1: max-record: must be a string or an integer, not a float",
        ),
        (
            "max-record = 0",
            "line 1: max-record '0': must be at least 1B",
        ),
        (
            "output = 5",
            "line 1: output: must be a string or an array of strings, not an integer",
        ),
        (
            "output = ['-', 5]",
            "line 1: output: must be an array of strings, not of integers",
        ),
        (
            "[output]\nx = 1",
            "line 1: output: must be a string or an array of strings, not a table",
        ),
        (
            "quiet = true\nverbose = true",
            "line 1: quiet: excludes the other, FILE, line 2: verbose",
        ),
        (
            "max-memory = '2MiB'\nmax-record = '2MiB'",
            "line 2: max-record '2MiB': must be below --max-memory, which is 2MiB",
        ),
    ] {
        assert_eq!(
            file_refusal(text),
            format!("unbraid: FILE, {line}"),
            "{text}"
        );
    }
    for (text, part) in [
        ("a = 1\nname 5", "FILE, line 2: "),
        ("name = 'x'\nname = 'y'", "FILE, line 2: "),
    ] {
        let line = file_refusal(text);
        assert!(line.starts_with(&format!("unbraid: {part}")), "{line}");
    }
}

#[test]
fn a_file_that_cannot_be_read() {
    let line = refusal(&["--config", "/no/such/file", "x"], &[]);
    assert_eq!(
        line,
        "unbraid: --config: cannot read /no/such/file: No such file or directory"
    );
    let line = refusal(&["x"], &[("UNBRAID_CONFIG", "/")]);
    assert_eq!(
        line,
        "unbraid: UNBRAID_CONFIG: cannot read /: Is a directory"
    );
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"name = '\xff'").unwrap();
    let path = file.path().to_str().unwrap();
    let line = refusal(&["--config", path, "x"], &[]);
    assert_eq!(
        line,
        format!("unbraid: --config: cannot read {path}: not UTF-8 text")
    );
}

#[test]
fn rotation_and_what_is_done_when_a_destination_is_full() {
    use crate::output::settings::{Compression, Rotation, Settings, WhenFull, WhenSync};
    assert_eq!(config(&["true"], &[]).files, Settings::default());
    let text = "rotate-size = \"100MiB\"\nkeep = 14\nlock = true\nwhen-full = \"drop\"\n";
    let env = [("UNBRAID_ROTATE_EVERY", "1d"), ("UNBRAID_SYNC", "30s")];
    let args = [
        "--keep-for=7d",
        "--compress",
        "zstd",
        "--max-memory=8MiB",
        "true",
    ];
    let files = with_file(text, &args, &env).files;
    let rotation = Rotation {
        size: Some(100 << 20),
        every: Period::new(seconds(86_400)),
        keep: Some(14),
        keep_for: Some(seconds(7 * 86_400)),
        compress: Some(Compression::Zstd),
    };
    let expected = Settings {
        rotation,
        lock: true,
        when_full: WhenFull::Drop,
        sync: WhenSync::Every(seconds(30)),
        max_pending: 2 << 20,
    };
    assert_eq!(files, expected);
}

#[test]
fn rotation_that_cannot_be() {
    for (args, said) in [
        (
            ["--rotate-size", "1kB"],
            "--rotate-size '1kB': must be at least 4KiB",
        ),
        (
            ["--rotate-every", "7h"],
            "--rotate-every '7h': must be whole days, or go into a day without a rest, as 1d, 7d, 1h, 15m",
        ),
        (
            ["--rotate-every", "0s"],
            "--rotate-every '0s': must be above 0s",
        ),
        (["--keep", "0"], "--keep '0': must be at least 1"),
        (["--keep", "-1"], "--keep '-1': must be a number of files"),
        (["--keep", "all"], "--keep 'all': must be a number of files"),
        (["--keep-for", "0s"], "--keep-for '0s': must be above 0s"),
        (
            ["--compress", "xz"],
            "--compress 'xz': must be gzip or zstd",
        ),
        (
            ["--when-full", "wait"],
            "--when-full 'wait': must be block or drop",
        ),
        (
            ["--sync", "5"],
            "--sync '5': needs a unit: ms, s, m, h or d, as in 500ms or 1m30s, or never or rotate",
        ),
    ] {
        let line = refusal(&[&args[..], &["true"]].concat(), &[]);
        assert_eq!(line, format!("unbraid: {said}"));
    }
}
