//! How busy the machine is: processor, memory, disk, and GPUs where NVML knows some.

use nvml_wrapper::Nvml;
use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use procfs::{Current, CurrentSI};
use serde::Serialize;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Reads the machine.
pub struct Sampler {
    /// None where there is no NVIDIA driver.
    nvml: Option<Nvml>,
    /// Busy and all ticks of the processors at the last reading, and the share between the last two.
    processor: Mutex<Ticks>,
}

#[derive(Clone, Copy, Default)]
struct Ticks {
    busy: u64,
    all: u64,
    percent: f64,
}

/// The machine at one moment.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Reading {
    /// Of all cores together, since the reading before.
    pub cpu_percent: f64,
    /// Processors that this program may use.
    pub cores: usize,
    /// Bytes in use.
    pub memory_used: u64,
    /// Bytes.
    pub memory_total: u64,
    /// Free bytes where runs are kept.
    pub disk_free: u64,
    /// Bytes there.
    pub disk_total: u64,
    /// None where there is no NVIDIA driver.
    pub gpus: Vec<Gpu>,
}

/// A GPU at one moment.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Gpu {
    /// As the maker calls it.
    pub name: String,
    /// Share of the time in which it computed something.
    pub percent: f64,
    /// Bytes in use.
    pub memory_used: u64,
    /// Bytes.
    pub memory_total: u64,
    /// Degrees Celsius.
    pub temperature: Option<u32>,
}

impl Default for Sampler {
    fn default() -> Sampler {
        Sampler::new()
    }
}

impl Sampler {
    /// Looks for GPUs.
    pub fn new() -> Sampler {
        let nvml = Nvml::init().inspect_err(|error| tracing::debug!(%error, "no GPUs are watched")).ok();
        let sampler = Sampler { nvml, processor: Mutex::default() };
        sampler.cpu_percent();
        sampler
    }

    /// Whether a job with this device runs on a GPU.
    pub fn is_gpu(&self, device: &str) -> bool {
        let there = || self.nvml.as_ref().and_then(|nvml| nvml.device_count().ok()).is_some_and(|count| count > 0);
        device == "cuda" || (device == "auto" && there())
    }

    /// Reads everything; what the system does not tell is 0. Blocks.
    pub fn read(&self, disk: &Path) -> Reading {
        let memory = procfs::Meminfo::current().ok();
        let memory_total = memory.as_ref().map_or(0, |memory| memory.mem_total);
        let available = memory.as_ref().map_or(0, |memory| memory.mem_available.unwrap_or(memory.mem_free));
        let (disk_free, disk_total) = disk_bytes(disk);
        Reading {
            cpu_percent: self.cpu_percent(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_used: memory_total.saturating_sub(available),
            memory_total,
            disk_free,
            disk_total,
            gpus: self.gpus(),
        }
    }

    /// Between two readings that are a tick or more apart.
    fn cpu_percent(&self) -> f64 {
        let mut before = self.processor.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(now) = procfs::KernelStats::current() else { return before.percent };
        let total = now.total;
        let idle = total.idle + total.iowait.unwrap_or(0);
        let busy = total.user + total.nice + total.system + total.irq.unwrap_or(0) + total.softirq.unwrap_or(0);
        let all = busy + idle;
        if all > before.all {
            let share = busy.saturating_sub(before.busy) as f64 / (all - before.all) as f64;
            *before = Ticks { busy, all, percent: (100. * share).clamp(0., 100.) };
        }
        before.percent
    }

    fn gpus(&self) -> Vec<Gpu> {
        let Some(nvml) = &self.nvml else { return Vec::new() };
        let read = |index| {
            let device = nvml.device_by_index(index).ok()?;
            let memory = device.memory_info().ok()?;
            Some(Gpu {
                name: device.name().unwrap_or_default(),
                percent: device.utilization_rates().map_or(0., |rates| f64::from(rates.gpu)),
                memory_used: memory.used,
                memory_total: memory.total,
                temperature: device.temperature(TemperatureSensor::Gpu).ok(),
            })
        };
        (0..nvml.device_count().unwrap_or(0)).filter_map(read).collect()
    }
}

/// Free and all bytes of the disk that a folder is on, or will be once it is made.
pub fn disk_bytes(folder: &Path) -> (u64, u64) {
    let there = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    rustix::fs::statvfs(there).map_or((0, 0), |disk| {
        (disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_read() {
        let sampler = Sampler::new();
        let reading = sampler.read(Path::new("no/such/folder"));
        assert!((0. ..=100.).contains(&reading.cpu_percent), "{reading:?}");
        assert!(reading.cores > 0 && reading.memory_used > 0 && reading.memory_used < reading.memory_total);
        assert!(reading.disk_free > 0 && reading.disk_free <= reading.disk_total);
        assert!(!sampler.is_gpu("cpu") && sampler.is_gpu("cuda"));
        assert_eq!(sampler.is_gpu("auto"), !reading.gpus.is_empty());
    }
}
