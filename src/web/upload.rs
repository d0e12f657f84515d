//! Photos and options out of a request: multipart form, raw image, or JSON with base64; or addresses of photos.

mod file_name;

use super::limits::PhotoQuota;
use super::options::RequestedOptions;
use super::problem::Problem;
use crate::config::ServerConfig;
use crate::fetch::Fetcher;
use axum::body::Bytes;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Query, Request};
use axum::http::{StatusCode, header};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use std::error::Error;

/// What a client sent.
#[derive(Debug, Default)]
pub(super) struct Upload {
    /// At least one.
    pub photos: Vec<PhotoSource>,
    /// For all of them.
    pub options: RequestedOptions,
}

/// Where a photo is.
#[derive(Debug)]
pub(super) enum PhotoSource {
    /// Here.
    Sent(UploadedPhoto),
    /// At this address, to be fetched.
    At(String),
}

/// One file.
#[derive(Clone, Debug)]
pub(super) struct UploadedPhoto {
    pub bytes: Bytes,
    /// As the client calls it, without folders.
    pub file_name: Option<String>,
}

impl PhotoSource {
    fn unnamed(bytes: Bytes) -> PhotoSource {
        PhotoSource::Sent(UploadedPhoto { bytes, file_name: None })
    }

    /// The photo, fetched if need be.
    pub(super) async fn photo(self, fetcher: Option<&Fetcher>) -> Result<UploadedPhoto, Problem> {
        match self {
            PhotoSource::Sent(photo) => Ok(photo),
            PhotoSource::At(url) => {
                let bytes = fetcher.ok_or_else(Problem::fetching_off)?.fetch(&url).await?.into();
                Ok(UploadedPhoto { bytes, file_name: file_name::of_address(&url) })
            }
        }
    }
}

impl Upload {
    fn add(&mut self, photo: PhotoSource, limits: &ServerConfig) -> Result<(), Problem> {
        let most = limits.max_images_per_request;
        if self.photos.len() == most {
            let detail = format!("one request may carry at most {most} photos: send the rest in another one");
            let status = StatusCode::BAD_REQUEST;
            return Err(Problem::new(status, "too-many-photos", "Too many photos at once", detail));
        }
        self.photos.push(photo);
        Ok(())
    }

    /// Takes a field of text: the address of a photo, or an option.
    fn set(&mut self, name: &str, value: &str, limits: &ServerConfig) -> Result<(), Problem> {
        match name {
            "url" => self.add(PhotoSource::At(value.to_owned()), limits),
            _ => self.options.set(name, value),
        }
    }
}

/// Receives a whole upload. Options in the query string hold unless the body has its own.
pub(super) async fn receive(request: Request, limits: &ServerConfig) -> Result<Upload, Problem> {
    let quota = request.extensions().get::<PhotoQuota>().cloned();
    let upload = read(request, limits).await?;
    if upload.photos.is_empty() {
        return Err(Problem::malformed(NO_PHOTO));
    }
    if let Some(quota) = quota {
        quota.charge_all(upload.photos.len())?;
    }
    Ok(upload)
}

const NO_PHOTO: &str = "there is no photo in the request: choose one, or send it as the multipart field \
     `image`, as a body of type image/*, or as base64 in the JSON field `image`";

const TWO_PHOTOS: &str = "`image` and `url` are two photos: send one of them, or several in a multipart form";

async fn read(request: Request, limits: &ServerConfig) -> Result<Upload, Problem> {
    let mut upload = Upload::default();
    let query = Query::<Vec<(String, String)>>::try_from_uri(request.uri());
    for (name, value) in query?.0 {
        upload.set(&name, &value, limits)?;
    }
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.map_or(Ok("application/octet-stream"), |value| value.to_str());
    let content_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
    match content_type.trim().to_ascii_lowercase().as_str() {
        "multipart/form-data" => read_form(request, upload, limits).await,
        "application/json" => read_json(&whole_body(request).await?, upload, limits),
        "application/octet-stream" => read_raw(request, upload, limits).await,
        image if image.starts_with("image/") => read_raw(request, upload, limits).await,
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "Unsupported media type",
            "send a photo as multipart/form-data, image/*, application/octet-stream or application/json",
        )),
    }
}

/// A multipart form: any number of `image` and `url` parts, and options by their names, in any order.
async fn read_form(request: Request, mut upload: Upload, limits: &ServerConfig) -> Result<Upload, Problem> {
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|rejection| Problem::malformed(rejection.body_text()))?;
    while let Some(field) = form.next_field().await.map_err(broken_form)? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "image" {
            if let Some(photo) = chosen_photo(field).await? {
                upload.add(PhotoSource::Sent(photo), limits)?;
            }
        } else if field.file_name().is_some() {
            return Err(Problem::invalid_option(format!("a photo belongs into the field `image`, not `{name}`")));
        } else {
            upload.set(&name, &field.text().await.map_err(broken_form)?, limits)?;
        }
    }
    Ok(upload)
}

/// The content of a file input; `None` for an input where nothing was chosen, which browsers send too.
async fn chosen_photo(field: Field<'_>) -> Result<Option<UploadedPhoto>, Problem> {
    let unnamed = field.file_name().is_some_and(str::is_empty);
    let file_name = file_name::of_part(field.headers(), field.file_name());
    let bytes = field.bytes().await.map_err(broken_form)?;
    Ok((!(unnamed && bytes.is_empty())).then_some(UploadedPhoto { bytes, file_name }))
}

/// The photo is the body; there need be none where the query string says where the photo is.
async fn read_raw(request: Request, mut upload: Upload, limits: &ServerConfig) -> Result<Upload, Problem> {
    let body = whole_body(request).await?;
    if !body.is_empty() || upload.photos.is_empty() {
        upload.add(PhotoSource::unnamed(body), limits)?;
    }
    Ok(upload)
}

/// A JSON body.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct JsonUpload {
    /// Base64, or a data URL.
    image: Option<String>,
    /// Where the photo is, instead.
    url: Option<String>,
    /// Beams of the search, at most `captioning.max_beam_size`.
    #[schema(minimum = 1)]
    beam_size: Option<usize>,
    /// Longest caption in tokens, start and end included, at most the model's own.
    #[schema(minimum = 2)]
    max_length: Option<usize>,
    /// Captions in the answer, at most `beam_size`.
    #[schema(minimum = 1)]
    candidates: Option<usize>,
    /// Id of the model that must be in service.
    model: Option<String>,
}

fn read_json(body: &[u8], mut upload: Upload, limits: &ServerConfig) -> Result<Upload, Problem> {
    let json: JsonUpload = serde_json::from_slice(body).map_err(|error| {
        if error.is_data() {
            Problem::invalid_option(error)
        } else {
            Problem::malformed(format!("the body is not valid JSON: {error}"))
        }
    })?;
    let photo = match (json.image, json.url) {
        (Some(_), Some(_)) => return Err(Problem::invalid_option(TWO_PHOTOS)),
        (Some(image), None) => Some(PhotoSource::unnamed(decode_base64(&image)?)),
        (None, url) => url.map(PhotoSource::At),
    };
    if let Some(photo) = photo {
        upload.add(photo, limits)?;
    }
    let query = upload.options;
    upload.options = RequestedOptions {
        beam_size: json.beam_size.or(query.beam_size),
        max_length: json.max_length.or(query.max_length),
        candidates: json.candidates.or(query.candidates),
        model: json.model.or(query.model),
    };
    Ok(upload)
}

/// Standard alphabet, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Decodes base64 or a base64 data URL; line breaks, which many tools put in, are skipped.
fn decode_base64(image: &str) -> Result<Bytes, Problem> {
    let text = match image.strip_prefix("data:") {
        None => image,
        Some(url) => {
            let (kind, text) = url.split_once(',').unwrap_or((url, ""));
            if !kind.ends_with(";base64") {
                return Err(Problem::malformed("the data URL in `image` is not base64"));
            }
            text
        }
    };
    let decoded = if text.contains(|character: char| character.is_ascii_whitespace()) {
        BASE64.decode(text.split_ascii_whitespace().collect::<String>())
    } else {
        BASE64.decode(text)
    };
    let bytes =
        decoded.map_err(|error| Problem::malformed(format!("`image` is neither base64 nor a data URL: {error}")))?;
    Ok(bytes.into())
}

async fn whole_body(request: Request) -> Result<Bytes, Problem> {
    let body = Bytes::from_request(request, &()).await;
    body.map_err(|rejection: BytesRejection| broken_body(rejection.status(), &rejection))
}

fn broken_form(error: MultipartError) -> Problem {
    broken_body(error.status(), &error)
}

fn broken_body(status: StatusCode, error: &dyn Error) -> Problem {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        Problem::too_large("the request is larger than the server accepts: send fewer or smaller photos")
    } else {
        Problem::malformed(format!("the body cannot be read: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(image: &str) -> Result<Vec<u8>, String> {
        decode_base64(image).map(Vec::from).map_err(|problem| problem.detail)
    }

    #[test]
    fn base64_may_be_padded_or_not_broken_into_lines_or_in_a_data_url() {
        for image in ["aGk=", "aGk", "aG\nk=\n", "data:image/png;base64,aGk=", "data:;base64,aGk"] {
            assert_eq!(decoded(image), Ok(b"hi".to_vec()), "{image}");
        }
    }

    #[test]
    fn other_text_is_refused() {
        assert!(decoded("https://example.com/a.jpg").is_err());
        let not_base64 = "The data URL in `image` is not base64.".to_owned();
        assert_eq!(decoded("data:image/svg+xml,<svg/>"), Err(not_base64));
    }
}
