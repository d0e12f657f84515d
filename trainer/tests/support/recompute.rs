//! The plain decoder: recomputes the whole caption at every step, as the original does.
//!
//! The oracle that the incremental decoder must equal, and the yardstick of its benches.

use tch::{TchError, Tensor};
use trainer::decoding::StepDecoder;
use trainer::model::Decoder;
use trainer::model::masks::DecoderMasks;

pub struct RecomputingDecoder<'a>(pub &'a Decoder);

pub struct State {
    /// `[images, tokens, d_model]`
    encoded: Tensor,
    /// `[images * rows, time]`
    captions: Option<Tensor>,
}

impl StepDecoder for RecomputingDecoder<'_> {
    type Source = Tensor;
    type State = State;

    fn start(&self, encoded: &Tensor, _beam_size: i64, _max_length: i64) -> Result<State, TchError> {
        Ok(State { encoded: encoded.shallow_clone(), captions: None })
    }

    fn step(&self, state: &mut State, tokens: &[i64]) -> Result<Tensor, TchError> {
        let newest = Tensor::from_slice(tokens).unsqueeze(1);
        let captions = match &state.captions {
            Some(captions) => Tensor::cat(&[captions, &newest], 1),
            None => newest,
        };
        let (rows, time) = captions.size2()?;
        let masks = DecoderMasks::causal(time, captions.device());
        let encoded = state.encoded.repeat_interleave_self_int(rows / state.encoded.size()[0], 0, None);
        let scores = self.0.forward_t(&captions, &encoded, &masks, false);
        state.captions = Some(captions);
        Ok(scores.log_softmax(-1, None).select(1, time - 1))
    }

    fn reorder(&self, state: &mut State, images: &[i64], parents: &[Vec<i64>]) -> Result<(), TchError> {
        let Some(captions) = &state.captions else {
            return Ok(());
        };
        let rows = captions.size()[0] / state.encoded.size()[0];
        let kept = images.iter().zip(parents);
        let flat: Vec<i64> =
            kept.flat_map(|(image, parents)| parents.iter().map(move |parent| image * rows + parent)).collect();
        state.captions = Some(captions.index_select(0, &Tensor::from_slice(&flat)));
        state.encoded = state.encoded.index_select(0, &Tensor::from_slice(images));
        Ok(())
    }
}
