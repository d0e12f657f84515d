//! `expansionnet admin`: the admin's password and the keys of client apps, also while the server runs.

use super::remark;
use crate::config::{Config, LogFormat};
use crate::store::{ApiKey, NewKey, SHORTEST_PASSWORD, Store, StoreError, key_name};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use console::Term;
use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Set the admin's password; make, list and revoke API keys
///
/// Works on the server's storage folder (storage.directory), also while the server runs, and says which one that is: a
/// relative one is where the command is run.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Admin {
    /// Settings file [default: config.toml in the working directory, where there is one]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,

    /// Make the storage folder where there is none, before the first `serve`; set-password does so by itself
    #[arg(long, global = true)]
    create: bool,

    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// Set the password that admins sign in with, and sign out those who did
    ///
    /// Asks for it on a terminal; otherwise reads one line from standard input.
    SetPassword,
    /// Make an API key for a client app; prints the key, which is not shown again
    CreateKey {
        /// Who or what will use it
        name: String,
        /// For a program that does what admins do: everything below /api/admin
        #[arg(long)]
        admin: bool,
    },
    /// List the API keys: id, start of the key, created, last used, name, and whether it is an admin's or an app's
    ListKeys,
    /// End an API key, and sign out whoever signed in with it
    RevokeKey {
        /// The key's id, by list-keys
        id: String,
    },
}

const EXAMPLES: &str = "\
Examples:
  expansionnet admin set-password
  expansionnet admin set-password < password.txt
  expansionnet admin create-key \"Photo app\"
  expansionnet admin create-key --admin \"Nightly training\"
  expansionnet admin list-keys
  expansionnet admin revoke-key 01890a5d-ac96-774b-bcce-b302099a8057";

impl Admin {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        super::start_logging("warn", LogFormat::Pretty);
        let directory = std::path::absolute(Config::load(self.config.as_deref())?.storage.directory)?;
        self.check_place(&directory)?;
        // Asked before the store is opened: nothing is held while somebody types.
        let password = match self.command {
            AdminCommand::SetPassword => Some(ask_password()?),
            _ => None,
        };
        tokio::runtime::Runtime::new()?.block_on(async {
            let store = Store::open(&directory).await;
            let store = store.with_context(|| format!("cannot use storage {}", directory.display()))?;
            let done = self.command.carry_out(&store, password).await;
            store.close().await;
            done
        })?;
        Ok(ExitCode::SUCCESS)
    }

    /// Says which storage is meant. Started elsewhere than the server, a command would make one of its own, which no
    /// server knows.
    fn check_place(&self, directory: &Path) -> anyhow::Result<()> {
        let place = directory.display();
        if Store::is_in(directory) {
            remark(format_args!("Storage: {place}"));
        } else if self.create || matches!(self.command, AdminCommand::SetPassword) {
            remark(format_args!("New storage, for a server that uses this folder: {place}"));
        } else {
            bail!(
                "there is no storage in {place}: run this in the server's working directory, or name its settings by \
                 --config; before the first `serve`, --create makes the storage"
            );
        }
        Ok(())
    }
}

impl AdminCommand {
    async fn carry_out(self, store: &Store, password: Option<String>) -> anyhow::Result<()> {
        match self {
            AdminCommand::SetPassword => {
                store.set_admin_password(&password.unwrap_or_default()).await?;
                eprintln!("The password is set. Admins who were signed in have to sign in again.");
            }
            AdminCommand::CreateKey { name, admin } => {
                let name = key_name(&name).context("a key's name must be one line of 1 to 100 characters")?;
                let made = if admin { store.create_admin_key(name).await? } else { store.create_key(name).await? };
                let NewKey { key, secret } = made;
                eprintln!("The key of {} ({}). It is not shown again:", key.name, key.id);
                println!("{secret}");
            }
            AdminCommand::ListKeys => print_keys(&store.keys().await?),
            AdminCommand::RevokeKey { id } => {
                if !store.revoke_key(&id).await? {
                    bail!("there is no valid key {id}: `expansionnet admin list-keys` lists them");
                }
                eprintln!("The key {id} is revoked.");
            }
        }
        Ok(())
    }
}

/// The new password, before anything is made for it.
fn ask_password() -> anyhow::Result<String> {
    let password = read_password()?;
    if password.chars().count() < SHORTEST_PASSWORD {
        bail!(StoreError::ShortPassword);
    }
    Ok(password)
}

/// Reads it: twice and unseen on a terminal, else a line of standard input.
fn read_password() -> anyhow::Result<String> {
    if !std::io::stdin().is_terminal() {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).context("cannot read the password from standard input")?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    let terminal = Term::stderr();
    let ask = |question: &str| {
        terminal.write_str(question)?;
        terminal.read_secure_line()
    };
    let password = ask(&format!("New admin password ({SHORTEST_PASSWORD} characters or more): "))?;
    if ask("Again: ")? != password {
        bail!("the two passwords differ: nothing was changed");
    }
    Ok(password)
}

/// One line a key, its columns apart by tabs.
fn print_keys(keys: &[ApiKey]) {
    for key in keys {
        let last_used = key.last_used_at.as_deref().unwrap_or("never used");
        let state = if key.revoked_at.is_some() { "revoked" } else { last_used };
        let whose = if key.admin { "admin" } else { "app" };
        println!("{}\t{}…\t{}\t{state}\t{}\t{whose}", key.id, key.prefix, key.created_at, key.name);
    }
}
