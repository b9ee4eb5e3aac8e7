//! How the server is started: as whom, where, and under which PID file.

mod support;

use nix::sys::signal::Signal;
use nix::unistd::{User, geteuid};
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::log;
use support::unbraid::{Running, Unbraid, binary, copy};
use support::{proc, python, wait};

fn user(name: &str) -> User {
    assert!(geteuid().is_root(), "only root can be another user");
    let found = User::from_name(name).expect("/etc/passwd");
    found.unwrap_or_else(|| panic!("no user {name}"))
}

/// What `line` prints where `nobody` is a member of one group more.
fn with_a_group_of_nobody(line: &[OsString]) -> String {
    let unbraid = Unbraid::new();
    let groups = fs::read_to_string("/etc/group").expect("/etc/group");
    let ours = unbraid.folder().join("group");
    fs::write(&ours, format!("{groups}unbraid-test:x:4242:x,nobody\n")).expect("our own folder");
    let script = format!("mount --bind {} /etc/group; exec \"$@\"", ours.display());
    let wrapper = ["unshare", "--mount", "sh", "-ec", &script, "sh"].map(OsString::from);
    let ended = unbraid
        .command(wrapper.iter().chain(line))
        .start_without()
        .end();
    ended.assert_code(0);
    ended.stdout()
}

/// What a login does, by the C library: the user's groups, then the group and the user.
const LOG_IN: &str = "
uid, gid = int(sys.argv[1]), int(sys.argv[2])
import os
os.initgroups('nobody', gid)
os.setgid(gid)
os.setuid(uid)
os.execvp('id', ['id'])
";

#[test]
fn root_a_user_is_what_a_login_would_make() {
    let nobody = user("nobody");
    for (option, gid) in [("nobody", nobody.gid.as_raw()), ("nobody:1", 1)] {
        let mut login = python::program(LOG_IN);
        login.extend([nobody.uid.as_raw(), gid].map(|id| id.to_string().into()));
        let expected = with_a_group_of_nobody(&login);
        let ours = Unbraid::new().options(["--user", option]).command(["id"]);
        assert_eq!(with_a_group_of_nobody(&ours.line()), expected, "{option}");
        assert!(expected.contains("4242(unbraid-test)"), "{expected}");
    }
}

/// Three IDs each, real, effective and saved, what is left of root's rights, and what the environment says.
const WHO: &str = r"
for name in Uid Gid Groups CapPrm CapEff; do
    while read -r field values; do
        if [ $field = $name: ]; then echo $name $values >> $EVENTS; fi
    done < /proc/self/status
done
echo told ${HOME-no} ${USER-no} ${LOGNAME-no} ${SHELL-no} >> $EVENTS
streams() { echo $1 > /dev/stdout; echo $1 > /dev/stderr; }
streams main
(streams forked; exec sh -c 'echo executed > /dev/stdout; echo executed > /dev/stderr')
";

#[test]
fn root_a_user_by_number_can_open_its_streams_again() {
    user("root");
    let unbraid = Unbraid::logging_json().options(["--user", "4242:4343"]);
    let ended = unbraid
        .variable("HOME", "/root")
        .variable("USER", "root")
        .shell(WHO)
        .run();
    ended.assert_code(0);
    for (word, expected) in [
        ("Uid", "4242 4242 4242 4242"),
        ("Gid", "4343 4343 4343 4343"),
        ("Groups", "4343"),
        ("CapPrm", "0000000000000000"),
        ("CapEff", "0000000000000000"),
        ("told", "no no no no"),
    ] {
        assert_eq!(ended.events().wait_for(word), expected, "{word}");
    }
    let entries = log::captured(&ended.log());
    let messages: Vec<&str> = entries.iter().map(|entry| entry.message.as_str()).collect();
    for label in ["main", "forked", "executed"] {
        let count = messages.iter().filter(|message| **message == label).count();
        assert_eq!(count, 2, "{label}: {messages:?}");
    }
    assert!(entries.iter().all(|entry| !entry.shared), "{entries:?}");
}

#[test]
fn root_the_environment_tells_of_the_user() {
    user("daemon");
    let ended = Unbraid::new()
        .options(["--user", "daemon"])
        .variable("HOME", "/root")
        .variable("SHELL", "/bin/bash")
        .command(["env"])
        .run();
    ended.assert_code(0);
    let text = ended.stdout();
    let daemon = user("daemon");
    for line in [
        "USER=daemon".to_owned(),
        "LOGNAME=daemon".to_owned(),
        format!("HOME={}", daemon.dir.display()),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    // No shell: it may not log in.
    assert!(daemon.shell.ends_with("nologin"), "{daemon:?}");
    assert!(!text.contains("SHELL="), "{text}");
}

#[test]
fn root_a_group_alone_changes_nothing_else() {
    user("root");
    let show = ["sh", "-c", "id -u; id -g; echo $HOME"];
    let ended = Unbraid::new()
        .options(["--group", "daemon"])
        .options(["--capture", "none"])
        .variable("HOME", "/somewhere")
        .command(show)
        .run();
    ended.assert_code(0);
    assert_eq!(ended.stdout(), "0\n1\n/somewhere\n");
}

/// unbraid as a user without rights, who may not be able to reach the folder where it was built.
fn as_nobody(unbraid: Unbraid) -> Unbraid {
    let nobody = user("nobody");
    let [uid, gid] = [nobody.uid.as_raw(), nobody.gid.as_raw()].map(|id| id.to_string());
    let copy = copy(unbraid.folder());
    let groups = [
        "setpriv",
        "--reuid",
        &uid,
        "--regid",
        &gid,
        "--clear-groups",
    ];
    let instead = ["sh", "-c", "shift; exec \"$0\" \"$@\""];
    let wrapper = groups.iter().chain(&instead).map(OsString::from);
    unbraid.under(wrapper.chain([copy.into()]))
}

#[test]
fn root_only_root_can_give_it_away() {
    let mine = as_nobody(Unbraid::new().options(["--user", "nobody"]));
    let ended = mine.command(["id", "-un"]).run();
    ended.assert_code(0);
    assert_eq!(ended.stdout(), "nobody\n");
    for options in [
        ["--user", "daemon"],
        ["--group", "daemon"],
        ["--user", "root"],
    ] {
        let ended = as_nobody(Unbraid::new().options(options))
            .shell("echo started")
            .run();
        ended.assert_code(125);
        let said = ended.stderr();
        assert!(
            said.contains(options[1]) && said.contains("that takes root"),
            "{said}"
        );
        assert_eq!(ended.stdout(), "");
    }
}

#[test]
fn root_without_the_rights_of_root_is_refused_too() {
    user("root");
    let ended = Unbraid::new()
        .under(["setpriv", "--bounding-set=-kill", "--inh-caps=-kill"])
        .options(["--user", "nobody"])
        .shell("echo started")
        .run();
    ended.assert_code(125);
    assert!(ended.stderr().contains("CAP_KILL"), "{}", ended.stderr());
}

#[test]
fn root_a_user_who_cannot_read_the_object_is_told_of() {
    user("root");
    let unbraid = Unbraid::logging_json();
    let folder = unbraid.folder().join("closed");
    fs::create_dir(&folder).expect("our own folder");
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).expect("our own folder");
    let object = folder.join("object.so");
    let mut install = Command::new(binary());
    let written = install.arg("--install-preload").arg(&object).status();
    assert!(written.expect("unbraid starts").success());
    let ended = unbraid
        .options(["--user", "nobody", "--preload"])
        .option(object)
        .shell("echo out; echo err >&2; (echo child)")
        .run();
    ended.assert_code(0);
    let messages = |stream: &str| {
        let entries = log::entries(&ended.log()).into_iter();
        let these = entries.filter(|entry| entry.stream == stream);
        these.map(|entry| entry.message).collect::<Vec<_>>()
    };
    assert_eq!(messages("stdout"), ["out", "child"]);
    // The loader would complain here.
    assert_eq!(messages("stderr"), ["err"]);
    let [told] = &messages("unbraid")[..] else {
        panic!("{:?}", messages("unbraid"));
    };
    assert!(told.contains("as nobody: Permission denied"), "{told}");
    assert!(told.contains("share one pipe"), "{told}");
}

/// unbraid, started in the folder that the helpers made for it.
fn in_its_folder(unbraid: Unbraid) -> Unbraid {
    let script = format!("cd {}; exec \"$@\"", unbraid.folder().display());
    unbraid.under(["sh", "-ec", &script, "sh"])
}

#[test]
fn a_folder_for_the_server_alone() {
    let unbraid = Unbraid::new();
    let folder = unbraid.folder().join("there");
    fs::create_dir(&folder).expect("our own folder");
    let program = folder.join("app");
    fs::write(&program, "#!/bin/sh\necho $0 $1; pwd -P\n").expect("our own folder");
    fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("our own file");
    // A COMMAND with a slash is relative to it; a destination is not.
    let ended = in_its_folder(unbraid)
        .options(["--chdir", "there", "-o", "log"])
        .command(["./app", "x"])
        .run();
    ended.assert_code(0);
    let log = fs::read_to_string(ended.log()).expect("the log stands where unbraid is");
    assert_eq!(log, format!("./app x\n{}\n", real(&folder).display()));
}

fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).expect("it is there")
}

#[test]
fn root_the_folder_is_entered_by_the_user() {
    user("nobody");
    let unbraid = Unbraid::new();
    let folder = unbraid.folder().join("closed");
    fs::create_dir(&folder).expect("our own folder");
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).expect("our own folder");
    let ended = in_its_folder(unbraid)
        .options(["--user", "nobody", "--chdir", "closed"])
        .shell("echo started")
        .run();
    ended.assert_code(125);
    let said = ended.stderr();
    assert!(said.contains("as nobody: Permission denied"), "{said}");
    assert_eq!(ended.stdout(), "");
}

/// A server that lives until it is told; it has started when the event is there.
const WAITING: &str = "
import os, sys
from side import event
event('up', os.getpid())
sys.stdin.readline()
";

fn with_pid_file(path: &Path) -> Running {
    let unbraid = Unbraid::new().option("--pid-file").option(path);
    let running = unbraid.stdin(Stdio::piped()).python(WAITING).start();
    running.events.wait_for("up");
    wait::until_true("the PID in the file", || {
        fs::read_to_string(path).is_ok_and(|text| text == format!("{}\n", running.pid()))
    });
    running
}

fn refused(path: &Path, says: &str) {
    for check in [false, true] {
        let unbraid = Unbraid::new().option("--pid-file").option(path);
        let unbraid = if check {
            unbraid.option("--check")
        } else {
            unbraid
        };
        let ended = unbraid.shell("echo started").run();
        ended.assert_code(125);
        let said = if check {
            ended.stdout()
        } else {
            ended.stderr()
        };
        assert!(
            said.contains(&format!("cannot use PID file {}: {says}", path.display())),
            "{said}"
        );
        assert!(!said.contains("started"), "{said}");
    }
}

#[test]
fn the_pid_file_names_unbraid_while_it_runs_and_goes_with_it() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("shop.pid");
    let ended = Unbraid::new()
        .under(["sh", "-c", "umask 077; exec \"$@\"", "sh"])
        .option("--pid-file")
        .option(&path)
        .command([Path::new("stat"), Path::new("-c"), Path::new("%a"), &path])
        .run();
    ended.assert_code(0);
    assert_eq!(ended.stdout(), "644\n");
    assert!(!path.exists());

    let mut running = with_pid_file(&path);
    assert_ne!(running.events.wait_for_pid("up"), running.pid());
    running.tell("end");
    running.end().assert_code(0);
    assert!(!path.exists());
}

#[test]
fn a_pid_file_serves_one() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("shop.pid");
    let mut first = with_pid_file(&path);
    refused(&path, &format!("it belongs to process {}", first.pid()));
    let text = fs::read_to_string(&path).expect("it is the first one's");
    assert_eq!(text, format!("{}\n", first.pid()));
    first.tell("end");
    first.end().assert_code(0);
}

#[test]
fn a_pid_file_that_was_left_is_taken_over() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("shop.pid");
    let killed = with_pid_file(&path);
    let server = killed.events.wait_for_pid("up");
    killed.signal(Signal::SIGKILL);
    assert_eq!(killed.end().code(), None);
    wait::until_true("the server's end, with its stdin", || !proc::runs(server));
    // Longer than any PID that follows, and of somebody who runs.
    fs::write(&path, format!("{:09}\n", std::process::id())).expect("our own file");
    let mut running = with_pid_file(&path);
    running.tell("end");
    running.end().assert_code(0);
}

#[test]
fn a_pid_file_that_somebody_replaced_is_left() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("shop.pid");
    let mut running = with_pid_file(&path);
    fs::remove_file(&path).expect("our own folder");
    fs::write(&path, "1\n").expect("our own folder");
    let before = fs::metadata(&path).expect("our own file").ino();
    running.tell("end");
    running.end().assert_code(0);
    assert_eq!(fs::metadata(&path).expect("it is left").ino(), before);
}

#[test]
fn a_pid_file_that_cannot_be_is_refused_before_the_start() {
    let folder = tempfile::TempDir::new().expect("a folder");
    refused(
        &folder.path().join("no/shop.pid"),
        "No such file or directory",
    );
    refused(folder.path(), "Is a directory");
    let path = folder.path().join("notes");
    for text in ["buy milk\n", "1234 and more\n", &"1".repeat(40)] {
        fs::write(&path, text).expect("our own folder");
        refused(&path, "it holds something else than a PID");
        assert_eq!(fs::read_to_string(&path).expect("it is left"), text);
    }
    nix::unistd::mkfifo(&folder.path().join("fifo"), nix::sys::stat::Mode::S_IRWXU)
        .expect("a FIFO");
    refused(&folder.path().join("fifo"), "it is no regular file");
}

#[test]
fn a_server_that_does_not_start_leaves_no_pid_file() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("shop.pid");
    let broken = folder.path().join("broken");
    fs::write(&broken, "#!/no/such/shell\n").expect("our own folder");
    fs::set_permissions(&broken, Permissions::from_mode(0o755)).expect("our own file");
    let unbraid = Unbraid::new()
        .options(["--capture", "none", "--pid-file"])
        .option(&path);
    unbraid.command([&broken]).run().assert_code(126);
    assert!(!path.exists());
}
