//! One caption: its photo, editing, the alternatives, captioning again.

use super::filter::{AddressFields, FilterForm, HistoryForm};
use super::model::{PageModel, PageOptions, short_revision};
use super::words::{duration_text, minute_text, probability_text, score_text};
use super::{Frame, markup, page};
use crate::store::{Neighbours, StoredCaption};
use crate::web::AppState;
use crate::web::captioning::caption_again;
use crate::web::history::check_words;
use crate::web::options::RequestedOptions;
use crate::web::problem::Problem;
use askama::Template;
use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::response::{Redirect, Response};
use serde::Deserialize;

#[derive(Template)]
#[template(path = "caption.html")]
struct CaptionPage {
    frame: Frame,
    view: CaptionView,
    /// The search that led here, which the page's links and forms keep to.
    filter: FilterForm,
    address: String,
    again: String,
    history: String,
    newer: Option<String>,
    older: Option<String>,
    options: PageOptions,
    model: PageModel,
}

/// Everything about one caption.
struct CaptionView {
    id: String,
    image_id: String,
    width: u32,
    height: u32,
    file_name: Option<String>,
    /// The words to show, as they are, in HTML and in Markdown.
    shown: String,
    alt_attribute: String,
    markdown: String,
    /// The model's best.
    generated: String,
    edited: bool,
    score_text: String,
    probability_text: String,
    alternatives: Vec<Alternative>,
    model_id: String,
    revision: String,
    revision_short: String,
    timings: Vec<(&'static str, String)>,
    created_at: String,
    created_text: String,
    edited_at: Option<String>,
    edited_text: String,
}

/// One of the model's wordings.
struct Alternative {
    caption: String,
    score_text: String,
    /// It is the one that is shown.
    shown: bool,
}

#[derive(Template)]
#[template(path = "deleted.html")]
struct DeletedPage {
    frame: Frame,
    id: String,
    filter: FilterForm,
    history: String,
    undo_minutes: u64,
}

/// `GET /captions/{id}?query=&model=&from=&until=&utc_offset_minutes=`
pub(in crate::web) async fn caption(
    State(state): State<AppState>,
    frame: Frame,
    Path(id): Path<String>,
    fields: AddressFields,
) -> Result<Response, Problem> {
    let filter = HistoryForm::of_address(fields)?.filter;
    let Some(stored) = state.store.caption(&id).await? else {
        return gone(&state, frame, id, filter).await;
    };
    let Neighbours { newer, older } = state.store.neighbours(&id, &filter.check()?).await?;
    page(&CaptionPage {
        frame,
        view: CaptionView::new(stored),
        address: filter.caption_address(&id),
        again: filter.again_address(&id),
        history: filter.address("", ""),
        newer: newer.map(|id| filter.caption_address(&id)),
        older: older.map(|id| filter.caption_address(&id)),
        options: PageOptions::new(&state),
        model: PageModel::new(&state),
        filter,
    })
}

/// A way back while there is one.
async fn gone(state: &AppState, frame: Frame, id: String, filter: FilterForm) -> Result<Response, Problem> {
    if !state.store.is_deleted(&id).await? {
        return Err(no_such_caption());
    }
    let undo_minutes = state.config.storage.undo_minutes;
    let page = page(&DeletedPage { frame, id, history: filter.address("", ""), filter, undo_minutes })?;
    Ok(no_such_caption().on_page(page))
}

/// What the page's forms say: words, or that the model's are wanted back.
#[derive(Deserialize)]
pub(in crate::web) struct EditForm {
    #[serde(default)]
    caption: String,
    #[serde(default)]
    original: bool,
}

/// `POST /captions/{id}`: new words, one of the alternatives, or back to the model's.
pub(in crate::web) async fn edit_caption(
    State(state): State<AppState>,
    Path(id): Path<String>,
    fields: AddressFields,
    form: Result<Form<EditForm>, FormRejection>,
) -> Result<Redirect, Problem> {
    let filter = HistoryForm::of_address(fields)?.filter;
    let Form(EditForm { caption, original }) = form?;
    // A caption is one line, whatever the text field makes of it.
    let words = caption.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = if original { None } else { Some(check_words(&words)?) };
    let stored = state.store.edit_caption(&id, words).await?.ok_or_else(no_such_caption)?;
    Ok(Redirect::to(&filter.caption_address(&stored.id)))
}

/// `POST /captions/{id}/again`: the same photo with other options; leads to what came of it.
pub(in crate::web) async fn again(
    State(state): State<AppState>,
    Path(id): Path<String>,
    fields: AddressFields,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Redirect, Problem> {
    let filter = HistoryForm::of_address(fields)?.filter;
    let Form(fields) = form?;
    let mut options = RequestedOptions::default();
    for (name, value) in fields {
        options.set(&name, &value)?;
    }
    let stored = state.store.caption(&id).await?.ok_or_else(no_such_caption)?;
    let image = state.store.image(&stored.image_id).await?.ok_or_else(no_such_caption)?;
    let answer = caption_again(&state, &image, options).await?;
    Ok(Redirect::to(&filter.caption_address(&answer.id)))
}

fn no_such_caption() -> Problem {
    Problem::not_found("There is no caption with this id.")
}

impl CaptionView {
    fn new(stored: StoredCaption) -> CaptionView {
        let shown = stored.shown().to_owned();
        let name = stored.file_name.as_deref().unwrap_or("photo");
        let timings = &stored.timings;
        let steps = [
            ("decode", timings.decode),
            ("queue", timings.queue),
            ("encode", timings.encode),
            ("search", timings.search),
        ];
        let alternatives = stored.candidates.iter().map(|candidate| Alternative {
            caption: candidate.caption.clone(),
            score_text: score_text(candidate.score),
            shown: candidate.caption == shown,
        });
        CaptionView {
            alt_attribute: markup::alt_attribute(&shown),
            markdown: markup::markdown_image(&shown, name),
            edited: stored.edited.is_some(),
            score_text: score_text(stored.score),
            probability_text: probability_text(stored.score),
            alternatives: alternatives.collect(),
            timings: steps.map(|(step, milliseconds)| (step, duration_text(milliseconds))).into(),
            created_text: minute_text(&stored.created_at),
            edited_text: stored.edited_at.as_deref().map(minute_text).unwrap_or_default(),
            revision_short: short_revision(&stored.model_revision),
            shown,
            id: stored.id,
            image_id: stored.image_id,
            width: stored.width,
            height: stored.height,
            file_name: stored.file_name,
            generated: stored.caption,
            model_id: stored.model_id,
            revision: stored.model_revision,
            created_at: stored.created_at,
            edited_at: stored.edited_at,
        }
    }
}
