//! Many workers, mixed sizes, tracebacks, each worker replaced again and again, each killed in the middle of a record:
//! nothing is torn, lost, duplicated or out of order; in one file, in a file for each process and in a file for each slot.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use support::log;
use support::programs::{Linked, program};
use support::unbraid::{Ended, Unbraid};
use support::verify::{self, Manifest, Report};

/// The load as COMMAND.
fn load(unbraid: Unbraid, arguments: &str) -> Unbraid {
    let manifest = unbraid.folder().join("manifest");
    let mut line = vec![program("load", Linked::Shared).into_os_string()];
    line.extend(arguments.split(' ').map(Into::into));
    line.extend(["--manifest".into(), manifest.into_os_string()]);
    unbraid.command(line)
}

fn run(unbraid: Unbraid, arguments: &str) -> (Ended, Manifest) {
    let ended = load(unbraid, arguments).run();
    ended.assert_code(0);
    let manifest = Manifest::read(&ended.file("manifest"));
    (ended, manifest)
}

/// The files in the folder `logs`.
fn logs(ended: &Ended) -> Vec<PathBuf> {
    let files = fs::read_dir(ended.file("logs"))
        .expect("unbraid made the folder")
        .flatten();
    files.map(|file| file.path()).collect()
}

fn number_in_name(file: &Path) -> i32 {
    file.file_stem()
        .and_then(|name| name.to_str()?.parse().ok())
        .expect("a number for a name")
}

fn assert_whole_with_tracebacks(report: &Report) {
    report.assert_whole();
    assert!(report.tracebacks > report.expected / 10, "{report:?}");
}

const LOAD: &str =
    "--workers 256 --generations 20 --records 25 --sizes mixed --tracebacks 12 --stream both --cut";
const LIGHTER: &str =
    "--workers 64 --generations 5 --records 20 --sizes mixed --tracebacks 20 --stream both --cut";

#[test]
fn one_file_as_raw_bytes() {
    let unbraid = Unbraid::new();
    let log = unbraid.log();
    let (ended, manifest) = run(unbraid.option("-o").option(log), LOAD);
    assert_eq!(manifest.processes.len(), 256 * 20);
    assert_whole_with_tracebacks(&verify::raw(&manifest, &[ended.log()]));
}

#[test]
fn one_file_as_json() {
    let (ended, manifest) = run(Unbraid::logging_json(), LOAD);
    let report = verify::json(&manifest, &ended.log());
    assert_whole_with_tracebacks(&report);
}

#[test]
fn standard_output_and_error_without_an_output_option() {
    let (ended, manifest) = run(Unbraid::new(), LIGHTER);
    let both = [ended.file("stdout"), ended.file("stderr")];
    assert_whole_with_tracebacks(&verify::raw(&manifest, &both));
    let of_stderr = fs::read_to_string(&both[1]).expect("text");
    assert!(
        !of_stderr.contains(" f=o "),
        "a record of stdout is on stderr"
    );
}

#[test]
fn a_file_for_each_process() {
    let unbraid = Unbraid::new();
    let template = unbraid.folder().join("logs/{pid}.log");
    let (ended, manifest) = run(unbraid.option("-o").option(template), LOAD);
    let files = logs(&ended);
    assert_whole_with_tracebacks(&verify::raw(&manifest, &files));
    for file in &files {
        assert_eq!(
            verify::runs(file),
            [number_in_name(file)],
            "{}",
            file.display()
        );
    }
}

#[test]
fn a_file_for_each_slot_holds_one_process_at_a_time() {
    let unbraid = Unbraid::new();
    let template = unbraid.folder().join("logs/{slot}.log");
    let (ended, manifest) = run(unbraid.option("-o").option(template), LOAD);
    let files = logs(&ended);
    assert_whole_with_tracebacks(&verify::raw(&manifest, &files));
    for file in &files {
        let runs = verify::runs(file);
        let processes: BTreeSet<i32> = runs.iter().copied().collect();
        assert_eq!(
            runs.len(),
            processes.len(),
            "{}: a process came back",
            file.display()
        );
    }
    // 256 at a time, with room for those that are replaced while their last bytes are read.
    assert!(files.len() <= 2 * 256, "{} slots", files.len());
}

#[test]
fn several_destinations_each_hold_everything() {
    let unbraid = Unbraid::new();
    let (json, raw, errors) = (
        unbraid.log(),
        unbraid.folder().join("raw"),
        unbraid.folder().join("errors"),
    );
    let spec =
        |before: &str, path: &Path, after: &str| format!("{before}{}{after}", path.display());
    let outputs = [
        spec("json:", &json, ""),
        spec("raw:", &raw, ""),
        spec("", &errors, ",stream=stderr"),
    ];
    let unbraid = outputs.into_iter().fold(unbraid, |unbraid, output| {
        unbraid.option("-o").option(output)
    });
    let (ended, manifest) = run(unbraid, LIGHTER);
    assert_whole_with_tracebacks(&verify::json(&manifest, &ended.log()));
    assert_whole_with_tracebacks(&verify::raw(&manifest, &[&raw]));
    let (errors, all) = (
        fs::read_to_string(errors).expect("text"),
        fs::read_to_string(raw).expect("text"),
    );
    let counts = |text: &str| (text.matches(" f=e ").count(), text.matches(" f=o ").count());
    assert_eq!(counts(&errors), (counts(&all).0, 0));
    assert!(counts(&all).1 > 0);
}

/// Stops unbraid while workers live and die one after another, each with a record that only its end completes.
const SHORT_LIVES: &str = "
import os, signal
from side import write
os.kill(os.getppid(), signal.SIGSTOP)
for number in range(8):
    worker = os.fork()
    if worker == 0:
        write(1, f'first of {number}\\nTraceback (most recent call last):\\n  File \"a.py\", line {number}, in b\\n')
        os._exit(0)
    os.waitpid(worker, 0)
os.kill(os.getppid(), signal.SIGCONT)
";

#[test]
fn a_whole_life_between_two_looks_stands_before_the_next() {
    let ended = Unbraid::logging_json().python(SHORT_LIVES).run();
    ended.assert_code(0);
    let entries = log::captured(&ended.log());
    let told: Vec<&str> = entries.iter().map(|e| e.message.as_str()).collect();
    let expected: Vec<String> = (0..8)
        .flat_map(|number| {
            let traceback =
                format!("Traceback (most recent call last):\n  File \"a.py\", line {number}, in b");
            [format!("first of {number}"), traceback]
        })
        .collect();
    assert_eq!(told, expected);
}
