//! Objects become bytes.

use std::io::{self, Write};

use bytes::Bytes;

use butler_core::{ErrorKind, Object, ReadParameters, ReadRequest, Result};

use super::FormatterHarness;

pub(super) async fn what_is_written_is_read(h: &dyn FormatterHarness) -> Result<()> {
    let (formatter, samples) = (h.formatter(), h.samples());
    assert!(samples.len() > 1, "two samples, at least");
    for (at, sample) in samples.iter().enumerate() {
        let mut bytes = Bytes::from(sample.written(&*formatter)?);
        let parameters = ReadParameters::new();
        let request = ReadRequest { class: &sample.class, component: None, parameters: &parameters };
        let read = formatter.read(&mut bytes, &request)?;
        assert!(sample.is(&read.object), "{sample:?}, number {at}, is read as something else");
        assert!(!read.is_component, "the whole was asked for");
    }
    Ok(())
}

pub(super) async fn equal_objects_are_equal_bytes(h: &dyn FormatterHarness) -> Result<()> {
    let formatter = h.formatter();
    for sample in h.samples() {
        let bytes = sample.written(&*formatter)?;
        for again in [&formatter, &h.formatter()] {
            assert_eq!(sample.written(&**again)?, bytes, "{sample:?}: checksums must not depend on the time");
        }
    }
    Ok(())
}

pub(super) async fn objects_of_other_types_are_refused(h: &dyn FormatterHarness) -> Result<()> {
    struct Other;
    let formatter = h.formatter();
    for sample in h.samples() {
        let mut bytes = Vec::new();
        let refused = formatter.write(&Object::new(Other), &sample.class, &mut bytes);
        let kind = refused.err().map(|error| error.kind());
        assert_eq!(kind, Some(ErrorKind::StorageClass), "{sample:?} is not the only type that is taken");
    }
    Ok(())
}

/// Takes so many bytes, and so many at once.
struct Narrow {
    taken: Vec<u8>,
    room: usize,
    at_once: usize,
}

impl Write for Narrow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.at_once).min(self.room - self.taken.len());
        if count == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.taken.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) async fn a_failure_of_the_sink_is_told(h: &dyn FormatterHarness) -> Result<()> {
    let formatter = h.formatter();
    for sample in h.samples() {
        let bytes = sample.written(&*formatter)?;
        let Some(last) = bytes.len().checked_sub(1) else { continue };
        for room in [0, last / 2, last] {
            let mut sink = Narrow { taken: Vec::new(), room, at_once: usize::MAX };
            let failed = formatter.write(&sample.object, &sample.class, &mut sink);
            assert!(failed.is_err(), "{sample:?}: {room} of {} bytes were enough", bytes.len());
        }
    }
    Ok(())
}

pub(super) async fn a_sink_may_take_little_at_once(h: &dyn FormatterHarness) -> Result<()> {
    let formatter = h.formatter();
    for sample in h.samples() {
        let mut sink = Narrow { taken: Vec::new(), room: usize::MAX, at_once: 3 };
        formatter.write(&sample.object, &sample.class, &mut sink)?;
        assert_eq!(sink.taken, sample.written(&*formatter)?, "{sample:?}");
    }
    Ok(())
}
