//! System packages, through apt where it is there and may be used.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::error::XtaskError;
use crate::setup::wheels;
use crate::shell;

struct Package {
    name: &'static str,
    /// A program on the path that makes the package unnecessary.
    instead: Option<&'static str>,
    /// Without it nothing builds; the others are needed to run.
    for_build: bool,
}

const fn build(name: &'static str, instead: Option<&'static str>) -> Package {
    Package { name, instead, for_build: true }
}

const fn play(name: &'static str) -> Package {
    Package { name, instead: None, for_build: false }
}

const PACKAGES: [Package; 10] = [
    // torch-sys compiles C++.
    build("g++", Some("g++")),
    build("pkg-config", Some("pkg-config")),
    // Gamepads.
    build("libudev-dev", None),
    // Vulkan, in software where there is no GPU.
    play("libvulkan1"),
    play("mesa-vulkan-drivers"),
    // A window.
    play("libx11-6"),
    play("libx11-xcb1"),
    play("libxcursor1"),
    play("libxi6"),
    play("libxkbcommon-x11-0"),
];

/// A driver of another origin (a GPU maker's, say) will do as well as Mesa's.
const VULKAN_DRIVER_FOLDERS: [&str; 2] = ["/etc/vulkan/icd.d", "/usr/share/vulkan/icd.d"];

/// Installs what is missing. Without the right to, says the command in one line: an error where the
/// build cannot do without.
pub fn ensure(needs_pip: bool) -> Result<(), XtaskError> {
    if !is_debian_family() {
        if cfg!(target_os = "linux") {
            println!(
                "setup: not Debian or Ubuntu; please see to it that a C++ compiler, pkg-config, the \
                 headers of libudev, a Vulkan driver and the X11 libraries are installed"
            );
        }
        return Ok(());
    }
    let missing = missing_packages(needs_pip);
    if missing.is_empty() {
        println!("setup: system packages are installed");
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|p| p.name).collect();
    let by_hand = format!("sudo apt-get install -y --no-install-recommends {}", names.join(" "));
    match root_prefix() {
        Some(prefix) => {
            println!("setup: installing {}", names.join(" "));
            // An outdated list may still know the packages, so its failure alone is no reason to stop.
            let updated = shell::run(apt(prefix).args(["update", "-qq"]));
            if let Err(error) = updated {
                eprintln!("setup: {error}");
            }
            let mut install = apt(prefix);
            install.args(["install", "-y", "-qq", "--no-install-recommends"]).args(&names);
            shell::run(&mut install)
        }
        None if missing.iter().any(|p| p.for_build) => Err(XtaskError::MissingPackages(by_hand)),
        None => {
            println!(
                "setup: some system packages are missing; to see a picture, please run: {by_hand}"
            );
            Ok(())
        }
    }
}

fn missing_packages(needs_pip: bool) -> Vec<Package> {
    let installed = installed_packages();
    let mut missing: Vec<Package> =
        PACKAGES.into_iter().filter(|p| !is_present(p, &installed)).collect();
    if needs_pip && wheels::find_python().is_none() {
        missing.push(build("python3-pip", None));
    }
    missing
}

fn is_present(package: &Package, installed: &[String]) -> bool {
    installed.iter().any(|name| name == package.name)
        || package.instead.is_some_and(|p| shell::succeeds(Command::new(p).arg("--version")))
        || package.name == "mesa-vulkan-drivers" && VULKAN_DRIVER_FOLDERS.iter().any(holds_files)
}

fn holds_files(folder: &&str) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

fn installed_packages() -> Vec<String> {
    let mut query = Command::new("dpkg-query");
    // With one unknown name the status is 1, and the others are listed all the same.
    query.args(["-W", "-f", "${Package} ${db:Status-Abbrev}\n"]).args(PACKAGES.map(|p| p.name));
    match query.output() {
        Ok(output) => parse_installed(&String::from_utf8_lossy(&output.stdout)),
        Err(_) => Vec::new(),
    }
}

fn parse_installed(listing: &str) -> Vec<String> {
    let lines = listing.lines().filter_map(|line| line.split_once(' '));
    lines.filter(|(_, state)| state.trim() == "ii").map(|(name, _)| name.to_owned()).collect()
}

fn is_debian_family() -> bool {
    let release = fs::read_to_string(Path::new("/etc/os-release")).unwrap_or_default();
    names_debian(&release) && shell::succeeds(Command::new("apt-get").arg("--version"))
}

fn names_debian(os_release: &str) -> bool {
    let values = os_release
        .lines()
        .filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")));
    values
        .flat_map(|value| value.trim_matches('"').split(' '))
        .any(|id| matches!(id, "debian" | "ubuntu"))
}

/// What to put before apt to be root without a question, or `None`.
fn root_prefix() -> Option<&'static [&'static str]> {
    let id = shell::output_of(Command::new("id").arg("-u"))?;
    if id.trim() == "0" {
        return Some(&[]);
    }
    shell::succeeds(Command::new("sudo").args(["-n", "true"])).then_some(&["sudo", "-n"])
}

fn apt(prefix: &[&str]) -> Command {
    let mut words =
        prefix.iter().copied().chain(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    let mut command = Command::new(words.next().unwrap_or("env"));
    command.args(words).args(["-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fully_installed_packages_count() {
        let listing = "g++ ii \nlibudev-dev un \npkg-config rc \nlibx11-6 ii \n";
        assert_eq!(parse_installed(listing), ["g++", "libx11-6"]);
    }

    #[test]
    fn debian_and_its_children_are_known() {
        assert!(names_debian("NAME=x\nID=debian\n"));
        assert!(names_debian("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!names_debian("ID=fedora\nID_LIKE=\"rhel\"\nNAME=debian\n"));
    }

    #[test]
    fn apt_is_called_through_sudo_where_needed() {
        let words = |command: &Command| shell::display(command);
        assert!(words(&apt(&[])).starts_with("env DEBIAN_FRONTEND=noninteractive apt-get "));
        assert!(words(&apt(&["sudo", "-n"])).starts_with("sudo -n env DEBIAN_FRONTEND="));
    }
}
