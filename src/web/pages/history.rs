//! The history: past captions with search, filters, and what can be done with the selected ones.

use super::card::CaptionCard;
use super::filter::{AddressFields, FilterForm, HistoryForm};
use super::words::{clock_text, count_text};
use super::{Frame, page};
use crate::store::StoredCaption;
use crate::web::api::captions::captioned_anew;
use crate::web::history::MAX_CHANGED;
use crate::web::problem::Problem;
use crate::web::{AppState, forms};
use askama::Template;
use axum::extract::rejection::RawFormRejection;
use axum::extract::{RawForm, State};
use axum::response::{Redirect, Response};

/// Captions on a page: full rows in every layout.
const PAGE: u32 = 48;

/// The most captions deleted at once: their ids go into the address of the page that offers to undo it.
const MAX_DELETED: usize = 100;

/// A form, its fields unread.
type Fields = Result<RawForm, RawFormRejection>;

#[derive(Template)]
#[template(path = "history.html")]
struct History {
    frame: Frame,
    filter: FilterForm,
    filtered: bool,
    clock: String,
    models: Vec<String>,
    total: u64,
    total_text: String,
    cards: Vec<CaptionCard>,
    first_page: bool,
    newest: String,
    older: Option<String>,
    deleted: Vec<String>,
    deleted_text: String,
    undo_minutes: u64,
}

/// `GET /history?query=&model=&from=&until=&utc_offset_minutes=&before=&deleted=`
pub(in crate::web) async fn history(
    State(state): State<AppState>,
    frame: Frame,
    fields: AddressFields,
) -> Result<Response, Problem> {
    let HistoryForm { filter, before, mut deleted, .. } = HistoryForm::of_address(fields)?;
    deleted.truncate(MAX_DELETED);
    let in_store = filter.check()?;
    // One more tells whether there is a next page.
    let mut captions = state.store.captions(&in_store, PAGE + 1, before.as_deref()).await?;
    let more = captions.len() > PAGE as usize;
    captions.truncate(PAGE as usize);
    let older = captions.last().filter(|_| more).map(|last| filter.address("before", &last.id));
    let total = state.store.count_captions(&in_store).await?;
    let side = state.config.storage.thumbnail_side;
    page(&History {
        frame,
        filtered: !filter.is_empty(),
        clock: clock_text(in_store.utc_offset_minutes),
        models: state.store.caption_models().await?,
        total,
        total_text: captions_text(total),
        cards: captions.into_iter().map(|stored| card(stored, side, &filter)).collect(),
        first_page: before.is_none(),
        newest: filter.address("before", ""),
        older,
        deleted_text: captions_text(deleted.len() as u64),
        deleted,
        undo_minutes: state.config.storage.undo_minutes,
        filter,
    })
}

/// A card that leads to a page which keeps to the search.
fn card(stored: StoredCaption, thumbnail_side: u32, filter: &FilterForm) -> CaptionCard {
    CaptionCard { address: filter.caption_address(&stored.id), ..CaptionCard::new(stored, thumbnail_side) }
}

/// `POST /history/delete`: the page it leads to offers to undo it.
pub(in crate::web) async fn delete(State(state): State<AppState>, fields: Fields) -> Result<Redirect, Problem> {
    let HistoryForm { filter, ids, .. } = read(fields)?;
    if ids.len() > MAX_DELETED {
        let detail = format!("at most {MAX_DELETED} captions can be deleted at once, not {}", ids.len());
        return Err(Problem::invalid_option(detail));
    }
    state.store.delete_captions(&ids).await?;
    Ok(Redirect::to(&filter.address("deleted", &ids.join(","))))
}

/// `POST /history/restore`
pub(in crate::web) async fn restore(State(state): State<AppState>, fields: Fields) -> Result<Redirect, Problem> {
    let HistoryForm { filter, ids, .. } = read(fields)?;
    let mut restored = 0;
    // In portions: while one is brought back, others that want to write wait.
    for portion in ids.chunks(MAX_CHANGED) {
        restored += state.store.restore_captions(portion).await?;
    }
    let [one] = ids.as_slice() else { return Ok(Redirect::to(&filter.address("", ""))) };
    match state.store.caption_in_place_of(one).await? {
        Some(other) if restored == 0 => Err(captioned_anew(&other)),
        // An id of ours, since there was such a caption.
        _ if restored == 1 => Ok(Redirect::to(&filter.caption_address(one))),
        _ => Ok(Redirect::to(&filter.address("", ""))),
    }
}

fn read(fields: Fields) -> Result<HistoryForm, Problem> {
    Ok(HistoryForm::read(forms::fields(fields?)?))
}

fn captions_text(count: u64) -> String {
    count_text(count, "caption", "captions")
}
