//! One copy of libtorch per user, and a link to it from each checkout.
//!
//! `<checkout>/.libtorch/torch` is what `.cargo/config.toml` tells torch-sys and the rpath. `.libtorch` is a
//! link to the user's cache folder, or, where `LIBTORCH` is set, a folder with a link to that.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::error::{FileContext, XtaskError};
use crate::setup::wheels;

/// What tch 0.24 is made for.
pub const VERSION: &str = "2.11.0";

/// Written last into a complete copy.
const MARKER: &str = ".done-2.11.0";

fn link_path(root: &Path) -> PathBuf {
    root.join(".libtorch")
}

/// Where the libraries are, seen from the checkout.
pub fn library_folder(root: &Path) -> PathBuf {
    link_path(root).join("torch").join("lib")
}

/// `LIBTORCH`, if a user set it: cargo sets it too, for whatever it runs.
fn user_libtorch(root: &Path) -> Option<PathBuf> {
    let folder = PathBuf::from(env::var_os("LIBTORCH").filter(|v| !v.is_empty())?);
    (folder != link_path(root).join("torch")).then_some(folder)
}

/// The user chose a libtorch.
pub fn is_set_by_user(root: &Path) -> bool {
    user_libtorch(root).is_some()
}

fn cached_copy() -> Result<PathBuf, XtaskError> {
    let set = |name| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let cache = if cfg!(windows) {
        set("XDG_CACHE_HOME").or_else(|| set("LOCALAPPDATA"))
    } else {
        set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))
    };
    let cache = cache.ok_or(XtaskError::NoCacheFolder)?;
    Ok(cache.join("reverie").join(format!("libtorch-{VERSION}")))
}

fn is_complete(copy: &Path) -> bool {
    copy.join(MARKER).is_file()
}

/// The checkout is linked to the right libtorch.
pub fn is_ready(root: &Path) -> bool {
    let link = link_path(root);
    match user_libtorch(root) {
        Some(folder) => same_folder(&link.join("torch"), &folder),
        None => match cached_copy() {
            Ok(copy) => is_complete(&copy) && same_folder(&link, &copy),
            Err(_) => false,
        },
    }
}

fn same_folder(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// There is no copy on this machine yet.
pub fn must_download(root: &Path) -> Result<bool, XtaskError> {
    Ok(user_libtorch(root).is_none() && !is_complete(&cached_copy()?))
}

/// Fetches libtorch unless it is there, and links the checkout to it.
pub fn ensure(root: &Path) -> Result<(), XtaskError> {
    let link = link_path(root);
    if is_ready(root) {
        println!("setup: libtorch {VERSION} is linked ({})", shown_target(&link));
        return Ok(());
    }
    if let Some(folder) = user_libtorch(root) {
        for missing in ["lib", "include"] {
            if !folder.join(missing).is_dir() {
                return Err(XtaskError::NotLibtorch { folder, missing });
            }
        }
        println!("setup: linking {} to LIBTORCH, {}", link.display(), folder.display());
        remove_old(&link)?;
        fs::create_dir(&link).context("create", &link)?;
        return link_folder(&folder, &link.join("torch"));
    }
    let copy = cached_copy()?;
    if !is_complete(&copy) {
        install(&copy)?;
    }
    println!("setup: linking {} to {}", link.display(), copy.display());
    remove_old(&link)?;
    link_folder(&copy, &link)
}

fn shown_target(link: &Path) -> String {
    let torch = link.join("torch");
    torch.canonicalize().unwrap_or(torch).display().to_string()
}

/// Downloads and unpacks beside `copy`, then renames: an interrupted set-up leaves no half copy behind.
fn install(copy: &Path) -> Result<(), XtaskError> {
    let started = Instant::now();
    let beside = |suffix: &str| copy.with_file_name(format!("libtorch-{VERSION}.{suffix}"));
    if let Some(folder) = copy.parent() {
        fs::create_dir_all(folder).context("create", folder)?;
    }
    // Two checkouts that set up at once fetch it once. The system frees the lock if we are killed.
    let lock_path = beside("lock");
    let lock = File::create(&lock_path).context("create", &lock_path)?;
    if lock.try_lock().is_err() {
        println!("setup: another set-up is fetching libtorch; waiting for it");
        lock.lock().context("lock", &lock_path)?;
    }
    if is_complete(copy) {
        return Ok(());
    }
    let part = beside("part");
    remove_folder(&part)?;
    fs::create_dir(&part).context("create", &part)?;
    wheels::fetch_and_unpack(&part)?;
    let version = part.join("torch").join("build-version");
    fs::write(&version, VERSION).context("write", &version)?;
    let marker = part.join(MARKER);
    fs::write(&marker, "").context("write", &marker)?;
    remove_folder(copy)?;
    fs::rename(&part, copy).context("rename", &part)?;
    println!(
        "setup: libtorch {VERSION} is in {} ({:.0} s)",
        copy.display(),
        started.elapsed().as_secs_f32()
    );
    Ok(())
}

fn remove_folder(folder: &Path) -> Result<(), XtaskError> {
    if folder.exists() { fs::remove_dir_all(folder).context("remove", folder) } else { Ok(()) }
}

/// Takes away a link of an earlier set-up, and nothing else.
fn remove_old(link: &Path) -> Result<(), XtaskError> {
    let Ok(metadata) = link.symlink_metadata() else { return Ok(()) };
    if is_link(&metadata) {
        return remove_link(link);
    }
    let inner = link.join("torch");
    if metadata.is_dir() {
        if inner.symlink_metadata().is_ok_and(|m| is_link(&m)) {
            remove_link(&inner)?;
        }
        // Fails unless empty.
        return fs::remove_dir(link).map_err(|_| XtaskError::InTheWay(link.to_owned()));
    }
    Err(XtaskError::InTheWay(link.to_owned()))
}

fn is_link(metadata: &fs::Metadata) -> bool {
    #[cfg(windows)]
    {
        use std::os::windows::fs::MetadataExt;
        // A junction is a reparse point, and to some calls no symbolic link.
        const FILE_ATTRIBUTE_REPARSE_POINT: u32 = 0x400;
        metadata.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT != 0
    }
    #[cfg(not(windows))]
    metadata.is_symlink()
}

fn remove_link(link: &Path) -> Result<(), XtaskError> {
    let removed = if cfg!(windows) { fs::remove_dir(link) } else { fs::remove_file(link) };
    removed.context("remove", link)
}

#[cfg(unix)]
fn link_folder(target: &Path, link: &Path) -> Result<(), XtaskError> {
    std::os::unix::fs::symlink(target, link).context("link", link)
}

/// A junction: unlike a symbolic link it needs no privilege.
#[cfg(windows)]
fn link_folder(target: &Path, link: &Path) -> Result<(), XtaskError> {
    let mut command = std::process::Command::new("cmd");
    crate::shell::run(command.args(["/c", "mklink", "/J"]).arg(link).arg(target))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_new_link_replaces_an_old_one_of_either_kind() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        fs::create_dir_all(&old).unwrap();
        fs::create_dir_all(&new).unwrap();
        let link = folder.path().join(".libtorch");

        link_folder(&old, &link).unwrap();
        remove_old(&link).unwrap();
        link_folder(&new, &link).unwrap();
        assert!(same_folder(&link, &new));

        remove_old(&link).unwrap();
        fs::create_dir(&link).unwrap();
        link_folder(&old, &link.join("torch")).unwrap();
        remove_old(&link).unwrap();
        assert!(!link.exists());
        assert!(old.exists() && new.exists());
    }

    #[test]
    fn a_dangling_link_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join(".libtorch");
        link_folder(&folder.path().join("gone"), &link).unwrap();
        remove_old(&link).unwrap();
        assert!(link.symlink_metadata().is_err());
    }

    #[test]
    fn what_is_not_ours_is_never_removed() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join(".libtorch");
        fs::create_dir_all(link.join("torch/lib")).unwrap();
        assert!(matches!(remove_old(&link), Err(XtaskError::InTheWay(_))));
        assert!(link.join("torch/lib").is_dir());
    }

    #[test]
    fn a_copy_without_its_marker_is_not_complete() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("torch/lib")).unwrap();
        assert!(!is_complete(folder.path()));
        fs::write(folder.path().join(MARKER), "").unwrap();
        assert!(is_complete(folder.path()));
    }
}
