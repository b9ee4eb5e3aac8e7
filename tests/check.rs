//! `--check` says what a run would do and makes nothing; `--install-preload` writes the object.

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use support::log;
use support::programs::{Linked, program};
use support::unbraid::{Ended, Unbraid, binary};

/// The names of all that lies in a folder.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("the folder")
        .flatten()
        .map(|file| file.file_name().to_string_lossy().into())
        .collect();
    names.sort();
    names
}

fn check<S: Into<std::ffi::OsString>>(
    options: impl IntoIterator<Item = S>,
    command: &[&str],
) -> Ended {
    Unbraid::new()
        .option("--check")
        .options(options)
        .command(command.iter().copied())
        .run()
}

/// The values of the lines with this name.
fn values<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    text.lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .collect()
}

#[test]
fn says_all_and_makes_nothing() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let outputs = [path("a.log"), format!("json:{}", path("logs/{pid}.log"))];
    let options = [
        "-o",
        &outputs[0],
        "-o",
        &outputs[1],
        "--stop-timeout",
        "7s",
        "--max-record",
        "2MiB",
        "--name",
        "shop",
    ];
    let ended = check(options, &["touch", &path("started")]);
    ended.assert_code(0);
    let text = ended.stdout();
    assert_eq!(values(&text, "command").len(), 1, "{text}");
    assert!(values(&text, "command")[0].ends_with("/touch"), "{text}");
    assert!(values(&text, "capture")[0].contains("pipes"), "{text}");
    assert!(values(&text, "object")[0].contains('/'), "{text}");
    assert_eq!(values(&text, "probe").len(), 1, "{text}");
    assert!(!values(&text, "probe")[0].contains("NOT"), "{text}");
    let destinations = values(&text, "destination");
    assert_eq!(destinations.len(), 2, "{text}");
    assert!(
        destinations
            .iter()
            .all(|destination| !destination.contains("cannot")),
        "{text}"
    );
    assert!(
        destinations[0].contains("a.log") && destinations[1].contains("{pid}"),
        "{text}"
    );
    let settings = values(&text, "setting").join("\n");
    for part in [
        "stop-timeout = 7s",
        "max-record = 2",
        "name = shop",
        "max-memory = 64",
        "leftovers = stop",
    ] {
        assert!(settings.contains(part), "{part} is not in\n{settings}");
    }
    assert!(
        names(folder.path()).is_empty(),
        "{:?}",
        names(folder.path())
    );
    assert_eq!(ended.stderr(), "");
}

/// Every option with a value that is not its default.
const ALL: &[&str] = &[
    "--name=shop",
    "--records=python,java",
    "--record-start=^x",
    "--record-timeout=2s",
    "--line-timeout=3s",
    "--max-record=1000001B",
    "--max-memory=65MiB",
    "--unbuffered",
    "--verbose",
    "--format=template",
    "--template={line}",
    "--time=local",
    "-olog",
    "--lock",
    "--when-full=drop",
    "--sync=rotate",
    "--rotate-size=2000000B",
    "--rotate-every=1h",
    "--keep=3",
    "--keep-for=90m",
    "--compress=gzip",
    "--stop-signal=QUIT",
    "--stop-timeout=1m30s",
    "--drain-timeout=7s",
    "--leftovers=leave",
    "--signal=HUP=restart-workers",
    "--restart=always",
    "--restart-delay=50ms",
    "--restart-max-delay=2m",
    "--restart-limit=5/10m",
    "--exit-codes=143,SIGTERM",
    "--server-pid-file=/run/server.pid",
    "--user=0",
    "--chdir=/",
    "--pid-file=/tmp/unbraid-check.pid",
    "--server=puma",
    "--rolling=2",
    "--rolling-wait=3s",
    "--control=none",
];

#[test]
fn every_setting_is_told_as_it_was_given() {
    let unbraid = Unbraid::new().options(["--check"]).options(ALL.to_vec());
    let ended = unbraid.shell("exit 9").run();
    ended.assert_code(0);
    let text = ended.stdout();
    let settings = values(&text, "setting");
    for option in ALL {
        let option = match *option {
            // The one with the user's numbers, the other with each destination.
            "--user=0" | "--format=template" => continue,
            "-olog" => "--output=template:log",
            "--keep-for=90m" => "--keep-for=1h30m",
            "--stop-signal=QUIT" => "--stop-signal=SIGQUIT",
            "--signal=HUP=restart-workers" => "--signal=SIGHUP=restart-workers",
            other => other,
        };
        let (name, value) = option.split_once('=').unwrap_or((option, "true"));
        let wanted = format!("{} = {value}", name.trim_start_matches('-'));
        assert!(settings.contains(&wanted.as_str()), "{wanted}:\n{text}");
    }
    // What --help has is in the list above, but for what starts nothing, what is told in other lines, and what excludes another.
    let help = Unbraid::new().options(["--help"]).run().stdout();
    let names = regex::Regex::new(r"--([a-z][a-z-]+)").expect("a pattern");
    for found in names.captures_iter(&help) {
        let name = &found[1];
        let elsewhere = [
            "check",
            "install-preload",
            "completions",
            "help",
            "version",
            "config",
            "capture",
            "preload",
            "output",
            "quiet",
            "group",
            "instances",
        ];
        let given = ALL.iter().any(|option| {
            let option = option.trim_start_matches('-');
            option.split('=').next() == Some(name)
        });
        assert!(given || elsewhere.contains(&name), "--{name}");
    }
}

#[test]
fn settings_come_from_the_environment_and_the_file_too() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let config = folder.path().join("unbraid.toml");
    fs::write(&config, "stop-timeout = \"11s\"\ndrain-timeout = \"12s\"\n")
        .expect("our own folder");
    let ended = Unbraid::new()
        .variable("UNBRAID_STOP_TIMEOUT", "13s")
        .options(["--check", "--config"])
        .option(&config)
        .shell("exit 9")
        .run();
    ended.assert_code(0);
    let text = ended.stdout();
    for part in ["stop-timeout = 13s", "drain-timeout = 12s"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn what_becomes_of_files_is_told() {
    let options = [
        "--rotate-size=1MiB",
        "--rotate-every=1d",
        "--keep=7",
        "--keep-for=30d",
        "--compress=zstd",
        "--sync=5s",
        "-olog,when-full=drop",
        "-osyslog+tcp://127.0.0.1:1,slot=1",
        "-osyslog+unix:/s,queue=/q,queue-size=1MiB",
        "--check",
    ];
    let ended = Unbraid::new().options(options).shell("exit 9").run();
    ended.assert_code(0);
    let text = ended.stdout();
    let settings = values(&text, "setting");
    for setting in [
        "rotate-size = 1MiB",
        "rotate-every = 1d",
        "keep = 7",
        "keep-for = 30d",
        "compress = zstd",
        "sync = 5s",
        "lock = false",
        "when-full = block",
        "output = raw:log,when-full=drop",
        "output = syslog+tcp://127.0.0.1:1,slot=1,queue-size=8MiB",
        "output = syslog+unix:/s,queue=/q,queue-size=1MiB",
    ] {
        assert!(settings.contains(&setting), "{setting}:\n{text}");
    }
}

#[test]
fn a_destination_that_cannot_be_written() {
    let unbraid = Unbraid::new();
    let file = unbraid.folder().join("file");
    fs::write(&file, "").expect("our own folder");
    let unbraid = unbraid
        .option("--check")
        .option("-o")
        .option(file.join("below"));
    let ended = unbraid.command(["true"]).run();
    ended.assert_code(125);
    let text = ended.stdout();
    assert!(values(&text, "destination")[0].contains("cannot"), "{text}");
}

#[test]
fn a_command_that_cannot_be_preloaded() {
    let hold = program("hold", Linked::Static);
    let ended = check(["-q"], &[hold.to_str().expect("UTF-8")]);
    ended.assert_code(0);
    let text = ended.stdout();
    assert!(
        !values(&text, "capture")[0].contains("pair for each"),
        "{text}"
    );
}

#[test]
fn a_command_that_is_not_there() {
    for (command, status) in [("no-such-command", 127), ("/etc/passwd", 126)] {
        let ended = check::<&str>([], &[command]);
        ended.assert_code(status);
        assert_eq!(
            ended.stderr().matches('\n').count(),
            1,
            "{}",
            ended.stderr()
        );
        assert!(
            ended.stderr().starts_with("unbraid: "),
            "{}",
            ended.stderr()
        );
    }
}

fn install(path: &Path) {
    let output = Command::new(binary())
        .arg("--install-preload")
        .arg(path)
        .stdin(Stdio::null())
        .output();
    let output = output.expect("unbraid starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn install_preload_writes_an_object_that_works() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let object = folder.path().join("lib/unbraid/object.so");
    install(&object);
    let mode = fs::metadata(&object)
        .expect("the object")
        .permissions()
        .mode();
    assert_eq!(
        mode & 0o444,
        0o444,
        "every user of the server must read it: {mode:o}"
    );
    let unbraid = Unbraid::logging_json().option("--preload").option(&object);
    let ended = unbraid
        .shell("echo $LD_PRELOAD; (read -r pid _ < /proc/self/stat; echo child $pid)")
        .run();
    ended.assert_code(0);
    let entries = log::captured(&ended.log());
    assert_eq!(entries[0].message, object.display().to_string());
    assert_eq!(entries[1].message, format!("child {}", entries[1].pid));
    assert_ne!(entries[0].pid, entries[1].pid);
    // Again over the old one, which may be in use: a new file, not the old one changed.
    let before = fs::metadata(&object).expect("the object").ino();
    let held = fs::File::open(&object).expect("the object");
    install(&object);
    assert_ne!(fs::metadata(&object).expect("the object").ino(), before);
    drop(held);
    assert_eq!(names(object.parent().expect("a folder")), ["object.so"]);
}

#[test]
fn install_preload_where_it_cannot_be() {
    let output = Command::new(binary())
        .args(["--install-preload", "/proc/no-such/object.so"])
        .output();
    let output = output.expect("unbraid starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{stderr}");
    assert!(
        stderr.starts_with("unbraid: ") && stderr.matches('\n').count() == 1,
        "{stderr}"
    );
}
