//! Mixed precision: products of matrices in a narrow number format, everything else in float32.
//!
//! Weights stay float32, and what is cast is cast where it is multiplied, so that sums, norms, softmaxes, losses and
//! the optimiser see float32. libtorch has the like (autocast), but for tch only with float16 and on CUDA.

use std::cell::Cell;
use tch::{Kind, Tensor};

thread_local! {
    /// What matrices are multiplied in on this thread; none: in what they are.
    static NARROW: Cell<Option<Kind>> = const { Cell::new(None) };
}

/// Sets the format back when it goes, a panic included.
struct Before(Option<Kind>);

impl Drop for Before {
    fn drop(&mut self) {
        NARROW.set(self.0);
    }
}

/// Does `work` with matrices multiplied in `kind` on this thread (none: in what they are).
pub fn multiplying_in<T>(kind: Option<Kind>, work: impl FnOnce() -> T) -> T {
    let _before = Before(NARROW.replace(kind));
    work()
}

/// The format that matrices are to be cast to, if any.
pub(crate) fn narrow() -> Option<Kind> {
    NARROW.get()
}

/// The product of two (batches of) matrices.
pub(crate) fn product(a: &Tensor, b: &Tensor) -> Tensor {
    match narrow() {
        None => a.matmul(b),
        Some(kind) => a.to_kind(kind).matmul(&b.to_kind(kind)).to_kind(Kind::Float),
    }
}

/// Scaled dot-product attention of `[.., n, d_k]`; `bias` is added to the scores.
pub(crate) fn attention(queries: &Tensor, keys: &Tensor, values: &Tensor, bias: Option<&Tensor>) -> Tensor {
    let attend = |queries: &Tensor, keys: &Tensor, values: &Tensor, bias: Option<&Tensor>| {
        Tensor::scaled_dot_product_attention(queries, keys, values, bias, 0., false, None, false)
    };
    match narrow() {
        None => attend(queries, keys, values, bias),
        Some(kind) => {
            let [queries, keys, values] = [queries, keys, values].map(|tensor| tensor.to_kind(kind));
            let bias = bias.map(|bias| bias.to_kind(kind));
            attend(&queries, &keys, &values, bias.as_ref()).to_kind(Kind::Float)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn products_are_rounded_inside_and_only_there() {
        // 1 + 2^-10 is no bfloat16 (8 bits), and becomes 1.
        let fine = Tensor::from_slice(&[1f32 + 1. / 1024.]).view([1, 1]);
        let one = Tensor::ones([1, 1], (Kind::Float, Device::Cpu));
        let rounded = multiplying_in(Some(Kind::BFloat16), || product(&fine, &one));
        assert_eq!((rounded.double_value(&[0, 0]), rounded.kind()), (1., Kind::Float));
        assert!(product(&fine, &one).double_value(&[0, 0]) > 1.);
    }

    #[test]
    fn the_format_before_comes_back_even_after_a_panic() {
        let caught = std::panic::catch_unwind(|| multiplying_in(Some(Kind::BFloat16), || panic!("on purpose")));
        assert!(caught.is_err() && narrow().is_none());
    }
}
