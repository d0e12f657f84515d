//! One training phase, from its first (or last saved) iteration to its end: the loop.

use super::evaluation::{Evaluation, Judged};
use super::events::{Event, Events};
use super::failure::TrainError;
use super::meter::Meter;
use super::network::Network;
use super::packaging::describe;
use super::radam::RAdam;
use super::readable::Readable;
use super::recipe::TrainingPhase;
use super::run::{Outcome, Run};
use super::start::{Part, check_words, load_part, weights_of};
use super::step::Step;
use crate::checkpoint::{Checkpoints, NamedTensors, Progress};
use crate::data::batches::mixed;
use crate::data::{Batch, BatchMaker, Prefetch, readers};
use crate::device::device_name;
use crate::metrics::reward::SACRE_EOS;
use crate::model::precision::multiplying_in;
use std::time::Instant;
use tch::nn::VarStore;

/// A phase at work.
pub(super) struct PhaseRun<'a> {
    run: &'a Run<'a>,
    phase: &'a TrainingPhase,
    store: VarStore,
    network: Network,
    optimiser: RAdam,
    checkpoints: Checkpoints,
    progress: Progress,
    readable: Readable,
}

impl<'a> PhaseRun<'a> {
    /// The phase as it was left, or at its start; none if it is complete.
    pub fn open(run: &'a Run, phase: &'a TrainingPhase, events: &mut Events) -> Result<Option<Self>, TrainError> {
        let checkpoints = Checkpoints::open(&run.folder.path().join(&phase.name), phase.keep_checkpoints)?;
        let hash = run.recipe.phase_hash(&phase.name);
        let fresh = || Progress {
            recipe: hash.clone(),
            phase: phase.name.clone(),
            epochs: Some(phase.epochs),
            ..Progress::default()
        };
        let mut progress = checkpoints.progress()?.unwrap_or_else(fresh);
        run.check_begun(&phase.name, &progress)?;
        let complete = run.is_complete(phase, &progress);
        if let Some(epochs) = run.epochs_of(&phase.name, &progress).filter(|&epochs| epochs != phase.epochs) {
            events.log(format!("there are to be {} epochs now, and were to be {epochs}", phase.epochs));
        }
        // Once, paths and epochs were part of it.
        (progress.recipe, progress.epochs, progress.finished) = (hash, Some(phase.epochs), false);
        if !checkpoints.forget_best_after(progress.iteration)? {
            // With the model its figure is gone, too.
            progress.best = None;
        }
        if progress.iteration == 0 {
            describe(run, &phase.name)?;
        }
        if complete {
            return Ok(None);
        }
        tch::manual_seed(mixed(run.recipe.seed, phase.number()) as i64);
        let store = VarStore::new(run.device);
        let network = Network::of_phase(&store.root(), &run.config, phase);
        let optimiser = RAdam::new(&store);
        let readable = Readable::default();
        let mut this = PhaseRun { run, phase, store, network, optimiser, checkpoints, progress, readable };
        this.load(events)?;
        Ok(Some(this))
    }

    /// The weights first, of which an average begins, then what the optimiser knew.
    fn load(&mut self, events: &mut Events) -> Result<(), TrainError> {
        let saved = self.checkpoints.newest()?;
        match &saved {
            Some(state) => self.load_saved(&state.model)?,
            None => self.load_origins(events)?,
        }
        if self.phase.ema_decay > 0. {
            self.optimiser.keep_average(self.phase.ema_decay);
        }
        if let Some(state) = saved {
            self.optimiser.load_state(&state.optimiser)?;
        }
        Ok(())
    }

    fn load_saved(&self, model: &NamedTensors) -> Result<(), TrainError> {
        let backbone = &self.run.config.backbone;
        if self.phase.end_to_end() {
            load_part(&self.store, model, Part::Backbone, backbone)?;
        }
        load_part(&self.store, model, Part::Body, backbone)?;
        Ok(())
    }

    fn load_origins(&self, events: &mut Events) -> Result<(), TrainError> {
        let backbone = &self.run.config.backbone;
        let origins = [(Part::Backbone, &self.phase.backbone), (Part::Body, &self.phase.body)];
        for (part, origin) in origins {
            let Some(origin) = origin else { continue };
            if part == Part::Body {
                check_words(self.run, origin)?;
            }
            let weights = weights_of(self.run.recipe, self.run.folder.path(), origin, part)?;
            let account = load_part(&self.store, &weights, part, backbone)?;
            if !account.unused.is_empty() {
                events.warn(format!(
                    "{origin}: {} tensors not used: {}",
                    account.unused.len(),
                    account.unused.join(", ")
                ));
            }
        }
        Ok(())
    }

    /// Trains to the end of the phase, or until asked to stop.
    pub fn train(
        &mut self,
        step: &Step,
        batches: BatchMaker,
        evaluation: &Evaluation,
        events: &mut Events,
    ) -> Result<Outcome, TrainError> {
        let per_epoch = batches.batches_per_epoch();
        if per_epoch == 0 {
            return Err(TrainError::TooFewItems { items: batches.items.len(), batch_size: batches.batch_size });
        }
        self.pin(step, batches.items.len(), events)?;
        let total = per_epoch.saturating_mul(self.phase.epochs);
        self.tell_started(step, total, per_epoch, events);
        let schedule = self.phase.schedule();
        let start = self.progress.iteration; // not before the end where there is less to learn of than there was
        let device = self.run.device;
        let mut ahead =
            Prefetch::start(start..total, readers(), move |iteration| batches.make(iteration)?.ready_for(device));
        let mut meter = Meter::new(start, total, per_epoch);
        let mut saved = Instant::now();

        for iteration in start..total {
            let batch = ahead.next().ok_or(TrainError::BatchThread)?;
            if let Some(batch) = self.readable.pass(batch, |message| events.warn(message))? {
                self.accumulate(step, &batch, iteration, &mut meter)?;
            }
            let done = iteration + 1;
            let last = done == total;
            if done % self.phase.accumulate != 0 && !last {
                continue; // states are saved between updates, never within a group
            }
            self.update(schedule.at(iteration, per_epoch), &mut meter);
            (self.progress.iteration, self.progress.cider) = (done, None);
            meter.tell(done, last, events)?;
            let epoch_ends = self.crossed(per_epoch) || last;
            if epoch_ends || self.phase.evaluate_every.is_some_and(|every| self.crossed(every)) {
                self.averaged(|this| this.evaluate(evaluation, &meter, events))?;
            }
            let stop = self.run.stop_asked() && !last;
            if epoch_ends || stop || saved.elapsed() > self.phase.save_every() {
                self.averaged(|this| this.save(&meter, events))?;
                saved = Instant::now();
            }
            if stop {
                return Ok(Outcome::Stopped);
            }
        }
        Ok(Outcome::Completed)
    }

    /// Writes down that nothing is left to do. Last of all: a phase that is killed before comes to its end again.
    pub fn finish(mut self) -> Result<(), TrainError> {
        self.progress.finished = true;
        Ok(self.checkpoints.amend(&self.progress)?)
    }

    /// What a phase learns of stays the same for as long as it takes.
    fn pin(&mut self, step: &Step, items: usize, events: &mut Events) -> Result<(), TrainError> {
        let teachers = step.teachers().map(str::to_owned);
        if self.progress.teachers.is_some() && self.progress.teachers != teachers {
            return Err(TrainError::OtherTeachers(self.phase.name.clone()));
        }
        if let Some(before) = self.progress.items.filter(|&before| before != items) {
            events.warn(format!(
                "an epoch had {before} items when this was saved and has {items} now: what is left is counted anew"
            ));
        }
        (self.progress.items, self.progress.teachers) = (Some(items), teachers);
        self.progress.features = self.run.backbone_of_features(self.phase)?;
        Ok(())
    }

    /// Whether a multiple of `every` iterations lies within the last update's.
    fn crossed(&self, every: u64) -> bool {
        crossed(self.progress.iteration, self.phase.accumulate, every)
    }

    fn tell_started(&self, step: &Step, iterations: u64, per_epoch: u64, events: &mut Events) {
        events.tell(Event::Started {
            step: step.name().to_owned(),
            recipe: self.run.recipe.hash(),
            device: device_name(self.run.device),
            parameters: self.store.variables().values().map(|tensor| tensor.numel() as u64).sum(),
            iteration: self.progress.iteration,
            iterations,
            per_epoch,
        });
        if let Step::SelfCritical(_) = step {
            events.log(format!("SacreEOS signature: {SACRE_EOS}"));
        }
        if let Some(warning) = self.phase.precision.prepare(self.run.device) {
            events.warn(warning);
        }
    }

    /// One iteration's gradients, added to those before. All that is random in it follows from its number.
    fn accumulate(&mut self, step: &Step, batch: &Batch, iteration: u64, meter: &mut Meter) -> Result<(), TrainError> {
        let seed = mixed(mixed(self.run.recipe.seed, self.phase.number()), iteration);
        tch::manual_seed(seed as i64);
        let outcome = multiplying_in(self.phase.precision.matrices(), || {
            let outcome = step.run(&self.network, batch, self.run.device)?;
            self.network.backward(&(&outcome.loss / self.phase.accumulate as f64));
            Ok::<_, TrainError>(outcome)
        })?;
        meter.add(batch.len(), &outcome);
        Ok(())
    }

    fn update(&mut self, learning_rate: f64, meter: &mut Meter) {
        if let Some(largest) = self.phase.clip_gradients {
            let norm = self.optimiser.clip_gradients(largest);
            meter.gradient_norm(&norm);
        }
        self.optimiser.step(learning_rate);
        self.optimiser.zero_gradients();
        meter.learning_rate = learning_rate;
    }

    /// Has something done with the average of the weights in their place, where there is one.
    fn averaged(&mut self, act: impl FnOnce(&mut Self) -> Result<(), TrainError>) -> Result<(), TrainError> {
        self.optimiser.swap_average();
        let outcome = act(self);
        self.optimiser.swap_average();
        outcome
    }

    /// Nothing is saved that is no number.
    fn check(&self, meter: &Meter) -> Result<(), TrainError> {
        meter.check(self.progress.iteration)?;
        match self.optimiser.weights_are_finite() {
            true => Ok(()),
            false => Err(TrainError::Diverged { iteration: self.progress.iteration }),
        }
    }

    /// Judges the model, and keeps it if it is the best so far.
    fn evaluate(&mut self, evaluation: &Evaluation, meter: &Meter, events: &mut Events) -> Result<(), TrainError> {
        let iteration = self.progress.iteration;
        let (network, vocabulary, device) = (&self.network, &self.run.vocabulary, self.run.device);
        let cider = evaluation.run(&Judged { network, vocabulary, device, iteration }, events)?;
        self.progress.cider = cider;
        if cider.is_some_and(|cider| self.progress.best.is_none_or(|best| cider > best)) {
            self.check(meter)?;
            self.progress.best = cider;
            let path = self.checkpoints.save_best(&self.model(), &self.progress)?;
            events.tell(Event::Checkpoint { iteration, path: path.display().to_string(), best: true });
        }
        Ok(())
    }

    fn save(&self, meter: &Meter, events: &mut Events) -> Result<(), TrainError> {
        self.check(meter)?;
        let path = self.checkpoints.save(&self.model(), &self.optimiser.state(), &self.progress)?;
        let (iteration, path) = (self.progress.iteration, path.display().to_string());
        events.tell(Event::Checkpoint { iteration, path, best: false });
        Ok(())
    }

    fn model(&self) -> NamedTensors {
        self.store.variables().into_iter().map(|(name, variable)| (name, variable.detach())).collect()
    }
}

/// Whether one of the last `steps` iterations before `done` was a multiple of `every`.
fn crossed(done: u64, steps: u64, every: u64) -> bool {
    let every = every.max(1);
    done / every > done.saturating_sub(steps) / every
}

#[cfg(test)]
mod tests {
    use super::crossed;

    #[test]
    fn ends_of_epochs_are_noticed_between_updates() {
        // Updates at 3, 6, 9; epochs of 4 end at 4 and 8.
        assert_eq!([3, 6, 9].map(|done| crossed(done, 3, 4)), [false, true, true]);
        assert!(crossed(4, 1, 4) && !crossed(5, 1, 4));
    }
}
