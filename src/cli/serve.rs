//! `expansionnet serve`: the web application, until Ctrl-C or SIGTERM.

use crate::captioning::CaptionService;
use crate::config::Config;
use crate::store::Store;
use crate::web::{self, AppState};
use anyhow::{Context, anyhow, bail};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
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
        super::start_logging("info");
        let mut config = Config::load(self.config.as_deref())?;
        if let Some(address) = self.address {
            config.server.address = address;
        }
        tokio::runtime::Runtime::new()?.block_on(serve(config))?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let shutdown_timeout = Duration::from_secs(config.server.shutdown_timeout_seconds);
    let address = config.server.address.clone();
    let listener = TcpListener::bind(&address).await;
    let listener = listener.with_context(|| format!("cannot listen on {address}"))?;
    let directory = &config.storage.directory;
    let store = Store::open(directory).await;
    let store = store.with_context(|| format!("cannot use storage {}", directory.display()))?;
    let captions = start_model(&config)?;
    let state = AppState::new(config, captions.clone(), store.clone());

    let local = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, web::app(state)).with_graceful_shutdown(async {
        stopped.await.ok();
    });
    let mut server = tokio::spawn(server.into_future());
    tracing::info!("listening on http://{local}");
    announce_when_ready(captions.clone());

    let failure = tokio::select! {
        () = asked_to_stop()? => None,
        reason = captions.failed() => Some(anyhow!("the model cannot be used: {reason}")),
        ended = &mut server => Some(anyhow!("the server ended: {ended:?}")),
    };
    stop.send(()).ok();
    if !server.is_finished() {
        tracing::info!("finishing what is in progress");
        if tokio::time::timeout(shutdown_timeout, &mut server).await.is_err() {
            tracing::warn!("gave up on requests still in progress after {shutdown_timeout:?}");
            server.abort();
        }
    }
    store.close().await;
    match failure {
        None => Ok(()),
        Some(failure) => Err(failure),
    }
}

/// Starts the model's thread, which loads the model folder; the server answers meanwhile.
fn start_model(config: &Config) -> anyhow::Result<CaptionService> {
    let (folder, options) = (config.model.path.clone(), config.load_options());
    if !folder.is_dir() {
        bail!("there is no model folder {} (setting model.path)", folder.display());
    }
    let load = move || Captioner::load(&folder, &options);
    Ok(CaptionService::start(super::queue_settings(&config.captioning), load)?)
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
