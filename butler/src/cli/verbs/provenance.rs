//! `provenance`.

use butler::registry::{Direction, ProvenanceGraph, ProvenanceQuery};
use butler::{Butler, DatasetId, Error, ErrorKind, Result};
use clap::Args;

use super::common::{ReportFormat, Repository};
use crate::cli::context::Context;
use crate::cli::output;

/// Arguments of `provenance`.
#[derive(Args, Debug)]
pub(crate) struct Provenance {
    #[command(flatten)]
    repository: Repository,
    /// Id of the dataset
    #[arg(value_name = "UUID")]
    id: String,
    /// What it was made from (the default)
    #[arg(long, conflicts_with = "downstream")]
    upstream: bool,
    /// What was made from it
    #[arg(long)]
    downstream: bool,
    /// Greatest number of quanta in between [any]
    #[arg(long, value_name = "N")]
    depth: Option<u32>,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
}

impl Provenance {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = context.read(&self.repository.repo).await?;
        let id: DatasetId = self.id.parse()?;
        if butler.datasets(vec![id]).await?.iter().all(Option::is_none) {
            return Err(Error::new(ErrorKind::DatasetNotFound, format!("there is no dataset {id}"))
                .with_hint("`query-datasets` lists those there are, with their ids"));
        }
        let direction = if self.downstream { Direction::Downstream } else { Direction::Upstream };
        let query = ProvenanceQuery { datasets: vec![id], direction, depth: self.depth };
        let graph = butler.registry().provenance(query).await?;
        match self.format {
            ReportFormat::Json => output::json(&graph),
            ReportFormat::Text => tell(&butler, &graph).await,
        }
    }
}

async fn tell(butler: &Butler, graph: &ProvenanceGraph) -> Result<()> {
    let known = butler.datasets(graph.datasets.clone()).await?;
    let name = |id: DatasetId| match graph.datasets.iter().position(|other| *other == id) {
        Some(at) => known[at].as_ref().map_or_else(|| format!("{id} (removed)"), ToString::to_string),
        None => id.to_string(),
    };
    if graph.quanta.is_empty() {
        return output::line("No quantum read or wrote it.");
    }
    for quantum in &graph.quanta {
        output::line(&format!("quantum {} {}", quantum.id, quantum.label))?;
        for (edges, word) in [(&graph.inputs, "read"), (&graph.outputs, "wrote")] {
            for edge in edges.iter().filter(|edge| edge.quantum == quantum.id) {
                output::line(&format!("  {word} {}", name(edge.dataset)))?;
            }
        }
    }
    Ok(())
}
