//! Which problems there are, and which operations can end in which.

/// A problem's code and what goes with it.
pub(super) struct Documented {
    pub status: u16,
    pub code: &'static str,
    pub title: &'static str,
    /// An example of `detail`.
    pub detail: &'static str,
    operations: Operations,
}

/// Which operations can end in a problem.
enum Operations {
    /// Those that change something.
    Changing,
    /// All but these.
    AllBut(&'static [&'static str]),
    These(&'static [&'static str]),
    /// Those for admins.
    Admins,
    /// Those with an id in their path, and these.
    ByIdAnd(&'static [&'static str]),
    /// None that is described here.
    Undescribed,
}

use Operations::{Admins, AllBut, ByIdAnd, Changing, These, Undescribed};

const OPEN: &[&str] = &["live", "ready"];
const SIMPLE: &[&str] = &["live", "ready", "models"];
const NO_DATABASE: &[&str] = &["live", "ready", "models", "metrics"];
const PHOTOS: &[&str] = &["caption", "caption_again"];
const SENT_PHOTOS: &[&str] = &["caption"];
/// Those that look for what may not be there, though no id is in their path.
const LOOKING: &[&str] = &["compare_jobs", "recipes", "folders"];
const ACTIVATING: &[&str] = &["activate_models", "activate_checkpoint"];
/// Those that need a model of folders or checkpoints that are named.
const MAKING_MODELS: &[&str] = &["activate_models", "activate_checkpoint", "download_checkpoint", "create_evaluation"];
const JOB_CHANGES: &[&str] = &["delete_job", "run_job_next", "stop_job", "resume_job", "retry_job"];
/// Those that write photos, runs or the database.
const WRITING: &[&str] = &[
    "caption",
    "caption_again",
    "edit_caption",
    "delete_caption",
    "restore_caption",
    "delete_captions",
    "restore_captions",
    "create_key",
    "revoke_key",
    "create_job",
    "check_job",
    "edit_job",
    "delete_job",
    "stop_job",
    "resume_job",
    "retry_job",
    "create_evaluation",
    "download_checkpoint",
    "activate_checkpoint",
];
const WITH_BODY: &[&str] = &[
    "caption",
    "caption_again",
    "edit_caption",
    "delete_captions",
    "restore_captions",
    "export_captions",
    "create_key",
    "activate_models",
    "create_job",
    "check_job",
    "edit_job",
    "stop_job",
    "create_evaluation",
];
/// Those with a body or a query.
const WITH_INPUT: &[&str] = &[
    "caption",
    "caption_again",
    "captions",
    "image",
    "edit_caption",
    "delete_captions",
    "restore_captions",
    "export_captions",
    "create_key",
    "activate_models",
    "jobs",
    "create_job",
    "check_job",
    "edit_job",
    "delete_job",
    "stop_job",
    "job_events",
    "job_series",
    "job_log",
    "create_evaluation",
    "compare_jobs",
    "recipes",
    "folders",
];

const fn problem(
    status: u16,
    code: &'static str,
    title: &'static str,
    detail: &'static str,
    operations: Operations,
) -> Documented {
    Documented { status, code, title, detail, operations }
}

impl Documented {
    /// Whether this operation can end in the problem.
    pub fn ends(&self, operation: &str, method: &str, path: &str) -> bool {
        match &self.operations {
            Changing => method != "get",
            AllBut(others) => !others.contains(&operation),
            These(these) => these.contains(&operation),
            Admins => path.starts_with("/api/admin/"),
            ByIdAnd(others) => path.contains('{') || others.contains(&operation),
            Undescribed => false,
        }
    }
}

/// By status and code.
pub(super) const PROBLEMS: [Documented; 37] = [
    problem(
        400,
        "malformed-request",
        "The request cannot be understood",
        "The body is not valid JSON: expected value at line 1 column 1.",
        ByIdAnd(WITH_BODY),
    ),
    problem(
        400,
        "too-many-photos",
        "Too many photos at once",
        "One request may carry at most 32 photos: send the rest in another one.",
        These(SENT_PHOTOS),
    ),
    problem(
        401,
        "unauthorized",
        "An API key or sign-in is needed",
        "Send a valid API key as `Authorization: Bearer <key>` or `X-API-Key`, or sign in.",
        AllBut(OPEN),
    ),
    problem(403, "forbidden", "For admins only", "This is for admins: sign in with the admin's password.", Admins),
    problem(403, "cross-site", "Forbidden", "Requests from other sites are not accepted.", Changing),
    problem(404, "not-found", "Not found", "There is no caption with this id.", ByIdAnd(LOOKING)),
    problem(405, "method-not-allowed", "Method not allowed", "This address does not take this method.", Undescribed),
    problem(
        408,
        "upload-timed-out",
        "The upload took too long",
        "The request did not arrive in time: try again.",
        These(WITH_BODY),
    ),
    problem(
        409,
        "activation-in-progress",
        "Another model is being loaded",
        "Another model is being loaded: try again when it is in service.",
        These(ACTIVATING),
    ),
    problem(
        409,
        "captioned-anew",
        "The photo was captioned anew",
        "The photo was captioned anew meanwhile: delete the caption 01932c6e-8f2a-7b3c-9d4e-5f6a7b8c9d0e to bring this \
         one back.",
        These(&["restore_caption"]),
    ),
    problem(
        409,
        "job-state",
        "The job's state does not allow this",
        "The job is completed: it cannot be stopped now.",
        These(JOB_CHANGES),
    ),
    problem(
        409,
        "model-in-use",
        "The model is in use",
        "The model `old` is in service or being loaded: put another one into service first.",
        Undescribed,
    ),
    problem(
        412,
        "changed-meanwhile",
        "The caption was changed meanwhile",
        "The caption is no longer what `If-Match` says: read it again.",
        These(&["edit_caption", "delete_caption"]),
    ),
    problem(
        413,
        "too-large",
        "The photo is too large",
        "The photo has 21000000 bytes; at most 20000000 are accepted.",
        These(WITH_BODY),
    ),
    problem(
        413,
        "too-many-pixels",
        "The photo has too many pixels",
        "The photo has 400000000 pixels; at most 64000000 are accepted.",
        These(PHOTOS),
    ),
    problem(
        415,
        "unsupported-media-type",
        "Unsupported media type",
        "Send a photo as multipart/form-data, image/*, application/octet-stream or application/json.",
        These(WITH_BODY),
    ),
    problem(
        415,
        "unsupported-image",
        "This is not an image that can be read",
        "This is not a JPEG, PNG, WebP, GIF, BMP or TIFF file.",
        These(PHOTOS),
    ),
    problem(
        421,
        "unknown-host",
        "The server has another name",
        "This server does not know that it is called `captions.example`: if it is, the name belongs into its setting \
         `server.hosts`.",
        AllBut(&[]),
    ),
    problem(
        422,
        "beyond-limit",
        "More photos than the limit allows",
        "60 photos a minute can be captioned for you, so at most 60 per request.",
        These(SENT_PHOTOS),
    ),
    problem(422, "damaged-image", "The image is damaged", "The PNG file is damaged or ends too early.", These(PHOTOS)),
    problem(422, "empty-image", "The file is empty", "The file is empty.", These(SENT_PHOTOS)),
    problem(
        422,
        "invalid-option",
        "An option cannot be used",
        "`beam_size` must be from 1 to 10, not 11.",
        These(WITH_INPUT),
    ),
    problem(
        422,
        "model-not-loaded",
        "This model is not in service",
        "There is no model `other` in service, but `default`.",
        These(PHOTOS),
    ),
    problem(
        422,
        "model-unusable",
        "The model cannot be put into service",
        "There is no model `other`.",
        These(MAKING_MODELS),
    ),
    problem(
        422,
        "url-failed",
        "The photo could not be fetched",
        "The photo could not be fetched: the other server answered with status 404.",
        These(SENT_PHOTOS),
    ),
    problem(
        422,
        "url-fetching-off",
        "Fetching is switched off",
        "This server does not fetch photos by their address: send the photo itself.",
        These(SENT_PHOTOS),
    ),
    problem(
        422,
        "url-refused",
        "The address cannot be used",
        "The address cannot be used: its host is not on the public internet.",
        These(SENT_PHOTOS),
    ),
    problem(
        429,
        "queue-full",
        "Too many photos are waiting",
        "Too many photos are waiting; come back in 7 s.",
        These(PHOTOS),
    ),
    problem(
        429,
        "rate-limited",
        "Too many requests",
        "There is a limit of 60 photos a minute: wait a moment.",
        These(PHOTOS),
    ),
    problem(
        429,
        "too-many-uploads",
        "Too many uploads",
        "Too many photos are being uploaded at the moment: try again in a moment.",
        These(PHOTOS),
    ),
    problem(
        500,
        "internal",
        "Something went wrong",
        "The server failed; the log has the details under this request id.",
        AllBut(SIMPLE),
    ),
    problem(
        503,
        "model-loading",
        "The model is loading",
        "The model is still loading: try again in a moment.",
        These(PHOTOS),
    ),
    problem(503, "model-stopped", "The model is not running", "The model is not running.", These(PHOTOS)),
    problem(
        503,
        "storage-busy",
        "The storage is busy",
        "The server's database is locked by another program: try again in a moment.",
        AllBut(NO_DATABASE),
    ),
    problem(
        503,
        "not-ready",
        "The server is not ready",
        "The model is still loading; the disk is full.",
        These(&["ready"]),
    ),
    problem(504, "timed-out", "The photo waited too long", "The photo waited too long for the model.", These(PHOTOS)),
    problem(
        507,
        "storage-full",
        "The storage is full",
        "The server's disk is full: nothing can be kept or changed until there is room again.",
        These(WRITING),
    ),
];
