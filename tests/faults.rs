//! Disks that fill, are mounted read-only and come back; readers that stand still. Each in a mount namespace of its own.

mod support;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::programs::{Linked, program};
use support::unbraid::{Running, Unbraid};
use support::verify::{self, Manifest};
use support::wait;

/// A tmpfs that unbraid and its server alone see, kept by the test beyond their end.
struct Disk {
    /// Where it lies for unbraid.
    at: PathBuf,
    folder: Option<File>,
}

impl Disk {
    /// unbraid in a namespace with an empty disk of this size.
    fn new(unbraid: Unbraid, size: &str) -> (Unbraid, Self) {
        let at = unbraid.folder().join("disk");
        fs::create_dir(&at).expect("our own folder");
        let mount = format!(
            "mount -t tmpfs -o size={size} none '{}' && exec \"$@\"",
            at.display()
        );
        let wrapper = ["unshare", "--mount", "sh", "-c", &mount, "sh"].map(OsString::from);
        (unbraid.under(wrapper), Self { at, folder: None })
    }

    /// Takes hold of the disk, as soon as unbraid has opened its log there.
    #[track_caller]
    fn hold(&mut self, running: &Running, log: &str) {
        let there = PathBuf::from(format!("/proc/{}/root{}", running.pid(), self.at.display()));
        wait::until_true("the log on the disk", || there.join(log).exists());
        self.folder = Some(File::open(there).expect("the disk"));
    }

    /// A file on the disk, for the test.
    fn path(&self, name: &str) -> PathBuf {
        let folder = self.folder.as_ref().expect("held");
        PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()))
    }

    /// Leaves ten pages: the write that fills the disk is cut inside a record.
    fn fill(&self) {
        let mut file = File::create(self.path("filling")).expect("the disk");
        let some = vec![0; 64 << 10];
        while file.write_all(&some).is_ok() {}
        let length = file.metadata().expect("our own file").len();
        file.set_len(length - 10 * 4096).expect("our own file");
    }

    fn free(&self) {
        fs::remove_file(self.path("filling")).expect("it was filled");
    }
}

/// `read`, then the load, then `read` again.
fn load_when_told(unbraid: Unbraid, arguments: &str) -> Unbraid {
    let load = program("load", Linked::Shared);
    let manifest = unbraid.folder().join("manifest");
    let script = format!(
        "read -r _; {} {arguments} --manifest {}; echo over >> $EVENTS; read -r _; exit 0",
        load.display(),
        manifest.display()
    );
    unbraid.stdin(Stdio::piped()).shell(&script)
}

const NO_SPACE: &str = "No space left on device; its records are kept and tried again";
const LOAD: &str = "--workers 16 --records 150 --sizes mixed --tracebacks 20 --stream both";

#[test]
fn root_mount_a_disk_that_fills_and_is_freed_loses_nothing() {
    let (unbraid, mut disk) = Disk::new(Unbraid::new(), "8m");
    let unbraid = unbraid.option("-o").option(disk.at.join("log"));
    let mut running = load_when_told(unbraid, LOAD).start();
    disk.hold(&running, "log");
    disk.fill();
    running.tell("go");
    wait::until_true("a full disk", || running.stderr().contains(NO_SPACE));
    // More than the batch holds is written meanwhile, so the workers wait.
    assert!(running.events.of("over").is_empty());
    disk.free();
    running.events.wait_for("over");
    running.tell("end");
    let ended = running.end();
    ended.assert_code(0);
    let manifest = Manifest::read(&ended.file("manifest"));
    let text = fs::read(disk.path("log")).expect("the log");
    let own = b"unbraid: ";
    let (ours, log): (Vec<&[u8]>, Vec<&[u8]>) = text
        .split_inclusive(|byte| *byte == b'\n')
        .partition(|line| line.starts_with(own));
    verify::raw_bytes(&manifest, [log.concat()]).assert_whole();
    // Told once each, on stderr and in the log.
    for text in [
        ended.stderr(),
        String::from_utf8_lossy(&ours.concat()).into(),
    ] {
        assert_eq!(text.matches(NO_SPACE).count(), 1, "{text}");
        assert_eq!(text.matches(" is writable again, ").count(), 1, "{text}");
    }
}

/// The sum of what was told as dropped of these processes.
fn told_as_dropped(stderr: &str, manifest: &Manifest) -> usize {
    let pattern = regex::Regex::new(r"(\d+) of process (\d+)").expect("a constant");
    let dropped = pattern.captures_iter(stderr).filter_map(|found| {
        let pid: i32 = found[2].parse().ok()?;
        let ours = manifest.processes.iter().any(|process| process.pid == pid);
        found[1].parse::<usize>().ok().filter(|_| ours)
    });
    dropped.sum()
}

#[test]
fn root_mount_what_is_dropped_is_counted_to_the_record() {
    let (unbraid, mut disk) = Disk::new(Unbraid::new(), "64m");
    let unbraid = unbraid.option("-o").option(disk.at.join("log"));
    let unbraid = unbraid.option("--when-full=drop");
    let load = "--workers 16 --records 400 --sizes mixed --stream both";
    let mut running = load_when_told(unbraid, load).start();
    disk.hold(&running, "log");
    disk.fill();
    running.tell("go");
    // Nobody waits for the disk.
    running.events.wait_for("over");
    disk.free();
    wait::until_true("what was dropped", || {
        running.stderr().contains("takes records again")
    });
    running.tell("end");
    let ended = running.end();
    ended.assert_code(0);
    let manifest = Manifest::read(&ended.file("manifest"));
    let text = fs::read(disk.path("log")).expect("the log");
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let log: Vec<&[u8]> = lines
        .filter(|line| !line.starts_with(b"unbraid: "))
        .collect();
    let report = verify::raw_bytes(&manifest, [log.concat()]);
    let dropped = told_as_dropped(&ended.stderr(), &manifest);
    assert!(dropped > 1000, "{dropped}");
    assert_eq!(report.lost, dropped, "{report:?}");
    assert_eq!(report.intact + dropped, report.expected, "{report:?}");
    assert_eq!((report.torn, report.duplicated, report.foreign), (0, 0, 0));
}

#[test]
fn root_mount_a_full_disk_lets_nobody_into_a_record_under_the_lock() {
    let (unbraid, mut disk) = Disk::new(Unbraid::new(), "64m");
    let to = |unbraid: Unbraid| {
        let unbraid = unbraid.option("-o").option(disk.at.join("log"));
        unbraid.options(["--lock", "-q"])
    };
    let load = |seed| format!("--workers 8 --records 150 --sizes 16384 --stream out --seed {seed}");
    let one = load_when_told(to(unbraid), &load(1)).start();
    let inside = [
        "nsenter",
        "--mount",
        "--target",
        &one.pid().to_string(),
        "--",
    ];
    // The namespace is there when the log is.
    let there = PathBuf::from(format!("/proc/{}/root{}", one.pid(), disk.at.display()));
    wait::until_true("the log", || there.join("log").exists());
    let two = load_when_told(to(Unbraid::new()).under(inside), &load(2)).start();
    disk.hold(&one, "log");
    disk.fill();
    let mut both = [one, two];
    for running in &mut both {
        running.tell("go");
    }
    wait::until_true("a full disk", || {
        both.iter()
            .any(|running| running.stderr().contains(NO_SPACE))
    });
    disk.free();
    for running in &both {
        running.events.wait_for("over");
    }
    for running in &mut both {
        running.tell("end");
    }
    let ended = both.map(Running::end);
    let text = fs::read(disk.path("log")).expect("the log");
    let mut rest = 0;
    for ended in ended {
        ended.assert_code(0);
        let manifest = Manifest::read(&ended.file("manifest"));
        let pids: Vec<String> = manifest
            .processes
            .iter()
            .map(|p| format!(" p={} ", p.pid))
            .collect();
        let own: Vec<&[u8]> = text
            .split_inclusive(|byte| *byte == b'\n')
            .filter(|line| {
                pids.iter()
                    .any(|pid| memchr::memmem::find(line, pid.as_bytes()).is_some())
            })
            .collect();
        rest += own.len();
        verify::raw_bytes(&manifest, [own.concat()]).assert_whole();
    }
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let foreign = lines.filter(|line| !line.starts_with(b"unbraid: ")).count() - rest;
    assert_eq!(foreign, 0, "lines of neither");
}

#[test]
fn root_mount_a_disk_that_is_mounted_read_only_for_a_while() {
    let (unbraid, disk) = Disk::new(Unbraid::new(), "8m");
    let log = format!("{}/{{slot}}.log,slot=1", disk.at.display());
    // A process for each line: between two the log of its slot is closed, and the disk can be mounted anew.
    let mut running = unbraid
        .option("-o")
        .option(log)
        .stdin(Stdio::piped())
        .shell("while read -r line; do sh -c 'echo \"$0\"; :' \"$line\"; done")
        .start();
    let at = PathBuf::from(format!(
        "/proc/{}/root{}/1.log",
        running.pid(),
        disk.at.display()
    ));
    let said = |text: &str| fs::read_to_string(&at).is_ok_and(|log| log == text);
    running.tell("one");
    wait::until_true("one", || said("one\n"));
    remount(&running, &disk.at, "ro");
    running.tell("two");
    running.tell("three");
    let told = "Read-only file system; its records are kept and tried again";
    wait::until_true("a message", || running.stderr().contains(told));
    remount(&running, &disk.at, "rw");
    wait::until_true("all", || said("one\ntwo\nthree\n"));
    wait::until_true("a message", || {
        running.stderr().contains("is writable again")
    });
    let ended = running.end();
    ended.assert_code(0);
    assert_eq!(
        ended.stderr().matches(told).count(),
        1,
        "{}",
        ended.stderr()
    );
}

/// As soon as nobody has a file on it open for writing.
#[track_caller]
fn remount(running: &Running, disk: &Path, how: &str) {
    wait::until_true("the disk to be free", || {
        let mut command = Command::new("nsenter");
        command.args([
            "--mount",
            "--target",
            &running.pid().to_string(),
            "--",
            "mount",
            "-o",
        ]);
        let output = command.arg(format!("remount,{how}")).arg(disk).output();
        output.expect("nsenter is needed").status.success()
    });
}

#[test]
fn a_reader_that_stands_still_does_not_hold_the_others_back() {
    let unbraid = Unbraid::new();
    let (log, fifo) = (unbraid.log(), unbraid.folder().join("fifo"));
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o600)).expect("a FIFO");
    let standing = File::options()
        .read(true)
        .write(true)
        .open(&fifo)
        .expect("the FIFO");
    let unbraid = unbraid.option("-o").option(&log);
    let unbraid = unbraid
        .option("-o")
        .option(format!("{},when-full=drop", fifo.display()));
    let manifest = unbraid.folder().join("manifest");
    let mut line = vec![program("load", Linked::Shared).into_os_string()];
    line.extend(LOAD.split(' ').map(OsString::from));
    line.extend(["--manifest".into(), manifest.into_os_string()]);
    let ended = unbraid.options(["--drain-timeout=0s"]).command(line).run();
    ended.assert_code(0);
    let manifest = Manifest::read(&ended.file("manifest"));
    let text = fs::read(&log).expect("the log");
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let own: Vec<&[u8]> = lines
        .filter(|line| !line.starts_with(b"unbraid: "))
        .collect();
    verify::raw_bytes(&manifest, [own.concat()]).assert_whole();
    let told = ended.stderr();
    assert!(
        told.contains("takes no more; records for it are dropped"),
        "{told}"
    );
    assert!(told.contains("took no more until the end; "), "{told}");
    drop(standing);
}
