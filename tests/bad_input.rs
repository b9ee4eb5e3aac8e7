//! Bad input: one line on stderr that says what and why, the right exit status, and nothing started or made.

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use support::unbraid::{binary, copy};
use tempfile::TempDir;

/// A call in an empty folder whose COMMAND would make the file `started`.
struct Case {
    status: i32,
    /// In the one line on stderr.
    says: &'static str,
    /// Everything between `unbraid` and COMMAND.
    options: &'static [&'static str],
}

const fn case(status: i32, says: &'static str, options: &'static [&'static str]) -> Case {
    Case {
        status,
        says,
        options,
    }
}

/// Runs unbraid in this folder.
fn run(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .envs(variables.iter().copied());
    command.output().expect("unbraid starts")
}

#[track_caller]
fn assert_one_line(output: &Output, status: i32, says: &str, what: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{what:?}: {stderr}");
    assert_eq!(stderr.matches('\n').count(), 1, "{what:?}: {stderr}");
    assert!(
        stderr.starts_with("unbraid: ") && stderr.ends_with('\n'),
        "{what:?}: {stderr}"
    );
    assert!(stderr.contains(says), "{what:?} says no {says:?}: {stderr}");
    assert!(
        output.stdout.is_empty(),
        "{what:?}: {}",
        String::from_utf8_lossy(&output.stdout)
    );
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("the folder")
        .flatten()
        .map(|file| file.file_name().to_string_lossy().into())
        .collect();
    names.sort();
    names
}

const MALFORMED: &[Case] = &[
    case(2, "--no-such-option", &["--no-such-option"]),
    case(2, "-Z", &["-Z"]),
    case(2, "--output", &["--output"]),
    case(2, "--quiet", &["--quiet=yes"]),
    case(2, "record-start", &["--record-start", "("]),
    case(2, "record-start", &["--record-start", "a{99999999999}"]),
    case(2, "record-timeout", &["--record-timeout", "soon"]),
    case(2, "record-timeout", &["--record-timeout", ""]),
    case(2, "record-timeout", &["--record-timeout", "-1s"]),
    case(2, "line-timeout", &["--line-timeout", "1 lightyear"]),
    case(2, "stop-timeout", &["--stop-timeout", "5"]),
    case(
        2,
        "stop-timeout",
        &["--stop-timeout", "99999999999999999999s"],
    ),
    case(2, "drain-timeout", &["--drain-timeout", "x"]),
    case(2, "max-record", &["--max-record", "0"]),
    case(2, "max-record", &["--max-record", "-1"]),
    case(2, "max-record", &["--max-record", "many"]),
    case(2, "max-record", &["--max-record", "1XiB"]),
    case(2, "max-memory", &["--max-memory", "0"]),
    case(
        2,
        "max-memory",
        &["--max-memory", "99999999999999999999GiB"],
    ),
    case(2, "{nope}", &["-o", "log-{nope}"]),
    case(2, "{pid", &["-o", "log-{pid"]),
    case(2, "{}", &["-o", "log-{}"]),
    case(2, "", &["-o", ""]),
    case(2, "", &["-o", "json:"]),
    case(2, "stream=", &["-o", "log,stream=stdin"]),
    case(2, "kind=", &["-o", "log,kind=poem"]),
    case(2, "slot=", &["-o", "log,slot=x"]),
    case(2, "format", &["--format", "yaml"]),
    case(2, "time", &["--time", "mars"]),
    case(2, "capture", &["--capture", "some"]),
    case(2, "records", &["--records", "klingon"]),
    case(2, "records", &["--records", "lines,python"]),
    case(2, "leftovers", &["--leftovers", "eat"]),
    case(2, "stop-signal", &["--stop-signal", "SIGNOPE"]),
    case(2, "stop-signal", &["--stop-signal", "99"]),
    case(2, "signal 'HUP'", &["--signal", "HUP"]),
    case(2, "FROM ''", &["--signal", "=TERM"]),
    case(2, "FROM 'NOPE'", &["--signal", "NOPE=TERM"]),
    case(2, "FROM '0'", &["--signal", "0=TERM"]),
    case(2, "FROM '65'", &["--signal", "65=TERM"]),
    case(2, "cannot be caught", &["--signal", "KILL=TERM"]),
    case(2, "cannot be caught", &["--signal", "19=TERM"]),
    case(2, "TO ''", &["--signal", "HUP="]),
    case(2, "TO 'dance'", &["--signal", "HUP=dance"]),
    case(2, "TO 'RTMIN-1'", &["--signal", "HUP=RTMIN-1"]),
    case(2, "TO 'RTMAX+1'", &["--signal", "HUP=RTMAX+1"]),
    case(2, "TO 'RTMIN+31'", &["--signal", "HUP=RTMIN+31"]),
    case(2, "TO 'RTMIN+'", &["--signal", "HUP=RTMIN+"]),
    case(
        2,
        "must be left to end the server",
        &[
            "--signal=TERM=ignore",
            "--signal=INT=ignore",
            "--signal=QUIT=reload",
        ],
    ),
    case(2, "restart", &["--restart", "sometimes"]),
    case(2, "restart-delay", &["--restart-delay", "0s"]),
    case(2, "restart-delay", &["--restart-delay", "x"]),
    case(2, "restart-delay", &["--restart-delay", "2m"]),
    case(2, "restart-max-delay", &["--restart-max-delay", "-1s"]),
    case(2, "restart-limit", &["--restart-limit", "5"]),
    case(2, "restart-limit", &["--restart-limit", "0/1m"]),
    case(2, "restart-limit", &["--restart-limit", "5/0s"]),
    case(2, "restart-limit", &["--restart-limit", "99999999999/1m"]),
    case(2, "exit-codes", &["--exit-codes", "256"]),
    case(2, "exit-codes", &["--exit-codes", "0,"]),
    case(2, "exit-codes", &["--exit-codes", "SIGNOPE"]),
    case(2, "server-pid-file", &["--server-pid-file", ""]),
    case(2, "server-pid-file", &["--server-pid-file", "run/"]),
    case(
        2,
        "several --instances",
        &["--server-pid-file", "pid", "--instances", "2"],
    ),
    case(2, "instances", &["--instances", "0"]),
    case(2, "instances", &["--instances", "1001"]),
    case(2, "instances", &["--instances", "-1"]),
    case(2, "user", &["--user", "no-such-user-x"]),
    case(2, "user", &["--user", ""]),
    case(2, "user", &["--user", ":root"]),
    case(2, "user", &["--user", "root:"]),
    case(2, "user", &["--user", "root:no-such-group-x"]),
    case(2, "4242:4242", &["--user", "4242"]),
    case(2, "user", &["--user", "4294967295:0"]),
    case(2, "user", &["--user", "root:root", "--group", "root"]),
    case(2, "group", &["--group", "no-such-group-x"]),
    case(2, "chdir", &["--chdir", ""]),
    case(125, "/no/such: No such file", &["--chdir", "/no/such"]),
    case(
        125,
        "/etc/passwd: Not a directory",
        &["--chdir", "/etc/passwd"],
    ),
    case(2, "pid-file", &["--pid-file", ""]),
    case(
        125,
        "/no/such/pid: No such file",
        &["--pid-file", "/no/such/pid"],
    ),
    case(2, "config", &["--config", "/nonexistent/unbraid.toml"]),
    case(2, "name", &["--name", "a/b", "-o", "{name}.log"]),
    case(
        2,
        "cannot be used with",
        &["--check", "--install-preload", "object"],
    ),
];

#[test]
fn malformed_options() {
    for Case {
        status,
        says,
        options,
    } in MALFORMED
    {
        let folder = TempDir::new().expect("a folder");
        // Whatever is asked for besides is not begun either.
        let arguments = [&["-o", "first.log"], *options, &["--", "touch", "started"]].concat();
        let output = run(folder.path(), &arguments, &[]);
        assert_one_line(&output, *status, says, options);
        assert!(
            names(folder.path()).is_empty(),
            "{options:?} made {:?}",
            names(folder.path())
        );
    }
}

#[test]
fn malformed_variables() {
    let table = [
        ("UNBRAID_STOP_TIMEOUT", "never"),
        ("UNBRAID_MAX_RECORD", "0"),
        ("UNBRAID_FORMAT", "yaml"),
        ("UNBRAID_OUTPUT", "log-{nope}"),
        ("UNBRAID_RECORD_START", "("),
        ("UNBRAID_CAPTURE", "some"),
        ("UNBRAID_SIGNAL", "HUP"),
        ("UNBRAID_RESTART_LIMIT", "5"),
        ("UNBRAID_INSTANCES", "many"),
    ];
    for (name, value) in table {
        let folder = TempDir::new().expect("a folder");
        let output = run(folder.path(), &["--", "touch", "started"], &[(name, value)]);
        assert_one_line(&output, 2, name, &[name]);
        assert!(names(folder.path()).is_empty(), "{name}");
    }
}

#[test]
fn malformed_config_file() {
    for text in [
        "stop-timeout = \"never\"",
        "no-such-key = 1",
        "max-record = ",
        "[[",
        "format = \"yaml\"",
    ] {
        let folder = TempDir::new().expect("a folder");
        fs::write(folder.path().join("config"), text).expect("our own folder");
        let output = run(
            folder.path(),
            &["--config", "config", "--", "touch", "started"],
            &[],
        );
        assert_one_line(&output, 2, "config", &[text]);
        assert_eq!(names(folder.path()), ["config"], "{text}");
    }
}

#[test]
fn no_command() {
    let empty: [&[&str]; 5] = [&[], &["--"], &["-v"], &[""], &["--", ""]];
    for arguments in empty {
        let folder = TempDir::new().expect("a folder");
        let arguments = [&["-o", "log"], arguments].concat();
        assert_one_line(
            &run(folder.path(), &arguments, &[]),
            2,
            "COMMAND",
            &arguments,
        );
        assert!(names(folder.path()).is_empty(), "{arguments:?}");
    }
}

#[test]
fn command_that_cannot_be_started() {
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("plain"), "#!/bin/sh\n").expect("our own folder");
    fs::write(path("no-interpreter"), "#!/nonexistent/sh\n").expect("our own folder");
    fs::set_permissions(path("no-interpreter"), Permissions::from_mode(0o755))
        .expect("our own file");
    fs::write(path("no-program"), [0x7f, b'E', b'L', b'F', 0, 0]).expect("our own folder");
    fs::set_permissions(path("no-program"), Permissions::from_mode(0o755)).expect("our own file");
    fs::create_dir(path("folder")).expect("our own folder");
    let table = [
        (127, "no-such-command", "no-such-command"),
        (127, "./no-such-command", "no-such-command"),
        (127, "plain/below", "plain/below"),
        (126, "./plain", "plain"),
        (126, "./folder", "folder"),
        (126, "./no-program", "no-program"),
    ];
    for (status, command, says) in table {
        let output = run(folder.path(), &["--", command], &[]);
        assert_one_line(&output, status, says, &[command]);
    }
    // As a shell would say: the script is there, its interpreter is not.
    let output = run(folder.path(), &["--", "./no-interpreter"], &[]);
    assert!(
        matches!(output.status.code(), Some(126 | 127)),
        "{output:?}"
    );
    assert_one_line(
        &output,
        output.status.code().expect("a status"),
        "no-interpreter",
        &["./no-interpreter"],
    );
    assert_eq!(
        names(folder.path()),
        ["folder", "no-interpreter", "no-program", "plain"]
    );
}

#[test]
fn destination_that_cannot_be_opened() {
    let table: [&[&str]; 6] = [
        &["-o", "folder"],
        &["-o", "folder/"],
        &["-o", "file/below"],
        &["-o", "/proc/no-such/log"],
        &["-o", "file/below-{pid}"],
        &["-o", "first.log", "-o", "folder"],
    ];
    for options in table {
        let folder = TempDir::new().expect("a folder");
        fs::create_dir(folder.path().join("folder")).expect("our own folder");
        fs::write(folder.path().join("file"), "").expect("our own folder");
        let output = run(
            folder.path(),
            &[options, &["--", "touch", "started"]].concat(),
            &[],
        );
        assert_one_line(
            &output,
            125,
            options[options.len() - 1].trim_end_matches('/'),
            options,
        );
        assert!(!folder.path().join("started").exists(), "{options:?}");
    }
}

#[test]
fn root_given_up_before_and_a_folder_that_cannot_be_written() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "only root can take a user's place"
    );
    let folder = TempDir::new().expect("a folder");
    // The build folder may be closed to others.
    let program = copy(folder.path());
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("our own folder");
    let locked = folder.path().join("locked");
    fs::create_dir(&locked).expect("our own folder");
    for destination in ["locked/log", "locked/below/log", "locked/{pid}.log"] {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&program);
        command
            .args([
                "-o",
                destination,
                "--",
                "touch",
                "/tmp/unbraid-must-not-start",
            ])
            .current_dir(folder.path());
        let output = command.stdin(Stdio::null()).output().expect("setpriv");
        assert_one_line(&output, 125, "Permission denied", &[destination]);
    }
    assert!(names(&locked).is_empty());
    assert!(!Path::new("/tmp/unbraid-must-not-start").exists());
}

#[test]
fn preload_that_is_no_object() {
    for (value, text) in [("missing.so", None), ("text.so", Some("not an object"))] {
        let folder = TempDir::new().expect("a folder");
        if let Some(text) = text {
            fs::write(folder.path().join(value), text).expect("our own folder");
        }
        let path = folder.path().join(value);
        let arguments = [
            "--preload",
            path.to_str().expect("UTF-8"),
            "--",
            "touch",
            "started",
        ];
        let output = run(folder.path(), &arguments, &[]);
        assert_one_line(&output, 125, value, &[value]);
        assert!(!folder.path().join("started").exists(), "{value}");
    }
}

#[test]
fn help_and_version_are_no_errors() {
    let folder = TempDir::new().expect("a folder");
    for option in ["--help", "--version"] {
        let output = run(folder.path(), &[option], &[]);
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{option}"
        );
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("unbraid"),
            "{option}"
        );
    }
}
