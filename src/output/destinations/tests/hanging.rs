//! What can hang: pipes, FIFOs, sockets, terminals.

use super::*;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

fn numbered(range: std::ops::Range<usize>) -> String {
    range.fold(String::new(), |all, i| all + &format!("{i:0>99}\n"))
}

/// Fills `fd`'s pipe or socket through `-`, then reads everything: nothing lost, nothing twice, in order.
fn blocks_and_resumes(read: &OwnedFd, write: OwnedFd, way: &str) {
    let flags = fcntl(&write, FcntlArg::F_GETFL).unwrap();
    let shared = write.try_clone().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::with(dir, &["-"], 9, write, null()).unwrap();
    let mut written = 0;
    while !rig.to.congested() {
        let text = numbered(written..written + 100);
        written += 100;
        rig.lines(1, &text);
    }
    assert_eq!(
        format!("{:?}", rig.to.sinks[0].open.as_ref().unwrap().way),
        way
    );
    assert_eq!(rig.to.sinks[0].state, State::AwaitEvent);
    assert_eq!(rig.to.deadline().filter(|at| *at <= rig.now), None);
    let out = drain(&mut rig, read);
    assert!(String::from_utf8(out).unwrap() == numbered(0..written));
    assert_eq!(rig.told(), [], "a slow reader is no error");
    assert_eq!(
        fcntl(&shared, FcntlArg::F_GETFL).unwrap(),
        flags,
        "others share it"
    );
}

#[test]
fn a_pipe() {
    let (read, write) = small_pipe();
    blocks_and_resumes(&read, write, "Nowait");
}

/// A FIFO with a name knows no `RWF_NOWAIT`, and is opened again.
#[test]
fn an_inherited_fifo() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let read: OwnedFd = fs::File::options()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap()
        .into();
    let write: OwnedFd = fs::File::options().write(true).open(&path).unwrap().into();
    blocks_and_resumes(&read, write, "Nonblocking");
}

#[test]
fn a_socket() {
    let kind = (AddressFamily::Unix, SockType::Stream);
    let (read, write) = socketpair(kind.0, kind.1, None, SockFlag::SOCK_CLOEXEC).unwrap();
    blocks_and_resumes(&read, write, "Send");
}

#[test]
fn a_terminal() {
    let pty = nix::pty::openpty(None, None).unwrap();
    let mut raw = nix::sys::termios::tcgetattr(&pty.slave).unwrap();
    nix::sys::termios::cfmakeraw(&mut raw);
    let now = nix::sys::termios::SetArg::TCSANOW;
    nix::sys::termios::tcsetattr(&pty.slave, now, &raw).unwrap();
    blocks_and_resumes(&pty.master, pty.slave, "Nonblocking");
}

#[test]
fn a_terminal_that_hung_up_is_gone() {
    let pty = nix::pty::openpty(None, None).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let twin = pty.slave.try_clone().unwrap();
    let mut rig = Rig::with(dir, &["-"], 9, pty.slave, null()).unwrap();
    drop(pty.master);
    wait_until_gone(&twin);
    rig.lines(1, "x\n");
    let text = "stdout: its reader is gone; what would be written there is dropped".to_owned();
    assert_eq!(rig.told(), [(true, text)]);
}

/// The last resort: poll and small writes.
#[test]
fn polling() {
    let (read, write) = small_pipe();
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::with(dir, &["-"], 9, write, null()).unwrap();
    rig.to.sinks[0].open.as_mut().unwrap().way = Way::Polled(4096);
    rig.lines(1, &numbered(0..200));
    assert_eq!(rig.to.sinks[0].state, State::AwaitEvent);
    assert_eq!(drain(&mut rig, &read), numbered(0..200).as_bytes());
}

#[test]
fn without_permits_polling_has_to_do() {
    let (_read, write) = small_pipe();
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::with(dir, &["-"], 0, write, null()).unwrap();
    let budget = Arc::clone(&rig.budget);
    let open = rig.to.sinks[0].open.as_mut().unwrap();
    assert_eq!(open.leave_description(&budget), Ok(()));
    assert_eq!(open.way, Way::Polled(libc::PIPE_BUF));
}

#[test]
fn spurious_and_foreign_events() {
    let (read, write) = small_pipe();
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::with(dir, &["-"], 9, write, null()).unwrap();
    rig.lines(1, &numbered(0..100));
    let pending = rig.to.pending();
    assert!(pending > 0);
    assert!(rig.to.ready(Token(100), rig.now));
    assert!(
        rig.to.ready(Token(149), rig.now),
        "ours, although nothing has it"
    );
    assert!(!rig.to.ready(Token(150), rig.now));
    assert!(!rig.to.ready(Token(99), rig.now));
    assert_eq!(rig.to.pending(), pending);
    assert_eq!(rig.to.sinks[0].state, State::AwaitEvent);
    assert_eq!(drain(&mut rig, &read), numbered(0..100).as_bytes());
}

#[test]
fn without_a_token_it_is_tried_after_a_delay() {
    let (read, write) = small_pipe();
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::with(dir, &["-"], 9, write, null()).unwrap();
    rig.to.unregister(0);
    rig.to.tokens.count = 0;
    rig.lines(1, &numbered(0..100));
    let mut out = available(&read);
    while rig.to.pending() > 0 {
        rig.next_deadline();
        out.extend(available(&read));
    }
    assert_eq!(out, numbered(0..100).as_bytes());
}

#[test]
fn a_reader_that_is_gone_is_told_once_and_counted() {
    let (read, write) = small_pipe();
    let twin = write.try_clone().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::with(dir, &["-", "DIR/log"], 9, write, null()).unwrap();
    rig.line(1, "a\n");
    rig.line(1, "bb\n");
    drop(read);
    wait_until_gone(&twin);
    rig.flush();
    let text = "stdout: its reader is gone; what would be written there is dropped".to_owned();
    assert_eq!(rig.told(), [(true, text)]);
    assert_eq!(
        rig.to.dropped(),
        Dropped {
            bytes: 5,
            records: 2
        }
    );
    rig.lines(1, "ccc\n");
    assert_eq!(rig.told(), []);
    assert_eq!(
        rig.to.dropped(),
        Dropped {
            bytes: 9,
            records: 3
        }
    );
    rig.to.write_lines(&from(1, Stream::Stdout), b"d\ne\n", 0);
    rig.flush();
    assert_eq!(
        rig.to.dropped(),
        Dropped {
            bytes: 13,
            records: 5
        }
    );
    assert_eq!((rig.to.pending(), rig.to.congested()), (0, false));
    assert_eq!(rig.read("log"), "a\nbb\nccc\nd\ne\n", "others go on");
}

#[test]
fn stdout_and_stderr_that_are_one_pipe_do_not_mix() {
    let (read, write) = small_pipe();
    let other = write.try_clone().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let specs = [
        "-,stream=stdout",
        "stderr,stream=stderr",
        "/proc/self/fd/FD",
    ];
    let fd = other.as_raw_fd().to_string();
    let specs: Vec<String> = specs.iter().map(|spec| spec.replace("FD", &fd)).collect();
    let specs: Vec<&str> = specs.iter().map(String::as_str).collect();
    let mut rig = Rig::with(dir, &specs[..2], 9, write.try_clone().unwrap(), other).unwrap();
    assert_eq!(rig.to.sinks.len(), 1);
    let record = |c: char| format!("{}\n", c.to_string().repeat(9000));
    let mut expected = String::new();
    for (c, stream) in [
        ('a', Stream::Stdout),
        ('b', Stream::Stderr),
        ('c', Stream::Stdout),
    ] {
        rig.to.write(&from(1, stream), &line(record(c).as_bytes()));
        rig.flush();
        expected += &record(c);
    }
    assert_eq!(drain(&mut rig, &read), expected.as_bytes());
}

#[test]
fn a_path_to_the_same_pipe_is_no_second_sink() {
    let (_read, write) = small_pipe();
    let path = format!("/proc/self/fd/{}", write.as_raw_fd());
    let twin = write.try_clone().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::with(dir, &["-", &path], 9, twin, null()).unwrap();
    assert_eq!(rig.to.sinks.len(), 1);
    // The other way round.
    let twin = write.try_clone().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::with(dir, &[&path, "-"], 9, twin, null()).unwrap();
    assert_eq!(rig.to.sinks.len(), 1);
    // Somebody else's pipe: opened for writing alone, so that its reader's end is seen.
    let (read, other) = small_pipe();
    let path = format!("/proc/self/fd/{}", other.as_raw_fd());
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::with(dir, &[&path, &path], 9, null(), null()).unwrap();
    assert_eq!(rig.to.sinks.len(), 1);
    rig.lines(1, "a\n");
    assert_eq!(available(&read), b"a\na\n", "once for each -o");
    drop(read);
    wait_until_gone(&other);
    rig.lines(1, "a\n");
    assert_eq!(rig.told().len(), 1);
    assert_eq!(rig.to.dropped().records, 2);
}

#[test]
fn a_fifo_without_reader_opens_and_its_bytes_wait() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    symlink(&path, dir.path().join("link")).unwrap();
    let specs = ["DIR/fifo", "DIR/link,slot=99"];
    let mut rig = Rig::with(dir, &specs, 9, null(), null()).unwrap();
    assert_eq!(rig.to.sinks.len(), 1, "two names of one FIFO");
    let mut written = 0;
    while !rig.to.congested() {
        rig.lines(1, &numbered(written..written + 100));
        written += 100;
    }
    assert_eq!(rig.to.sinks[0].state, State::AwaitEvent);
    // Opened again, its bytes stay in it.
    rig.to.reopen(rig.now);
    let read = fs::File::options()
        .read(true)
        .custom_flags_nonblocking()
        .open(&path)
        .unwrap()
        .into();
    let out = drain(&mut rig, &read);
    assert!(out == numbered(0..written).as_bytes());
    // A reader that goes breaks nothing.
    drop(read);
    rig.lines(1, "x\n");
    assert_eq!(rig.told(), []);
    let read: OwnedFd = fs::File::options()
        .read(true)
        .custom_flags_nonblocking()
        .open(&path)
        .unwrap()
        .into();
    assert_eq!(available(&read), b"x\n");
}

trait Nonblocking {
    fn custom_flags_nonblocking(&mut self) -> &mut Self;
}

impl Nonblocking for fs::OpenOptions {
    fn custom_flags_nonblocking(&mut self) -> &mut Self {
        std::os::unix::fs::OpenOptionsExt::custom_flags(self, libc::O_NONBLOCK)
    }
}

#[test]
fn a_hanging_destination_does_not_keep_others_waiting() {
    let (_read, write) = small_pipe();
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::with(dir, &["-", "DIR/log"], 9, write, null()).unwrap();
    rig.lines(1, &numbered(0..100));
    rig.lines(1, "next\n");
    assert!(rig.read("log").ends_with("next\n"));
}
