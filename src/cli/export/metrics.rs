//! `expansionnet export metrics`: the figures of a run as a table for spreadsheets and plots.

use super::refuse_existing;
use crate::cli::{write_out, write_whole};
use anyhow::{Context, bail};
use clap::Args;
use csv::Writer;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use trainer::training::Event;
use trainer::training::events::Line;

/// Where a run keeps what it has told.
const EVENTS: &str = "events.jsonl";

const COLUMNS: [&str; 5] = ["phase", "iteration", "time", "name", "value"];

/// Write the figures of a run as CSV, with the columns phase, iteration, time, name and value
///
/// Losses, learning rates, rewards and the like, and every metric of the evaluations, as events.jsonl has them and in
/// its order; time is in seconds since 1970. Iterations that were lost by a kill and done again stand there twice: the
/// later ones count.
#[derive(Debug, Args)]
pub(super) struct ExportMetrics {
    /// Folder of the run
    #[arg(long, value_name = "DIR")]
    run: PathBuf,

    /// Only the figures of this phase
    #[arg(long, value_name = "NAME")]
    phase: Option<String>,

    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

impl ExportMetrics {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        if let Some(output) = &self.output {
            refuse_existing(output, self.force)?;
        }
        let path = self.run.join(EVENTS);
        let events = fs::read(&path).with_context(|| path.display().to_string())?;
        let table = table(&events, self.phase.as_deref())?;
        match &self.output {
            Some(output) => write_whole(output, &table)?,
            None => write_out(&table)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The figures of one phase, or of all.
fn table(events: &[u8], only: Option<&str>) -> anyhow::Result<Vec<u8>> {
    let mut table = Writer::from_writer(Vec::new());
    table.write_record(COLUMNS)?;
    let mut phases = BTreeSet::new();
    // What a former version wrote, and half a line of a run at work, are no events.
    for line in events.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice::<Line>(line).ok()) {
        let (phase, time) = (line.phase.unwrap_or_default(), format!("{:.3}", line.time));
        for (iteration, name, value) in figures(line.event) {
            if only.is_none_or(|only| only == phase) {
                table.write_record([&phase, &iteration.to_string(), &time, &name, &value.to_string()])?;
            }
            phases.insert(phase.clone());
        }
    }
    match only {
        Some(only) if !phases.contains(only) => {
            let known = phases.into_iter().collect::<Vec<_>>().join(", ");
            bail!("there are no figures of a phase `{only}`; there are of: {known}")
        }
        _ => Ok(table.into_inner().map_err(|error| error.into_error())?),
    }
}

/// Iteration, name and value.
fn figures(event: Event) -> Vec<(u64, String, f64)> {
    match event {
        Event::Metric { iteration, name, value } => vec![(iteration, name, value)],
        Event::Evaluation { iteration, metrics, .. } => {
            metrics.into_iter().map(|(name, value)| (iteration, name, value)).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = r#"{"sequence":0,"time":1.5,"phase":"xe","event":"metric","iteration":7,"name":"loss","value":0.5}
{"sequence":1,"time":2,"phase":"xe","event":"forgotten"}
{"sequence":2,"time":2,"phase":"xe","event":"evaluation","iteration":7,"images":2,"metrics":{"BLEU-4":0.25,"CIDEr-D":1.0}}
{"sequence":3,"time":3.25,"phase":"scst","event":"metric","iteration":1,"name":"reward","value":1e-7}
{"sequence":4,"time":4,"phase":"scst","event":"met"#;

    #[test]
    fn losses_and_evaluations_are_rows() {
        let all = table(TOLD.as_bytes(), None).expect("has figures");
        let expected = "phase,iteration,time,name,value\nxe,7,1.500,loss,0.5\nxe,7,2.000,BLEU-4,0.25\n\
                        xe,7,2.000,CIDEr-D,1\nscst,1,3.250,reward,0.0000001\n";
        assert_eq!(String::from_utf8(all).expect("UTF-8"), expected);
        let one = table(TOLD.as_bytes(), Some("scst")).expect("has figures");
        assert_eq!(String::from_utf8(one).expect("UTF-8").lines().count(), 2);
        let error = table(TOLD.as_bytes(), Some("features")).expect_err("has none").to_string();
        assert_eq!(error, "there are no figures of a phase `features`; there are of: scst, xe");
    }
}
