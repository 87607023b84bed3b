//! `reverie doctor`: what this machine has, what is missing, and how to get it.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use reverie_runtime::device;
use serde::Serialize;

/// Arguments of `reverie doctor`.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// Writes the report here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl DoctorArgs {
    /// Prints the report.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let report = examine();
        say!("{}", text(&report).trim_end());
        if let Some(path) = self.json {
            super::write_json(&path, &serde_json::to_value(&report)?)?;
        }
        Ok(())
    }
}

/// What the processor is and can.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Processor {
    name: Option<String>,
    threads: usize,
    memory_gib: Option<f32>,
    /// Of [`NUMERIC_FEATURES`], those that are there.
    features: Vec<&'static str>,
}

/// Instruction sets that libtorch is faster with.
const NUMERIC_FEATURES: [&str; 5] = ["avx2", "avx512f", "avx512_bf16", "amx_tile", "amx_bf16"];

#[derive(Debug, Serialize)]
struct Libtorch {
    version: Option<String>,
    /// The file that this process has loaded.
    library: Option<PathBuf>,
    cuda: bool,
    /// What models run on by default.
    device: String,
    /// The faster kind of number on that device, by measurement.
    kind: String,
}

#[derive(Debug, Serialize)]
struct Adapter {
    name: String,
    backend: String,
    driver: String,
    is_software: bool,
}

#[derive(Debug, PartialEq, Serialize)]
struct Missing {
    what: &'static str,
    how: &'static str,
}

#[derive(Debug, Serialize)]
struct Report {
    processor: Processor,
    libtorch: Libtorch,
    adapters: Vec<Adapter>,
    gamepads: Vec<String>,
    display: Option<String>,
    missing: Vec<Missing>,
}

fn examine() -> Report {
    // First of all, since CUDA must be loaded before libtorch is used.
    let libtorch = libtorch();
    let adapters = adapters();
    let display = display();
    let has_nvidia_driver = Path::new("/proc/driver/nvidia/version").exists();
    let missing = missing(&adapters, display.as_deref(), has_nvidia_driver && !libtorch.cuda);
    Report { processor: processor(), libtorch, adapters, gamepads: gamepads(), display, missing }
}

/// Fails where nothing can be drawn with.
pub(super) fn require_adapter() -> Result<(), Box<dyn Error>> {
    if adapters().is_empty() {
        return Err(
            "no Vulkan adapter: install `mesa-vulkan-drivers` (apt) or a driver for your GPU"
                .into(),
        );
    }
    Ok(())
}

fn processor() -> Processor {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    parse_processor(&read("/proc/cpuinfo"), &read("/proc/meminfo"), threads)
}

fn parse_processor(cpuinfo: &str, meminfo: &str, threads: usize) -> Processor {
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let flags = field(cpuinfo, "flags").unwrap_or_default();
    let has = |feature: &&str| flags.split(' ').any(|flag| flag == *feature);
    let kib = field(meminfo, "MemTotal").and_then(|v| v.split(' ').next()?.parse::<f32>().ok());
    Processor {
        name: field(cpuinfo, "model name"),
        threads,
        memory_gib: kib.map(|kib| kib / 1024.0 / 1024.0),
        features: NUMERIC_FEATURES.into_iter().filter(has).collect(),
    }
}

fn libtorch() -> Libtorch {
    let device = device::best_device();
    let library = loaded_library("libtorch_cpu.");
    let version = library.as_ref().and_then(|file| {
        let folder = file.parent()?.parent()?;
        Some(fs::read_to_string(folder.join("build-version")).ok()?.trim().to_owned())
    });
    Libtorch {
        version,
        library,
        cuda: device::load_cuda(),
        device: format!("{device:?}").to_lowercase(),
        kind: format!("{:?}", device::fastest_kind(device)).to_lowercase(),
    }
}

/// The path of a library of this process; Linux only.
fn loaded_library(name: &str) -> Option<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let path = maps.lines().find(|line| line.contains(name))?;
    Some(PathBuf::from(&path[path.find('/')?..]))
}

fn adapters() -> Vec<Adapter> {
    let descriptor = wgpu::InstanceDescriptor {
        // Without validation, which warns where its layers are not installed.
        flags: wgpu::InstanceFlags::empty(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    };
    let instance = wgpu::Instance::new(descriptor);
    let adapters = bevy::tasks::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
    adapters
        .iter()
        .map(|adapter| {
            let info = adapter.get_info();
            Adapter {
                is_software: info.device_type == wgpu::DeviceType::Cpu,
                backend: info.backend.to_string(),
                driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
                name: info.name,
            }
        })
        .collect()
}

fn gamepads() -> Vec<String> {
    match gilrs::Gilrs::new() {
        Ok(gilrs) => gilrs.gamepads().map(|(_, gamepad)| gamepad.name().to_owned()).collect(),
        Err(_) => Vec::new(),
    }
}

fn display() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("the desktop".to_owned());
    }
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    // The window is an X11 one; under Wayland it needs Xwayland, which sets DISPLAY.
    set("DISPLAY").map(|value| format!("X11 {value}"))
}

fn missing(adapters: &[Adapter], display: Option<&str>, cuda_lacks: bool) -> Vec<Missing> {
    let mut missing = Vec::new();
    let mut lacks = |condition, what, how| {
        if condition {
            missing.push(Missing { what, how });
        }
    };
    lacks(
        adapters.is_empty(),
        "a Vulkan adapter: nothing can be drawn",
        "`cargo xtask setup`, or on Debian and Ubuntu: sudo apt-get install mesa-vulkan-drivers libvulkan1",
    );
    lacks(
        !adapters.is_empty() && adapters.iter().all(|a| a.is_software),
        "a GPU's Vulkan driver: pictures are drawn by the processor",
        "the driver of your GPU, if there is one; everything works without, at fewer frames a second",
    );
    lacks(
        display.is_none(),
        "a display: no window can be opened",
        "`reverie play --headless --frames 120 --out DIR` writes pictures; or set DISPLAY",
    );
    lacks(
        cuda_lacks,
        "CUDA in libtorch, though there is an NVIDIA driver",
        "put the folder torch/lib of a full PyTorch 2.11.0 into LD_LIBRARY_PATH; nothing is built again",
    );
    missing
}

fn text(report: &Report) -> String {
    let mut lines = Vec::new();
    let mut line = |name: &str, value: String| lines.push(format!("{name:<10} {value}\n"));
    let or_none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
    let processor = &report.processor;
    let memory = processor.memory_gib.map(|gib| format!(", {gib:.1} GiB of memory"));
    line(
        "processor",
        format!(
            "{}, {} threads{}",
            processor.name.as_deref().unwrap_or("unknown"),
            processor.threads,
            memory.unwrap_or_default()
        ),
    );
    line("", format!("instruction sets: {}", or_none(processor.features.join(" "))));
    let libtorch = &report.libtorch;
    let library = libtorch.library.as_ref().map(|path| format!(" in {}", path.display()));
    line(
        "libtorch",
        format!("{}{}", libtorch.version.as_deref().unwrap_or("?"), library.unwrap_or_default()),
    );
    line("", format!("models run on {} in {}", libtorch.device, libtorch.kind));
    for (index, adapter) in report.adapters.iter().enumerate() {
        let software = if adapter.is_software { ", in software" } else { "" };
        let Adapter { name, backend, driver, .. } = adapter;
        let title = if index == 0 { "graphics" } else { "" };
        line(title, format!("{name} ({backend}, {driver}{software})"));
    }
    if report.adapters.is_empty() {
        line("graphics", "none".to_owned());
    }
    line("gamepads", or_none(report.gamepads.join(", ")));
    line("display", report.display.clone().unwrap_or_else(|| "none".to_owned()));
    for Missing { what, how } in &report.missing {
        line("missing", (*what).to_owned());
        line("", format!("→ {how}"));
    }
    if report.missing.is_empty() {
        line("missing", "nothing".to_owned());
    }
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(is_software: bool) -> Adapter {
        let text = || "x".to_owned();
        Adapter { name: text(), backend: text(), driver: text(), is_software }
    }

    #[test]
    fn the_processor_is_read_from_what_linux_tells() {
        let cpuinfo =
            "processor\t: 0\nmodel name\t: Chip 9\nflags\t\t: fpu avx2 avx512f amx_bf16\n";
        let meminfo = "MemTotal:       25165824 kB\nMemFree: 1 kB\n";
        let processor = parse_processor(cpuinfo, meminfo, 2);
        assert_eq!(processor.name.as_deref(), Some("Chip 9"));
        assert_eq!(processor.features, ["avx2", "avx512f", "amx_bf16"]);
        assert_eq!(processor.memory_gib, Some(24.0));
    }

    #[test]
    fn an_unknown_machine_is_still_a_report() {
        let processor = parse_processor("", "", 8);
        assert_eq!(processor, Processor { threads: 8, ..Processor::default() });
    }

    #[test]
    fn each_thing_that_is_missing_is_named_with_a_way_to_get_it() {
        assert_eq!(missing(&[adapter(false)], Some(":0"), false), []);
        assert_eq!(missing(&[adapter(true), adapter(false)], Some(":0"), false), []);
        assert!(missing(&[], Some(":0"), false)[0].how.contains("mesa-vulkan-drivers"));
        assert!(missing(&[adapter(true)], Some(":0"), false)[0].what.contains("GPU"));
        assert!(missing(&[adapter(false)], None, false)[0].how.contains("--headless"));
        assert!(missing(&[adapter(false)], Some(":0"), true)[0].how.contains("LD_LIBRARY_PATH"));
    }
}
