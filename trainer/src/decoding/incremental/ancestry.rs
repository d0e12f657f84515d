//! Which slot of the cache each row descends from, at each time.

use crate::device::sent;
use tch::{Device, Kind, TchError, Tensor};

/// The family tree of the rows of a batch.
pub struct Ancestry {
    /// Slot of the ancestor of each row at each time: `[images, rows, time]`.
    slots: Tensor,
}

impl Ancestry {
    /// No time has passed; one row an image.
    pub fn new(images: i64, device: Device) -> Self {
        Ancestry { slots: Tensor::zeros([images, 1, 0], (Kind::Int64, device)) }
    }

    /// Opens a new time, at which row `k` writes slot `k`; returns that time (0-based).
    pub fn advance(&mut self, rows: i64) -> i64 {
        let (images, _, time) = self.slots.size3().unwrap_or_default();
        let own = Tensor::arange(rows, (Kind::Int64, self.slots.device()))
            .view([1, rows, 1])
            .expand([images, rows, 1], false);
        self.slots = Tensor::cat(&[&self.slots, &own], -1);
        time
    }

    /// Times so far.
    pub fn time(&self) -> i64 {
        self.slots.size()[2]
    }

    /// From values against every slot `[.., images, rows, time, slots]` those of each row's own
    /// ancestors: `[.., images, rows, time]`.
    pub fn gather(&self, against_slots: &Tensor) -> Tensor {
        let mut shape = against_slots.size();
        shape.pop();
        shape.push(1);
        let index = self.slots.unsqueeze(-1).expand(&shape, false);
        against_slots.gather(-1, &index, false).squeeze_dim(-1)
    }

    /// 1 where a slot is the row's ancestor: `[images, rows, time, slots]`.
    pub fn one_hot(&self, slots: i64) -> Tensor {
        let all = Tensor::arange(slots, (Kind::Int64, self.slots.device()));
        self.slots.unsqueeze(-1).eq_tensor(&all).to_kind(Kind::Float)
    }

    /// New rows that continue `parents` (`[images][rows]`); returns them as flat row indices.
    pub fn reorder(&mut self, parents: &[Vec<i64>]) -> Result<Tensor, TchError> {
        let (images, rows, _) = self.slots.size3()?;
        let flat: Vec<i64> = parents
            .iter()
            .enumerate()
            .flat_map(|(image, parents)| parents.iter().map(move |parent| image as i64 * rows + parent))
            .collect();
        let flat = sent(&Tensor::f_from_slice(&flat)?, self.slots.device())?;
        self.slots = self.slots.f_flatten(0, 1)?.f_index_select(0, &flat)?.f_unflatten(0, [images, -1])?;
        Ok(flat)
    }

    /// Keeps the images at `index`.
    pub fn keep_images(&mut self, index: &Tensor) -> Result<(), TchError> {
        self.slots = self.slots.f_index_select(0, index)?;
        Ok(())
    }
}
