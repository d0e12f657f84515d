//! `expansionnet serve`: the web application, until Ctrl-C or SIGTERM.

use crate::captioning::{CaptionService, Folders, Models};
use crate::config::{ClientAddress, Config, StorageConfig};
use crate::fetch::{Fetcher, is_public};
use crate::store::housekeeping::{self, Retention};
use crate::store::{FolderLock, Store};
use crate::web::{self, AppState, Server};
use anyhow::{Context, anyhow, bail};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use trainer::captioner::Captioner;

/// Serve the page and the API until Ctrl-C or SIGTERM
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Settings file [default: config.toml in the working directory, where there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Where to listen, e.g. 0.0.0.0:80; port 0 lets the system choose [default: server.address]
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<String>,
}

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let mut config = Config::load(self.config.as_deref())?;
        super::start_logging("info", config.log.format);
        if let Some(address) = self.address {
            config.server.address = address;
        }
        tokio::runtime::Runtime::new()?.block_on(serve(config))?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn serve(mut config: Config) -> anyhow::Result<()> {
    let address = config.server.address.clone();
    let listener = TcpListener::bind(&address).await;
    let listener = listener.with_context(|| format!("cannot listen on {address}"))?;
    let local = listener.local_addr()?;
    // As it came to be, whatever it is called: who can connect decides which names are checked.
    config.server.address = local.to_string();
    // Who starts it by a name has given it that name.
    if config.server.client_address == ClientAddress::Connection && config.server.listens_locally() {
        config.server.hosts.extend(address.rsplit_once(':').map(|(name, _)| name.to_owned()));
    }
    let directory = &config.storage.directory;
    let _alone = FolderLock::take(directory)?;
    let store = Store::open(directory).await;
    let store = store.with_context(|| format!("cannot use storage {}", directory.display()))?;
    set_first_password(&store, &config.access.admin_password).await?;
    let models = start_model(&config, store.clone()).await?;
    let housekeeping = tokio::spawn(housekeeping::run(store.clone(), retention(&config.storage)));
    let settings = config.server.clone();
    let fetcher = fetcher(&config)?;
    let state = AppState::new(config, models.clone(), store.clone()).with_fetcher(fetcher);
    let jobs = state.jobs().clone();
    jobs.start().await?;
    let mut server = Server::start(listener, web::app(state), &settings);
    tracing::info!("listening on http://{local}");
    announce_when_ready(models.active());

    let failure = tokio::select! {
        () = asked_to_stop()? => None,
        reason = models.failed() => Some(anyhow!("the model cannot be used: {reason}")),
        reason = server.failed() => Some(anyhow!("the server ended: {reason}")),
    };
    tracing::info!("finishing what is in progress");
    // Streams of events would never end; processes of jobs go on.
    jobs.close();
    if !server.stop().await {
        tracing::warn!("gave up on requests still in progress after {} s", settings.shutdown_timeout_seconds);
    }
    // libtorch must not lose the process under a thread that computes.
    let model_ended = models.active().ended();
    drop(models);
    if tokio::time::timeout(settings.shutdown_timeout(), model_ended).await.is_err() {
        tracing::warn!("gave up on what the model is computing");
    }
    housekeeping.abort();
    store.close().await;
    match failure {
        None => Ok(()),
        Some(failure) => Err(failure),
    }
}

/// Sets the admin's password by the settings, on a server where none was set yet.
async fn set_first_password(store: &Store, password: &str) -> anyhow::Result<()> {
    if !password.is_empty() && store.set_first_admin_password(password).await? {
        tracing::info!("the admin's password was set by access.admin_password");
    }
    Ok(())
}

/// Starts the thread of the model chosen last, or else of the one in the settings; the server answers meanwhile.
async fn start_model(config: &Config, store: Store) -> anyhow::Result<Models> {
    let folders = Folders::new(&config.model);
    if let Some(folder) = folders.configured.iter().find(|folder| !folder.is_dir()) {
        bail!("there is no model folder {} (settings model.path, model.ensemble)", folder.display());
    }
    let (queue, options) = (super::queue_settings(&config.captioning), config.load_options());
    let load = move |folders: &[PathBuf]| Captioner::load_ensemble(folders, &options);
    Ok(Models::start(folders, queue, store, load).await?)
}

/// What is kept, by the settings.
fn retention(storage: &StorageConfig) -> Retention {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let days = u32::try_from(storage.keep_days).unwrap_or(u32::MAX);
    Retention {
        undo: Duration::from_secs(storage.undo_minutes.saturating_mul(60)),
        age: (days > 0).then(|| DAY * days),
        bytes: (storage.max_bytes > 0).then_some(storage.max_bytes),
    }
}

/// What fetches photos by their address, where the settings let clients name them.
fn fetcher(config: &Config) -> anyhow::Result<Option<Fetcher>> {
    let fetch = &config.fetch;
    let fetcher = fetch.enabled.then(|| Fetcher::new(fetch, config.server.max_upload_bytes, is_public));
    Ok(fetcher.transpose()?)
}

/// Logs what was loaded, once it is.
fn announce_when_ready(captions: CaptionService) {
    tokio::spawn(async move {
        if let Ok(loaded) = captions.ready().await {
            let model = &loaded.info;
            tracing::info!(model = model.id, device = model.device, precision = model.precision, "ready for photos");
        }
    });
}

/// Ctrl-C or SIGTERM.
fn asked_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
        }
    })
}
