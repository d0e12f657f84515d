//! report.html: the tables, and the photos of the best and the worst captions, in one file that needs no other.

use super::cases::Id;
use super::output::{Evaluation, Outcome, Photos};
use super::table::Table;
use crate::cli::remark;
use anyhow::Context;
use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fs;
use std::path::Path;
use trainer::image::{Limits, decode, thumbnail_jpeg};

/// Captions of either kind that are shown.
const SHOWN: usize = 12;
/// By which they are the best and the worst.
const METRIC: &str = "CIDEr-D";
/// The search whose captions are shown, where it was made; else the one with the most beams.
const BEAM_SIZE: usize = 5;
/// Longer side of a photo, in pixels.
const PHOTO_SIDE: u32 = 320;

#[derive(Template)]
#[template(path = "evaluation.html")]
struct Page<'a> {
    model: &'a str,
    backbone: &'a str,
    precision: &'a str,
    revision: &'a str,
    dataset: String,
    sections: Vec<Section>,
}

/// A split.
struct Section {
    table: Table,
    groups: Vec<Group>,
}

/// The best or the worst.
struct Group {
    title: String,
    cards: Vec<Card>,
}

struct Card {
    id: String,
    /// A data URL; none where only features are there, or the photo can't be read.
    photo: Option<String>,
    caption: String,
    /// Times a hundred, as in the table.
    score: String,
    references: Vec<String>,
}

/// The page as HTML; a photo that can't be read is left out.
pub(super) fn render(evaluation: &Evaluation, photos: &Photos, limits: &Limits) -> anyhow::Result<String> {
    let splits = evaluation.outcomes.chunk_by(|one, other| one.split == other.split);
    let groups = splits.map(|outcomes| groups(outcomes, photos, limits));
    let sections = evaluation.tables().into_iter().zip(groups).map(|(table, groups)| Section { table, groups });
    let page = Page {
        model: &evaluation.model.id,
        backbone: &evaluation.model.backbone,
        precision: &evaluation.model.precision,
        revision: &evaluation.model.revision,
        dataset: evaluation.dataset.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        sections: sections.collect(),
    };
    Ok(page.render()?)
}

/// The best and the worst captions of a split.
fn groups(outcomes: &[Outcome], photos: &Photos, limits: &Limits) -> Vec<Group> {
    let shown = outcomes.iter().find(|outcome| outcome.beam_size == BEAM_SIZE).or(outcomes.last());
    let Some((outcome, scores)) = shown.and_then(|outcome| Some((outcome, outcome.report.scores(METRIC)?))) else {
        return Vec::new();
    };
    let mut places: Vec<usize> = (0..outcome.cases.len()).collect();
    places.sort_by(|&one, &other| scores.per_image[other].total_cmp(&scores.per_image[one]));
    let group = |name: &str, places: &mut dyn Iterator<Item = usize>| {
        let cards = places.take(SHOWN).map(|place| card(outcome, place, scores.per_image[place], photos, limits));
        let title = format!("{name} captions by {METRIC}, beam {}", outcome.beam_size);
        Group { title, cards: cards.collect() }
    };
    vec![group("Best", &mut places.iter().copied()), group("Worst", &mut places.iter().rev().copied())]
}

fn card(outcome: &Outcome, place: usize, score: f64, photos: &Photos, limits: &Limits) -> Card {
    let case = &outcome.cases[place];
    let file = match &case.id {
        Id::Number(number) => photos.get(number),
        Id::Name(_) => None,
    };
    Card {
        id: case.id.to_string(),
        photo: file.and_then(|file| photo(file, limits)),
        caption: case.candidate.clone(),
        score: format!("{:.0}", 100.0 * score),
        references: case.references.clone(),
    }
}

/// A photo for the page, which is worth more without it than not at all.
fn photo(file: &Path, limits: &Limits) -> Option<String> {
    let tell = |reason: &anyhow::Error| remark(format_args!("report.html does without a photo: {reason:#}"));
    data_url(file, limits).inspect_err(tell).ok()
}

/// A photo in small.
fn data_url(file: &Path, limits: &Limits) -> anyhow::Result<String> {
    let small = || {
        let picture = decode(&fs::read(file)?, limits)?;
        anyhow::Ok(thumbnail_jpeg(&picture.pixels, PHOTO_SIDE)?)
    };
    let jpeg = small().with_context(|| file.display().to_string())?;
    Ok(format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg)))
}
