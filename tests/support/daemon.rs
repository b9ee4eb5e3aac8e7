//! rsyslog and syslog-ng, as Debian has them, each with a configuration and a log of its own.

use super::{proc, python, wait};
use nix::sys::signal::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// The packages, unpacked once.
pub fn packages() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/receivers");
        let made = Command::new("bash")
            .arg(python::folder("make-receivers"))
            .arg(&place)
            .output()
            .expect("bash is needed");
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "tests/make-receivers: {said}");
        place
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Rsyslog,
    SyslogNg,
}

/// A daemon that listens on a port of the loopback and on a local socket. Dropped, it is ended.
#[derive(Debug)]
pub struct Daemon {
    kind: Kind,
    folder: TempDir,
    pub port: u16,
    child: Option<Child>,
}

impl Daemon {
    pub fn start(kind: Kind) -> Self {
        let mut daemon = Self {
            kind,
            folder: TempDir::new().expect("a folder for temporary files"),
            port: super::receiver::free_port(),
            child: None,
        };
        let text = match kind {
            Kind::Rsyslog => daemon.rsyslog(),
            Kind::SyslogNg => daemon.syslog_ng(),
        };
        fs::write(daemon.file("conf"), text).expect("our own folder");
        daemon.begin();
        daemon
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn socket(&self) -> PathBuf {
        self.file("socket")
    }

    /// Messages end with a mark in the log, since they hold newlines.
    fn rsyslog(&self) -> String {
        let folder = self.folder.path().display();
        let port = self.port;
        format!(
            r#"global(workDirectory="{folder}" maxMessageSize="2m" parser.escapeControlCharactersOnReceive="off")
main_queue(queue.timeoutshutdown="10000")
module(load="imtcp")
module(load="imuxsock" SysSock.Use="off")
input(type="imtcp" address="127.0.0.1" port="{port}")
input(type="imuxsock" Socket="{folder}/socket" RateLimit.Interval="0")
template(name="t" type="string" string="%procid% %structured-data% %msg%~END~\n")
action(type="omfile" file="{folder}/log" template="t")
"#
        )
    }

    fn syslog_ng(&self) -> String {
        let folder = self.folder.path().display();
        let port = self.port;
        format!(
            r#"@version: 3.38
@module syslogformat
@module afsocket
@module affile
options {{ log-msg-size(2097152); keep-hostname(yes); stats-freq(0); }};
source s {{ syslog(ip("127.0.0.1") port({port}) transport("tcp")); unix-dgram("{folder}/socket"); }};
destination d {{ file("{folder}/log" template("${{PID}} ${{SDATA}} ${{MSG}}~END~\n")); }};
log {{ source(s); destination(d); flags(flow-control); }};
"#
        )
    }

    /// Starts it and waits until it listens.
    pub fn begin(&mut self) {
        let at = packages();
        let lib = |name: &str| at.join(name).display().to_string();
        let libraries = [
            lib("usr/lib/x86_64-linux-gnu"),
            lib("lib/x86_64-linux-gnu"),
            lib("usr/lib/syslog-ng"),
        ];
        let mut command = match self.kind {
            Kind::Rsyslog => {
                let mut command = Command::new(at.join("usr/sbin/rsyslogd"));
                command.args(["-n", "-M", &lib("usr/lib/x86_64-linux-gnu/rsyslog"), "-f"]);
                command
                    .arg(self.file("conf"))
                    .arg("-i")
                    .arg(self.file("pid"));
                command
            }
            Kind::SyslogNg => {
                let mut command = Command::new(at.join("usr/sbin/syslog-ng"));
                let modules = lib("usr/lib/syslog-ng/3.38");
                command.args(["-F", "--no-caps", &format!("--module-path={modules}"), "-f"]);
                command.arg(self.file("conf"));
                for (option, name) in [
                    ("--persist-file", "persist"),
                    ("--pidfile", "pid"),
                    ("--control", "control"),
                ] {
                    command.arg(option).arg(self.file(name));
                }
                command
            }
        };
        let said = fs::File::options()
            .create(true)
            .append(true)
            .open(self.file("said"));
        let said = said.expect("our own folder");
        command
            .env("LD_LIBRARY_PATH", libraries.join(":"))
            .stdin(Stdio::null())
            .stdout(said.try_clone().expect("a descriptor"))
            .stderr(said);
        self.child = Some(command.spawn().expect("it is unpacked"));
        let what = format!(
            "{:?} listens: {}",
            self.kind,
            fs::read_to_string(self.file("said")).unwrap_or_default()
        );
        let (port, socket) = (self.port, self.socket());
        // Neither by a connection nor by binding the port, which would stand in somebody's way.
        let listening = format!(" 0100007F:{port:04X} 00000000:0000 0A ");
        wait::until_true(&what, || {
            let sockets = fs::read_to_string("/proc/net/tcp").expect("Linux");
            let local = std::os::unix::net::UnixDatagram::unbound();
            sockets.contains(&listening) && local.and_then(|s| s.connect(&socket)).is_ok()
        });
    }

    /// Asks it to stop and waits for its end.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            proc::signal(child.id() as i32, Signal::SIGTERM);
            wait::until("the daemon's end", || {
                child.try_wait().expect("our own child")
            });
        }
    }

    /// What it has logged so far, message by message.
    pub fn messages(&self) -> Vec<String> {
        let bytes = fs::read(self.file("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let messages = text.split_inclusive("~END~\n");
        messages
            .filter_map(|message| message.strip_suffix("~END~\n"))
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().ok();
            child.wait().ok();
        }
        if std::thread::panicking() {
            eprintln!(
                "{:?} said: {}",
                self.kind,
                fs::read_to_string(self.file("said")).unwrap_or_default()
            );
        }
    }
}
