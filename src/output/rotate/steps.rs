//! Carries out the steps of a plan. Each may fail, and may be done again.

use super::pack::{discard, finish, is_over, open_old, pack};
use super::plan::Step;
use crate::output::spec::shown;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What became of a step that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Done, or no longer needed.
    Done,
    /// Somebody uses the file: to be tried later.
    Busy,
}

/// Does one step. The error names operation, object and cause.
pub(super) fn carry_out(step: &Step) -> Result<Outcome, String> {
    let (operation, object, result) = match step {
        Step::Pack {
            from,
            partial,
            to,
            kind,
        } => ("pack", from, pack(from, partial, to, *kind)),
        Step::Finish {
            plain,
            packed,
            kind,
        } => ("take over", packed, finish(plain, packed, *kind)),
        Step::Discard(path) => ("remove", path, discard(path)),
        Step::Remove(path) => (
            "remove",
            path,
            std::fs::remove_file(path).map(|()| Outcome::Done),
        ),
        Step::RemoveUnused(path) => ("remove", path, remove_unused(path)),
    };
    match result {
        // Another program that keeps the same files was quicker.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Outcome::Done),
        other => other.map_err(|error| {
            let object = shown(object.as_os_str().as_bytes());
            format!("cannot {operation} {object}: {}", crate::cause(&error))
        }),
    }
}

fn remove_unused(path: &Path) -> io::Result<Outcome> {
    if !is_over(&open_old(path)?)? {
        return Ok(Outcome::Busy);
    }
    std::fs::remove_file(path)?;
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::super::family::Family;
    use super::super::listing::list;
    use super::super::plan::plan;
    use super::*;
    use crate::output::settings::{Compression, Rotation};
    use crate::testing::until;
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;

    const OLD: &str = "log.2026-11-23T10-00-00.123456Z";

    fn text() -> Vec<u8> {
        let lines = (0..20_000).map(|number| format!("record {number}\n"));
        lines.collect::<String>().into_bytes()
    }

    fn rules(compress: Compression) -> Rotation {
        Rotation {
            compress: Some(compress),
            ..Rotation::default()
        }
    }

    /// Does all that is planned for the log in this folder.
    fn tidy(dir: &Path, rules: &Rotation) -> Vec<Result<Outcome, String>> {
        let entries = list(&Family::of_path(&dir.join("log"))).unwrap();
        let now = u64::MAX / 2;
        plan(&entries, rules, now)
            .steps
            .iter()
            .map(carry_out)
            .collect()
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap().flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn unpacked(path: &Path) -> Vec<u8> {
        let file = fs::File::open(path).unwrap();
        let mut out = Vec::new();
        if path.extension().unwrap() == "gz" {
            flate2::read::MultiGzDecoder::new(file).read_to_end(&mut out)
        } else {
            zstd::Decoder::new(file).unwrap().read_to_end(&mut out)
        }
        .unwrap();
        out
    }

    fn done(results: &[Result<Outcome, String>]) -> bool {
        results.iter().all(|result| *result == Ok(Outcome::Done))
    }

    /// Until no process that another test is starting has a copy of a descriptor.
    fn tidy_all(dir: &Path, rules: &Rotation) {
        until("nobody else has it open", || done(&tidy(dir, rules)));
    }

    #[test]
    fn a_packed_file_holds_the_same() {
        for kind in Compression::ALL {
            let dir = tempfile::tempdir().unwrap();
            let plain = dir.path().join(OLD);
            fs::write(&plain, text()).unwrap();
            fs::set_permissions(&plain, fs::Permissions::from_mode(0o604)).unwrap();
            let modified = fs::metadata(&plain).unwrap().modified().unwrap();
            tidy_all(dir.path(), &rules(kind));
            let name = format!("{OLD}{}", kind.suffix());
            assert_eq!(names(dir.path()), [name.as_str()]);
            let packed = dir.path().join(name);
            assert_eq!(unpacked(&packed), text());
            let stat = fs::metadata(&packed).unwrap();
            assert_eq!(stat.permissions().mode() & 0o7777, 0o604);
            assert_eq!(stat.modified().unwrap(), modified);
            assert!(stat.len() < text().len() as u64 / 3);
            assert_eq!(tidy(dir.path(), &rules(kind)), []);
        }
    }

    #[test]
    fn what_somebody_writes_is_not_packed() {
        let dir = tempfile::tempdir().unwrap();
        let writer = fs::File::create(dir.path().join(OLD)).unwrap();
        assert_eq!(
            tidy(dir.path(), &rules(Compression::Gzip)),
            [Ok(Outcome::Busy)]
        );
        assert_eq!(names(dir.path()), [OLD]);
        drop(writer);
        tidy_all(dir.path(), &rules(Compression::Gzip));
        assert_eq!(names(dir.path()), [format!("{OLD}.gz")]);
    }

    #[test]
    fn what_another_program_is_packing_is_left_to_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(OLD), text()).unwrap();
        let partial = dir.path().join(format!("{OLD}.gz.partial"));
        let other = fs::File::create(&partial).unwrap();
        assert!(crate::sys::file::try_lock(&other).unwrap());
        assert_eq!(
            tidy(dir.path(), &rules(Compression::Gzip)),
            [Ok(Outcome::Busy)]
        );
        // In another way, it is to be removed, and is not.
        let results = tidy(dir.path(), &rules(Compression::Zstd));
        assert_eq!(results[0], Ok(Outcome::Busy));
        assert!(partial.exists());
    }

    #[test]
    fn what_death_cut_short_is_taken_up() {
        let dir = tempfile::tempdir().unwrap();
        let (plain, packed) = (dir.path().join(OLD), dir.path().join(format!("{OLD}.gz")));
        let partial = dir.path().join(format!("{OLD}.gz.partial"));
        fs::write(&plain, text()).unwrap();
        tidy_all(dir.path(), &rules(Compression::Gzip));
        let whole = fs::read(&packed).unwrap();
        let half = &whole[..whole.len() / 2];
        // Which of plain, partial and packed were there.
        for (a, b, c) in [
            (Some(text()), Some(&half[..0]), None),
            (Some(text()), Some(half), None),
            (Some(text()), Some(&whole[..]), None),
            (Some(text()), Some(&whole[..]), Some(&whole[..])),
            (Some(text()), None, Some(&whole[..])),
            (None, Some(half), Some(&whole[..])),
        ] {
            fs::remove_file(&packed).unwrap();
            for (path, bytes) in [(&plain, a.as_deref()), (&partial, b), (&packed, c)] {
                if let Some(bytes) = bytes {
                    fs::write(path, bytes).unwrap();
                }
            }
            tidy_all(dir.path(), &rules(Compression::Gzip));
            assert_eq!(names(dir.path()), [format!("{OLD}.gz")]);
            assert_eq!(unpacked(&packed), text());
        }
    }

    #[test]
    fn a_file_of_that_name_that_holds_something_else_is_kept_beside() {
        let dir = tempfile::tempdir().unwrap();
        let (plain, packed) = (dir.path().join(OLD), dir.path().join(format!("{OLD}.gz")));
        fs::write(&plain, text()).unwrap();
        fs::write(&packed, "mine").unwrap();
        let results = tidy(dir.path(), &rules(Compression::Gzip));
        let text = format!(
            "cannot take over {}: it does not hold the same as the file beside it; both are kept",
            packed.display()
        );
        assert_eq!(results, [Err(text)]);
        assert_eq!(fs::read(&packed).unwrap(), b"mine");
        assert!(plain.exists());
    }

    #[test]
    fn only_what_is_the_logs_own_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        let others = [
            "log",
            "log.1",
            "log.gz",
            "other.2026-11-23T10-00-00.123456Z",
            "log.2026-11-23T10-00-00.123456Z.gz.bak",
            "xlog.2026-11-23T10-00-00.123456Z.zst",
        ];
        for name in others {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        std::os::unix::fs::symlink("log", dir.path().join(OLD)).unwrap();
        fs::create_dir(dir.path().join("log.2026-11-23T10-00-00.123457Z")).unwrap();
        let rules = Rotation {
            keep_for: Some(std::time::Duration::from_secs(1)),
            ..rules(Compression::Gzip)
        };
        assert_eq!(tidy(dir.path(), &rules), []);
        assert_eq!(names(dir.path()).len(), others.len() + 2);
    }
}
