use std::io::{Cursor, Write};
use std::sync::Mutex;

use proptest::prelude::*;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::*;

fn options(method: CompressionMethod) -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(method)
}

fn write(members: &[(&str, &[u8], CompressionMethod)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes, method) in members {
        writer.start_file(*name, options(*method)).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn read(bytes: &[u8]) -> Result<Archive> {
    Archive::read(&mut Bytes::copy_from_slice(bytes))
}

/// Counts what is read of a file, and how often.
#[derive(Debug)]
struct Counting(Bytes, Arc<Mutex<Vec<u64>>>);

impl ReadSource for Counting {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_all(&mut self) -> Result<Bytes> {
        self.read_range(0, self.size())
    }

    fn read_range(&mut self, offset: u64, len: u64) -> Result<Bytes> {
        let part = self.0.read_range(offset, len)?;
        self.1.lock().unwrap().push(part.len() as u64);
        Ok(part)
    }
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn members_are_read_alone() {
    let large = noise(3 << 20);
    let bytes = Bytes::from(write(&[
        ("a/small", b"abc", CompressionMethod::Stored),
        ("large", &large, CompressionMethod::Stored),
        ("deflated", &large[..9000], CompressionMethod::Deflated),
        ("empty", b"", CompressionMethod::Deflated),
    ]));
    let reads = Arc::<Mutex<Vec<u64>>>::default();
    let source = || Box::new(Counting(bytes.clone(), Arc::clone(&reads)));
    let archive = Archive::read(&mut *source()).unwrap();
    assert!(reads.lock().unwrap().iter().sum::<u64>() < 140_000);
    assert_eq!(archive.members().unwrap().len(), 4);
    let open = |name: &str| {
        reads.lock().unwrap().clear();
        MemberSource::open(archive.clone(), source(), &name.into())
    };
    assert_eq!(open("a/small").unwrap().read_all().unwrap(), &b"abc"[..]);
    assert_eq!(*reads.lock().unwrap(), [515]);
    assert_eq!(open("deflated").unwrap().read_range(5, 10).unwrap(), &large[5..15]);
    assert_eq!(open("empty").unwrap().read_all().unwrap(), Bytes::new());
    assert_eq!(open("large").unwrap().read_range(1 << 20, 100).unwrap(), &large[1 << 20..(1 << 20) + 100]);
    assert_eq!(*reads.lock().unwrap(), [512, 100]);
    assert_eq!(open("large").unwrap().read_range((3 << 20) - 5, 100).unwrap().len(), 5);
    assert_eq!(open("large").unwrap().read_all().unwrap(), &large[..]);
    assert_eq!(open("other").err().unwrap().kind(), ErrorKind::NotFound);
}

#[test]
fn hostile_members_are_refused() {
    for name in ["../a", "/a", "a/../../b", "%2e%2e/a", "a\\b", "a\0b", "\u{2025}/a", &"a".repeat(300)] {
        let error = read(&write(&[(name, b"x", CompressionMethod::Stored)])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{name}");
        assert!(error.to_string().contains("is no name of a file"), "{error}");
    }
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    let error = read(&writer.finish().unwrap().into_inner()).unwrap_err();
    assert!(error.to_string().contains("a symbolic link"), "{error}");
    let mut twice =
        write(&[("aa", b"x", CompressionMethod::Stored), ("bb", b"y", CompressionMethod::Stored)]);
    for at in 0..twice.len() - 1 {
        if &twice[at..at + 2] == b"bb" {
            twice[at..at + 2].copy_from_slice(b"aa");
        }
    }
    assert!(read(&twice).unwrap_err().to_string().contains("two members have one name"));
}

#[test]
fn bombs_are_refused() {
    // Of a thousand bytes it is said that four thousand millions come.
    let mut bomb = write(&[("zeros", &[0; 1000], CompressionMethod::Deflated)]);
    for at in 0..bomb.len() - 3 {
        if bomb[at..at + 4] == 1000_u32.to_le_bytes() {
            bomb[at..at + 4].copy_from_slice(&0xf000_0000_u32.to_le_bytes());
        }
    }
    let error = read(&bomb).unwrap_err();
    assert!(error.to_string().contains("250 times"), "{error}");
    // The same bytes as several members.
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("a", options(CompressionMethod::Deflated)).unwrap();
    writer.write_all(&[0; 1000]).unwrap();
    writer.shallow_copy_file("a", "b").unwrap();
    let error = read(&writer.finish().unwrap().into_inner()).unwrap_err();
    assert!(error.to_string().contains("over each other"), "{error}");
}

#[test]
fn members_are_as_large_as_they_say() {
    let sound = write(&[("a", &[7; 1000], CompressionMethod::Deflated)]);
    let size = 1000_u32.to_le_bytes();
    for lie in [0_u32, 999, 1001, 100_000] {
        let mut bytes = sound.clone();
        for at in 0..bytes.len() - 3 {
            if bytes[at..at + 4] == size {
                bytes[at..at + 4].copy_from_slice(&lie.to_le_bytes());
            }
        }
        let extracted = read(&bytes).and_then(|archive| archive.extract(&mut Bytes::from(bytes), "a"));
        assert_eq!(extracted.unwrap_err().kind(), ErrorKind::Corrupt, "{lie}");
    }
    let mut damaged = write(&[("a", &[7; 1000], CompressionMethod::Stored)]);
    damaged[500] = 8;
    let extracted = read(&damaged).unwrap().extract(&mut Bytes::from(damaged), "a");
    assert_eq!(extracted.unwrap_err().kind(), ErrorKind::Corrupt);
}

proptest! {
    #[test]
    fn damage_is_told(at in any::<proptest::sample::Index>(), change in 1_u8.., cut in any::<proptest::sample::Index>()) {
        let sound = write(&[("a", &[7; 100], CompressionMethod::Deflated), ("b", b"b", CompressionMethod::Stored)]);
        let mut bytes = sound.clone();
        bytes[at.index(sound.len())] ^= change;
        for bytes in [&bytes[..], &sound[..cut.index(sound.len())]] {
            if let Ok(archive) = read(bytes) {
                for member in archive.members().unwrap() {
                    let _ = archive.extract(&mut Bytes::copy_from_slice(bytes), &member.name);
                }
            }
        }
    }
}
