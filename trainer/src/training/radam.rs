//! RAdam (Liu et al., 2020) as the original uses it: no update while the variance can't be told.
//!
//! All weights lie in one flat tensor, of which the variables are views, and so do the gradients:
//! an update is a handful of operations, however many variables there are.

use super::averaging::Average;
use crate::checkpoint::NamedTensors;
use std::collections::BTreeMap;
use tch::nn::VarStore;
use tch::{Kind, Tensor};

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.98;
const EPSILON: f64 = 1e-9;
/// Below this many degrees of freedom the variance is not trusted.
const FEWEST_DEGREES: f64 = 5.;
/// What weights are called beside their average.
const TRAINED: &str = "trained";
/// Views start at multiples of this many elements, which vectorised kernels like.
const ALIGNMENT: i64 = 16;

/// The optimiser and its state.
#[derive(Debug)]
pub struct RAdam {
    slots: Vec<Slot>,
    weights: Tensor,
    gradients: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    average: Option<Average>,
    steps: i64,
}

/// Where a variable lies.
#[derive(Debug)]
struct Slot {
    name: String,
    variable: Tensor,
    start: i64,
    /// Of its part of the gradients in memory.
    address: usize,
}

impl Slot {
    /// The variable's part of a flat tensor, in the variable's shape.
    fn of(&self, flat: &Tensor) -> Tensor {
        flat.narrow(0, self.start, self.variable.numel() as i64).view(self.variable.size().as_slice())
    }
}

/// Why a saved state can't be taken up.
#[derive(Debug, thiserror::Error)]
#[error("the optimiser's state does not fit the model: {0}")]
pub struct StateMismatch(String);

impl RAdam {
    /// An optimiser of all trainable variables of `store`, whose data it moves together.
    pub fn new(store: &VarStore) -> Self {
        let variables: BTreeMap<String, Tensor> =
            store.variables().into_iter().filter(|(_, variable)| variable.requires_grad()).collect();
        let mut end = 0;
        let slots: Vec<Slot> = variables
            .into_iter()
            .map(|(name, variable)| {
                let start = end;
                end += (variable.numel() as i64 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
                Slot { name, variable, start, address: 0 }
            })
            .collect();
        let zeros = || Tensor::zeros([end], (Kind::Float, store.device()));
        let (weights, gradients, exp_avg, exp_avg_sq) = (zeros(), zeros(), zeros(), zeros());
        let mut optimiser = RAdam { slots, weights, gradients, exp_avg, exp_avg_sq, average: None, steps: 0 };
        optimiser.move_together();
        optimiser
    }

    /// Keeps a moving average of the weights from here on, beginning with them as they are.
    pub fn keep_average(&mut self, decay: f64) {
        self.average = Some(Average::new(&self.weights, decay));
    }

    /// Puts the average in the weights' place, or them back in its; nothing where there is none.
    pub fn swap_average(&mut self) {
        if let Some(average) = &mut self.average {
            average.swap(&mut self.weights);
        }
    }

    fn move_together(&mut self) {
        tch::no_grad(|| {
            for slot in &mut self.slots {
                let mut view = slot.of(&self.weights);
                view.copy_(&slot.variable);
                slot.variable.set_data(&view);
                slot.address = slot.of(&self.gradients).data_ptr() as usize;
            }
        });
    }

    /// Takes up gradients that libtorch has made outside the flat tensor: those of the first pass.
    fn collect_gradients(&mut self) {
        tch::no_grad(|| {
            for slot in &self.slots {
                let mut gradient = slot.variable.grad();
                if gradient.defined() && gradient.data_ptr() as usize != slot.address {
                    let mut view = slot.of(&self.gradients);
                    view += &gradient;
                    gradient.set_data(&view);
                }
            }
        });
    }

    /// Forgets the gradients.
    pub fn zero_gradients(&mut self) {
        self.collect_gradients();
        let _ = self.gradients.zero_();
    }

    /// The norm of all gradients together, a scalar on the device.
    pub fn gradient_norm(&mut self) -> Tensor {
        self.collect_gradients();
        self.gradients.norm()
    }

    /// Shortens the gradients, all together, to a norm of at most `largest`; returns the norm before.
    pub fn clip_gradients(&mut self, largest: f64) -> Tensor {
        let norm = self.gradient_norm();
        self.gradients *= (largest / (&norm + 1e-6)).clamp_max(1.);
        norm
    }

    /// One update by the gradients so far.
    pub fn step(&mut self, learning_rate: f64) {
        self.collect_gradients();
        self.steps += 1;
        tch::no_grad(|| {
            let _ = self.exp_avg_sq.lerp_(&self.gradients.square(), 1. - BETA_2);
            let _ = self.exp_avg.lerp_(&self.gradients, 1. - BETA_1);
            if let Some(size) = step_size(self.steps) {
                let mut scale = self.exp_avg_sq.sqrt();
                scale += EPSILON;
                let mut update = &self.exp_avg / scale;
                update *= size * learning_rate;
                self.weights -= update;
            }
            if let Some(average) = &mut self.average {
                average.add(&self.weights, self.steps);
            }
        });
    }

    /// Whether every weight is still a number; waits for the device.
    pub fn weights_are_finite(&self) -> bool {
        self.weights.isfinite().all().int64_value(&[]) == 1
    }

    /// Updates asked for so far, those without effect included.
    pub fn steps(&self) -> i64 {
        self.steps
    }

    /// What a resumed run needs beside the model: the moments, by name, and the number of steps; with an average, which
    /// the model is saved as, the weights that are trained on, too.
    pub fn state(&self) -> NamedTensors {
        let named = |(kind, flat): (&str, &Tensor)| -> Vec<(String, Tensor)> {
            self.slots.iter().map(|slot| (format!("{}.{kind}", slot.name), slot.of(flat))).collect()
        };
        let mut state: NamedTensors = self.kept().into_iter().flat_map(named).collect();
        state.insert("step".to_owned(), Tensor::from_slice(&[self.steps]));
        state
    }

    /// What is kept of each weight, by kind.
    fn kept(&self) -> Vec<(&'static str, &Tensor)> {
        let trained = self.average.as_ref().map(|average| (TRAINED, average.trained(&self.weights)));
        [("exp_avg", &self.exp_avg), ("exp_avg_sq", &self.exp_avg_sq)].into_iter().chain(trained).collect()
    }

    /// Takes up a state that [`RAdam::state`] gave. The model has the weights that were saved with it already, and where
    /// these are an average, [`RAdam::keep_average`] has begun with them.
    ///
    /// # Errors
    /// If a moment is missing or of another shape; the optimiser is then of no use.
    pub fn load_state(&mut self, state: &NamedTensors) -> Result<(), StateMismatch> {
        let steps = state.get("step").and_then(|steps| steps.f_int64_value(&[0]).ok());
        self.steps = steps.ok_or_else(|| StateMismatch("it has no `step`".to_owned()))?;
        tch::no_grad(|| {
            for slot in &self.slots {
                for (kind, flat) in self.kept() {
                    let name = format!("{}.{kind}", slot.name);
                    let saved = state.get(&name).ok_or_else(|| StateMismatch(format!("it has no `{name}`")))?;
                    if saved.size() != slot.variable.size() {
                        return Err(StateMismatch(format!("`{name}` is {:?}", saved.size())));
                    }
                    slot.of(flat).copy_(saved);
                }
            }
            Ok(())
        })
    }
}

/// What the learning rate is multiplied by at a step (1-based); none while the variance can't be told.
fn step_size(step: i64) -> Option<f64> {
    let step = step as f64;
    let decayed = BETA_2.powf(step);
    let most = 2. / (1. - BETA_2) - 1.;
    let degrees = most - 2. * step * decayed / (1. - decayed);
    if degrees < FEWEST_DEGREES {
        return None;
    }
    let rectified = (1. - decayed) * (degrees - 4.) / (most - 4.) * (degrees - 2.) / degrees * most / (most - 2.);
    Some(rectified.sqrt() / (1. - BETA_1.powf(step)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn values(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor.to_kind(Kind::Double).flatten(0, -1)).expect("numbers")
    }

    /// Two variables, `a` of two elements and `b` of one, with the loss `3 a_0 + 4 b`.
    fn linear() -> (VarStore, RAdam, impl Fn() -> Tensor) {
        let store = VarStore::new(Device::Cpu);
        let a = store.root().zeros("a", &[2]);
        let b = store.root().zeros("b", &[1]);
        let optimiser = RAdam::new(&store);
        (store, optimiser, move || a.get(0) * 3. + b.get(0) * 4.)
    }

    #[test]
    fn the_first_updates_wait_for_the_variance() {
        // Degrees of freedom after 5 steps: 99 - 10 * 0.98^5 / (1 - 0.98^5) = 4.9; after 6: 5.8.
        assert_eq!(step_size(5), None);
        assert!(step_size(6).is_some());
        assert!((step_size(100_000).expect("tractable") - 1.).abs() < 1e-9);
    }

    #[test]
    fn a_constant_gradient_moves_by_its_sign() {
        let (store, mut optimiser, loss) = linear();
        for _ in 0..6 {
            optimiser.zero_gradients();
            loss().backward();
            optimiser.step(0.1);
        }
        let moved = 0.1 * step_size(6).expect("tractable") * (1. - 0.9f64.powi(6)) / (1. - 0.98f64.powi(6)).sqrt();
        let a = values(&store.variables()["a"]);
        assert!((a[0] + moved).abs() < 1e-6 && a[1] == 0., "{a:?} {moved}");
    }

    #[test]
    fn gradients_add_up_and_are_clipped_together() {
        let (store, mut optimiser, loss) = linear();
        loss().backward();
        loss().backward();
        assert_eq!(optimiser.gradient_norm().double_value(&[]), 10.);
        assert_eq!(optimiser.clip_gradients(5.).double_value(&[]), 10.);
        let clipped = values(&store.variables()["b"].grad());
        assert!((clipped[0] - 4.).abs() < 1e-5, "{clipped:?}");
        optimiser.zero_gradients();
        assert_eq!(optimiser.gradient_norm().double_value(&[]), 0.);
    }

    #[test]
    fn a_saved_state_goes_on_as_if_unbroken() {
        let step = |optimiser: &mut RAdam, loss: &dyn Fn() -> Tensor| {
            optimiser.zero_gradients();
            loss().backward();
            optimiser.step(0.1);
        };
        let (unbroken, mut whole, loss) = linear();
        (0..9).for_each(|_| step(&mut whole, &loss));

        let (_, mut first, loss) = linear();
        (0..4).for_each(|_| step(&mut first, &loss));
        let (resumed, mut second, loss) = linear();
        second.load_state(&first.state()).expect("the same variables");
        (0..5).for_each(|_| step(&mut second, &loss));
        assert_eq!(values(&resumed.variables()["a"]), values(&unbroken.variables()["a"]));
        assert!(second.load_state(&NamedTensors::new()).is_err());
    }

    #[test]
    fn an_average_goes_on_from_the_model_and_the_state_that_were_saved() {
        let averaged = |weights: &[f32]| {
            let (store, mut optimiser, loss) = linear();
            tch::no_grad(|| store.variables()["a"].shallow_clone().copy_(&Tensor::from_slice(weights)));
            optimiser.keep_average(0.75);
            (store, optimiser, loss)
        };
        let step = |optimiser: &mut RAdam, loss: &dyn Fn() -> Tensor| {
            optimiser.zero_gradients();
            loss().backward();
            optimiser.step(0.1);
        };
        let both = |store: &VarStore, optimiser: &mut RAdam| {
            let trained = values(&store.variables()["a"]);
            optimiser.swap_average();
            let average = values(&store.variables()["a"]);
            optimiser.swap_average();
            (trained, average)
        };
        let (unbroken, mut whole, loss) = averaged(&[0., 0.]);
        (0..12).for_each(|_| step(&mut whole, &loss));
        let (trained, average) = both(&unbroken, &mut whole);
        assert!(trained[0] < average[0] && average[0] < 0., "{trained:?} {average:?}");

        let (store, mut first, loss) = averaged(&[0., 0.]);
        (0..8).for_each(|_| step(&mut first, &loss));
        first.swap_average();
        let (model, state) = (values(&store.variables()["a"]), first.state());
        let (resumed, mut second, loss) = averaged(&[model[0] as f32, model[1] as f32]);
        second.load_state(&state).expect("the same variables");
        (0..4).for_each(|_| step(&mut second, &loss));
        assert_eq!(both(&resumed, &mut second), (trained, average));
    }
}
