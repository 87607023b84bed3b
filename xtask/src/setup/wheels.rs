//! libtorch out of the wheels of PyTorch: fetched by pip, which knows the user's index, proxy and
//! certificates; checked against hashes; and only the parts unpacked that a CPU needs.

use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use zip::ZipArchive;

use crate::error::{FileContext, XtaskError};
use crate::setup::libtorch::VERSION;
use crate::shell;

/// What one kind of machine needs.
struct Prebuilt {
    os: &'static str,
    arch: &'static str,
    /// Platform tags of the wheels. Given, so that every machine gets the same files.
    tags: &'static [&'static str],
    /// Lines of pip's requirements.
    requirements: &'static [&'static str],
    /// Libraries to unpack.
    libraries: &'static [&'static str],
    download_mb: u32,
}

/// Linux is tested; the others are not, beyond the lists of files in their wheels.
const PREBUILT: [Prebuilt; 3] = [
    Prebuilt {
        os: "linux",
        arch: "x86_64",
        tags: &["manylinux_2_28_x86_64", "manylinux_2_25_x86_64", "manylinux2014_x86_64"],
        requirements: &[
            "torch==2.11.0 --hash=sha256:0f68f4ac6d95d12e896c3b7a912b5871619542ec54d3649cf48cc1edd4dd2756",
            // Loaded by libtorch_cpu.so, with or without a GPU.
            "nvidia-cuda-runtime==13.0.96 --hash=sha256:7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
            "nvidia-cuda-cupti==13.0.85 --hash=sha256:4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
        ],
        // Not libtorch_cuda.so: torch-sys links it if it lies there, and it needs gigabytes more.
        libraries: &[
            "torch/lib/libtorch_cpu.so",
            "torch/lib/libc10.so",
            "torch/lib/libgomp.so.1",
            "nvidia/cu13/lib/libcudart.so.13",
            "nvidia/cu13/lib/libcupti.so.13",
        ],
        download_mb: 544,
    },
    Prebuilt {
        os: "macos",
        arch: "aarch64",
        tags: &["macosx_11_0_arm64"],
        requirements: &[
            "torch==2.11.0 --hash=sha256:4b5866312ee6e52ea625cd211dcb97d6a2cdc1131a5f15cc0d87eec948f6dd34",
        ],
        libraries: &[
            "torch/lib/libtorch.dylib",
            "torch/lib/libtorch_cpu.dylib",
            "torch/lib/libc10.dylib",
            "torch/lib/libomp.dylib",
        ],
        download_mb: 81,
    },
    Prebuilt {
        os: "windows",
        arch: "x86_64",
        tags: &["win_amd64"],
        requirements: &[
            "torch==2.11.0 --hash=sha256:fbf39280699d1b869f55eac536deceaa1b60bd6788ba74f399cc67e60a5fab10",
        ],
        libraries: &[
            "torch/lib/torch.dll",
            "torch/lib/torch.lib",
            "torch/lib/torch_cpu.dll",
            "torch/lib/torch_cpu.lib",
            "torch/lib/c10.dll",
            "torch/lib/c10.lib",
            "torch/lib/libiomp5md.dll",
            "torch/lib/uv.dll",
        ],
        download_mb: 115,
    },
];

/// A Python 3 that has pip: program and first arguments.
pub fn find_python() -> Option<&'static [&'static str]> {
    const CANDIDATES: [&[&str]; 3] = [&["python3"], &["python"], &["py", "-3"]];
    CANDIDATES.into_iter().find(|words| {
        let mut command = python(words);
        // Older ones do not know every option that is used below.
        command.args(["-c", "import pip, sys; sys.exit(int(pip.__version__.split('.')[0]) < 21)"]);
        shell::succeeds(&mut command)
    })
}

fn python(words: &[&str]) -> Command {
    let mut words = words.iter();
    let mut command = Command::new(words.next().copied().unwrap_or("python3"));
    command.args(words);
    command
}

/// Leaves `torch/` (and `nvidia/`) in `folder`, complete.
pub fn fetch_and_unpack(folder: &Path) -> Result<(), XtaskError> {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let prebuilt = PREBUILT
        .iter()
        .find(|p| p.os == os && p.arch == arch)
        .ok_or(XtaskError::NoPrebuilt { version: VERSION, os, arch })?;
    if os != "linux" {
        println!("setup: set-up on {os} is untested; please report what happens");
    }
    let wheels = folder.join("wheels");
    download(prebuilt, folder, &wheels)?;
    unpack(prebuilt, &wheels, folder)?;
    fs::remove_dir_all(&wheels).context("remove", &wheels)?;
    if os == "linux" {
        // The wheel's libtorch.so is empty and wants libtorch_cuda.so. torch-sys links it by name, and
        // this line gives the linker the CPU's library instead.
        let shim = folder.join("torch/lib/libtorch.so");
        fs::write(&shim, "INPUT(-ltorch_cpu)\n").context("write", &shim)?;
    }
    Ok(())
}

fn download(prebuilt: &Prebuilt, folder: &Path, wheels: &Path) -> Result<(), XtaskError> {
    let words = find_python().ok_or(XtaskError::NoPip(match prebuilt.os {
        "linux" => "install python3-pip (apt) or your system's package of pip",
        _ => "install Python 3 and add it to the path",
    }))?;
    println!("setup: downloading libtorch {VERSION}, about {} MB", prebuilt.download_mb);
    let started = Instant::now();
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, prebuilt.requirements.join("\n")).context("write", &requirements)?;
    let mut pip = python(words);
    pip.args(["-m", "pip", "download", "--no-input", "--disable-pip-version-check"]);
    if !io::stdout().is_terminal() {
        // Nobody watches the bar.
        pip.arg("--quiet");
    }
    // No cache: it would keep a second copy of half a gigabyte.
    pip.args(["--no-cache-dir", "--no-deps", "--only-binary=:all:", "--require-hashes"]);
    pip.args(["--python-version", "3.12", "--implementation", "cp", "--abi", "cp312"]);
    for tag in prebuilt.tags {
        pip.args(["--platform", tag]);
    }
    pip.arg("--dest").arg(wheels).arg("--requirement").arg(&requirements);
    shell::run(&mut pip).map_err(|_| XtaskError::Download { version: VERSION })?;
    fs::remove_file(&requirements).context("remove", &requirements)?;
    println!("setup: downloaded in {:.0} s", started.elapsed().as_secs_f32());
    Ok(())
}

fn unpack(prebuilt: &Prebuilt, wheels: &Path, folder: &Path) -> Result<(), XtaskError> {
    println!("setup: unpacking libtorch");
    let started = Instant::now();
    let mut bytes = 0;
    for entry in fs::read_dir(wheels).context("read", wheels)? {
        let path = entry.context("read", wheels)?.path();
        let keep = |name: &str| is_wanted(name, prebuilt.libraries);
        bytes += unpack_wheel(&path, folder, keep)?;
    }
    for library in prebuilt.libraries {
        if !folder.join(library).is_file() {
            return Err(XtaskError::IncompleteWheels(library));
        }
    }
    println!(
        "setup: unpacked {} MB in {:.0} s",
        bytes / 1_000_000,
        started.elapsed().as_secs_f32()
    );
    Ok(())
}

/// Headers, the named libraries, and the licences that must travel with them.
fn is_wanted(name: &str, libraries: &[&str]) -> bool {
    let in_metadata = name.split('/').next().is_some_and(|top| top.ends_with(".dist-info"));
    let is_licence = name.to_ascii_uppercase().contains("LICENSE") || name.ends_with("NOTICE");
    name.starts_with("torch/include/") || libraries.contains(&name) || in_metadata && is_licence
}

/// Unpacks what `keep` names; returns its bytes.
fn unpack_wheel(
    wheel: &Path,
    folder: &Path,
    keep: impl Fn(&str) -> bool,
) -> Result<u64, XtaskError> {
    let zip_error = |source| XtaskError::Wheel { wheel: wheel.to_owned(), source };
    let file = File::open(wheel).context("open", wheel)?;
    let mut archive = ZipArchive::new(file).map_err(zip_error)?;
    let mut bytes = 0;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(zip_error)?;
        if entry.is_dir() || !keep(entry.name()) {
            continue;
        }
        // A name that leads out of the folder is no name.
        let Some(inside) = entry.enclosed_name().map(PathBuf::from) else { continue };
        let path = folder.join(inside);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).context("create", parent)?;
        }
        let mut out = File::create(&path).context("create", &path)?;
        bytes += io::copy(&mut entry, &mut out).context("write", &path)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::ZipWriter;
    use zip::write::FileOptions;

    use super::*;

    fn wheel(path: &Path, names: &[&str]) {
        let mut writer = ZipWriter::new(File::create(path).unwrap());
        for name in names {
            writer.start_file(*name, FileOptions::default()).unwrap();
            writer.write_all(name.as_bytes()).unwrap();
        }
        writer.finish().unwrap();
    }

    #[test]
    fn only_headers_libraries_and_licences_are_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.whl");
        let libraries = ["torch/lib/libtorch_cpu.so"];
        wheel(
            &file,
            &[
                "torch/include/a/b.h",
                "torch/lib/libtorch_cpu.so",
                "torch/lib/libtorch_cuda.so",
                "torch/nn/LICENSE.py",
                "torch-2.11.0.dist-info/LICENSE",
                "torch-2.11.0.dist-info/RECORD",
            ],
        );
        let bytes = unpack_wheel(&file, folder.path(), |n| is_wanted(n, &libraries)).unwrap();
        let there = |name: &str| folder.path().join(name).is_file();
        assert!(there("torch/include/a/b.h") && there("torch/lib/libtorch_cpu.so"));
        assert!(there("torch-2.11.0.dist-info/LICENSE"));
        assert!(!there("torch/lib/libtorch_cuda.so") && !there("torch/nn/LICENSE.py"));
        assert!(!there("torch-2.11.0.dist-info/RECORD"));
        assert_eq!(bytes, 19 + 25 + 30);
    }

    #[test]
    fn a_wheel_cannot_write_outside_of_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let file = folder.path().join("x.whl");
        wheel(&file, &["torch/include/../../../evil.h"]);
        assert_eq!(unpack_wheel(&file, &inner, |_| true).unwrap(), 0);
        assert!(!folder.path().join("evil.h").exists());
    }

    #[test]
    fn a_truncated_wheel_is_one_clear_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.whl");
        wheel(&file, &["torch/include/a.h"]);
        let whole = fs::read(&file).unwrap();
        fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        let error = unpack_wheel(&file, folder.path(), |_| true).unwrap_err();
        assert!(error.to_string().contains("x.whl"), "{error}");
    }

    #[test]
    fn every_download_is_pinned_to_a_hash() {
        for prebuilt in &PREBUILT {
            for requirement in prebuilt.requirements {
                let hash = requirement.split("--hash=sha256:").nth(1).unwrap();
                assert!(hash.len() == 64 && hash.chars().all(|c| c.is_ascii_hexdigit()));
                assert!(!requirement.starts_with("torch==") || requirement.contains(VERSION));
            }
        }
    }
}
