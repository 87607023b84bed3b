//! Where tensors live: CPU, CUDA or MPS, and in which kind they compute.

use std::time::Instant;

use tch::{Cuda, Device, Kind, Tensor};

/// Loads libtorch's CUDA half if the loader can find it, so that one binary serves machines with and without.
///
/// Call before any other use of libtorch; later calls do nothing. Returns whether CUDA can be used.
#[expect(
    unsafe_code,
    reason = "loading a library runs its initialisers; this one is libtorch's own"
)]
pub fn load_cuda() -> bool {
    static LOADED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *LOADED.get_or_init(|| {
        #[cfg(target_os = "linux")]
        {
            use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
            // SAFETY: the library comes from the same release of libtorch that this program is linked to, and is
            // never unloaded.
            if let Ok(library) =
                unsafe { Library::open(Some("libtorch_cuda.so"), RTLD_NOW | RTLD_GLOBAL) }
            {
                std::mem::forget(library);
            }
        }
        let there = Cuda::is_available();
        if there {
            // Shapes are few and come again: it pays to try the ways to convolve once.
            Cuda::cudnn_set_benchmark(true);
        }
        there
    })
}

/// The device that a user names: `cpu`, `cuda` or `mps`. `None` if this machine does not have it.
pub fn device_by_name(name: &str) -> Option<Device> {
    match name {
        "cpu" => Some(Device::Cpu),
        "cuda" if load_cuda() => Some(Device::Cuda(0)),
        "mps" if tch::utils::has_mps() => Some(Device::Mps),
        _ => None,
    }
}

/// The best device that this machine has for playing.
pub fn best_device() -> Device {
    if load_cuda() {
        Device::Cuda(0)
    } else if tch::utils::has_mps() {
        Device::Mps
    } else {
        Device::Cpu
    }
}

/// f32 or bf16, whichever convolves faster here; measured once per process, in a few milliseconds.
pub fn fastest_kind(device: Device) -> Kind {
    if device != Device::Cpu {
        return if matches!(device, Device::Cuda(_)) { Kind::BFloat16 } else { Kind::Float };
    }
    static KIND: std::sync::OnceLock<Kind> = std::sync::OnceLock::new();
    *KIND.get_or_init(|| {
        let time = |kind| -> Option<f64> {
            let options = (kind, Device::Cpu);
            let x = Tensor::f_ones([1, 64, 36, 64], options).ok()?;
            let weight = Tensor::f_ones([64, 64, 3, 3], options).ok()?;
            let mut best = f64::INFINITY;
            for _ in 0..4 {
                let start = Instant::now();
                drop::<Tensor>(
                    x.f_conv2d(&weight, None::<Tensor>, [1, 1], [1, 1], [1, 1], 1).ok()?,
                );
                best = best.min(start.elapsed().as_secs_f64());
            }
            Some(best)
        };
        match (time(Kind::BFloat16), time(Kind::Float)) {
            (Some(half), Some(full)) if half < 0.9 * full => Kind::BFloat16,
            _ => Kind::Float,
        }
    })
}
