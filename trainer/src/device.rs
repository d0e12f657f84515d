//! Where and in which number format the model runs.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tch::kind::Element;
use tch::{Cuda, Device, TchError, Tensor};

/// The device asked for in the settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// CUDA where there is one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// CUDA; an error where there is none.
    Cuda,
}

/// The number format asked for, of the backbone's weights and activations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrecisionChoice {
    /// bfloat16 where the hardware has it and the backbone gains by it, else float32.
    #[default]
    Auto,
    /// Always float32.
    Float32,
    /// bfloat16; an error where the hardware lacks it.
    Bfloat16,
}

/// Why the device or number format asked for can't be had.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// No CUDA device answers.
    #[error("no CUDA device: {reason}; set the device to `cpu` or `auto` to run without one")]
    NoCuda {
        /// What was missing.
        reason: String,
    },
    /// The hardware computes no bfloat16.
    #[error("this device has no bfloat16 arithmetic; set the precision to `float32` or `auto`")]
    NoBfloat16,
}

impl DeviceChoice {
    /// The device to use; loads libtorch's CUDA part where it is wanted and there.
    ///
    /// Call before the first tensor is made.
    pub fn resolve(self) -> Result<Device, DeviceError> {
        match self {
            DeviceChoice::Cpu => Ok(Device::Cpu),
            DeviceChoice::Auto => Ok(find_cuda().unwrap_or(Device::Cpu)),
            DeviceChoice::Cuda => find_cuda().map_err(|reason| DeviceError::NoCuda { reason }),
        }
    }
}

impl PrecisionChoice {
    /// Whether the backbone is to run in bfloat16 on `device`; `gains`: it is faster so on a CPU.
    pub fn bfloat16_on(self, device: Device, gains: bool) -> Result<bool, DeviceError> {
        match self {
            PrecisionChoice::Float32 => Ok(false),
            PrecisionChoice::Bfloat16 if has_bfloat16(device) => Ok(true),
            PrecisionChoice::Bfloat16 => Err(DeviceError::NoBfloat16),
            PrecisionChoice::Auto => Ok(gains && has_bfloat16(device)),
        }
    }
}

/// `cpu` or `cuda:0`, as the settings and answers write it.
pub fn device_name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".to_owned(),
    }
}

/// The tensor on `device`; a copy to a GPU is not waited for, though the tensor may go at once: CUDA has read ordinary
/// memory by then, and libtorch keeps page-locked memory until the copy is done.
///
/// # Errors
/// What libtorch says, e.g. of memory.
pub(crate) fn sent(tensor: &Tensor, device: Device) -> Result<Tensor, TchError> {
    tensor.f_to_device_(device, tensor.kind(), true, false)
}

/// A tensor of these numbers on `device`; a GPU is not waited for, which would otherwise stand idle a while each time.
pub(crate) fn numbers_on<Number: Element>(device: Device, numbers: &[Number]) -> Tensor {
    let tensor = Tensor::from_slice(numbers);
    tensor.to_device_(device, tensor.kind(), true, false)
}

/// The first CUDA device, after loading the library that the program is not linked against.
///
/// libtorch looks for its CUDA part at the first question about CUDA, and is content with none for good: it must be
/// loaded before that.
fn find_cuda() -> Result<Device, String> {
    load_cuda_library()?;
    match Cuda::is_available() {
        true => {
            allow_tf32(false)?; // which libtorch would use in convolutions; the pinned version has the switch
            avoid_cudnn_attention();
            Ok(Device::Cuda(0))
        }
        false => Err("libtorch's CUDA part is loaded but finds no GPU or driver".to_owned()),
    }
}

/// Opens `libtorch_cuda.so`, which registers itself with libtorch. It lies beside the real
/// `libtorch_cpu.so` in a CUDA build of libtorch and in PyTorch's package.
#[allow(unsafe_code)]
fn load_cuda_library() -> Result<(), String> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    let library = cuda_library()?;
    // SAFETY: libtorch's own library, from the folder that libtorch itself was loaded from; its
    // initialisers only register kernels.
    let opened = unsafe { Library::open(Some(&library), RTLD_NOW | RTLD_GLOBAL) };
    let opened = opened.map_err(|error| format!("{} can't be loaded ({error})", library.display()))?;
    std::mem::forget(opened); // registered kernels must never be unloaded
    Ok(())
}

fn cuda_library() -> Result<PathBuf, String> {
    let maps = std::fs::read_to_string("/proc/self/maps").map_err(|error| format!("/proc/self/maps: {error}"))?;
    let libtorch = maps
        .lines()
        .filter_map(|line| line.splitn(6, ' ').nth(5).map(str::trim_start))
        .find(|path| path.ends_with("/libtorch_cpu.so"))
        .ok_or("libtorch_cpu.so is not among the loaded libraries")?;
    let library = PathBuf::from(libtorch).with_file_name("libtorch_cuda.so");
    match library.exists() {
        true => Ok(library),
        false => Err("this libtorch has no CUDA part (libtorch_cuda.so)".to_owned()),
    }
}

/// Keeps attention away from cuDNN, which plans anew for each shape, of which captions have many.
#[allow(unsafe_code)]
fn avoid_cudnn_attention() {
    const SWITCH: &[u8] = b"_ZN2at7Context14setSDPUseCuDNNEb";
    let library = libloading::os::unix::Library::this();
    // SAFETY: at::Context& at::globalContext() and void at::Context::setSDPUseCuDNN(bool), as in `allow_tf32`.
    unsafe {
        let context = library.get::<unsafe extern "C" fn() -> Context>(CONTEXT);
        if let (Ok(context), Ok(switch)) = (context, library.get::<unsafe extern "C" fn(Context, bool)>(SWITCH)) {
            switch(context(), false);
        }
    }
}

/// libtorch's global settings: where they are had, and a reference to them.
const CONTEXT: &[u8] = b"_ZN2at13globalContextEv";
type Context = *mut std::ffi::c_void;

/// Lets CUDA's matrix products and convolutions round their factors to TF32, or not. tch has no call for it.
///
/// # Errors
/// When this libtorch has no such switch.
#[allow(unsafe_code)]
pub(crate) fn allow_tf32(allowed: bool) -> Result<(), String> {
    use libloading::os::unix::Library;
    const SWITCHES: [&[u8]; 2] = [b"_ZN2at7Context18setAllowTF32CuBLASEb", b"_ZN2at7Context17setAllowTF32CuDNNEb"];
    let missing = |error: libloading::Error| format!("this libtorch has no switch for TF32 ({error})");
    let library = Library::this();
    // SAFETY: at::Context& at::globalContext() and void at::Context::setAllowTF32…(bool) of the libtorch that this
    // program is linked with, whose version is pinned; references and `this` are passed as pointers.
    unsafe {
        let context = library.get::<unsafe extern "C" fn() -> Context>(CONTEXT).map_err(missing)?();
        for switch in SWITCHES {
            library.get::<unsafe extern "C" fn(Context, bool)>(switch).map_err(missing)?(context, allowed);
        }
    }
    Ok(())
}

pub(crate) fn has_bfloat16(device: Device) -> bool {
    match device {
        Device::Cuda(_) => true,
        _ => cpu_has_bfloat16(),
    }
}

#[cfg(target_arch = "x86_64")]
fn cpu_has_bfloat16() -> bool {
    std::arch::is_x86_feature_detected!("avx512bf16")
}

#[cfg(target_arch = "aarch64")]
fn cpu_has_bfloat16() -> bool {
    std::arch::is_aarch64_feature_detected!("bf16")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn cpu_has_bfloat16() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuda_without_a_gpu_is_an_error_not_a_silent_cpu() {
        match DeviceChoice::Cuda.resolve() {
            Ok(device) => assert!(Cuda::is_available() && device == Device::Cuda(0)),
            Err(error) => assert!(error.to_string().starts_with("no CUDA device"), "{error}"),
        }
    }

    #[test]
    fn auto_precision_needs_hardware_and_gain() {
        assert!(!PrecisionChoice::Auto.bfloat16_on(Device::Cpu, false).expect("never an error"));
        assert_eq!(PrecisionChoice::Auto.bfloat16_on(Device::Cpu, true).expect("never an error"), cpu_has_bfloat16());
        assert_eq!(PrecisionChoice::Bfloat16.bfloat16_on(Device::Cpu, true).is_ok(), cpu_has_bfloat16());
    }
}
