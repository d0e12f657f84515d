//! The number formats that a phase may compute in.

use crate::device::{allow_tf32, has_bfloat16};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind};

/// What matrices are multiplied in; weights, sums, losses and the optimiser are float32 in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// As the original.
    #[default]
    Float32,
    /// NVIDIA's float32 with a short mantissa (10 bits), on CUDA.
    Tf32,
    /// A half as long, with float32's range (8 bits of mantissa): fast where the hardware has it.
    Bfloat16,
}

impl Precision {
    /// What matrices are cast to; none: they are multiplied as they are.
    pub fn matrices(self) -> Option<Kind> {
        (self == Precision::Bfloat16).then_some(Kind::BFloat16)
    }

    /// Makes the device ready for it; returns what can't be had, to warn of.
    pub fn prepare(self, device: Device) -> Option<String> {
        let tf32 = self == Precision::Tf32;
        match device {
            Device::Cuda(_) => allow_tf32(tf32).err(),
            _ if tf32 => Some("a CPU has no TF32: this phase computes in float32".to_owned()),
            _ if self == Precision::Bfloat16 && !has_bfloat16(device) => {
                Some("this CPU has no bfloat16 arithmetic: float32 would be faster".to_owned())
            }
            _ => None,
        }
    }

    /// Whether it is the default, which recipes leave out.
    pub(super) fn is_float32(&self) -> bool {
        *self == Precision::Float32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_says_that_it_has_no_tf32() {
        assert!(Precision::Tf32.prepare(Device::Cpu).is_some_and(|warning| warning.contains("float32")));
        assert_eq!(Precision::Float32.prepare(Device::Cpu), None);
        assert_eq!(Precision::Bfloat16.prepare(Device::Cpu).is_none(), has_bfloat16(Device::Cpu));
    }

    #[test]
    fn libtorch_can_be_told_of_tf32() {
        assert_eq!(allow_tf32(true), Ok(()));
        assert_eq!(allow_tf32(false), Ok(()));
    }
}
