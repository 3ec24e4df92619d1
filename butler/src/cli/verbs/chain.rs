//! `collection-chain`.

use butler::registry::{Operation, RegistryBatch};
use butler::{ArcStr, ChainEdit, CollectionType, Error, ErrorKind, NamePatterns, Result};
use clap::{Args, ValueEnum};

use super::common::{Repository, patterns};
use crate::cli::context::Context;
use crate::cli::output;

/// Arguments of `collection-chain`.
#[derive(Args, Debug)]
pub(crate) struct CollectionChain {
    #[command(flatten)]
    repository: Repository,
    /// Name of the chain
    parent: String,
    /// Its children, first searched first; with `--mode pop` their places [0]
    #[arg(value_delimiter = ',', allow_negative_numbers = true)]
    children: Vec<String>,
    /// What the chain is for
    #[arg(long, value_name = "TEXT")]
    doc: Option<String>,
    /// Put what chains among the children lead to in their place
    #[arg(long, overrides_with = "no_flatten")]
    flatten: bool,
    /// Keep chains among the children (the default)
    #[arg(long)]
    no_flatten: bool,
    /// What is done with the children
    #[arg(long, value_enum, default_value_t, ignore_case = true)]
    mode: Mode,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// They are the children
    #[default]
    Redefine,
    /// They come last
    Extend,
    /// They go
    Remove,
    /// They come first
    Prepend,
    /// Those at some places go
    Pop,
}

impl CollectionChain {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let butler = context.write(&self.repository.repo).await?;
        let parent = ArcStr::from(&self.parent);
        let mut batch = RegistryBatch::new();
        if matches!(self.mode, Mode::Redefine | Mode::Extend | Mode::Prepend) {
            batch.push(Operation::RegisterCollection {
                name: parent.clone(),
                ty: CollectionType::Chained,
                doc: None,
            });
        }
        if let Some(doc) = &self.doc {
            batch.push(Operation::SetDocumentation { name: parent.clone(), doc: doc.into() });
        }
        let edit = match self.mode {
            Mode::Pop => ChainEdit::Pop(self.places()?),
            mode => {
                let children = self.names(&butler).await?;
                match mode {
                    Mode::Extend => ChainEdit::Extend(children),
                    Mode::Prepend => ChainEdit::Prepend(children),
                    Mode::Remove => ChainEdit::Remove(children),
                    Mode::Redefine | Mode::Pop => ChainEdit::Redefine(children),
                }
            }
        };
        batch.push(Operation::EditChain { parent, edit });
        let children =
            butler.apply(batch).await?.operations.pop().map(|report| report.children).unwrap_or_default();
        output::line(&format!("[{}]", children.join(", ")))?;
        butler.close().await
    }

    fn places(&self) -> Result<Vec<i64>> {
        if self.children.is_empty() {
            return Ok(vec![0]);
        }
        let place = |text: &String| {
            text.parse().map_err(|_| {
                Error::new(ErrorKind::Argument, format!("'{}' is no place in a chain", text.escape_debug()))
                    .with_hint("write a number; 0 is the first child, -1 (after `--`) the last")
            })
        };
        self.children.iter().map(place).collect()
    }

    async fn names(&self, butler: &butler::Butler) -> Result<Vec<ArcStr>> {
        let given: NamePatterns = patterns(&self.children)?;
        if self.flatten {
            let (names, catalog) = butler.collections(&given, false).await?;
            return Ok(catalog.flatten(&names)?.members().iter().map(|member| member.name.clone()).collect());
        }
        if given.has_globs() {
            return Ok(butler.collections(&given, false).await?.0);
        }
        Ok(given.iter().map(|name| name.as_str().clone()).collect())
    }
}
