//! Four processes of a real runtime fall at the same time: four records, each a whole traceback with its kind, its error
//! and its place, under the process that wrote it.

mod support;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::log::{self, Entry};
use support::python;
use support::unbraid::Unbraid;

/// What every one of the four records must say.
struct Expected {
    lang: &'static str,
    exception: Option<&'static str>,
    message: &'static str,
    /// Where the error came up, as far as the runtime says.
    function: Option<&'static str>,
    line: Option<u64>,
    /// What stands in the record, in this order.
    lines: &'static [&'static str],
}

/// Starts its arguments four times.
const FOUR: &str = r#""$@" & "$@" & "$@" & "$@" & wait"#;

fn source(name: &str) -> PathBuf {
    python::folder("runtimes").join(name)
}

/// Runs a program that brings its four processes, or four that are started by a shell.
fn four_fall(command: impl IntoIterator<Item = OsString>, expected: &Expected) {
    let ended = Unbraid::logging_json().command(command).run();
    let records = log::captured(&ended.log());
    let shown = || records.iter().map(|e| &e.message).collect::<Vec<_>>();
    assert_eq!(records.len(), 4, "{:#?}", shown());
    let pids: BTreeSet<i32> = records.iter().map(|record| record.pid).collect();
    assert_eq!(pids.len(), 4, "{pids:?}");
    for record in &records {
        expected.assert(record);
    }
}

impl Expected {
    fn assert(&self, record: &Entry) {
        let whole = &record.message;
        assert_eq!(record.stream, "stderr");
        assert_eq!(record.kind.as_deref(), Some("traceback"), "{whole}");
        assert!(!record.shared && record.part.is_none(), "{record:?}");
        assert_eq!(record.lang.as_deref(), Some(self.lang), "{whole}");
        assert_eq!(record.exception_type.as_deref(), self.exception, "{whole}");
        let message = record.exception_message.as_deref();
        assert_eq!(message, Some(self.message), "{whole}");
        // Versions differ in what they put before it.
        let function = record.code_function.as_deref();
        let found = function.zip(self.function).map(|(f, end)| f.ends_with(end));
        assert!(
            found != Some(false) && function.is_some() == self.function.is_some(),
            "{function:?}: {whole}"
        );
        assert_eq!(record.code_lineno, self.line, "{whole}");
        let mut rest = whole.as_str();
        for line in self.lines {
            let found = rest.split_once(line);
            rest = found.unwrap_or_else(|| panic!("no {line:?} in {whole}")).1;
        }
    }
}

/// What a compiler makes of a source of ours, in a folder of its own below target/.
fn compiled(compiler: &mut Command, made: &Path) -> PathBuf {
    let output = compiler.output();
    let output = output.unwrap_or_else(|error| panic!("{compiler:?} is needed: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{compiler:?}: {said}");
    made.to_path_buf()
}

fn made(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("runtimes");
    std::fs::create_dir_all(&folder).expect("target/ can be written");
    folder.join(name)
}

/// The arguments that start a program four times.
fn by_shell<A: Into<OsString>>(program: impl IntoIterator<Item = A>) -> Vec<OsString> {
    let shell = ["sh", "-c", FOUR, "sh"].map(OsString::from);
    let program = program.into_iter().map(Into::into);
    shell.into_iter().chain(program).collect()
}

#[test]
fn runtime_python_four_forks() {
    four_fall(
        [python::interpreter().into(), source("boom.py").into()],
        &Expected {
            lang: "python",
            exception: Some("ValueError"),
            message: "no such order: bill",
            function: Some("charge"),
            line: Some(13),
            lines: &[
                "Traceback (most recent call last):\n",
                "KeyError: 'bill'\n\nThe above exception was the direct cause",
                "\nTraceback (most recent call last):\n",
                "\nValueError: no such order: bill",
            ],
        },
    );
}

#[test]
fn runtime_ruby_four_forks() {
    four_fall(
        ["ruby".into(), source("boom.rb").into()],
        &Expected {
            lang: "ruby",
            exception: Some("OrderError"),
            message: "no such order: bill",
            function: Some("charge"),
            line: Some(11),
            lines: &[
                "boom.rb:11:in ",
                "\n\tfrom ",
                "boom.rb:5:in ",
                "key not found: :bill (KeyError)\n\tfrom ",
            ],
        },
    );
}

#[test]
fn runtime_perl_four_forks() {
    four_fall(
        ["perl".into(), source("boom.pl").into()],
        &Expected {
            lang: "perl",
            exception: None,
            message: "no such order: bill",
            function: None,
            line: Some(6),
            lines: &[
                "no such order: bill at ",
                "\n\tmain::load_order(\"bill\") called at ",
                "\n\tmain::charge(\"bill\") called at ",
            ],
        },
    );
}

#[test]
fn runtime_php_four_forks() {
    let options = ["-n", "-d", "display_errors=0", "-d", "log_errors=1"].map(OsString::from);
    let command = [&["php".into()], &options[..], &[source("boom.php").into()]].concat();
    four_fall(
        command,
        &Expected {
            lang: "php",
            exception: Some("OutOfBoundsException"),
            message: "nothing under bill",
            function: None,
            line: Some(6),
            lines: &[
                "PHP Fatal error:  Uncaught OutOfBoundsException: nothing under bill in ",
                "\nStack trace:\n#0 ",
                "\n\nNext OrderError: no such order: bill in ",
                "\n#1 {main}\n  thrown in ",
            ],
        },
    );
}

#[test]
fn runtime_node_four_cluster_workers() {
    four_fall(
        ["node".into(), source("boom.js").into()],
        &Expected {
            lang: "node",
            exception: Some("TypeError"),
            message: "no such order: bill",
            function: Some("charge"),
            line: Some(12),
            lines: &[
                "boom.js:12\n    throw new TypeError(",
                "\nTypeError: no such order: bill\n    at charge (",
                "[cause]: RangeError: nothing under bill\n",
                "\n}\n\nNode.js v",
            ],
        },
    );
}

#[test]
fn runtime_java_four_processes() {
    let classes = made("java");
    let mut compiler = Command::new("javac");
    compiler.arg("-d").arg(&classes).arg(source("Boom.java"));
    compiled(&mut compiler, &classes);
    // Four virtual machines on a small machine: no threads for what a short run does not need.
    let mut program = ["java", "-XX:+UseSerialGC", "-Xshare:auto", "-cp"]
        .map(OsString::from)
        .to_vec();
    program.extend([classes.into(), "Boom".into()]);
    four_fall(
        by_shell(program),
        &Expected {
            lang: "java",
            exception: Some("Boom$OrderException"),
            message: "no such order: bill",
            function: Some("charge"),
            line: Some(17),
            lines: &[
                "Exception in thread \"main\" Boom$OrderException: no such order: bill\n",
                "\n\tat Boom.main(Boom.java:22)\n",
                "Caused by: java.lang.IllegalStateException: nothing under bill\n",
                "\n\t... 1 more",
            ],
        },
    );
}

#[test]
fn runtime_go_four_processes() {
    let program = made("boom");
    let mut compiler = Command::new("go");
    compiler.env("GOCACHE", made("go-cache"));
    compiler.args(["build", "-o"]).arg(&program);
    compiled(compiler.arg(source("boom.go")), &program);
    four_fall(
        by_shell([program]),
        &Expected {
            lang: "go",
            exception: Some("panic"),
            message: "no such order: bill",
            function: Some("main.load"),
            line: Some(12),
            lines: &[
                "panic: no such order: bill\n\ngoroutine 1 [running]:\nmain.load(",
                "\nmain.charge(",
                "\nmain.main()\n",
            ],
        },
    );
}
