//! Bytes become objects.

use bytes::Bytes;

use butler_core::{Error, ErrorKind, ReadOutcome, ReadParameters, ReadRequest, ReadSource, Result};

use super::{FormatterHarness, Sample};

fn read(h: &dyn FormatterHarness, sample: &Sample, source: &mut dyn ReadSource) -> Result<ReadOutcome> {
    let parameters = ReadParameters::new();
    let request = ReadRequest { class: &sample.class, component: None, parameters: &parameters };
    h.formatter().read(source, &request)
}

pub(super) async fn bytes_of_something_else_are_refused(h: &dyn FormatterHarness) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(7);
    for sample in h.samples() {
        // A byte alone may be a number. More are no text, and the beginning of no known format.
        for length in [7, 80, 2880, 10_000] {
            let noise: Vec<u8> = (0..length).map(|_| random.u8(128..)).collect();
            match read(h, &sample, &mut Bytes::from(noise)) {
                Ok(_) => assert!(h.takes_any_bytes(), "{sample:?}: {length} bytes of noise are read"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Formatter, "{error}"),
            }
        }
    }
    Ok(())
}

pub(super) async fn bytes_that_are_cut_short_are_not_taken_for_the_whole(
    h: &dyn FormatterHarness,
) -> Result<()> {
    let formatter = h.formatter();
    for sample in h.samples() {
        let bytes = sample.written(&*formatter)?;
        // What fills up a block, or ends a line, may be missing; of what is long, not each cut is looked at.
        let step = (bytes.len() / 300).max(1);
        for length in (0..bytes.len()).step_by(step).filter(|length| length * 2 <= bytes.len()) {
            match read(h, &sample, &mut Bytes::copy_from_slice(&bytes[..length])) {
                Ok(read) => assert!(
                    !sample.is(&read.object),
                    "{sample:?}: {length} of {} bytes are the whole",
                    bytes.len()
                ),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Formatter, "{error}"),
            }
        }
    }
    Ok(())
}

/// Fails, as one does whose connection is lost.
struct Lost(u64);

impl ReadSource for Lost {
    fn size(&self) -> u64 {
        self.0
    }

    fn read_all(&mut self) -> Result<Bytes> {
        Err(Error::new(ErrorKind::Connection, "the connection is lost"))
    }

    fn read_range(&mut self, _: u64, _: u64) -> Result<Bytes> {
        self.read_all()
    }
}

pub(super) async fn a_failure_of_the_source_is_told(h: &dyn FormatterHarness) -> Result<()> {
    let formatter = h.formatter();
    for sample in h.samples() {
        let size = sample.written(&*formatter)?.len() as u64;
        match read(h, &sample, &mut Lost(size)) {
            Ok(_) => assert_eq!(size, 0, "{sample:?} is read without a byte"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Connection, "{error}"),
        }
    }
    Ok(())
}

pub(super) async fn what_it_cannot_apply_is_left_to_others(h: &dyn FormatterHarness) -> Result<()> {
    let formatter = h.formatter();
    for sample in h.samples() {
        let bytes = Bytes::from(sample.written(&*formatter)?);
        let parameters = ReadParameters::from([("of no formatter".into(), 1.into())]);
        let request =
            ReadRequest { class: &sample.class, component: Some("of no formatter"), parameters: &parameters };
        let read = formatter.read(&mut bytes.clone(), &request)?;
        assert!(
            !read.is_component && sample.is(&read.object),
            "{sample:?}: the whole for an unknown component"
        );
        assert!(!read.parameters_applied, "{sample:?}: it does not know the parameter");
    }
    Ok(())
}
