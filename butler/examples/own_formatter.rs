//! A formatter and a storage class of one's own: spectra as lines of text.
//!
//! `cargo run --example own_formatter`

use std::io::Write;
use std::sync::Arc;

use butler::{
    Creation, DatasetType, Draft, Error, ErrorKind, Formatter, LooseDataId, Object, ReadOutcome, ReadRequest,
    ReadSource, Result, StorageClass,
};

/// Fluxes, in order of wavelength.
#[derive(Debug, PartialEq)]
struct Spectrum(Vec<f64>);

/// One number a line.
#[derive(Debug)]
struct Lines;

impl Formatter for Lines {
    fn name(&self) -> &'static str {
        "lines"
    }

    fn extension(&self) -> &'static str {
        ".spec"
    }

    fn in_memory(&self) -> &'static [&'static str] {
        &["spectrum"]
    }

    fn read(&self, source: &mut dyn ReadSource, _: &ReadRequest<'_>) -> Result<ReadOutcome> {
        let bytes = source.read_all()?;
        let flux = |line: &str| {
            line.parse::<f64>().map_err(|_| Error::new(ErrorKind::Formatter, format!("'{line}' is no flux")))
        };
        let fluxes = String::from_utf8_lossy(&bytes).lines().map(flux).collect::<Result<_>>()?;
        Ok(Object::new(Spectrum(fluxes)).into())
    }

    fn write(&self, object: &Object, _: &StorageClass, sink: &mut dyn Write) -> Result<()> {
        let Spectrum(fluxes) = object.downcast_ref()?;
        fluxes.iter().try_for_each(|flux| writeln!(sink, "{flux:?}")).map_err(|error| {
            Error::new(ErrorKind::Exhausted, "a spectrum cannot be written").with_source(error)
        })
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    // In a repository that stays, `[storage_classes.Spectrum]` is in its butler.toml.
    let directory = std::env::temp_dir().join(format!("spectra-{}", std::process::id()));
    let mut formatters = butler::formatters();
    formatters.register(Arc::new(Lines));
    let builder = butler::builder()
        .formatters(formatters)
        .set("storage_classes.Spectrum.in_memory", "spectrum")
        .set("storage_classes.Spectrum.formatter", "lines");
    let butler = builder.create(&directory.to_string_lossy(), Creation::default()).await?;

    let spectrum = DatasetType::new("spectrum", butler.universe().empty(), "Spectrum")?;
    butler.register_dataset_type(&spectrum).await?;
    let draft = Draft::new("spectrum", LooseDataId::default()).new_run("u/me");
    let stored = butler.put(Object::new(Spectrum(vec![1.5, 2.25])), draft).await?;
    let read = butler.get(&stored).await?;
    assert_eq!(read.downcast_ref::<Spectrum>()?, &Spectrum(vec![1.5, 2.25]));
    butler.close().await?;
    std::fs::remove_dir_all(&directory).map_err(|error| Error::new(ErrorKind::Unexpected, error.to_string()))
}
