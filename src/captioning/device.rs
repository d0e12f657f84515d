//! Errors of a GPU after which nothing that this process asks of it is answered.

use trainer::captioner::InferenceError;

/// The GPU is lost to this process.
#[derive(Debug, thiserror::Error)]
#[error("the GPU is lost to this process, which must be started again: {0}")]
pub(super) struct DeviceLost(String);

/// What CUDA says when it has given a process up. Other errors, a lack of memory too, are those of one call.
const GIVEN_UP: [&str; 11] = [
    "an illegal instruction was encountered",
    "an illegal memory access was encountered",
    "device-side assert triggered",
    "hardware stack error",
    "invalid program counter",
    "misaligned address",
    "operation not supported on global/shared address space",
    "the launch timed out and was terminated",
    "uncorrectable ECC error encountered",
    "uncorrectable NVLink error detected during the execution",
    "unspecified launch failure",
];

impl DeviceLost {
    /// What an error of the model means for those to come; none where the next photo may be captioned.
    pub(super) fn of(error: &InferenceError) -> Option<DeviceLost> {
        let text = &error.0;
        let lost = text.contains("CUDA error") && GIVEN_UP.iter().any(|words| text.contains(words));
        // Advice and the stack follow.
        lost.then(|| DeviceLost(text.lines().next().unwrap_or_default().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(text: &str) -> Option<String> {
        DeviceLost::of(&InferenceError(text.to_owned())).map(|lost| lost.0)
    }

    #[test]
    fn a_lost_gpu_is_told_from_errors_of_one_call() {
        let asserted = "CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronously reported";
        assert_eq!(lost(asserted).as_deref(), Some("CUDA error: device-side assert triggered"));
        let panicked = "panic: called `Result::unwrap()`: Torch(\"CUDA error: unspecified launch failure\")";
        assert!(lost(panicked).is_some());
        for text in [
            "CUDA out of memory. Tried to allocate 20.00 MiB",
            "CUDA error: out of memory",
            "CUDA error: invalid argument",
            "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
            "a caption about an unspecified launch failure",
            "the search gave no result",
        ] {
            assert_eq!(lost(text), None, "{text}");
        }
    }
}
