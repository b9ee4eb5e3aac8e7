//! Formats, read by libraries that others made: every byte comes back.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use support::python;
use support::unbraid::Unbraid;

/// Records of several lines that hold any bytes, and lines longer than a record may be.
const ODD: &str = r#"
import random
from side import write
chance = random.Random(7)
pieces = [b'"', b'\\', b'=', b' ', b'\t', b'\0', b'\x1b', b']', b'<13>1 ', b'null', 'ü€𝄞'.encode(),
          b'\xef\xbb\xbf', b'\xff', b'\xed\xa0\x80', b'\r', b'{}', b'#012', b'S', b'time=', b'\x7f', '\u2028'.encode()]
for number in range(400):
    lines = [b''.join(chance.choices(pieces, k=chance.randrange(12))) for _ in range(chance.randrange(1, 5))]
    write(1, b'S' + b'\n'.join(lines) + b'\n')
write(1, b'S' + b'long \xff\n' * 2000)
write(1, b'Snull\nS\nSwithout a newline')
"#;

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().expect("it can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output.stdout
}

fn with_python(format: &str, log: &Path) -> Vec<u8> {
    let script = python::folder("servers").join("parse_formats.py");
    let interpreter = python::environment().join("bin/python");
    run(Command::new(interpreter).arg(script).arg(format).arg(log))
}

fn with_go_logfmt(log: &Path) -> Vec<u8> {
    let program = python::folder("programs").join("logfmt.go");
    let library = support::daemon::packages().join("usr/share/gocode");
    let log = fs::File::open(log).expect("unbraid made it");
    run(Command::new("go")
        .args(["run", "-trimpath"])
        .arg(program)
        .env("GO111MODULE", "off")
        .env("GOPATH", library)
        .stdin(Stdio::from(log)))
}

#[test]
fn daemon_libraries_read_every_byte_back() {
    let unbraid = Unbraid::new();
    let file = |name: &str| unbraid.folder().join(name);
    let formats = ["raw", "otlp", "syslog", "logfmt"];
    let outputs: Vec<String> = formats
        .iter()
        .map(|format| format!("-o{format}:{},stream=stdout", file(format).display()))
        .collect();
    let [raw, otlp, syslog, logfmt] = formats.map(file);
    let ended = unbraid
        .options(["--record-start", "^S", "--max-record", "8KiB"])
        .options(outputs)
        .python(ODD)
        .run();
    ended.assert_code(0);
    let mut written = fs::read(raw).expect("unbraid made it");
    // The raw form gives the last line its newline; the others say that it had none.
    assert_eq!(written.pop(), Some(b'\n'));
    for (format, read) in [
        ("otlp", with_python("otlp", &otlp)),
        ("syslog", with_python("syslog", &syslog)),
        ("logfmt", with_go_logfmt(&logfmt)),
    ] {
        let same = read
            .iter()
            .zip(&written)
            .take_while(|(a, b)| a == b)
            .count();
        let around = |bytes: &[u8]| {
            let near = &bytes[same.saturating_sub(20).min(bytes.len())..bytes.len().min(same + 20)];
            String::from_utf8_lossy(near).into_owned()
        };
        assert!(
            read == written,
            "{format}, byte {same}: {:?} for {:?}",
            around(&read),
            around(&written)
        );
    }
}
