//! Where the object to preload lies.

use super::environment::can_be_listed;
use nix::sys::statvfs::{FsFlags, statvfs};
use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The object itself, compiled by `build.rs`.
pub const OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/unbraid-preload.so"));

/// What an installed object is called.
pub const INSTALLED_NAME: &str = "unbraid-preload.so";

/// Where packages and image builds put it.
const INSTALLED: [&str; 2] = ["/usr/local/lib/unbraid", "/usr/lib/unbraid"];

/// A place for the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// It lies there.
    Present(PathBuf),
    /// It can be written there: the folder is ours alone, or would be.
    Makeable(PathBuf),
}

impl Place {
    /// The object's path.
    pub fn path(&self) -> &Path {
        match self {
            Self::Present(path) | Self::Makeable(path) => path,
        }
    }
}

/// Why there is no object to preload.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// `--preload` names something else.
    #[error("cannot preload {path}: {cause}; write it with unbraid --install-preload {path}")]
    Given {
        /// What `--preload` names.
        path: String,
        /// Why it does not serve.
        cause: String,
    },
    /// No folder serves.
    #[error(
        "no folder for the object to preload that is writable, safe and not mounted noexec ({tried}); install it with \
             unbraid --install-preload /usr/local/lib/unbraid/unbraid-preload.so"
    )]
    Nowhere {
        /// The folders and why not.
        tried: String,
    },
}

/// Finds a place: the one given, else an installed object, else a folder of this user's. Makes nothing.
pub fn find(given: Option<&Path>) -> Result<Place, PlaceError> {
    if let Some(path) = given {
        return given_place(path);
    }
    if let Some(path) = installed() {
        return Ok(Place::Present(path));
    }
    let name = format!("unbraid-preload-{:016x}.so", fingerprint(OBJECT));
    let mut tried = Vec::new();
    for folder in own_folders() {
        match serves(&folder) {
            Ok(()) => {
                let path = folder.join(&name);
                return Ok(if holds_object(&path).is_ok() {
                    Place::Present(path)
                } else {
                    Place::Makeable(path)
                });
            }
            Err(cause) => tried.push(format!("{}: {cause}", folder.display())),
        }
    }
    Err(PlaceError::Nowhere {
        tried: tried.join("; "),
    })
}

fn given_place(path: &Path) -> Result<Place, PlaceError> {
    let text = path.to_string_lossy();
    let cause = if !can_be_listed(path) {
        "LD_PRELOAD cannot hold a path with a space or a colon".to_owned()
    } else if !path.is_absolute() {
        "the path must be absolute, since processes change their folder".to_owned()
    } else {
        match holds_object(path) {
            Ok(()) => return Ok(Place::Present(path.to_owned())),
            Err(error) => crate::cause(&error),
        }
    };
    Err(PlaceError::Given {
        path: text.into_owned(),
        cause,
    })
}

fn installed() -> Option<PathBuf> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.parent()?.join("lib/unbraid")));
    let folders = beside
        .into_iter()
        .chain(INSTALLED.iter().map(PathBuf::from));
    folders
        .map(|folder| folder.join(INSTALLED_NAME))
        .find(|path| given_place(path).is_ok())
}

/// Whether `path` is this program's object, byte for byte: another version may speak another protocol.
fn holds_object(path: &Path) -> io::Result<()> {
    if fs::read(path)? == OBJECT {
        Ok(())
    } else {
        Err(io::Error::other("it is not this version's object"))
    }
}

/// FNV-1a, 64 bits: names the file after its content, so that versions live side by side.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Folders to keep the object in. The server's workers may have given up root, so for root only those that all can read.
fn own_folders() -> Vec<PathBuf> {
    let uid = nix::unistd::geteuid();
    let mut folders = Vec::new();
    let below = |variable: &str, name: &str| {
        std::env::var_os(variable)
            .filter(|d| !d.is_empty())
            .map(|folder| Path::new(&folder).join(name))
    };
    if uid.is_root() {
        folders.push(PathBuf::from("/run/unbraid"));
    } else {
        // Before the runtime folder, which is emptied when the user logs out and a server with nohup goes on.
        folders.extend(
            below("HOME", ".cache")
                .filter(|cache| cache.is_dir())
                .map(|cache| cache.join("unbraid")),
        );
        folders.extend(below("XDG_RUNTIME_DIR", "unbraid"));
    }
    folders.push(PathBuf::from(format!("/tmp/unbraid-{uid}")));
    folders.push(PathBuf::from(format!("/dev/shm/unbraid-{uid}")));
    folders
}

/// Whether the object can be kept in `folder`, which need not exist yet.
fn serves(folder: &Path) -> Result<(), String> {
    if !can_be_listed(folder) || !folder.is_absolute() {
        return Err("no path for LD_PRELOAD".into());
    }
    // Not followed: a link in /tmp may be anybody's.
    let existing = match fs::symlink_metadata(folder) {
        Ok(meta) if !meta.is_dir() => return Err("not a folder".into()),
        Ok(meta) if meta.uid() != nix::unistd::geteuid().as_raw() => {
            return Err("somebody else's".into());
        }
        Ok(meta) if meta.mode() & 0o022 != 0 => return Err("others may write there".into()),
        Ok(_) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            folder.parent().ok_or("no folder above")?
        }
        Err(error) => return Err(crate::cause(&error)),
    };
    nix::unistd::access(
        existing,
        nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK,
    )
    .map_err(|errno| errno.desc().to_owned())?;
    let flags = statvfs(existing)
        .map_err(|errno| errno.desc().to_owned())?
        .flags();
    if flags.contains(FsFlags::ST_NOEXEC) {
        Err("mounted noexec".into())
    } else {
        Ok(())
    }
}

/// Sees to it that the object lies at `place`. It stays there after the end: descendants that live on may still execute
/// programs, and a missing object makes ld.so complain at each.
pub fn make(place: &Place) -> io::Result<()> {
    let Place::Makeable(path) = place else {
        return Ok(());
    };
    if let Some(folder) = path.parent() {
        match DirBuilder::new().mode(0o755).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        // Somebody else may have made it in between.
        serves(folder).map_err(io::Error::other)?;
        // Against a umask of 077: root's workers that became another user read it too.
        fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    }
    write(path)
}

/// `--install-preload`: writes the object to `path`, or into it where it is a folder; returns where it lies.
pub fn install(path: &Path) -> io::Result<PathBuf> {
    let path = if path.is_dir() {
        path.join(INSTALLED_NAME)
    } else {
        path.to_owned()
    };
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        DirBuilder::new()
            .mode(0o755)
            .recursive(true)
            .create(folder)?;
    }
    write(&path)?;
    Ok(path)
}

/// Whole or not at all: other processes may be loading it.
fn write(path: &Path) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}", std::process::id()));
    let unfinished = PathBuf::from(unfinished);
    let _ = fs::remove_file(&unfinished);
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o755)
        .open(&unfinished)
        .and_then(|mut file| {
            file.write_all(OBJECT)?;
            file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
            fs::rename(&unfinished, path)
        });
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use elf::ElfBytes;
    use elf::abi::{DT_NEEDED, SHN_UNDEF, STB_WEAK};
    use elf::endian::AnyEndian;

    #[test]
    fn the_object_needs_no_library_and_asks_for_weak_symbols_only() {
        let object = ElfBytes::<AnyEndian>::minimal_parse(OBJECT).unwrap();
        let (symbols, names) = object.dynamic_symbol_table().unwrap().unwrap();
        let mut asked: Vec<&str> = Vec::new();
        for symbol in symbols.iter().skip(1).filter(|s| s.st_shndx == SHN_UNDEF) {
            let name = names.get(symbol.st_name as usize).unwrap();
            assert_eq!(symbol.st_bind(), STB_WEAK, "{name}");
            asked.push(name);
        }
        asked.sort_unstable();
        assert_eq!(asked, ["__register_atfork", "environ", "pthread_atfork"]);
        let dynamic = object.dynamic().unwrap().unwrap();
        assert!(dynamic.iter().all(|entry| entry.d_tag != DT_NEEDED));
    }

    #[test]
    fn the_object_takes_no_symbol_away_from_the_program() {
        let object = ElfBytes::<AnyEndian>::minimal_parse(OBJECT).unwrap();
        let (symbols, names) = object.dynamic_symbol_table().unwrap().unwrap();
        let defined = symbols.iter().skip(1).filter(|s| s.st_shndx != SHN_UNDEF);
        let defined: Vec<&str> = defined
            .map(|s| names.get(s.st_name as usize).unwrap())
            .collect();
        assert!(defined.is_empty(), "{defined:?}");
    }

    #[test]
    fn an_installed_object_is_found_by_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = install(folder.path()).unwrap();
        assert_eq!(path, folder.path().join(INSTALLED_NAME));
        assert_eq!(find(Some(&path)).unwrap(), Place::Present(path.clone()));
        fs::write(&path, b"another version").unwrap();
        assert!(
            find(Some(&path))
                .unwrap_err()
                .to_string()
                .contains("not this version's")
        );
        fs::remove_file(&path).unwrap();
        assert!(
            find(Some(&path))
                .unwrap_err()
                .to_string()
                .contains("--install-preload")
        );
    }
}
