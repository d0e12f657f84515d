//! The options of a caption request: as asked for, and as checked against what the model can do.

use super::AppState;
use super::problem::Problem;
use crate::captioning::CaptionService;
use crate::config::CaptioningConfig;
use serde::Deserialize;
use trainer::captioner::SearchOptions;

/// The names, in the words of the API.
const NAMES: [&str; 4] = ["beam_size", "max_length", "candidates", "model"];

/// What a request asks for; `None` is the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RequestedOptions {
    /// Beams of the search, at most `captioning.max_beam_size`.
    #[schema(minimum = 1)]
    #[param(minimum = 1)]
    pub beam_size: Option<usize>,
    /// Longest caption in tokens, start and end included, at most the model's own.
    #[schema(minimum = 2)]
    #[param(minimum = 2)]
    pub max_length: Option<usize>,
    /// Captions in the answer, at most `beam_size`.
    #[schema(minimum = 1)]
    #[param(minimum = 1)]
    pub candidates: Option<usize>,
    /// Id of the model that must be in service.
    pub model: Option<String>,
}

/// Options that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CheckedOptions {
    pub search: SearchOptions,
    pub candidates: usize,
}

impl RequestedOptions {
    /// Sets an option by its name, from text.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        let option = match name {
            "beam_size" => &mut self.beam_size,
            "max_length" => &mut self.max_length,
            "candidates" => &mut self.candidates,
            "model" => {
                self.model = Some(value.trim().to_owned());
                return Ok(());
            }
            _ => {
                let names = NAMES.join(", ");
                let detail = format!("there is no option `{name}`; there is: {names}");
                return Err(Problem::invalid_option(detail));
            }
        };
        let number = value.trim().parse().map_err(|_| {
            Problem::invalid_option(format!("`{name}` must be a whole number, not `{}`", shorten(value)))
        })?;
        *option = Some(number);
        Ok(())
    }

    /// These options, and others where these say nothing.
    pub(super) fn or(self, others: RequestedOptions) -> RequestedOptions {
        RequestedOptions {
            beam_size: self.beam_size.or(others.beam_size),
            max_length: self.max_length.or(others.max_length),
            candidates: self.candidates.or(others.candidates),
            model: self.model.or(others.model),
        }
    }

    /// The model in service, for the whole request, if it is the one that the request asks for.
    pub(super) fn model(&self, state: &AppState) -> Result<CaptionService, Problem> {
        // An empty one is the field of a form that was left as it was.
        let wanted = self.model.as_deref().filter(|wanted| !wanted.is_empty());
        Ok(state.models.get(wanted)?)
    }

    /// Checks against the settings and the model's longest caption.
    pub(super) fn check(&self, settings: &CaptioningConfig, longest: usize) -> Result<CheckedOptions, Problem> {
        let beam_size = self.beam_size.unwrap_or(settings.beam_size);
        in_range("beam_size", beam_size, 1, settings.max_beam_size)?;
        let max_length = self.max_length.unwrap_or(longest);
        in_range("max_length", max_length, SHORTEST, longest)?;
        // Who asks for fewer beams than there are captions by default gets as many as there are beams.
        let candidates = self.candidates.unwrap_or(settings.candidates.min(beam_size));
        in_range("candidates", candidates, 1, beam_size)?;
        let unrepeated_first = settings.unrepeated_first;
        Ok(CheckedOptions { search: SearchOptions { beam_size, max_length, unrepeated_first }, candidates })
    }
}

/// Start and end.
const SHORTEST: usize = 2;

fn in_range(name: &str, value: usize, least: usize, most: usize) -> Result<(), Problem> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Problem::invalid_option(format!("`{name}` must be from {least} to {most}, not {value}")))
}

/// Enough of a value to recognise it.
fn shorten(value: &str) -> String {
    value.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn check(options: RequestedOptions) -> Result<CheckedOptions, Problem> {
        options.check(&Config::defaults().expect("valid").captioning, 74)
    }

    fn checked(beam_size: usize, max_length: usize, candidates: usize) -> CheckedOptions {
        CheckedOptions { search: SearchOptions { beam_size, max_length, unrepeated_first: true }, candidates }
    }

    #[test]
    fn defaults_come_from_the_settings_and_the_model() {
        let options = check(RequestedOptions::default()).expect("valid");
        assert_eq!(options, checked(5, 74, 3));
    }

    #[test]
    fn a_small_beam_limits_the_default_number_of_candidates() {
        let mut options = RequestedOptions::default();
        options.set("beam_size", " 2 ").expect("a number");
        assert_eq!(check(options).expect("valid"), checked(2, 74, 2));
    }

    #[test]
    fn what_is_out_of_range_is_named_with_the_range() {
        for (name, value, message) in [
            ("beam_size", "0", "`beam_size` must be from 1 to 10, not 0."),
            ("beam_size", "11", "`beam_size` must be from 1 to 10, not 11."),
            ("max_length", "1", "`max_length` must be from 2 to 74, not 1."),
            ("max_length", "75", "`max_length` must be from 2 to 74, not 75."),
            ("candidates", "6", "`candidates` must be from 1 to 5, not 6."),
        ] {
            let mut options = RequestedOptions::default();
            options.set(name, value).expect("a number");
            let problem = check(options).expect_err("out of range");
            assert_eq!((problem.status.as_u16(), problem.detail.as_str()), (422, message));
        }
    }

    #[test]
    fn unknown_names_and_other_than_whole_numbers_are_refused() {
        let mut options = RequestedOptions::default();
        let problem = options.set("beams", "5").expect_err("no such option");
        assert_eq!(problem.detail, "There is no option `beams`; there is: beam_size, max_length, candidates, model.");
        for value in ["", "-1", "2.5", "five"] {
            let problem = options.set("beam_size", value).expect_err("not a whole number");
            assert_eq!(problem.status.as_u16(), 422);
        }
        assert_eq!(options, RequestedOptions::default());
    }
}
