//! `POST /api/captions/export`: past captions as one file, written page by page while it is sent.

mod csv;
mod sidecars;
mod source;

use super::fields::Fields;
use crate::store::{CaptionFilter, Store, StoredCaption};
use crate::web::AppState;
use crate::web::answer::Answer;
use crate::web::history::{MAX_EXPORTED, RequestedFilter, check_ids, read_utc_offset};
use crate::web::openapi::{Binary, ExportedCaptions};
use crate::web::problem::Problem;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use source::Source;
use std::io;

/// Which captions, and as what: with `ids`, those captions; else all that the filter lets through.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Export {
    /// `csv`, `json` or `txt`.
    #[schema(value_type = String, required = true)]
    format: Option<String>,
    #[schema(min_items = 1, max_items = 100000)]
    ids: Option<Vec<String>>,
    query: Option<String>,
    model: Option<String>,
    /// The first day, such as 2026-01-01.
    from: Option<String>,
    /// The last day, such as 2026-01-31.
    until: Option<String>,
    /// How many minutes the clock that counts these days is ahead of UTC, from -1440 to 1440. 0 if nothing is said.
    utc_offset_minutes: Option<i32>,
}

/// `POST /api/captions/export`
#[utoipa::path(
    post,
    path = "/api/captions/export",
    operation_id = "export_captions",
    tag = "history",
    summary = "Past captions as one file",
    description = "With `ids`, those captions; else all that the filter lets through. `txt` is a zip of text files \
        named like the photos.",
    request_body(content((Export = "application/json"), (Export = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "The file", content(
        (String = "text/csv"),
        (ExportedCaptions = "application/json"),
        (Binary = "application/zip"),
    ))),
)]
pub(in crate::web) async fn export(State(state): State<AppState>, export: Fields<Export>) -> Result<Response, Problem> {
    let Export { format, ids, query, model, from, until, utc_offset_minutes } = match export {
        Fields::None => Export::default(),
        Fields::Json(export) => export,
        Fields::Form(fields) => from_form(fields)?,
    };
    let (encoder, media_type, file_name) = encoder(format.as_deref())?;
    let filter = RequestedFilter { query, model, from, until, utc_offset_minutes }.check()?;
    let source = match ids {
        None => Source::found(filter),
        Some(ids) if filter == CaptionFilter::default() => {
            check_ids(&ids, MAX_EXPORTED)?;
            Source::named(ids)
        }
        Some(_) => return Err(Problem::invalid_option("`ids` and a filter do not go together")),
    };
    // The first page comes before the head of the answer, so that what fails at once is told as it should be.
    let (page, rest) = source.page(&state.store).await?;
    let exporting = Exporting { encoder, store: state.store, page, rest, begun: false };
    let chunks = stream::try_unfold(Some(exporting), |exporting| async {
        match exporting {
            Some(exporting) => exporting.chunk().await.map(Some),
            None => Ok(None),
        }
    });
    let disposition = format!("attachment; filename=\"{file_name}\"");
    let headers = [
        (header::CONTENT_TYPE, media_type.to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(chunks)).into_response())
}

fn from_form(fields: Vec<(String, String)>) -> Result<Export, Problem> {
    let mut export = Export::default();
    for (name, value) in fields {
        let field = match name.as_str() {
            "ids" => {
                export.ids.get_or_insert_default().push(value);
                continue;
            }
            "format" => &mut export.format,
            "query" => &mut export.query,
            "model" => &mut export.model,
            "from" => &mut export.from,
            "until" => &mut export.until,
            "utc_offset_minutes" => {
                export.utc_offset_minutes = read_utc_offset(&value)?;
                continue;
            }
            _ => return Err(Problem::invalid_option(format!("there is no field `{name}` in an export"))),
        };
        *field = Some(value);
    }
    // The history's form always says what is shown, too; who ticked captions means those.
    if export.ids.is_some() {
        return Ok(Export { format: export.format, ids: export.ids, ..Export::default() });
    }
    Ok(export)
}

/// Writes captions as a file, piece by piece.
trait Encode: Send {
    /// What comes before the first caption.
    fn head(&mut self) -> io::Result<Vec<u8>>;
    /// Some captions.
    fn page(&mut self, captions: Vec<StoredCaption>) -> io::Result<Vec<u8>>;
    /// What comes after the last one.
    fn tail(self: Box<Self>) -> io::Result<Vec<u8>>;
}

/// What writes this format, its media type, and the file's name.
fn encoder(format: Option<&str>) -> Result<(Box<dyn Encode>, &'static str, &'static str), Problem> {
    match format {
        Some("csv") => Ok((Box::new(csv::Csv), "text/csv; charset=utf-8", "captions.csv")),
        Some("json") => Ok((Box::<Json>::default(), "application/json", "captions.json")),
        Some("txt") => Ok((Box::new(sidecars::Sidecars::new()), "application/zip", "captions.zip")),
        _ => Err(Problem::invalid_option("`format` must be csv, json or txt")),
    }
}

/// An export that goes on.
struct Exporting {
    encoder: Box<dyn Encode>,
    store: Store,
    page: Vec<StoredCaption>,
    /// Where further pages come from.
    rest: Option<Source>,
    begun: bool,
}

impl Exporting {
    /// The next piece of the file, and what goes on after it.
    async fn chunk(mut self) -> io::Result<(Vec<u8>, Option<Exporting>)> {
        let mut chunk = if self.begun { Vec::new() } else { self.encoder.head()? };
        self.begun = true;
        chunk.extend(self.encoder.page(self.page)?);
        if let Some(source) = self.rest {
            let next = source.page(&self.store).await;
            (self.page, self.rest) = next.map_err(|error| {
                tracing::error!(%error, "an export was broken off");
                io::Error::other(error)
            })?;
            return Ok((chunk, Some(self)));
        }
        chunk.extend(self.encoder.tail()?);
        Ok((chunk, None))
    }
}

/// `{"captions": […]}`, each as the API gives it.
#[derive(Default)]
struct Json {
    begun: bool,
}

impl Encode for Json {
    fn head(&mut self) -> io::Result<Vec<u8>> {
        Ok(b"{\"captions\":[".to_vec())
    }

    fn page(&mut self, captions: Vec<StoredCaption>) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        for caption in captions {
            text.extend_from_slice(if self.begun { b",\n" } else { b"\n" });
            self.begun = true;
            serde_json::to_writer(&mut text, &Answer::kept(caption))?;
        }
        Ok(text)
    }

    fn tail(self: Box<Self>) -> io::Result<Vec<u8>> {
        Ok(b"\n]}\n".to_vec())
    }
}
